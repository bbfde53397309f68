# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The one error that a user's input can cause."""

from __future__ import annotations

import errno


class InputError(ValueError):
  """Something that came from outside cannot be used.

  Launchers print it without a traceback and exit with status 2.

  Attributes:
    what: what is wrong, in one sentence.
    where: the file, and the row, column or field in it.
    expected: what would have been right.
    fix: what the user can do about it.

  >>> print(InputError('The item id is empty.', where='items.csv, row 3',
  ...                  expected='a string of at least one character',
  ...                  fix='Fill the column item_id or drop the row.'))
  The item id is empty.
    where:    items.csv, row 3
    expected: a string of at least one character
    fix:      Fill the column item_id or drop the row.
  """

  def __init__(self, what: str, *, where: object, expected: str, fix: str):
    super().__init__(what)
    self.what = what
    self.where = str(where)
    self.expected = expected
    self.fix = fix

  def __str__(self) -> str:
    return (
        f'{self.what}\n'
        f'  where:    {self.where}\n'
        f'  expected: {self.expected}\n'
        f'  fix:      {self.fix}'
    )


def from_os_error(error: OSError, where: object) -> InputError:
  """Says in plain words what the operating system refused.

  Args:
    error: the error as it was raised.
    where: the file or folder being written or read.

  Returns:
    The error to raise instead; a full disk and a missing permission are named.
  """
  if error.errno in (errno.ENOSPC, errno.EDQUOT):
    return InputError(
        'The disk is full.',
        where=error.filename or where,
        expected='room for the artifact being written',
        fix='Free some space or point RUN_DIR elsewhere, then run the same '
        'command again: finished stages are kept.',
    )
  if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
    return InputError(
        f'The operating system refused access: {error.strerror}.',
        where=error.filename or where,
        expected='a file or folder that this user may read and write',
        fix='Change its permissions or choose another path.',
    )
  return InputError(
      f'The operating system refused: {error.strerror or error}.',
      where=error.filename or where,
      expected='a readable and writable path',
      fix='Check that the path exists and is of the right kind.',
  )

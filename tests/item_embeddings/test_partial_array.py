# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Arrays that survive a kill."""

import errno
import os

import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import partial_array


def _rows(begin, end):
  vectors = np.arange(2 * begin, 2 * end, dtype=np.float32).reshape(-1, 2)
  return vectors, np.ones(end - begin, np.bool_)


def test_append_goes_on_where_another_process_ended(tmp_path):
  partial_array.PartialArray(tmp_path, 'text', 5, 2).append(*_rows(0, 3))
  again = partial_array.PartialArray(tmp_path, 'text', 5, 2)
  assert again.done == 3
  again.append(*_rows(3, 5))
  np.testing.assert_array_equal(again.vectors, _rows(0, 5)[0])
  assert again.present.all()


def test_rows_that_are_not_done_are_written_again(tmp_path):
  first = partial_array.PartialArray(tmp_path, 'text', 5, 2)
  first.append(*_rows(0, 2))
  first.write(np.array([4, 2]), *_rows(7, 9))
  again = partial_array.PartialArray(tmp_path, 'text', 5, 2)
  assert again.done == 2
  again.append(*_rows(2, 5))
  np.testing.assert_array_equal(again.vectors, _rows(0, 5)[0])


@pytest.mark.parametrize('links', [True, False])
def test_publish_leaves_the_work_folder_able_to_publish_again(
    tmp_path, monkeypatch, links
):
  if not links:

    def refuse(*args):
      raise OSError(errno.EPERM, 'no links here')

    monkeypatch.setattr(os, 'link', refuse)
  work = tmp_path / 'work'
  work.mkdir()
  partial_array.PartialArray(work, 'text', 5, 2).append(*_rows(0, 5))
  for name in ('first', 'second'):
    (tmp_path / name).mkdir()
    partial_array.PartialArray(work, 'text', 5, 2).publish(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / name).iterdir())
    assert files == ['text.npy', 'text.present.npy']
    np.testing.assert_array_equal(
        np.load(tmp_path / name / 'text.npy'), _rows(0, 5)[0]
    )


def test_a_full_disk_is_an_error_before_anything_is_computed(
    tmp_path, monkeypatch
):
  def full(*args):
    raise OSError(errno.ENOSPC, 'No space left on device')

  monkeypatch.setattr(os, 'posix_fallocate', full)
  with pytest.raises(InputError, match='disk is full') as caught:
    partial_array.PartialArray(tmp_path, 'text', 5, 2)
  assert 'text.npy' in str(caught.value)
  assert not list(tmp_path.iterdir())

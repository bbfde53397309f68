# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Artifacts of other runs, taken over in the place of making them again.

Runs of a study share stages: a catalog depends on neither experiment nor seed.
What made an artifact is in its manifest, so a run needs only the folders of the
others to know which of their artifacts are also its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
import contextlib
import contextvars
import logging
import os
import pathlib
import shutil

from plum_jax.artifacts import atomic
from plum_jax.artifacts import manifest as manifests

_LOGGER = logging.getLogger('plum_jax')
_RUNS: contextvars.ContextVar[tuple[pathlib.Path, ...]] = (
    contextvars.ContextVar('runs', default=())
)


@contextlib.contextmanager
def from_runs(
    run_directories: Iterable[str | os.PathLike[str]],
) -> Iterator[None]:
  """Lets the stages that run in the block take over artifacts of other runs.

  Args:
    run_directories: the runs to look into, in order; they need not be there.

  Yields:
    Nothing; `stage.run` looks there while the block lasts.
  """
  token = _RUNS.set(tuple(map(pathlib.Path, run_directories)))
  try:
    yield
  finally:
    _RUNS.reset(token)


def take_over(
    wanted: manifests.Manifest, directory: pathlib.Path
) -> manifests.Manifest | None:
  """Takes an artifact from another run, if one has it.

  Its files become hard links: no file of an artifact is ever written again, and
  making one anew replaces the folder, so neither run sees what the other does.
  They are copies where the file system has no hard links, or is another one.

  Args:
    wanted: what the artifact would be made from.
    directory: where it shall lie; it has the same name in other runs.

  Returns:
    The manifest of the artifact that is there now, or None: no run has one
    made from the same, whose files are what its manifest says they are.

  Raises:
    InputError: another run's manifest cannot be read.
  """
  for run in _RUNS.get():
    source = run / directory.name
    found = manifests.load(source) if source != directory else None
    if found is None or not wanted.made_the_same(found):
      continue
    if manifests.hash_directory(source) != found.outputs:
      _LOGGER.warning('%s: not as it was made, not taken over', source)
      continue
    with atomic.write_directory(directory) as temporary:
      shutil.copytree(
          source, temporary, copy_function=_link, dirs_exist_ok=True
      )
    _LOGGER.info('%s: taken over from %s', wanted.stage, source)
    return found
  return None


def _link(source: str, target: str) -> None:
  try:
    os.link(source, target)
  except OSError:  # Each file system has its own way to say that it cannot.
    shutil.copy2(source, target)

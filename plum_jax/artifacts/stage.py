# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Running a stage: skip it, take it over, resume it or make it anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import pathlib
import shutil
import time
from typing import Any

from plum_jax.artifacts import atomic
from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts import processes
from plum_jax.artifacts import progress
from plum_jax.artifacts import reuse

_LOGGER = logging.getLogger('plum_jax')
_WORK = 'work'


def run(
    name: str,
    directory: str | os.PathLike[str],
    build: Callable[[pathlib.Path, pathlib.Path], None],
    *,
    inputs: Mapping[str, str | os.PathLike[str]],
    parameters: Mapping[str, Any],
    seed: int | None = None,
    notes: Mapping[str, Any] | None = None,
) -> manifests.Manifest:
  """Makes an artifact, unless a matching one is already there.

  The artifact is built in a temporary folder and renamed, so `directory` is
  always either absent, or finished with its manifest. What a long stage keeps
  for resuming (checkpoints, logs) lies in a work folder beside it, whose name
  holds a hash of inputs and parameters: a changed configuration never resumes
  from another one's checkpoint. Within `reuse.from_runs`, a matching artifact
  of another run is taken over.

  Of several processes, the first looks, decides and writes; all call `build`
  with the same folders, and must leave all but what they make together to the
  first.

  Args:
    name: the stage's name.
    directory: the artifact's folder.
    build: called with (an empty folder to fill, the work folder) when the
      artifact has to be made. The work folder survives a kill and is removed
      when the stage has finished.
    inputs: the artifacts that are read, by role.
    parameters: everything configured, as JSON values.
    seed: the seed, if anything is random.
    notes: JSON values to record that make no difference.

  Returns:
    The manifest of the artifact that is now there.

  Raises:
    InputError: an input is missing; processes were not started alike.
  """
  directory = pathlib.Path(directory)
  wanted = manifests.Manifest(
      stage=name,
      inputs={
          role: manifests.content_hash(path) for role, path in inputs.items()
      },
      parameters=parameters,
      seed=seed,
      notes=notes or {},
  )
  processes.check_same(_short_hash(wanted), 'configurations or inputs')
  work = directory.parent / _WORK / f'{directory.name}-{_short_hash(wanted)}'
  made = processes.first_decides(lambda: _find(wanted, directory, work))
  if made is not None:
    return manifests.Manifest(**made)
  begun = time.monotonic()
  _LOGGER.info('%s: started (%s)', name, directory)
  with _write_directory(directory) as temporary:
    build(temporary, work)
    processes.wait_for_all()
    made = processes.first_decides(
        lambda: dataclasses.asdict(wanted.save(temporary))
    )
  if processes.is_first():
    shutil.rmtree(work)
  processes.wait_for_all()
  _LOGGER.info(
      '%s: finished in %s',
      name,
      progress.format_seconds(time.monotonic() - begun),
  )
  return manifests.Manifest(**made)


def _find(
    wanted: manifests.Manifest, directory: pathlib.Path, work: pathlib.Path
) -> dict[str, Any] | None:
  """Returns the manifest of a matching artifact, or makes the work folder."""
  found = manifests.load(directory) if directory.exists() else None
  if found is not None and wanted.made_the_same(found):
    _LOGGER.info('%s: up to date, skipped (%s)', wanted.stage, directory)
    return dataclasses.asdict(found)
  taken = reuse.take_over(wanted, directory)
  if taken is not None:
    shutil.rmtree(work, ignore_errors=True)
    return dataclasses.asdict(taken)
  work.mkdir(parents=True, exist_ok=True)
  return None


@contextlib.contextmanager
def _write_directory(directory: pathlib.Path) -> Iterator[pathlib.Path]:
  """Gives all processes the folder that the first puts into its place."""
  if not processes.is_first():
    yield pathlib.Path(processes.first_decides(str))
    return
  with atomic.write_directory(directory) as temporary:
    processes.first_decides(lambda: str(temporary))
    yield temporary


def _short_hash(manifest: manifests.Manifest) -> str:
  """Returns eight digits that name a configuration of a stage."""
  text = json.dumps(
      [
          manifest.stage,
          dict(manifest.inputs),
          dict(manifest.parameters),
          manifest.seed,
      ],
      sort_keys=True,
  )
  return hashlib.sha256(text.encode()).hexdigest()[:8]

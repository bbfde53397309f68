# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Running a stage: skip it, take it over, resume it or make it anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
) -> manifests.Manifest:
  """Makes an artifact, unless a matching one is already there.

  The artifact is built in a temporary folder and renamed, so `directory` is
  always either absent, or finished with its manifest. What a long stage keeps
  for resuming (checkpoints, logs) lies in a work folder beside it, whose name
  holds a hash of inputs and parameters: a changed configuration never resumes
  from another one's checkpoint. Within `reuse.from_runs`, a matching artifact
  of another run is taken over.

  Args:
    name: the stage's name.
    directory: the artifact's folder.
    build: called with (an empty folder to fill, the work folder) when the
      artifact has to be made. The work folder survives a kill and is removed
      when the stage has finished.
    inputs: the artifacts that are read, by role.
    parameters: everything configured, as JSON values.
    seed: the seed, if anything is random.

  Returns:
    The manifest of the artifact that is now there.

  Raises:
    InputError: an input is missing.
  """
  directory = pathlib.Path(directory)
  wanted = manifests.Manifest(
      stage=name,
      inputs={
          role: manifests.content_hash(path) for role, path in inputs.items()
      },
      parameters=parameters,
      seed=seed,
  )
  found = manifests.load(directory) if directory.exists() else None
  if found is not None and wanted.made_the_same(found):
    _LOGGER.info('%s: up to date, skipped (%s)', name, directory)
    return found
  work = directory.parent / _WORK / f'{directory.name}-{_short_hash(wanted)}'
  taken = reuse.take_over(wanted, directory)
  if taken is not None:
    shutil.rmtree(work, ignore_errors=True)
    return taken
  begun = time.monotonic()
  _LOGGER.info('%s: started (%s)', name, directory)
  directory.parent.mkdir(parents=True, exist_ok=True)
  work.mkdir(parents=True, exist_ok=True)
  with atomic.write_directory(directory) as temporary:
    build(temporary, work)
    made = wanted.save(temporary)
  shutil.rmtree(work)
  _LOGGER.info(
      '%s: finished in %s',
      name,
      progress.format_seconds(time.monotonic() - begun),
  )
  return made


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

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""An unfinished training for T5X's launcher to go on with."""

from __future__ import annotations

import logging
import pathlib

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import t5x_form
from plum_jax.artifacts.errors import InputError
from plum_jax.pretrained import t5x_training
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.training import loop

_LOGGER = logging.getLogger('plum_jax')


def run(run_dir: str, model_dir: str = '', checkpoints_dir: str = '') -> None:
  """Writes the last checkpoint of a training into T5X's MODEL_DIR.

  Parameters, optimizer's state, step and input go over; the metric sums since
  the last logged step do not. The arrays pass through the host's memory.

  Args:
    run_dir: the run directory.
    model_dir: T5X's MODEL_DIR, without a checkpoint of that step or a later
      one; `t5x/` in the run directory if empty.
    checkpoints_dir: the folder with a training's checkpoints; if empty, that of
      the one training which the run directory has begun and not finished.

  Raises:
    InputError: there is no such training, or several; its data is read in
      several shards; `model_dir` has a later checkpoint or cannot be written.
  """
  folder = (
      pathlib.Path(checkpoints_dir)
      if checkpoints_dir
      else _only_training(RunDirectory(run_dir))
  )
  if not folder.is_dir():
    raise _no_training(folder, 'which is not there')
  with checkpoints.Checkpoints(folder) as saved:
    metadata = saved.restore_metadata()
    step = saved.steps()[-1]
  shards = metadata['position']['shards']
  if len(shards) != 1:
    raise InputError(
        f'The data is read in {len(shards)} shards, which T5X gives to as many '
        'processes.',
        where=f'train.Feed.num_shards of {folder}',
        expected='1',
        fix='Train with one shard to go on under T5X.',
    )
  path = folder / str(step)
  shapes = checkpoints.state_arrays(path)
  names = {
      name: theirs for name in shapes if (theirs := t5x_training.to_t5x(name))
  }
  arrays = checkpoints.load_state_arrays(
      path, {name: shapes[name] for name in names}
  )
  written = t5x_form.save(
      model_dir or pathlib.Path(run_dir) / 't5x',
      step,
      {theirs: arrays[name] for name, theirs in names.items()},
      shards[0],
  )
  _LOGGER.info('export_t5x: wrote step %d as %s', step, written)


def _only_training(folders: RunDirectory) -> pathlib.Path:
  """Finds the checkpoints of the training that a run has not finished."""
  work = folders.training.parent / 'work'
  found = sorted(work.glob(f'{folders.training.name}-*/{loop.CHECKPOINTS}'))
  if len(found) != 1:
    names = ', '.join(str(path) for path in found) or 'none'
    raise _no_training(work, f'but {names}')
  return found[0]


def _no_training(where: pathlib.Path, what: str) -> InputError:
  return InputError(
      f'There is not one unfinished training, {what}.',
      where=where,
      expected='the checkpoints of a training that was stopped; a finished one '
      'keeps its parameters alone',
      fix='Stop the training before its last step (SIGTERM saves), or name the '
      'folder: --gin.TRAINING_CHECKPOINTS=…/checkpoint.',
  )

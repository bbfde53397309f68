# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Batches a second that are read, against the training steps they feed.

Against nothing but this project itself: `SeqioBatches`, which reads user
histories from disk and makes batches of a fine-tuning task, and the training
step of the same experiment with a batch that is in memory. Where reading is the
slower of the two, training waits for it. See README.md for results.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

import jax
import numpy as np

from benchmarks import alternation
from plum_jax.data.input_pipeline import SeqioBatches
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.stages import train
from plum_jax.training import optimizers
from plum_jax.training import schedules
from plum_jax.training.config import TrainConfig
from plum_jax.training.step import build_program
from tasks import histories
from tasks import retrieval

_ROOT = pathlib.Path(__file__).parents[1]
_STAGES = 'catalog,item_embeddings,semantic_ids,vocabulary,tasks,train'
_LEAVES = {
    'decoder-only, packed histories': 'ml100k_quickstart',
    'encoder-decoder, retrieval': 'ml100k_tiger',
}
_REGISTER = {'histories': histories.register, 'retrieval': retrieval.register}


def _prepare(leaf: str, run_dir: pathlib.Path) -> None:
  """Runs an experiment up to one step of training."""
  subprocess.run(
      [
          sys.executable,
          '-m',
          'plum_jax.launch.pipeline',
          f'--gin_file=gin/experiments/{leaf}.gin',
          f'--stages={_STAGES}',
          f'--gin.RUN_DIR={run_dir}',
          '--gin.TRAIN_STEPS=1',
          '--gin.WARMUP_STEPS=0',
          '--gin.MAX_VALIDATION_USERS=0',
          '--gin.BEST_METRIC=None',
      ],
      check=True,
      cwd=_ROOT,
  )


def _read(feed: Mapping[str, Any], run_dir: pathlib.Path) -> SeqioBatches:
  """Opens what an experiment was trained on."""
  dataset, _, kind = feed['task'].removeprefix('plum_').rpartition('_')
  return SeqioBatches(
      _REGISTER[kind](dataset, run_dir),
      'train',
      feed['task_feature_lengths'],
      feed['batch_size'],
      0,
      feed['converter'],
      feed['pack'],
  )


def _sides(run_dir: pathlib.Path) -> dict[str, alternation.Run]:
  """Builds the reading of batches, and the step on one of them."""
  model, params, feed = train.load(str(run_dir))
  batches = _read(feed, run_dir)
  batch = next(batches)
  print(
      f'  {feed["batch_size"]} rows, '
      + ', '.join(f'{name} {value.shape[1:]}' for name, value in batch.items())
  )
  mesh = meshes.make_mesh(devices=jax.devices()[:1])
  program = build_program(
      model,
      TrainConfig(
          num_steps=10**6,
          optimizer=optimizers.Adafactor(schedules.Constant(1e-3)),
      ),
      mesh,
      axis_rules.preset(),
      {
          name: jax.ShapeDtypeStruct(value.shape, value.dtype)
          for name, value in batch.items()
      },
  )
  state: Any = program.init_from(params)
  on_device = jax.device_put(batch, meshes.batch_sharding(mesh))

  def step() -> int:
    nonlocal state
    state, report = program.step(state, on_device)
    jax.block_until_ready(report)
    return 1

  def read() -> int:
    np.asarray(next(batches)['decoder_target_tokens'])
    return 1

  step()
  return {
      'read': lambda seconds: alternation.repeat(read, seconds),
      'step': lambda seconds: alternation.repeat(step, seconds),
  }


def main() -> None:
  """Runs the benchmark."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--block_seconds', type=float, default=3.0)
  args = parser.parse_args()
  jax.config.update('jax_platforms', 'cpu')
  print(alternation.circumstances())
  for name, leaf in _LEAVES.items():
    with tempfile.TemporaryDirectory() as folder:
      run_dir = pathlib.Path(folder)
      _prepare(leaf, run_dir)
      print(name)
      rates = alternation.alternate(
          _sides(run_dir), rounds=args.rounds, seconds=args.block_seconds
      )
    read, step = rates['read'], rates['step']
    print(
        f'  batches a second {alternation.spread(read.per_second)}, steps a '
        f'second {alternation.spread(step.per_second)}; read over trained '
        f'{alternation.ratios(read.per_second, step.per_second)}, by core '
        'seconds '
        f'{alternation.ratios(read.per_core_second, step.per_core_second)}'
    )


if __name__ == '__main__':
  main()

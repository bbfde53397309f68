# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How much memory assignment takes, and how fast it is.

    .venv/bin/python -m benchmarks.assign_memory --directory=/tmp/assign_memory

Writes random embeddings of a large catalog to a disk, and in a fresh process
first checks them, then assigns codes with an RQ-VAE of TIGER's sizes. Its
weights are not trained: they change neither time nor memory. The folder is
removed in the end.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
import pathlib
import shutil
import subprocess
import sys
import time

import jax
import numpy as np

from benchmarks import alternation
from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import rqvae_tokenizer
from plum_jax.semantic_ids import tokenizer_kinds

_EMBEDDINGS, _TOKENIZER = 'item_embeddings', 'tokenizer'
_WRITTEN_ROWS = 8_192


def peak_megabytes() -> float:
  """Returns the most memory this process has had, mapped files included.

  From /proc rather than `getrusage`, whose figure a process inherits from the
  one that started it.
  """
  with open('/proc/self/status', encoding='utf-8') as lines:
    for line in lines:
      if line.startswith('VmHWM:'):
        return int(line.split()[1]) / 1024
  raise OSError('/proc/self/status has no VmHWM.')


def write_embeddings(
    directory: pathlib.Path, num_items: int, dim: int, seed: int
) -> None:
  """Writes random embeddings as the stage `item_embeddings` leaves them.

  Args:
    directory: the folder to make.
    num_items: number of rows.
    dim: their width.
    seed: of their values.
  """
  directory.mkdir(parents=True)
  generator = np.random.default_rng(seed)
  np.save(directory / 'text.present.npy', np.ones(num_items, np.bool_))
  with open(directory / 'text.npy', 'wb') as file:
    np.lib.format.write_array_header_1_0(
        file,
        {'descr': '<f4', 'fortran_order': False, 'shape': (num_items, dim)},
    )
    for begin in range(0, num_items, _WRITTEN_ROWS):
      shape = (min(_WRITTEN_ROWS, num_items - begin), dim)
      file.write(generator.standard_normal(shape, np.float32).data)
  manifest.Manifest(
      stage='item_embeddings',
      inputs={},
      parameters={'modalities': [{'name': 'text'}]},
      seed=seed,
  ).save(directory)


def write_tokenizer(directory: pathlib.Path, dim: int, seed: int) -> None:
  """Writes an RQ-VAE of TIGER's sizes with random weights."""
  module = rqvae.Rqvae(rqvae.RqvaeConfig(), (('text', dim),))
  generator = np.random.default_rng(seed)
  variables = jax.tree.map(
      lambda leaf: generator.normal(0, 0.05, leaf.shape).astype(np.float32),
      rqvae_tokenizer.variable_shapes(module),
  )
  rqvae_tokenizer.RqvaeTokenizer(module, variables).save(directory)


def measure(directory: pathlib.Path) -> dict[str, float]:
  """Checks and assigns in this process.

  Args:
    directory: with the embeddings and the tokenizer.

  Returns:
    For each pass its seconds, those of cores, and the peak memory after it in
    MB; and the peak `before`.
  """
  tokenizer = tokenizer_kinds.load(directory / _TOKENIZER)
  embeddings = inputs.load(directory / _EMBEDDINGS)
  figures = {'before': peak_megabytes()}
  for name, work in (
      ('check', lambda: inputs.check_and_measure(embeddings)),
      ('assign', lambda: assign.assign(tokenizer, embeddings)),
  ):
    start, core_start = time.perf_counter(), time.process_time()
    work()
    figures[f'{name}_seconds'] = time.perf_counter() - start
    figures[f'{name}_core_seconds'] = time.process_time() - core_start
    figures[f'after_{name}'] = peak_megabytes()
  return figures


def _measure_apart(directory: pathlib.Path) -> dict[str, float]:
  done = subprocess.run(
      [
          sys.executable,
          '-m',
          'benchmarks.assign_memory',
          f'--directory={directory}',
          '--measure_only',
      ],
      check=True,
      stdout=subprocess.PIPE,
      text=True,
  )
  return json.loads(done.stdout)


def _flags(argv: Sequence[str] | None) -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--directory', type=pathlib.Path, required=True)
  parser.add_argument('--num_items', type=int, default=1_000_000)
  parser.add_argument('--dim', type=int, default=768)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
      '--measure_only',
      action='store_true',
      help='take what lies in the folder, and leave it there',
  )
  return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
  """Runs the benchmark."""
  flags = _flags(argv)
  if flags.measure_only:
    print(json.dumps(measure(flags.directory)))
    return
  print(alternation.circumstances())
  flags.directory.mkdir(parents=True)
  try:
    needed = flags.num_items * flags.dim * 4
    free = shutil.disk_usage(flags.directory).free
    if free < needed * 1.1:
      raise InputError(
          'The disk has too little room.',
          where=flags.directory,
          expected=f'{needed * 1.1 / 1e9:.1f} GB, free are {free / 1e9:.1f} GB',
          fix='Choose another --directory or fewer --num_items.',
      )
    embeddings = flags.directory / _EMBEDDINGS
    write_embeddings(embeddings, flags.num_items, flags.dim, flags.seed)
    write_tokenizer(flags.directory / _TOKENIZER, flags.dim, flags.seed)
    figures = _measure_apart(flags.directory)
  finally:
    shutil.rmtree(flags.directory)
  print(f'{flags.num_items:,} x {flags.dim} float32, {needed >> 20:,} MB')
  print(f'libraries and tokenizer loaded: peak {figures["before"]:,.0f} MB')
  for name in ('check', 'assign'):
    rates = (
        flags.num_items / figures[f'{name}_{kind}']
        for kind in ('seconds', 'core_seconds')
    )
    print(
        f'{name}: peak {figures[f"after_{name}"]:,.0f} MB, '
        + ', '.join(
            f'{rate:,.0f} items a second {of}'
            for rate, of in zip(rates, ('in all', 'of a core'), strict=True)
        )
    )


if __name__ == '__main__':
  main()

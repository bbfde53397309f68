# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Time and memory of building the index of valid SIDs, against STATIC's.

Both sides start from the same random, unsorted SIDs and end with arrays on the
device; STATIC wants them sorted, so sorting is part of its time as it is part
of ours. Each build is a fresh process. STATIC is imported from a clone of
https://github.com/youtube/static-constraint-decoding. PyPI's `flashrec` builds
its trie once, if its interpreter is named: it takes too long for more. See
README.md for results.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import alternation
from benchmarks.assign_memory import peak_megabytes
from plum_jax.decoding.index_building import build_constraint_index

_SIDES = ('this project', 'STATIC')
_NUM_LEVELS = 8
_NUM_CODES = 2048


def _build(side: str, sids: np.ndarray) -> list[jax.Array]:
  """Builds one side's arrays."""
  if side == 'this project':
    return [build_constraint_index(sids).table]
  csr = importlib.import_module('static_decoding.csr_utils')
  ordered = sids[np.lexsort(sids.T[::-1])]
  packed, indptr, _, start, mask, states = csr.build_static_index(
      ordered, _NUM_CODES
  )
  return [jnp.asarray(x) for x in (packed, indptr, start, mask, states)]


def _random_sids(num_items: int, seed: int) -> np.ndarray:
  rng = np.random.default_rng(seed)
  return rng.integers(0, _NUM_CODES, (num_items, _NUM_LEVELS), np.int32)


def _measure(side: str, num_items: int, seed: int) -> dict[str, float]:
  """Builds in this process and returns seconds and megabytes."""
  sids = _random_sids(num_items, seed)
  jax.block_until_ready(jnp.zeros(8))  # Starts JAX.
  before = peak_megabytes()
  start, core_start = time.perf_counter(), time.process_time()
  arrays = jax.block_until_ready(_build(side, sids))
  return {
      'seconds': time.perf_counter() - start,
      'core_seconds': time.process_time() - core_start,
      'megabytes': peak_megabytes() - before,
      'table_megabytes': sum(array.nbytes for array in arrays) / 1e6,
  }


def _measure_apart(
    side: str, flags: argparse.Namespace, seed: int
) -> dict[str, float]:
  """Measures in a fresh process."""
  done = subprocess.run(
      [
          sys.executable,
          '-m',
          'benchmarks.build_index_against_static',
          f'--static={flags.static}',
          f'--num_items={flags.num_items}',
          f'--seed={seed}',
          f'--side={side}',
      ],
      check=True,
      stdout=subprocess.PIPE,
      text=True,
  )
  return json.loads(done.stdout)


def _measure_flashrec(flags: argparse.Namespace) -> dict[str, float]:
  """Builds flashrec's trie once, of the first round's SIDs."""
  script = pathlib.Path(__file__).parent / 'references' / 'flashrec_trie.py'
  with tempfile.TemporaryDirectory() as folder:
    path = f'{folder}/sids.npy'
    np.save(path, _random_sids(flags.num_items, flags.seed))
    done = subprocess.run(
        [flags.flashrec_python, str(script)],
        check=True,
        input=json.dumps({'sids': path, 'num_codes': _NUM_CODES}),
        stdout=subprocess.PIPE,
        text=True,
    )
  return json.loads(done.stdout)


def main() -> None:
  """Runs the benchmark."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument(
      '--static', required=True, help='a clone of static-constraint-decoding'
  )
  parser.add_argument(
      '--flashrec_python', help='an interpreter that has flashrec and torch'
  )
  parser.add_argument('--num_items', type=int, default=1_000_000)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--side', choices=_SIDES, help='measure one, here')
  flags = parser.parse_args()
  clone = pathlib.Path(flags.static)
  if not (clone / 'static_decoding').is_dir():
    parser.error(f'{clone} has no folder static_decoding: is it the clone?')
  sys.path.insert(0, str(clone))
  jax.config.update('jax_platforms', 'cpu')
  if flags.side:
    print(json.dumps(_measure(flags.side, flags.num_items, flags.seed)))
    return
  print(alternation.circumstances())
  found = {side: [] for side in _SIDES}
  for number in range(flags.rounds):
    for side in _SIDES if number % 2 == 0 else reversed(_SIDES):
      found[side].append(_measure_apart(side, flags, flags.seed + number))
  ours, theirs = (found[side] for side in _SIDES)
  for name in ours[0]:
    values = [[one[name] for one in side] for side in (ours, theirs)]
    print(
        f'{name:16} this project {alternation.spread(values[0])}, STATIC '
        f'{alternation.spread(values[1])}; ours over its '
        f'{alternation.ratios(*values)}'
    )
  if flags.flashrec_python:
    for name, value in _measure_flashrec(flags).items():
      over = [one[name] / value for one in ours]
      print(
          f'{name:16} flashrec {value:.1f}; ours over its '
          f'{alternation.spread(over)}'
      )


if __name__ == '__main__':
  main()

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Time of a constrained beam search, against STATIC's own code.

STATIC (arXiv 2602.22647) publishes its search and its index at
https://github.com/youtube/static-constraint-decoding; it needs nothing that is
not here already, and is imported from a clone. Both sides search the same
random SIDs with the same logits, which are a row of a table for each token, so
that next to nothing is spent on a model. With --topology both searches are
compiled for a TPU slice instead, from shapes alone. See README.md for results.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
import dataclasses
import importlib
import pathlib
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import alternation
from plum_jax.decoding import index_shapes
from plum_jax.decoding.beam_search import beam_search
from plum_jax.decoding.beam_search import BeamSearchResult
from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.decoding.index_building import build_constraint_index
from plum_jax.hardware import topologies

# STATIC's own benchmark.
_TOKENS_PER_BEAM = 30
_START = 0
_TOLERANCE = 1e-3
# What 20 million SIDs have at its levels.
_BRANCH_FACTORS = (2048, 2048, 20, 4, 3, 2, 2, 2)
_BILLION = 1e9


@dataclasses.dataclass(frozen=True)
class Setting:
  """What is searched, and how widely.

  Attributes:
    vocab_size: tokens, codes of each level too.
    num_levels: tokens of a SID.
    batch_size: users.
    beam_size: beams, and items wanted.
  """

  vocab_size: int
  num_levels: int
  batch_size: int
  beam_size: int


def _our_search(
    setting: Setting, index: ConstraintIndex, logits: Callable[[Any], jax.Array]
) -> BeamSearchResult:
  """Searches with this project's code; `logits` maps [n] to [n, vocab]."""

  def log_probs(tokens):
    flat = jax.nn.log_softmax(logits(tokens.reshape(-1)))
    return flat.reshape(*tokens.shape, setting.vocab_size)

  start = jnp.full((setting.batch_size,), _START, jnp.int32)
  return beam_search(
      log_probs(start),
      (),
      lambda tokens, state: (log_probs(tokens), state),
      index,
      setting.beam_size,
  )


class _StaticModel:
  """Logits in the form that STATIC takes."""

  def __init__(self, logits: Callable[[Any], jax.Array]):
    self._logits = logits

  def __call__(self, input_ids, key):
    return self._logits(input_ids[:, 0])[:, None, :], key


def _static_search(
    library: Any,
    setting: Setting,
    branch_factors: Sequence[int],
    tables: Sequence[Any],
    logits: Callable[[Any], jax.Array],
) -> jax.Array:
  """Searches with STATIC's code; returns tokens [batch, beam, level]."""
  return library.sparse_transition_jax(
      _StaticModel(logits),
      jax.random.key(0),
      setting.batch_size,
      setting.beam_size,
      _TOKENS_PER_BEAM,
      _START,
      setting.num_levels,
      setting.vocab_size,
      tuple(int(branch) for branch in branch_factors),
      *tables,
  )


def _measure(
    setting: Setting, num_items: int, rounds: int, seconds: float, seed: int
) -> None:
  """Times both searches on a catalog, and compares what they find."""
  search = importlib.import_module('static_decoding.decoding_jax')
  csr = importlib.import_module('static_decoding.csr_utils')
  rng = np.random.default_rng(seed)
  shape = (num_items, setting.num_levels)
  sids = rng.integers(0, setting.vocab_size, shape, np.int32)
  table = 2 * jax.random.normal(
      jax.random.key(seed), (setting.vocab_size, setting.vocab_size)
  )
  index = build_constraint_index(sids)
  ordered = sids[np.lexsort(sids.T[::-1])]
  packed, indptr, branches, start, mask, states = csr.build_static_index(
      ordered, setting.vocab_size
  )
  tables = [jnp.asarray(x) for x in (packed, indptr, start, mask, states)]
  del packed, indptr, mask, states
  ours = jax.jit(
      lambda index, table: _our_search(setting, index, lambda ids: table[ids])
  )
  theirs = jax.jit(
      lambda tables, table: _static_search(
          search, setting, branches, tables, lambda ids: table[ids]
      )
  )
  _compare(ours(index, table), theirs(tables, table), sids, table)

  def side(search, *args):
    def call() -> int:
      jax.block_until_ready(search(*args))
      return 1

    call()
    return lambda seconds: alternation.repeat(call, seconds)

  rates = alternation.alternate(
      {
          'ours': side(ours, index, table),
          'static': side(theirs, tables, table),
      },
      rounds=rounds,
      seconds=seconds,
  )
  milliseconds = {
      name: alternation.spread([1e3 / x for x in own.per_second])
      for name, own in rates.items()
  }
  time_ratio = alternation.ratios(
      rates['static'].per_second, rates['ours'].per_second
  )
  core_ratio = alternation.ratios(
      rates['static'].per_core_second, rates['ours'].per_core_second
  )
  print(
      f'{num_items:,} items, ms a search: this project {milliseconds["ours"]}, '
      f'STATIC {milliseconds["static"]}\n'
      f'  our time over its: {time_ratio}, by core seconds {core_ratio}\n'
      f'  tables in MB: {_megabytes(index.table)}, '
      f'STATIC {sum(map(_megabytes, tables))}'
  )


def _megabytes(array: jax.Array) -> int:
  return round(array.nbytes / 1e6)


def _compare(
    found: BeamSearchResult,
    tokens: jax.Array,
    sids: np.ndarray,
    table: jax.Array,
) -> None:
  """Says how many results are items, and checks scores.

  Raises:
    RuntimeError: a result of ours is no item, or its score is not the sum of
      its tokens' log-probabilities.
  """
  item_ids, scores = np.asarray(found.item_ids), np.asarray(found.scores)
  if not np.asarray(found.valid).all():
    raise RuntimeError('A place stayed empty though there are enough items.')
  log_probs = np.asarray(jax.nn.log_softmax(table))
  found_sids = sids[item_ids]
  inputs = np.insert(found_sids[..., :-1], 0, _START, axis=-1)
  expected = log_probs[inputs, found_sids].sum(axis=-1)
  if np.abs(scores - expected).max() > _TOLERANCE:
    raise RuntimeError('Scores are not sums of log-probabilities.')
  row = np.dtype((np.void, sids.dtype.itemsize * sids.shape[1]))

  def as_rows(values):
    return np.ascontiguousarray(values, sids.dtype).view(row)[..., 0]

  theirs, ours = as_rows(np.asarray(tokens)), as_rows(found_sids)
  same = [np.isin(a, b).mean() for a, b in zip(ours, theirs, strict=True)]
  valid = [np.isin(side, as_rows(sids)).mean() for side in (ours, theirs)]
  print(
      f'  valid: this project {valid[0]:.1%}, STATIC {valid[1]:.1%}; '
      f'items of ours that STATIC found too: {np.mean(same):.1%}'
  )


def _compile(setting: Setting, num_items: int, topology: str) -> None:
  """Compiles both searches for a TPU slice and prints what they cost."""
  device = topologies.devices(topologies.parse(topology))[0]
  search = importlib.import_module('static_decoding.decoding_jax')
  one = jax.sharding.SingleDeviceSharding(device)

  def described(shape, dtype=jnp.int32):
    return jax.ShapeDtypeStruct(shape, dtype, sharding=one)

  size = setting.vocab_size
  index = index_shapes.describe(
      [size] * setting.num_levels, num_items, _BRANCH_FACTORS
  )
  nodes = [level.num_nodes for level in index.levels]
  table: Any = described(index.table.shape)
  index = dataclasses.replace(index, table=table)
  tables = [
      described((sum(nodes[1:]) + size, 2)),  # A pair for each edge.
      described((1 + sum(nodes[:-1]) + 2,)),
      described((size,), jnp.bool_),
      described((size, size), jnp.bool_),
      described((size, size)),
  ]
  logits = described((size, size), jnp.float32)
  programs = {
      'this project': (
          lambda index, table: _our_search(
              setting, index, lambda ids: table[ids]
          ),
          index,
      ),
      'STATIC': (
          lambda tables, table: _static_search(
              search, setting, _BRANCH_FACTORS, tables, lambda ids: table[ids]
          ),
          tables,
      ),
  }
  print(f'{topology}, {num_items:,} items, one chip, logits a table look-up:')
  for name, (function, argument) in programs.items():
    compiled = jax.jit(function).lower(argument, logits).compile()
    costs: Any = compiled.cost_analysis()
    memory = sum(
        leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(argument)
    )
    print(
        f'  {name:13} {costs["bytes accessed"] / _BILLION:.3f} GB accessed, '
        f'{1e3 * costs["optimal_seconds"]:.3f} ms by the compiler\'s '
        f'estimate, tables of {memory / _BILLION:.2f} GB'
    )


def main() -> None:
  """Runs the benchmark."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument(
      '--static', required=True, help='a clone of static-constraint-decoding'
  )
  parser.add_argument(
      '--num_items', default='10_000,100_000,1_000_000', help='catalogs'
  )
  parser.add_argument('--vocab_size', type=int, default=2048)
  parser.add_argument('--batch_size', type=int, default=2, help='users')
  parser.add_argument('--beam_size', type=int, default=70)
  parser.add_argument('--rounds', type=int, default=7)
  parser.add_argument('--block_seconds', type=float, default=1.0)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--topology', help='compile for it, such as v6e:2x2')
  args = parser.parse_args()
  clone = pathlib.Path(args.static)
  if not (clone / 'static_decoding').is_dir():
    parser.error(f'{clone} has no folder static_decoding: is it the clone?')
  sys.path.insert(0, str(clone))
  jax.config.update('jax_platforms', 'cpu')
  print(alternation.circumstances())
  setting = Setting(
      args.vocab_size, len(_BRANCH_FACTORS), args.batch_size, args.beam_size
  )
  for num_items in map(int, args.num_items.split(',')):
    if args.topology:
      _compile(setting, num_items, args.topology)
    else:
      _measure(setting, num_items, args.rounds, args.block_seconds, args.seed)


if __name__ == '__main__':
  main()

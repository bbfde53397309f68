# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What constrained generation of titles costs beside that of Semantic IDs.

Random titles of 1 to 29 pieces, nine on average, of a vocabulary of 32,000,
whose frequencies fall as those of words do. Prints the size of the trie and the
time to build it, then users a second of both searches with the same network,
which is small and not trained. Titles take more steps, so they are slower; the
time for a step is what can be compared. See README.md for results.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import alternation
from plum_jax.decoding.index_building import build_constraint_index
from plum_jax.decoding.title_trie import build_title_trie
from plum_jax.decoding.title_trie import TitleTrie
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.models.titles import recommend_titles
from plum_jax.networks.config import T5Config

_VOCAB, _EOS, _FIRST = 32_128, 1, 2
_NUM_PIECES, _MAX_PIECES = 32_000, 29
_NUM_LEVELS, _CODEBOOK_SIZE = 4, 64


def _build_trie(num_items: int, rng: np.random.Generator) -> TitleTrie:
  """Builds a trie of random titles, and says how large it is."""
  lengths = np.clip(rng.poisson(8, num_items) + 1, 1, _MAX_PIECES)
  pieces = np.minimum(rng.zipf(1.3, lengths.sum()), _NUM_PIECES) - 1 + _FIRST
  titles = np.split(pieces, np.cumsum(lengths)[:-1])
  start = time.process_time()
  trie = build_title_trie(titles, eos_id=_EOS)
  seconds = time.process_time() - start
  size = sum(leaf.nbytes for leaf in jax.tree.leaves(trie)) / 1e6
  print(
      f'{num_items:,} items, {trie.num_titles:,} titles, {trie.num_nodes:,} '
      f'nodes, {trie.num_levels} levels, most children of a node by level '
      f'{trie.max_children}: {size:.1f} MB, built in {seconds:.2f} s of a core'
  )
  return trie


def _side(
    search: Callable[..., Any], name: str, batch_size: int
) -> alternation.Run:
  """Compiles a search, says how long that took, and repeats it."""

  def call() -> int:
    assert np.asarray(search().valid).all()
    return batch_size

  start = time.process_time()
  call()
  print(f'{name}: {time.process_time() - start:.1f} s of a core to compile')
  return lambda seconds: alternation.repeat(call, seconds)


def main() -> None:
  """Runs the benchmark."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--num_items', type=int, default=12_000)
  parser.add_argument('--trie_only', action='store_true', help='no search')
  parser.add_argument('--batch_size', type=int, default=8, help='users')
  parser.add_argument('--beam_size', type=int, default=20)
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--block_seconds', type=float, default=2.0)
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args()
  jax.config.update('jax_platforms', 'cpu')
  print(alternation.circumstances())
  rng = np.random.default_rng(args.seed)
  trie = _build_trie(args.num_items, rng)
  if args.trie_only:
    return
  codes = np.unravel_index(
      rng.choice(_CODEBOOK_SIZE**_NUM_LEVELS, args.num_items, replace=False),
      (_CODEBOOK_SIZE,) * _NUM_LEVELS,
  )
  index = build_constraint_index(np.stack(codes, axis=1) + _FIRST)
  model = EncoderDecoderModel(
      T5Config(
          vocab_size=_VOCAB,
          emb_dim=64,
          mlp_dim=256,
          num_heads=4,
          head_dim=16,
          num_encoder_layers=2,
          num_decoder_layers=2,
      )
  )
  tokens = jax.ShapeDtypeStruct((1, 8), jnp.int32)
  params = model.init(
      jax.random.key(0),
      {'encoder_input_tokens': tokens, 'decoder_input_tokens': tokens},
  )['params']
  batch = {
      'encoder_input_tokens': rng.integers(
          _FIRST, _NUM_PIECES, (args.batch_size, 80), np.int32
      )
  }
  titles = jax.jit(
      lambda params, batch, trie: recommend_titles(
          model, params, batch, trie, args.beam_size
      )
  )
  sids = jax.jit(
      lambda params, batch, index: model.recommend(
          params, batch, index, args.beam_size
      )
  )
  sides = {
      'Semantic IDs': _side(
          lambda: sids(params, batch, index), 'Semantic IDs', args.batch_size
      ),
      'titles': _side(
          lambda: titles(params, batch, trie), 'titles', args.batch_size
      ),
  }
  rates = alternation.alternate(
      sides, rounds=args.rounds, seconds=args.block_seconds
  )
  for name, rate in rates.items():
    wall = alternation.spread(rate.per_second)
    core = alternation.spread(rate.per_core_second)
    print(f'{name:14} users a second {wall}; of a core {core}')
  slower = alternation.ratios(
      rates['Semantic IDs'].per_core_second, rates['titles'].per_core_second
  )
  steps = (trie.num_levels - 1) / (_NUM_LEVELS - 1)
  print(
      f'titles take {slower} times as long, for at most {steps:.1f} times as '
      'many steps'
  )


if __name__ == '__main__':
  main()

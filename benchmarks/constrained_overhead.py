# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the constraint costs: beam search with and without the index.

Against nothing but this project itself: the same decoder-only generator of some
5M parameters, the same prompts and beams; once the search follows the index of
valid SIDs, once it takes any code at each level, as a search without a mask
does. Both share the prompt's cache between beams. See README.md for results.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import alternation
from plum_jax.decoding.beam_search import reorder
from plum_jax.decoding.index_building import build_constraint_index
from plum_jax.models import generation
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.networks.config import TransformerConfig

_NUM_LEVELS, _NUM_CODES = 4, 256
_FIRST_TOKEN = 2
_VOCAB_SIZE = 1152  # Codes of all levels and padding to a multiple of 128.


def _model() -> DecoderOnlyModel:
  return DecoderOnlyModel(
      TransformerConfig(
          vocab_size=_VOCAB_SIZE,
          emb_dim=256,
          mlp_dim=1024,
          num_heads=8,
          head_dim=32,
          num_layers=6,
      )
  )


def _unconstrained(
    continuation: generation.Continuation, beam_size: int
) -> tuple[jax.Array, jax.Array]:
  """Keeps the most probable codes at each level, items or not.

  Returns:
    Tokens of the last level and scores, [batch, beam].
  """
  num_users = continuation.num_users
  state: Any = continuation.empty_state(_NUM_LEVELS - 1)
  log_probs = generation.log_probs(continuation.logits, num_users)
  scores = jnp.zeros((num_users, 1), jnp.float32)
  tokens = jnp.zeros((num_users, 1), jnp.int32)
  for level in range(_NUM_LEVELS):
    first = _FIRST_TOKEN + level * _NUM_CODES
    gained = log_probs[:, :, first : first + _NUM_CODES]
    candidates = (scores[:, :, None] + gained).reshape(num_users, -1)
    scores, chosen = jax.lax.top_k(candidates, beam_size)
    tokens = first + chosen % _NUM_CODES
    if level + 1 < _NUM_LEVELS:
      state = reorder(state, chosen // _NUM_CODES)
      logits, state = continuation.step(tokens, state)
      log_probs = generation.log_probs(logits, num_users)
  return tokens, scores


def _sides(
    num_items: int, batch_size: int, prompt_length: int, beam_size: int
) -> dict[str, Callable[[], Any]]:
  """Builds both searches."""
  model = _model()
  rng = np.random.default_rng(0)
  tokens = jax.ShapeDtypeStruct((1, 8), jnp.int32)
  params = model.init(jax.random.key(0), {'decoder_input_tokens': tokens})[
      'params'
  ]
  num_params = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
  print(f'{num_params:,} parameters')
  codes = rng.choice(_NUM_CODES**_NUM_LEVELS, num_items, replace=False)
  levels = np.stack(np.unravel_index(codes, (_NUM_CODES,) * _NUM_LEVELS), -1)
  firsts = _FIRST_TOKEN + _NUM_CODES * np.arange(_NUM_LEVELS)
  index = build_constraint_index(levels + firsts)
  shape = (batch_size, prompt_length)
  batch = {
      'prompt_tokens': rng.integers(2, _VOCAB_SIZE, shape, np.int32),
      'prompt_lengths': np.full(batch_size, prompt_length, np.int32),
  }

  @jax.jit
  def constrained(params, batch, index):
    found = model.recommend(params, batch, index, beam_size)
    return found.item_ids, found.scores

  @jax.jit
  def unconstrained(params, batch):
    prompt = model.prefill(params, batch)
    return _unconstrained(model.continuation(params, prompt), beam_size)

  return {
      'constrained': lambda: constrained(params, batch, index),
      'unconstrained': lambda: unconstrained(params, batch),
  }


def main() -> None:
  """Runs the benchmark."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--num_items', type=int, default=100_000)
  parser.add_argument('--batch_size', type=int, default=8, help='users')
  parser.add_argument('--prompt_length', type=int, default=200, help='tokens')
  parser.add_argument('--beam_size', type=int, default=50)
  parser.add_argument('--rounds', type=int, default=9)
  parser.add_argument('--block_seconds', type=float, default=2.0)
  args = parser.parse_args()
  jax.config.update('jax_platforms', 'cpu')
  print(alternation.circumstances())
  sides = _sides(
      args.num_items, args.batch_size, args.prompt_length, args.beam_size
  )

  def runner(search):
    def call() -> int:
      jax.block_until_ready(search())
      return args.batch_size

    call()
    return lambda seconds: alternation.repeat(call, seconds)

  rates = alternation.alternate(
      {name: runner(search) for name, search in sides.items()},
      rounds=args.rounds,
      seconds=args.block_seconds,
  )
  for name, own in rates.items():
    print(f'  {name:14} users a second {alternation.spread(own.per_second)}')
  with_index, without = rates['constrained'], rates['unconstrained']
  wall = alternation.ratios(without.per_second, with_index.per_second)
  core = alternation.ratios(without.per_core_second, with_index.per_core_second)
  print(f'  time with the index over without: {wall}, by core seconds {core}')


if __name__ == '__main__':
  main()

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Users a second of scoring 100 candidates each, history encoded once or not.

Against nothing but this project itself: `models.candidates.score_candidates`,
which computes a user's prompt once for all candidates, beside full passes over
prompt and candidate, for one candidate at a time and for all candidates of a
user in one batch. The scores are compared first. See README.md for results.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import alternation
from plum_jax.decoding.token_scores import token_log_probs
from plum_jax.models.candidates import score_candidates
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig

# As in decode_against_cornac.py.
_EMBED, _MLP, _HEADS, _KV = 64, 256, 4, 16
_NUM_LAYERS = 2
_TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True)
class Workload:
  """What is scored.

  Attributes:
    prompts: int32 [users, prompt_length].
    candidates: int32 [users, num_candidates, candidate_length].
  """

  prompts: np.ndarray
  candidates: np.ndarray


def _models(vocab_size: int) -> dict[str, Any]:
  """Returns a generator of each kind."""
  sizes = {
      'vocab_size': vocab_size,
      'emb_dim': _EMBED,
      'mlp_dim': _MLP,
      'num_heads': _HEADS,
      'head_dim': _KV,
  }
  return {
      'encoder-decoder': EncoderDecoderModel(
          T5Config(
              num_encoder_layers=_NUM_LAYERS,
              num_decoder_layers=_NUM_LAYERS,
              **sizes,
          )
      ),
      'decoder-only': DecoderOnlyModel(
          TransformerConfig(num_layers=2 * _NUM_LAYERS, **sizes)
      ),
  }


def _features(prompts: np.ndarray) -> dict[str, np.ndarray]:
  """Returns what either model's `prefill` reads."""
  return {
      'encoder_input_tokens': prompts,
      'prompt_tokens': prompts,
      'prompt_lengths': np.full(len(prompts), prompts.shape[1], np.int32),
  }


def _full_pass(model: Any) -> Callable[..., jax.Array]:
  """Returns a function that scores rows of a prompt and one candidate each."""

  @jax.jit
  def score(params, prompts, candidates):
    length = candidates.shape[1]
    if isinstance(model, EncoderDecoderModel):
      inputs = jnp.pad(candidates, ((0, 0), (1, 0)))[:, :-1]
      logits = model.network.apply(
          {'params': params}, prompts, inputs, candidates, enable_dropout=False
      )
    else:
      targets = jnp.concatenate([prompts, candidates], axis=1)
      inputs = jnp.pad(targets, ((0, 0), (1, 0)))[:, :-1]
      logits = model.network.apply(
          {'params': params}, inputs, targets, enable_dropout=False
      )
    logits = jnp.asarray(logits)[:, -length:]
    return token_log_probs(logits, candidates[..., None])[..., 0].sum(axis=1)

  return score


def _sides(
    kind: str, model: Any, params: Any, work: Workload, batch_size: int
) -> dict[str, alternation.Run]:
  """Builds and compiles all ways to score; compares what they give."""
  num_users = len(work.prompts)

  @jax.jit
  def together(params, features, candidates):
    prompt = model.prefill(params, features)
    return score_candidates(model, params, prompt, candidates)

  full_pass = _full_pass(model)
  position = 0

  def next_user() -> int:
    nonlocal position
    position = (position + 1) % num_users
    return position

  def score_batch() -> np.ndarray:
    rows = (next_user() + np.arange(batch_size)) % num_users
    features = _features(work.prompts[rows])
    return np.asarray(together(params, features, work.candidates[rows]))

  def score_user() -> np.ndarray:
    user = next_user()
    candidates = work.candidates[user]
    prompts = np.repeat(work.prompts[user][None], len(candidates), axis=0)
    return np.asarray(full_pass(params, prompts, candidates))

  def score_one_by_one() -> np.ndarray:
    user = next_user()
    scores = [
        np.asarray(full_pass(params, work.prompts[user][None], one[None]))
        for one in work.candidates[user]
    ]
    return np.concatenate(scores)

  _compare(together, full_pass, params, work)
  sides: dict[str, tuple[Callable[[], np.ndarray], int]] = {
      'history encoded once': (score_batch, batch_size),
      'all candidates, full passes': (score_user, 1),
      'one by one, full passes': (score_one_by_one, 1),
  }

  def runner(score, amount):
    def call():
      score()
      return amount

    call()
    return lambda seconds: alternation.repeat(call, seconds)

  return {f'{kind}, {name}': runner(*side) for name, side in sides.items()}


def _compare(together, full_pass, params, work: Workload) -> None:
  """Raises unless both ways give the same scores."""
  features, candidates = _features(work.prompts[:1]), work.candidates[:1]
  found = np.asarray(together(params, features, candidates))[0]
  prompts = np.repeat(work.prompts[:1], len(candidates[0]), axis=0)
  expected = np.asarray(full_pass(params, prompts, candidates[0]))
  difference = np.abs(found - expected).max()
  print(f'greatest difference of scores: {difference:.1e}')
  if difference > _TOLERANCE:
    raise RuntimeError(f'Scores differ by more than {_TOLERANCE}.')


def _report(rates: Mapping[str, alternation.Rates], kind: str) -> None:
  """Prints users a second and ratios: median (lowest to highest round)."""
  names = [name for name in rates if name.startswith(kind)]
  for name in names:
    own = rates[name]
    wall, core = (
        alternation.ratios(mine, others)
        for mine, others in zip(
            (rates[names[0]].per_second, rates[names[0]].per_core_second),
            (own.per_second, own.per_core_second),
            strict=True,
        )
    )
    print(
        f'  {name:44} {str(alternation.spread(own.per_second)):30} '
        f'{str(wall):26} {core}'
    )


def main() -> None:
  """Runs the benchmark."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--prompt_length', type=int, default=200, help='tokens')
  parser.add_argument('--num_candidates', type=int, default=100)
  parser.add_argument('--candidate_length', type=int, default=4, help='tokens')
  parser.add_argument('--vocab_size', type=int, default=1024)
  parser.add_argument('--batch_size', type=int, default=8, help='users')
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--block_seconds', type=float, default=1.0)
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args()
  jax.config.update('jax_platforms', 'cpu')
  print(alternation.circumstances())
  rng = np.random.default_rng(args.seed)
  shape = (32, args.num_candidates, args.candidate_length)
  work = Workload(
      rng.integers(2, args.vocab_size, (32, args.prompt_length), np.int32),
      rng.integers(2, args.vocab_size, shape, np.int32),
  )
  for kind, model in _models(args.vocab_size).items():
    tokens = jax.ShapeDtypeStruct((1, 8), jnp.int32)
    params = model.init(
        jax.random.key(0),
        {'encoder_input_tokens': tokens, 'decoder_input_tokens': tokens},
    )['params']
    sides = _sides(kind, model, params, work, args.batch_size)
    rates = alternation.alternate(
        sides, rounds=args.rounds, seconds=args.block_seconds
    )
    print('users a second; times as fast is the first; by core seconds')
    _report(rates, kind)


if __name__ == '__main__':
  main()

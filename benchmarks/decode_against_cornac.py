# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Users a second of constrained decoding, against the TIGER of `cornac`.

Both sides have the same Semantic IDs, history length, number of parameters and
beams, run on the same cores, and go from histories of item numbers to ranked
item numbers. cornac's search takes one user at a time; here it runs on one
thread, on two, and in two processes of one thread. This project's two kinds of
generator take batches. See README.md for the commands and for results.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import dataclasses
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import alternation
from benchmarks.reference_process import ReferenceProcess
from plum_jax.decoding.index_building import build_constraint_index
from plum_jax.evaluation.generative import GenerativeRecommender
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig

_REFERENCE = pathlib.Path(__file__).parent / 'references' / 'cornac_tiger.py'
_NUM_ITEMS = 1682  # MovieLens-100K's.
_NUM_LEVELS, _CODEBOOK_SIZE = 3, 64  # And a disambiguation code.
_NUM_LAYERS = 2  # Of encoder and decoder each.
# As many parameters in a decoder-only network, within 1 %.
_DECODER_ONLY_LAYERS, _DECODER_ONLY_MLP = 4, 320
_EMBED, _MLP, _HEADS, _KV = 64, 256, 4, 16


@dataclasses.dataclass(frozen=True)
class Workload:
  """What both sides do: histories int [num_users, history_length] to items."""

  histories: np.ndarray
  beam_size: int

  def check(self, items: np.ndarray, who: str) -> None:
    """Raises unless each row holds `beam_size` different items."""
    ordered = np.sort(items, axis=1)
    if (
        items.shape[1] != self.beam_size
        or ordered.min() < 0
        or ordered.max() >= _NUM_ITEMS
        or (ordered[:, 1:] == ordered[:, :-1]).any()
    ):
      raise RuntimeError(f'{who} did not return {self.beam_size} items a user.')


def _reference_side(
    references: list[ReferenceProcess], workload: Workload
) -> alternation.Run:
  """Lets processes recommend side by side."""

  def run(seconds):
    for reference in references:
      reference.send(
          {
              'histories': workload.histories.tolist(),
              'seconds': seconds,
              'k': workload.beam_size,
          }
      )
    answers = [reference.receive() for reference in references]
    for answer in answers:
      workload.check(np.array(answer['items']), 'cornac')
    return alternation.Work(
        sum(answer['num_users'] for answer in answers),
        max(answer['seconds'] for answer in answers),
        sum(answer['core_seconds'] for answer in answers),
    )

  run(1.0)
  return run


def _models(vocab_size: int) -> dict[str, Any]:
  """Returns this project's generators."""
  sizes = {
      'vocab_size': vocab_size,
      'emb_dim': _EMBED,
      'num_heads': _HEADS,
      'head_dim': _KV,
  }
  return {
      'encoder-decoder': EncoderDecoderModel(
          T5Config(
              num_encoder_layers=_NUM_LAYERS,
              num_decoder_layers=_NUM_LAYERS,
              mlp_dim=_MLP,
              **sizes,
          )
      ),
      'decoder-only': DecoderOnlyModel(
          TransformerConfig(
              num_layers=_DECODER_ONLY_LAYERS,
              mlp_dim=_DECODER_ONLY_MLP,
              **sizes,
          )
      ),
  }


def _own_side(
    recommender: GenerativeRecommender,
    token_ids: np.ndarray,
    workload: Workload,
    batch_size: int,
) -> alternation.Run:
  """Recommends batch by batch, from item numbers to item numbers."""
  histories = workload.histories
  starts = iter(())

  def call():
    nonlocal starts
    start = next(starts, None)
    if start is None:
      starts = iter(range(0, len(histories) - batch_size + 1, batch_size))
      start = next(starts)
    history = histories[start : start + batch_size]
    tokens = token_ids[history].reshape(batch_size, -1)
    features = {
        'history_item_ids': history,
        'encoder_input_tokens': tokens,
        'prompt_tokens': tokens,
        'prompt_lengths': np.full(batch_size, tokens.shape[1], np.int32),
    }
    result = recommender.recommend(features, workload.beam_size, False)
    workload.check(np.asarray(result.item_ids), 'plum_jax')
    return batch_size

  call()
  return lambda seconds: alternation.repeat(call, seconds)


def _own_sides(
    reference: Mapping[str, Any], workload: Workload, batch_sizes: list[int]
) -> dict[str, alternation.Run]:
  """Builds and compiles this project's sides over cornac's Semantic IDs."""
  level_sizes = np.array(reference['level_sizes'])
  first_tokens = 1 + np.cumsum(level_sizes) - level_sizes
  token_ids = (np.array(reference['sids']) + first_tokens).astype(np.int32)
  index = build_constraint_index(token_ids)
  print(f'parameters: cornac {reference["num_parameters"]:,}')
  sides = {}
  for kind, model in _models(1 + int(level_sizes.sum())).items():
    tokens = jax.ShapeDtypeStruct((1, 8), jnp.int32)
    params = model.init(
        jax.random.key(0),
        {'encoder_input_tokens': tokens, 'decoder_input_tokens': tokens},
    )['params']
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    print(f'parameters: {kind} {size:,}')
    if abs(size / reference['num_parameters'] - 1) > 0.01:
      raise RuntimeError('The models differ in size by more than 1 %.')
    recommender = GenerativeRecommender(
        model, params, index, beam_size=workload.beam_size
    )
    for batch_size in batch_sizes:
      sides[f'{kind}, batch {batch_size}'] = _own_side(
          recommender, token_ids, workload, batch_size
      )
  return sides


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument(
      '--reference_python',
      required=True,
      help='a Python interpreter that has cornac, torch and transformers',
  )
  parser.add_argument('--history_length', type=int, default=50, help='in items')
  parser.add_argument('--beam_size', type=int, default=20)
  parser.add_argument(
      '--batch_sizes', type=int, nargs='+', default=[1, 8, 64], help='users'
  )
  parser.add_argument('--cores', type=int, default=2)
  parser.add_argument('--rounds', type=int, default=7)
  parser.add_argument('--block_seconds', type=float, default=1.0)
  parser.add_argument('--seed', type=int, default=0)
  return parser.parse_args()


def _report(
    rates: Mapping[str, alternation.Rates],
    references: list[str],
    own: list[str],
) -> None:
  """Prints users a second and ratios: median (lowest to highest round)."""
  print('\nusers a second; users a second of one core')
  for name, rate in rates.items():
    wall = alternation.spread(rate.per_second)
    core = alternation.spread(rate.per_core_second)
    print(f'  {name:26} {str(wall):28} {core}')
  for reference in references:
    print(f'\ntimes {reference}: users a second; users a second of one core')
    for name in own:
      wall = alternation.ratios(
          rates[name].per_second, rates[reference].per_second
      )
      core = alternation.ratios(
          rates[name].per_core_second, rates[reference].per_core_second
      )
      print(f'  {name:26} {str(wall):28} {core}')


def main() -> None:
  """Runs the benchmark."""
  args = _arguments()
  alternation.pin_to_cores(args.cores)
  jax.config.update('jax_platforms', 'cpu')
  print(alternation.circumstances())
  shape = {
      'num_items': _NUM_ITEMS,
      'num_levels': _NUM_LEVELS,
      'codebook_size': _CODEBOOK_SIZE,
      'history_length': args.history_length,
      'beam_size': args.beam_size,
      'seed': args.seed,
      'd_model': _EMBED,
      'd_ff': _MLP,
      'num_heads': _HEADS,
      'd_kv': _KV,
      'num_enc_layers': _NUM_LAYERS,
      'num_dec_layers': _NUM_LAYERS,
  }
  workload = Workload(
      np.random.default_rng(args.seed).integers(
          0, _NUM_ITEMS, (max(args.batch_sizes), args.history_length)
      ),
      args.beam_size,
  )
  processes = [
      ReferenceProcess(
          _REFERENCE,
          args.reference_python,
          {**shape, 'num_threads': num_threads},
      )
      for num_threads in (1, 1, 2)
  ]
  try:
    versions = processes[0].made['versions'] | {'jax': jax.__version__}
    print(', '.join(f'{name} {version}' for name, version in versions.items()))
    references = {
        'cornac': _reference_side(processes[:1], workload),
        'cornac, 2 threads': _reference_side(processes[2:], workload),
        'cornac, 2 processes': _reference_side(processes[:2], workload),
    }
    own = _own_sides(processes[0].made, workload, args.batch_sizes)
    rates = alternation.alternate(
        references | own, rounds=args.rounds, seconds=args.block_seconds
    )
  finally:
    for process in processes:
      process.close()
  _report(rates, list(references), list(own))


if __name__ == '__main__':
  main()

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Training tokens a second, against the T5 of PyTorch `transformers`.

Both sides train T5 small's shape in float32 with dropout and AdamW on the same
cores, on a batch of random tokens that is in memory. This project's step is
that of its launcher. See README.md for the commands and for results.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

import jax
import numpy as np

from benchmarks import alternation
from benchmarks.reference_process import ReferenceProcess
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import T5Config
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.training import optimizers
from plum_jax.training import schedules
from plum_jax.training.config import TrainConfig
from plum_jax.training.step import build_program

_REFERENCE = pathlib.Path(__file__).parent / 'references' / 'transformers_t5.py'
# T5 small (arXiv 1910.10683).
_VOCAB, _EMBED, _MLP, _HEADS, _KV, _LAYERS = 32_128, 512, 2048, 8, 64, 6
_DROPOUT = 0.1
_LEARNING_RATE = 1e-4


def _our_side(
    batch_size: int, input_length: int, target_length: int
) -> alternation.Run:
  """Builds and compiles this project's training step."""
  model = EncoderDecoderModel(
      T5Config(
          vocab_size=_VOCAB,
          emb_dim=_EMBED,
          mlp_dim=_MLP,
          num_heads=_HEADS,
          head_dim=_KV,
          num_encoder_layers=_LAYERS,
          num_decoder_layers=_LAYERS,
          mlp_activations=('relu',),
          dropout_rate=_DROPOUT,
          logits_via_embedding=True,
      )
  )
  rng = np.random.default_rng(0)
  targets = rng.integers(2, _VOCAB, (batch_size, target_length), np.int32)
  batch = {
      'encoder_input_tokens': rng.integers(
          2, _VOCAB, (batch_size, input_length), np.int32
      ),
      'decoder_input_tokens': np.pad(targets, ((0, 0), (1, 0)))[:, :-1],
      'decoder_target_tokens': targets,
      'decoder_loss_weights': np.ones_like(targets),
  }
  mesh = meshes.make_mesh(devices=jax.devices()[:1])
  program = build_program(
      model,
      TrainConfig(
          num_steps=10**6,
          optimizer=optimizers.AdamW(schedules.Constant(_LEARNING_RATE)),
      ),
      mesh,
      axis_rules.preset(),
      {
          name: jax.ShapeDtypeStruct(value.shape, value.dtype)
          for name, value in batch.items()
      },
  )
  state: Any = program.init()
  num_params = sum(leaf.size for leaf in jax.tree.leaves(state.params))
  print(f'this project: {num_params:,} parameters, jax {jax.__version__}')
  on_device = jax.device_put(batch, meshes.batch_sharding(mesh))

  def step() -> int:
    nonlocal state
    state, report = program.step(state, on_device)
    jax.block_until_ready(report)
    return 1

  step()
  return lambda seconds: alternation.repeat(step, seconds)


def _their_side(python: str, arguments: dict[str, Any]) -> alternation.Run:
  """Starts transformers in a process of its own."""
  process = ReferenceProcess(_REFERENCE, python, arguments)
  print(f'transformers: {process.made}')

  def run(seconds: float) -> alternation.Work:
    process.send({'seconds': seconds})
    answer = process.receive()
    return alternation.Work(
        answer['num_steps'], answer['seconds'], answer['core_seconds']
    )

  return run


def main() -> None:
  """Runs the benchmark."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument(
      '--reference_python',
      required=True,
      help='an interpreter with torch and transformers',
  )
  parser.add_argument('--batch_size', type=int, default=64)
  parser.add_argument('--input_length', type=int, default=128)
  parser.add_argument('--target_length', type=int, default=128)
  parser.add_argument('--num_cores', type=int, default=2)
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--block_seconds', type=float, default=1.0)
  args = parser.parse_args()
  jax.config.update('jax_platforms', 'cpu')
  alternation.pin_to_cores(args.num_cores)
  print(alternation.circumstances())
  theirs = _their_side(
      args.reference_python,
      {
          'num_threads': args.num_cores,
          'batch_size': args.batch_size,
          'input_length': args.input_length,
          'target_length': args.target_length,
          'learning_rate': _LEARNING_RATE,
          'sizes': {
              'vocab_size': _VOCAB,
              'd_model': _EMBED,
              'd_ff': _MLP,
              'd_kv': _KV,
              'num_heads': _HEADS,
              'num_layers': _LAYERS,
              'dropout_rate': _DROPOUT,
          },
      },
  )
  ours = _our_side(args.batch_size, args.input_length, args.target_length)
  rates = alternation.alternate(
      {'this project': ours, 'transformers': theirs},
      rounds=args.rounds,
      seconds=args.block_seconds,
  )
  tokens = args.batch_size * (args.input_length + args.target_length)
  for name, own in rates.items():
    spread = alternation.spread([x * tokens for x in own.per_second])
    print(f'  {name:13} tokens a second {spread}')
  mine, other = rates['this project'], rates['transformers']
  print(
      f'  times transformers: '
      f'{alternation.ratios(mine.per_second, other.per_second)}, by core '
      f'seconds '
      f'{alternation.ratios(mine.per_core_second, other.per_core_second)}'
  )


if __name__ == '__main__':
  main()

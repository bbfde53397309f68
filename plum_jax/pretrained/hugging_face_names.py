# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which tensor of a Hugging Face T5 is which parameter of ours."""

from __future__ import annotations

from collections.abc import Iterator

from plum_jax.networks.config import T5Config
from plum_jax.pretrained.checkpoint import EMBEDDING
from plum_jax.pretrained.checkpoint import LOGITS
from plum_jax.pretrained.tensor import Tensor

_ATTENTION = {'query': 'q', 'key': 'k', 'value': 'v', 'out': 'o'}
# Names under which the one table of embeddings may be stored.
EMBEDDING_TENSORS = (
    'shared.weight',
    'encoder.embed_tokens.weight',
    'decoder.embed_tokens.weight',
)
LOGITS_TENSOR = 'lm_head.weight'
# In the first published T5 files; the network has no such bias.
UNUSED_TENSORS = (
    'decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight',
)


def tensors(config: T5Config) -> dict[str, Tensor]:
  """Returns the tensor of each parameter.

  Args:
    config: number of layers, kind of MLP and output layer.

  >>> names = tensors(T5Config(vocab_size=128, num_decoder_layers=1))
  >>> names['decoder/layers_0/mlp/wi/kernel'].name
  'decoder.block.0.layer.2.DenseReluDense.wi.weight'
  >>> names['token_embedder/embedding']
  Tensor(name='shared.weight', transposed=False, offset=0.0)
  """
  found = {
      EMBEDDING: Tensor(EMBEDDING_TENSORS[0], False),
      'encoder/encoder_norm/scale': Tensor(
          'encoder.final_layer_norm.weight', False
      ),
      'decoder/decoder_norm/scale': Tensor(
          'decoder.final_layer_norm.weight', False
      ),
  }
  if not config.logits_via_embedding:
    found[LOGITS] = Tensor(LOGITS_TENSOR, True)
  for stack in ('encoder', 'decoder'):
    found[f'{stack}/relpos_bias/rel_embedding'] = Tensor(
        f'{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight',
        True,
    )
  wide = ['wi', 'wo']
  if len(config.mlp_activations) > 1:
    wide = [*(f'wi_{i}' for i in range(len(config.mlp_activations))), 'wo']
  for number in range(config.num_encoder_layers):
    found.update(
        _layer(
            f'encoder/layers_{number}',
            f'encoder.block.{number}',
            {'attention': 'SelfAttention'},
            wide,
        )
    )
  for number in range(config.num_decoder_layers):
    found.update(
        _layer(
            f'decoder/layers_{number}',
            f'decoder.block.{number}',
            {
                'self_attention': 'SelfAttention',
                'encoder_decoder_attention': 'EncDecAttention',
            },
            wide,
        )
    )
  return found


def _layer(
    ours: str, theirs: str, attentions: dict[str, str], wide: list[str]
) -> Iterator[tuple[str, Tensor]]:
  """Yields the parameters of one layer: its attentions, then its MLP."""
  norms = {'encoder_decoder_attention': 'cross_attention'}
  for i, (name, module) in enumerate(attentions.items()):
    part = f'{theirs}.layer.{i}'
    norm = f'pre_{norms.get(name, name)}_layer_norm'
    yield f'{ours}/{norm}/scale', Tensor(f'{part}.layer_norm.weight', False)
    for matrix, letter in _ATTENTION.items():
      yield (
          f'{ours}/{name}/{matrix}/kernel',
          Tensor(f'{part}.{module}.{letter}.weight', True),
      )
  part = f'{theirs}.layer.{len(attentions)}'
  yield (
      f'{ours}/pre_mlp_layer_norm/scale',
      Tensor(f'{part}.layer_norm.weight', False),
  )
  for matrix in wide:
    yield (
        f'{ours}/mlp/{matrix}/kernel',
        Tensor(f'{part}.DenseReluDense.{matrix}.weight', True),
    )

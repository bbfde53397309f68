# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""`config.json` of a Hugging Face T5, and our hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plum_jax.artifacts.errors import InputError
from plum_jax.networks.config import T5Config

# The networks' layer norm has this constant; every published T5 too.
_EPSILON = 1e-6
_ACTIVATIONS = {
    'relu': ('relu',),
    'gated-gelu': ('gelu', 'linear'),
    'gated-silu': ('silu', 'linear'),
}
_SUPPORTED = (
    'T5, T5 1.1 or FLAN-T5 (T5ForConditionalGeneration), or a Gemma 3 for text '
    '(Gemma3ForCausalLM)'
)


def read(values: Mapping[str, Any], where: object) -> T5Config:
  """Returns the hyper-parameters that a `config.json` describes.

  Args:
    values: its JSON object.
    where: the file, for errors.

  Returns:
    The configuration; `vocab_size` is the number of rows, padding included.

  Raises:
    InputError: it describes another kind of network.

  >>> config = read({'model_type': 't5', 'vocab_size': 32128, 'd_model': 512,
  ...     'd_kv': 64, 'd_ff': 1024, 'num_layers': 8, 'num_heads': 6,
  ...     'feed_forward_proj': 'gated-gelu', 'tie_word_embeddings': False}, '')
  >>> config.mlp_activations, config.num_decoder_layers
  (('gelu', 'linear'), 8)
  >>> config.logits_via_embedding
  False
  """
  if values.get('model_type') != 't5':
    raise _unsupported('model_type', values.get('model_type'), where)
  activation = values.get('feed_forward_proj', 'relu')
  if activation not in _ACTIVATIONS:
    raise _unsupported('feed_forward_proj', activation, where)
  if float(values.get('layer_norm_epsilon', _EPSILON)) != _EPSILON:
    raise _unsupported(
        'layer_norm_epsilon', values['layer_norm_epsilon'], where
    )
  try:
    num_layers = int(values['num_layers'])
    num_decoder_layers = values.get('num_decoder_layers')
    return T5Config(
        vocab_size=int(values['vocab_size']),
        emb_dim=int(values['d_model']),
        num_heads=int(values['num_heads']),
        head_dim=int(values['d_kv']),
        mlp_dim=int(values['d_ff']),
        mlp_activations=_ACTIVATIONS[activation],
        dropout_rate=float(values.get('dropout_rate', 0.1)),
        logits_via_embedding=_scaled(values),
        num_relpos_buckets=int(
            values.get('relative_attention_num_buckets', 32)
        ),
        max_relpos_distance=int(
            values.get('relative_attention_max_distance', 128)
        ),
        num_encoder_layers=num_layers,
        num_decoder_layers=(
            num_layers
            if num_decoder_layers is None
            else int(num_decoder_layers)
        ),
    )
  except (KeyError, TypeError, ValueError) as error:
    raise InputError(
        f'The sizes of the network cannot be read: {error!r}.',
        where=where,
        expected=f'config.json of {_SUPPORTED}',
        fix='Get the file again.',
    ) from error


def _scaled(values: Mapping[str, Any]) -> bool:
  """Whether logits are products with the embedding, scaled.

  `transformers` 5 writes `tie_word_embeddings: true` for all and says in
  `scale_decoder_outputs` what version 4 said there.
  """
  scaled = values.get('scale_decoder_outputs')
  if scaled is None:
    scaled = values.get('tie_word_embeddings', True) is not False
  return bool(scaled)


def write(config: T5Config) -> dict[str, Any]:
  """Returns the JSON object of a `config.json`.

  Args:
    config: an encoder-decoder's hyper-parameters.

  Returns:
    JSON values that versions 4 and 5 of `transformers` understand.

  Raises:
    InputError: `transformers` has no such network.

  >>> config = T5Config(vocab_size=128, mlp_activations=('gelu', 'linear'))
  >>> read(write(config), '') == config
  True
  """
  activations = {ours: theirs for theirs, ours in _ACTIVATIONS.items()}
  if config.mlp_activations not in activations:
    raise InputError(
        f'The T5 of transformers has no MLP with {config.mlp_activations}.',
        where='mlp_activations',
        expected=f'one of {", ".join(map(str, activations))}',
        fix='Only these can be written as a Hugging Face folder.',
    )
  return {
      'architectures': ['T5ForConditionalGeneration'],
      'model_type': 't5',
      'is_encoder_decoder': True,
      'vocab_size': config.vocab_size,
      'd_model': config.emb_dim,
      'd_kv': config.head_dim,
      'd_ff': config.mlp_dim,
      'num_layers': config.num_encoder_layers,
      'num_decoder_layers': config.num_decoder_layers,
      'num_heads': config.num_heads,
      'feed_forward_proj': activations[config.mlp_activations],
      'dropout_rate': config.dropout_rate,
      'layer_norm_epsilon': _EPSILON,
      'relative_attention_num_buckets': config.num_relpos_buckets,
      'relative_attention_max_distance': config.max_relpos_distance,
      'tie_word_embeddings': config.logits_via_embedding,
      'scale_decoder_outputs': config.logits_via_embedding,
  }


def _unsupported(field: str, value: object, where: object) -> InputError:
  return InputError(
      f'The network has {field}={value!r}, which is not computed here.',
      where=f'{where}, {field}',
      expected=_SUPPORTED,
      fix='Use one of these models.',
  )

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Gemma 3's hyper-parameters as others state them, and ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plum_jax.artifacts.errors import InputError
from plum_jax.networks.config import GemmaConfig

HUGGING_FACE_MODEL_TYPE = 'gemma3_text'
GGUF_ARCHITECTURE = 'gemma3'
_SUPPORTED = 'a Gemma 3 for text: 270M, 1B (Gemma3ForCausalLM)'
# What our network has no parameter for, and the value that changes nothing.
_EPSILON = 1e-6
_FIXED = {
    'hidden_activation': 'gelu_pytorch_tanh',
    'attention_bias': False,
    'attn_logit_softcapping': None,
    'final_logit_softcapping': None,
    'use_bidirectional_attention': False,
    'tie_word_embeddings': True,
    'rope_scaling': None,
}


def from_hugging_face(values: Mapping[str, Any], where: object) -> GemmaConfig:
  """Returns the hyper-parameters that a `config.json` describes.

  Args:
    values: its JSON object, as versions 4 and 5 of `transformers` write it.
    where: the file, for errors.

  Returns:
    The configuration.

  Raises:
    InputError: it describes another kind of network.

  >>> config = from_hugging_face({'model_type': 'gemma3_text',
  ...     'vocab_size': 262144, 'hidden_size': 640, 'num_attention_heads': 4,
  ...     'num_key_value_heads': 1, 'head_dim': 256, 'intermediate_size': 2048,
  ...     'num_hidden_layers': 18, 'sliding_window': 512}, '')
  >>> config == GemmaConfig()
  True
  """
  for field, fixed in _FIXED.items():
    value = values.get(field, fixed)
    # None and False both say that a thing is off.
    if value != fixed and (value or fixed):
      raise _unsupported(field, value, where)
  if float(values.get('rms_norm_eps', _EPSILON)) != _EPSILON:
    raise _unsupported('rms_norm_eps', values['rms_norm_eps'], where)
  bases = _rope_bases(values, where)
  try:
    config = GemmaConfig(
        vocab_size=int(values['vocab_size']),
        emb_dim=int(values['hidden_size']),
        num_heads=int(values['num_attention_heads']),
        num_kv_heads=int(values['num_key_value_heads']),
        head_dim=int(values['head_dim']),
        mlp_dim=int(values['intermediate_size']),
        num_layers=int(values['num_hidden_layers']),
        sliding_window=int(values['sliding_window']),
        global_every=_global_every(values, where),
        global_rope_base=bases[0],
        local_rope_base=bases[1],
        query_pre_attn_scalar=float(values.get('query_pre_attn_scalar', 256)),
        bos_id=int(values.get('bos_token_id', 2)),
    )
  except (KeyError, TypeError, ValueError) as error:
    raise _unreadable(error, where) from error
  return _checked(config, where)


def _rope_bases(
    values: Mapping[str, Any], where: object
) -> tuple[float, float]:
  """Returns the bases of global and of local layers."""
  kinds = values.get('rope_parameters')
  if kinds is None:  # Version 4.
    return (
        float(values.get('rope_theta', 1e6)),
        float(values.get('rope_local_base_freq', 1e4)),
    )
  bases = []
  for name, default in (('full_attention', 1e6), ('sliding_attention', 1e4)):
    one = kinds.get(name) or {}
    if one.get('rope_type', 'default') != 'default':
      raise _unsupported('rope_parameters', kinds, where)
    bases.append(float(one.get('rope_theta', default)))
  return bases[0], bases[1]


def _global_every(values: Mapping[str, Any], where: object) -> int:
  """Returns how often a layer is global."""
  kinds = values.get('layer_types')
  if kinds is None:
    return int(
        values.get('sliding_window_pattern')
        or values.get('_sliding_window_pattern')
        or 6
    )
  every = len(kinds) + 1
  if 'full_attention' in kinds:
    every = kinds.index('full_attention') + 1
  expected = [
      'sliding_attention' if (i + 1) % every else 'full_attention'
      for i in range(len(kinds))
  ]
  if kinds != expected:
    raise _unsupported('layer_types', kinds, where)
  return every


def from_gguf(
    fields: Mapping[str, Any], num_rows: int, where: object
) -> GemmaConfig:
  """Returns the hyper-parameters that the fields of a GGUF file describe.

  Args:
    fields: its keys and values.
    num_rows: rows of the table of embeddings.
    where: the file, for errors.

  Returns:
    The configuration.

  Raises:
    InputError: it describes another kind of network.
  """
  architecture = fields.get('general.architecture')
  if architecture != GGUF_ARCHITECTURE:
    raise _unsupported('general.architecture', architecture, where)

  def field(name: str, default: Any = None) -> Any:
    value = fields.get(f'{GGUF_ARCHITECTURE}.{name}', default)
    if value is None:
      raise KeyError(f'{GGUF_ARCHITECTURE}.{name}')
    return value

  try:
    epsilon = float(field('attention.layer_norm_rms_epsilon'))
    if abs(epsilon - _EPSILON) > 1e-9:  # It is stored as float32.
      raise _unsupported('layer_norm_rms_epsilon', epsilon, where)
    for name, fixed in (
        ('rope.scaling.factor', 1.0),
        ('attn_logit_softcapping', 0.0),
        ('final_logit_softcapping', 0.0),
    ):
      if field(name, fixed) != fixed:
        raise _unsupported(name, field(name), where)
    head_dim = int(field('attention.key_length'))
    if int(field('attention.value_length', head_dim)) != head_dim:
      raise _unsupported(
          'attention.value_length', field('attention.value_length'), where
      )
    config = GemmaConfig(
        vocab_size=num_rows,
        emb_dim=int(field('embedding_length')),
        num_heads=int(field('attention.head_count')),
        num_kv_heads=int(field('attention.head_count_kv')),
        head_dim=head_dim,
        mlp_dim=int(field('feed_forward_length')),
        num_layers=int(field('block_count')),
        sliding_window=int(field('attention.sliding_window')),
        # The file states neither: llama.cpp has the pattern, and this scale
        # for all but 27B, in its code.
        global_every=int(field('attention.sliding_window_pattern', 6)),
        query_pre_attn_scalar=float(head_dim),
        global_rope_base=float(field('rope.freq_base', 1e6)),
        local_rope_base=float(field('rope.freq_base_swa', 1e4)),
        bos_id=int(fields['tokenizer.ggml.bos_token_id']),
    )
  except (KeyError, TypeError, ValueError) as error:
    raise _unreadable(error, where) from error
  return _checked(config, where)


def _checked(config: GemmaConfig, where: object) -> GemmaConfig:
  """Refuses sizes that do not fit each other."""
  if config.head_dim % 2 or config.num_heads % config.num_kv_heads:
    raise _unreadable(
        f'{config.num_heads} heads, {config.num_kv_heads} of keys, of '
        f'{config.head_dim} numbers',
        where,
    )
  return config


def _unreadable(error: object, where: object) -> InputError:
  return InputError(
      f'The sizes of the network cannot be read: {error!r}.',
      where=where,
      expected=f'those of {_SUPPORTED}',
      fix='Get the file again.',
  )


def _unsupported(field: str, value: object, where: object) -> InputError:
  return InputError(
      f'The network has {field}={value!r}, which is not computed here.',
      where=f'{where}, {field}',
      expected=_SUPPORTED,
      fix='Use one of these models.',
  )

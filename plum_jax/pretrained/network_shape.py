# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Hyper-parameters of a network, read off the shapes of its parameters."""

from __future__ import annotations

from collections.abc import Mapping

import jax

from plum_jax.artifacts.errors import InputError
from plum_jax.networks.config import NetworkConfig
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig
from plum_jax.pretrained.checkpoint import DECODER_ONLY_EMBEDDING
from plum_jax.pretrained.checkpoint import EMBEDDING
from plum_jax.pretrained.checkpoint import LOGITS

Arrays = Mapping[str, jax.ShapeDtypeStruct]


def network_config(arrays: Arrays, where: object) -> NetworkConfig:
  """Returns the hyper-parameters of a T5X tree of parameters.

  Names of activations leave no trace in shapes: one matrix means T5's ReLU,
  two mean T5 1.1's gated GELU, as in all that T5X publishes.

  Args:
    arrays: the parameters by their names.
    where: the checkpoint, for errors.

  Returns:
    The configuration of an encoder-decoder if there is an encoder, else that
    of a decoder-only network.

  Raises:
    InputError: the tree is of another network.
  """
  check_is_ours(arrays, where)
  try:
    num_heads, num_buckets = arrays['decoder/relpos_bias/rel_embedding'].shape
    query = arrays['decoder/layers_0/self_attention/query/kernel'].shape
    gated = 'decoder/layers_0/mlp/wi_0/kernel' in arrays
    mlp_dim = arrays['decoder/layers_0/mlp/wo/kernel'].shape[0]
    encoder = _num_layers(arrays, 'encoder')
    name = EMBEDDING if encoder else DECODER_ONLY_EMBEDDING
    vocab_size, emb_dim = arrays[name].shape
  except (KeyError, ValueError) as error:
    raise _other_network(f'it lacks {error}', where) from error
  sizes = {
      'vocab_size': vocab_size,
      'emb_dim': emb_dim,
      'num_heads': num_heads,
      'head_dim': query[-1] // num_heads,
      'mlp_dim': mlp_dim,
      'mlp_activations': ('gelu', 'linear') if gated else ('relu',),
      'logits_via_embedding': LOGITS not in arrays,
      'num_relpos_buckets': num_buckets,
  }
  decoder = _num_layers(arrays, 'decoder')
  if encoder:
    return T5Config(
        num_encoder_layers=encoder, num_decoder_layers=decoder, **sizes
    )
  return TransformerConfig(num_layers=decoder, **sizes)


def _num_layers(arrays: Arrays, stack: str) -> int:
  return len(
      {
          name.split('/')[1]
          for name in arrays
          if name.startswith(f'{stack}/layers_')
      }
  )


def check_is_ours(arrays: Arrays, where: object) -> None:
  """Refuses trees of T5X's networks that are others than ours.

  Args:
    arrays: the parameters by their names.
    where: the checkpoint, for errors.

  Raises:
    InputError: a position bias in each layer, as `scalable_t5` has.
  """
  for name in arrays:
    parts = name.split('/')
    if parts[1:2] in (['encoder'], ['decoder'], ['layers']):
      raise _other_network(
          'its layers are stacked into one, each with a position bias of its '
          'own',
          f'{where}, {name}',
      )
    if 'relpos_bias' in parts[2:]:
      raise _other_network(
          'each layer has a position bias of its own', f'{where}, {name}'
      )


def _other_network(problem: str, where: object) -> InputError:
  return InputError(
      f'The checkpoint is of another network: {problem}.',
      where=where,
      expected="the tree of T5X's examples/t5 or examples/decoder_only",
      fix="Use a checkpoint of T5X's t5 or t5_1_1, not scalable_t5 or umt5, or "
      'a Hugging Face folder.',
  )

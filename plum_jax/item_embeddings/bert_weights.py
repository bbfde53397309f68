# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Published BERT weights as parameters of `bert.BertEncoder`."""

from __future__ import annotations

from collections.abc import Mapping
import os
from typing import Any

from flax import traverse_util
import jax
from jax import numpy as jnp
import numpy as np
import safetensors

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import bert

# Tensor names of the file, by path in the parameter tree.
_OUTSIDE_LAYERS = {
    'token_embedding': 'embeddings.word_embeddings.weight',
    'position_embedding': 'embeddings.position_embeddings.weight',
    'type_embedding': 'embeddings.token_type_embeddings.weight',
    'embedding_norm/scale': 'embeddings.LayerNorm.weight',
    'embedding_norm/bias': 'embeddings.LayerNorm.bias',
}
_DENSE_IN_LAYER = {
    'attention/query': 'attention.self.query',
    'attention/key': 'attention.self.key',
    'attention/value': 'attention.self.value',
    'attention/out': 'attention.output.dense',
    'wi': 'intermediate.dense',
    'wo': 'output.dense',
}
_NORM_IN_LAYER = {
    'attention_norm': 'attention.output.LayerNorm',
    'mlp_norm': 'output.LayerNorm',
}
# Heads on top of the encoder and buffers, which sentence encoders do not use.
_UNUSED = ('pooler.', 'cls.', 'embeddings.position_ids')
_FIX = 'Use the config.json and model.safetensors of one and the same encoder.'


def tensor_names(num_layers: int) -> dict[str, str]:
  """Returns the name in the file by path in the parameter tree.

  Args:
    num_layers: number of the encoder's layers.

  >>> tensor_names(1)['layers_0/wi/kernel']
  'encoder.layer.0.intermediate.dense.weight'
  """
  names = dict(_OUTSIDE_LAYERS)
  for number in range(num_layers):
    ours, theirs = f'layers_{number}', f'encoder.layer.{number}'
    for path, name in _DENSE_IN_LAYER.items():
      names[f'{ours}/{path}/kernel'] = f'{theirs}.{name}.weight'
      names[f'{ours}/{path}/bias'] = f'{theirs}.{name}.bias'
    for path, name in _NORM_IN_LAYER.items():
      names[f'{ours}/{path}/scale'] = f'{theirs}.{name}.weight'
      names[f'{ours}/{path}/bias'] = f'{theirs}.{name}.bias'
  return names


def abstract_variables(config: bert.BertConfig) -> Mapping[str, Any]:
  """Returns shapes of `params` and logical axes `params_axes`, no arrays."""
  tokens = jax.ShapeDtypeStruct((1, 1), jnp.int32)
  mask = jax.ShapeDtypeStruct((1, 1), jnp.bool_)
  encoder = bert.BertEncoder(config)
  return jax.eval_shape(encoder.init, jax.random.key(0), tokens, mask)


def load(
    path: str | os.PathLike[str], config: bert.BertConfig
) -> dict[str, Any]:
  """Reads the encoder's parameters.

  Args:
    path: `model.safetensors`; float32, float16 or bfloat16.
    config: sizes, from `config.json`.

  Returns:
    The parameter tree of `bert.BertEncoder`, float32 numpy arrays.

  Raises:
    InputError: not such a file, or a tensor that is missing, left over, of
      another shape than `config` says, or not finite.
  """
  shapes: dict[str, Any] = traverse_util.flatten_dict(
      abstract_variables(config)['params'], sep='/'
  )
  names = tensor_names(config.num_hidden_layers)
  try:
    with safetensors.safe_open(path, framework='numpy') as file:
      prefix = _check_names(path, file.keys(), set(names.values()))
      params = {
          key: _read(file, path, key, prefix + names[key], shape.shape)
          for key, shape in shapes.items()
      }
  except (OSError, safetensors.SafetensorError) as error:
    raise InputError(
        f'The weights cannot be read: {error}.',
        where=path,
        expected='a whole safetensors file',
        fix='Download the encoder again.',
    ) from error
  return traverse_util.unflatten_dict(params, sep='/')


def _check_names(path, found: list[str], wanted: set[str]) -> str:
  """Returns the prefix of all names; refuses missing and left-over tensors."""
  prefix = 'bert.' if any(name.startswith('bert.') for name in found) else ''
  missing = sorted(wanted - {name.removeprefix(prefix) for name in found})
  if missing:
    raise InputError(
        f'{len(missing)} tensors of a BERT encoder are missing, the first is '
        f'{prefix + missing[0]}.',
        where=path,
        expected='all tensors of the layers that config.json names',
        fix=_FIX,
    )
  left_over = sorted(
      name
      for name in found
      if name.removeprefix(prefix) not in wanted
      and not name.removeprefix(prefix).startswith(_UNUSED)
  )
  if left_over:
    raise InputError(
        f'{len(left_over)} tensors have no place in the encoder that '
        f'config.json describes, the first is {left_over[0]}.',
        where=path,
        expected='no more layers and parameters than config.json names',
        fix=_FIX,
    )
  return prefix


def _read(file, path, key: str, name: str, shape: tuple[int, ...]):
  """Reads one tensor and turns it the way round that Flax has it."""
  tensor = np.asarray(file.get_tensor(name))
  # The file's kernels are [output, input].
  wanted = shape[::-1] if key.endswith('/kernel') else shape
  if tensor.shape != wanted:
    raise InputError(
        f'The tensor {name} has shape {list(tensor.shape)}.',
        where=f'{path}, {name}',
        expected=f'shape {list(wanted)}, as config.json says',
        fix=_FIX,
    )
  tensor = tensor.astype(np.float32)
  if not np.isfinite(tensor).all():
    raise InputError(
        f'The tensor {name} holds NaN or infinite values.',
        where=f'{path}, {name}',
        expected='finite numbers',
        fix='Download the encoder again.',
    )
  return np.ascontiguousarray(tensor.T) if key.endswith('/kernel') else tensor

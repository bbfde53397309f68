# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A generator as a Hugging Face folder that `transformers` loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import json
import logging
import os
import pathlib
from typing import Any

import jax
import numpy as np
from safetensors import numpy as safetensors_numpy

from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.networks.config import NetworkConfig
from plum_jax.networks.config import T5Config
from plum_jax.pretrained import hugging_face_config
from plum_jax.pretrained import hugging_face_names
from plum_jax.pretrained import hugging_face_tokenizer
from plum_jax.pretrained.hugging_face_reader import CONFIG
from plum_jax.pretrained.hugging_face_reader import INDEX
from plum_jax.pretrained.hugging_face_reader import WEIGHTS

GENERATION_CONFIG = 'generation_config.json'
DTYPES = ('float32', 'bfloat16', 'float16')
_MAX_FILE_BYTES = 5 * 10**9

_LOGGER = logging.getLogger('plum_jax')


def write(
    directory: str | os.PathLike[str],
    params: Any,
    config: NetworkConfig,
    sentencepiece_model: bytes,
    *,
    dtype: str = 'float32',
    max_file_bytes: int = _MAX_FILE_BYTES,
) -> None:
  """Writes configuration, weights and tokenizer.

  Args:
    directory: an existing, empty folder.
    params: the parameters of an encoder-decoder.
    config: its hyper-parameters.
    sentencepiece_model: its vocabulary's SentencePiece model, serialized.
    dtype: of the weights: `float32`, `bfloat16` or `float16`.
    max_file_bytes: weights beyond this are split into several files.

  Raises:
    InputError: `transformers` has no such network.
  """
  if not isinstance(config, T5Config):
    raise InputError(
        'The generator is decoder-only, which the T5 of transformers is not.',
        where='the model that was trained',
        expected='an encoder-decoder',
        fix='Train one (CONVERTER encoder_decoder) to have a Hugging Face '
        'folder of it.',
    )
  if dtype not in DTYPES:
    raise InputError(
        f'Weights cannot be written as {dtype}.',
        where='dtype',
        expected=f'one of {", ".join(DTYPES)}',
        fix='Correct the name.',
    )
  if config.num_decoder_layers > config.num_encoder_layers:
    # Its cache has as many layers as the encoder (seen in version 5.23).
    _LOGGER.warning(
        'hugging_face: more decoder than encoder layers; transformers can '
        'generate with use_cache=False alone'
    )
  directory = pathlib.Path(directory)
  ids = hugging_face_tokenizer.special_ids(sentencepiece_model)
  special = {
      'pad_token_id': ids['pad'],
      'eos_token_id': ids['eos'],
      'decoder_start_token_id': ids['pad'],
  }
  values = hugging_face_config.write(config) | special
  # Version 4 of transformers calls it torch_dtype, version 5 dtype.
  values |= {'dtype': dtype, 'torch_dtype': dtype}
  _write_json(directory / CONFIG, values)
  _write_json(directory / GENERATION_CONFIG, special)
  _write_weights(directory, params, config, np.dtype(dtype), max_file_bytes)
  hugging_face_tokenizer.write(directory, sentencepiece_model)


def _write_weights(
    directory: pathlib.Path,
    params: Any,
    config: T5Config,
    dtype: np.dtype,
    max_file_bytes: int,
) -> None:
  """Writes the tensors; only those of one file are in memory at a time."""
  arrays = trees.to_flat(params)
  names = hugging_face_names.tensors(config)
  groups = list(_groups(arrays, dtype.itemsize, max_file_bytes))
  weight_map = {}
  for number, group in enumerate(groups, start=1):
    file = WEIGHTS
    if len(groups) > 1:
      file = f'model-{number:05}-of-{len(groups):05}.safetensors'
    tensors = {}
    for name in group:
      array = np.asarray(jax.device_get(arrays[name])).astype(dtype)
      array = array.T if names[name].transposed else array
      tensors[names[name].name] = np.ascontiguousarray(array)
      weight_map[names[name].name] = file
    safetensors_numpy.save_file(
        tensors, directory / file, metadata={'format': 'pt'}
    )
    # safetensors lets nobody else read what it writes.
    (directory / file).chmod(0o644)
  if len(groups) > 1:
    size = sum(array.size for array in arrays.values()) * dtype.itemsize
    _write_json(
        directory / INDEX,
        {
            'metadata': {'total_size': size},
            'weight_map': dict(sorted(weight_map.items())),
        },
    )


def _groups(
    arrays: Mapping[str, Any], itemsize: int, max_bytes: int
) -> Iterator[list[str]]:
  """Yields the names of each file's parameters."""
  group: list[str] = []
  size = 0
  for name, array in arrays.items():
    if group and size + array.size * itemsize > max_bytes:
      yield group
      group, size = [], 0
    group.append(name)
    size += array.size * itemsize
  yield group


def _write_json(path: pathlib.Path, values: Mapping[str, Any]) -> None:
  path.write_text(json.dumps(values, indent=2, sort_keys=True) + '\n', 'utf-8')

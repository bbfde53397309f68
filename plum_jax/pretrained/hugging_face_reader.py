# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A Hugging Face folder with a T5 or a Gemma 3, read a tensor at a time."""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
import json
import os
import pathlib
from typing import Any

import jax
import numpy as np
import safetensors

from plum_jax.artifacts.errors import InputError
from plum_jax.networks.config import GemmaConfig
from plum_jax.networks.config import T5Config
from plum_jax.pretrained import gemma_config
from plum_jax.pretrained import gemma_names
from plum_jax.pretrained import hugging_face_config
from plum_jax.pretrained import hugging_face_names
from plum_jax.pretrained import placing
from plum_jax.pretrained import tensor as tensors
from plum_jax.pretrained.checkpoint import Checkpoint
from plum_jax.pretrained.checkpoint import DECODER_ONLY_EMBEDDING
from plum_jax.pretrained.checkpoint import EMBEDDING
from plum_jax.pretrained.checkpoint import Wanted
from plum_jax.pretrained.tensor import Tensor

CONFIG, WEIGHTS = 'config.json', 'model.safetensors'
INDEX, SENTENCEPIECE = 'model.safetensors.index.json', 'spiece.model'
# T5's name of the SentencePiece model, and Gemma's.
SENTENCEPIECE_FILES = (SENTENCEPIECE, 'tokenizer.model')
_DTYPES = {'F32': 'float32', 'F16': 'float16', 'BF16': 'bfloat16'}
_FIX = 'Use config.json and weights of one and the same model.'


def open_folder(directory: str | os.PathLike[str]) -> Checkpoint:
  """Looks at a folder with `config.json` and `model.safetensors`.

  The weights may lie in one file, or in several with an index. Tensors are read
  when they are asked for.

  Args:
    directory: the folder.

  Returns:
    The checkpoint.

  Raises:
    InputError: no such folder, another kind of network, or tensors that are
      missing, left over or of other shapes than `config.json` says.
  """
  directory = pathlib.Path(directory)
  values = _read_json(directory / CONFIG)
  config = _config(values, directory / CONFIG)
  stored = _stored_in(directory)
  names = _matched(config, stored, directory)
  arrays = _arrays(names, stored, config, directory)
  table = EMBEDDING if EMBEDDING in names else DECODER_ONLY_EMBEDDING
  _check_tied(config, stored, names[table].name, directory)
  pieces = sentencepiece_file(directory)
  files = {directory / CONFIG, *stored.values()}
  return Checkpoint(
      form='a Hugging Face folder',
      path=str(directory),
      arrays=arrays,
      read=lambda wanted: _read(wanted, names, stored),
      config=config,
      sentencepiece=pieces.read_bytes() if pieces else None,
      files=tuple(sorted(files)),
  )


def sentencepiece_file(directory: pathlib.Path) -> pathlib.Path | None:
  """Returns a folder's SentencePiece model; None if there is none."""
  for name in SENTENCEPIECE_FILES:
    if (directory / name).is_file():
      return directory / name
  return None


def _config(
    values: Mapping[str, Any], where: pathlib.Path
) -> T5Config | GemmaConfig:
  if values.get('model_type') == gemma_config.HUGGING_FACE_MODEL_TYPE:
    return gemma_config.from_hugging_face(values, where)
  return hugging_face_config.read(values, where)


def _read_json(path: pathlib.Path) -> Mapping[str, Any]:
  try:
    values = json.loads(path.read_text('utf-8'))
    if isinstance(values, dict):
      return values
    problem = 'it is no JSON object'
  except (OSError, ValueError) as error:
    problem = str(error)
  raise InputError(
      f'The file cannot be read: {problem}.',
      where=path,
      expected='the JSON object that a Hugging Face folder has there',
      fix='Get the folder again.',
  )


def _stored_in(directory: pathlib.Path) -> dict[str, pathlib.Path]:
  """Returns the file of each tensor."""
  if (directory / INDEX).is_file():
    by_name = _read_json(directory / INDEX).get('weight_map', {})
    stored = {name: directory / file for name, file in by_name.items()}
    missing = sorted({file for file in stored.values() if not file.is_file()})
    if stored and not missing:
      return stored
    what = 'The index names no tensors.'
    if missing:
      what = f'The file {missing[0].name}, which the index names, is missing.'
  elif (directory / WEIGHTS).is_file():
    path = directory / WEIGHTS
    with _open(path) as file:
      return dict.fromkeys(file.keys(), path)
  else:
    what = 'The folder has no weights as safetensors.'
  raise InputError(
      what,
      where=directory,
      expected=f'{WEIGHTS}, or {INDEX} and the files that it names',
      fix='Get the safetensors files of the model; weights in another format '
      'are written anew by save_pretrained of transformers.',
  )


@contextlib.contextmanager
def _open(path: pathlib.Path):
  """Opens a file of tensors; errors name it."""
  try:
    with safetensors.safe_open(path, framework='numpy') as file:
      yield file
  except (OSError, safetensors.SafetensorError) as error:
    raise InputError(
        f'The weights cannot be read: {error}.',
        where=path,
        expected='a whole safetensors file',
        fix='Get the file again.',
    ) from error


def _matched(
    config: T5Config | GemmaConfig,
    stored: Mapping[str, pathlib.Path],
    where: pathlib.Path,
) -> dict[str, Tensor]:
  """Returns the tensor of each parameter; refuses too few and too many."""
  unused = {hugging_face_names.LOGITS_TENSOR}
  if isinstance(config, GemmaConfig):
    names = gemma_names.hugging_face(config)
  else:
    names = hugging_face_names.tensors(config)
    unused |= {
        *hugging_face_names.EMBEDDING_TENSORS,
        *hugging_face_names.UNUSED_TENSORS,
    }
    for name in hugging_face_names.EMBEDDING_TENSORS:
      if name in stored:
        names[EMBEDDING] = Tensor(name, False)
        break
  wanted = {tensor.name for tensor in names.values()}
  for left, what in (
      (wanted - set(stored), 'are missing'),
      (set(stored) - wanted - unused, 'have no place in the network'),
  ):
    if left:
      raise InputError(
          f'{len(left)} tensors {what}, the first is {min(left)}.',
          where=where,
          expected='the tensors of the network that config.json describes',
          fix=_FIX,
      )
  return names


def _arrays(
    names: Mapping[str, Tensor],
    stored: Mapping[str, pathlib.Path],
    config: T5Config | GemmaConfig,
    where: pathlib.Path,
) -> dict[str, jax.ShapeDtypeStruct]:
  """Describes the parameters; their shapes are those of the configuration."""
  arrays = {}
  for path in sorted(set(stored.values())):
    with _open(path) as file:
      for ours, tensor in names.items():
        if stored[tensor.name] != path:
          continue
        part = file.get_slice(tensor.name)
        shape, kind = tuple(part.get_shape()), part.get_dtype()
        if kind not in _DTYPES:
          raise InputError(
              f'The tensor {tensor.name} is {kind}.',
              where=path,
              expected=f'one of {", ".join(_DTYPES)}',
              fix='Get the model in one of these formats.',
          )
        arrays[ours] = jax.ShapeDtypeStruct(
            shape[::-1] if tensor.transposed else shape,
            np.dtype(_DTYPES[kind]),
        )
  for ours, expected in tensors.expected_shapes(config, names).items():
    if arrays[ours].shape != expected:
      raise InputError(
          f'The tensor {names[ours].name} has shape '
          f'{_turned(arrays[ours].shape, names[ours])}.',
          where=where,
          expected=f'shape {_turned(expected, names[ours])}, as config.json '
          'says',
          fix=_FIX,
      )
  return arrays


def _turned(shape: tuple[int, ...], tensor: Tensor) -> list[int]:
  return list(shape[::-1] if tensor.transposed else shape)


def _check_tied(
    config: T5Config | GemmaConfig,
    stored: Mapping[str, pathlib.Path],
    embedding: str,
    where: pathlib.Path,
) -> None:
  """Refuses an output layer of its own where the configuration has none."""
  logits = hugging_face_names.LOGITS_TENSOR
  if not config.logits_via_embedding or logits not in stored:
    return
  with _open(stored[logits]) as one, _open(stored[embedding]) as other:
    if np.array_equal(one.get_tensor(logits), other.get_tensor(embedding)):
      return
  raise InputError(
      f'{logits} is not the table {embedding}, which config.json ties it to.',
      where=where,
      expected='one table, or tie_word_embeddings: false',
      fix=_FIX,
  )


def _read(
    wanted: Wanted,
    names: Mapping[str, Tensor],
    stored: Mapping[str, pathlib.Path],
) -> dict[str, Any]:
  """Reads parameters, file by file."""
  found = {}
  for path in sorted({stored[names[name].name] for name in wanted}):
    with _open(path) as file:
      for name, shape in wanted.items():
        tensor = names[name]
        if stored[tensor.name] == path:
          found[name] = placing.place(
              shape, _reader(file, tensor), f'{path}, {tensor.name}'
          )
  return found


def _reader(file: Any, tensor: Tensor):
  """Returns a function that reads a part of a parameter."""
  part = file.get_slice(tensor.name)
  if tensor.transposed:
    return lambda index: part[index[::-1]].T
  return lambda index: part[index]

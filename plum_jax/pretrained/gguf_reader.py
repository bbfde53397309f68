# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A GGUF file with a Gemma 3, whose quantized tensors are read as float32."""

from __future__ import annotations

from collections.abc import Mapping
import functools
import os
import pathlib
import types
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.pretrained import gemma_config
from plum_jax.pretrained import gemma_names
from plum_jax.pretrained import gguf_tokenizer
from plum_jax.pretrained import placing
from plum_jax.pretrained import tensor as tensors
from plum_jax.pretrained.checkpoint import Checkpoint
from plum_jax.pretrained.checkpoint import Wanted
from plum_jax.pretrained.tensor import Tensor

SUFFIX = '.gguf'
_EMBEDDING = 'token_embd.weight'
# Kept by llama.cpp's converter where a model has scaled rotary angles.
_UNUSED = frozenset({'rope_freqs.weight'})


def open_file(path: str | os.PathLike[str]) -> Checkpoint:
  """Looks at a GGUF file; tensors are read when they are asked for.

  Args:
    path: the file, of any quantization that the package `gguf` knows.

  Returns:
    The checkpoint, with the SentencePiece model that its tokenizer's fields
    describe.

  Raises:
    InputError: the package `gguf` is missing, or the file is of another kind of
      network.
  """
  path = pathlib.Path(path)
  gguf = _library()
  fields, stored = _contents(path)
  if _EMBEDDING not in stored:
    raise _other(f'It has no tensor {_EMBEDDING}', path)
  num_rows = int(stored[_EMBEDDING].shape[1])
  config = gemma_config.from_gguf(fields, num_rows, path)
  names = gemma_names.gguf(config)
  _check_names(names, stored, path)
  arrays = {
      name: jax.ShapeDtypeStruct(shape, np.dtype('float32'))
      for name, shape in tensors.expected_shapes(config, names).items()
  }
  for name, tensor in names.items():
    # GGUF counts dimensions from the last: a matrix's shape is ours where ours
    # is transposed.
    shape = tuple(int(size) for size in stored[tensor.name].shape)
    found = shape if tensor.transposed else shape[::-1]
    if found != arrays[name].shape:
      raise _other(f'Its tensor {tensor.name} has shape {list(shape)}', path)
  return Checkpoint(
      form='a GGUF file',
      path=str(path),
      arrays=arrays,
      read=lambda wanted: _read(gguf, wanted, names, stored, path),
      config=config,
      sentencepiece=gguf_tokenizer.sentencepiece_model(fields, path),
      files=(path,),
  )


def read_sentencepiece(path: str | os.PathLike[str]) -> bytes:
  """Returns the SentencePiece model of a GGUF file, serialized.

  Raises:
    InputError: see `open_file`.
  """
  path = pathlib.Path(path)
  return gguf_tokenizer.sentencepiece_model(_contents(path)[0], path)


def _library() -> Any:
  try:
    import gguf
  except ImportError as error:
    raise InputError(
        'GGUF files need the package gguf, which is not installed.',
        where='the environment',
        expected='the extra gguf',
        fix="Run pip install 'plum-jax[gguf]'.",
    ) from error
  return gguf


def _contents(path: pathlib.Path) -> tuple[dict[str, Any], dict[str, Any]]:
  """Returns keys and values, and the tensors by their names."""
  try:
    stat = path.stat()
    return _parsed(path.absolute(), stat.st_mtime_ns, stat.st_size)
  except (OSError, ValueError, IndexError) as error:
    raise InputError(
        f'The file cannot be read: {error}.',
        where=path,
        expected='a whole GGUF file',
        fix='Get the file again.',
    ) from error


# A quarter of a million pieces take the library some ten seconds, and several
# stages look at the same file.
@functools.lru_cache(maxsize=1)
def _parsed(
    path: pathlib.Path, modified: int, size: int
) -> tuple[dict[str, Any], dict[str, Any]]:
  """Reads a file of this time and size; tensors' numbers stay in it."""
  del modified, size
  reader = _library().GGUFReader(path)
  fields = {name: field.contents() for name, field in reader.fields.items()}
  return fields, {tensor.name: tensor for tensor in reader.tensors}


def _check_names(
    names: Mapping[str, Tensor], stored: Mapping[str, Any], path: pathlib.Path
) -> None:
  """Refuses too few and too many tensors."""
  wanted = {tensor.name for tensor in names.values()}
  for left, what in (
      (wanted - set(stored), 'are missing'),
      (set(stored) - wanted - _UNUSED, 'have no place in the network'),
  ):
    if left:
      raise _other(
          f'{len(left)} tensors {what}, the first is {min(left)}', path
      )


def _read(
    gguf: types.ModuleType,
    wanted: Wanted,
    names: Mapping[str, Tensor],
    stored: Mapping[str, Any],
    path: pathlib.Path,
) -> dict[str, Any]:
  """Reads parameters, dequantizing the rows that are asked for."""
  return {
      name: placing.place(
          shape,
          _reader(gguf, names[name], stored[names[name].name]),
          f'{path}, {names[name].name}',
      )
      for name, shape in wanted.items()
  }


def _reader(gguf: types.ModuleType, tensor: Tensor, found: Any):
  """Returns a function that reads a part of a parameter."""

  def part(index: placing.Index) -> np.ndarray:
    rows, *columns = index[::-1] if tensor.transposed else index
    numbers = gguf.quants.dequantize(found.data[rows], found.tensor_type)
    numbers = numbers[(slice(None), *columns)]
    if tensor.offset:
      numbers = numbers + np.float32(tensor.offset)
    return numbers.T if tensor.transposed else numbers

  return part


def _other(what: str, path: pathlib.Path) -> InputError:
  return InputError(
      f'{what}.',
      where=path,
      expected='the tensors of a Gemma 3 whose table of embeddings is its '
      'output layer, with the sizes that the file states',
      fix='Use such a file, as llama.cpp converts them.',
  )

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""T5X's legacy form: one msgpack file, and a zarr array per parameter.

The file `checkpoint` holds the tree of the training state. A leaf is an array,
or says where TensorStore finds it: `target.encoder.….kernel` in the same
folder. The public T5 1.1, LM-adapted and FLAN-T5 checkpoints have this form.
"""

from __future__ import annotations

from collections.abc import Mapping
import pathlib
from typing import Any

from flax import serialization
import jax
import numpy as np
import tensorstore as ts

from plum_jax.artifacts.errors import InputError
from plum_jax.pretrained import placing
from plum_jax.pretrained.checkpoint import Checkpoint
from plum_jax.pretrained.checkpoint import Wanted

FILE = 'checkpoint'
_EXPECTED = "T5X's msgpack file `checkpoint` with optimizer.target"


def kvstore(path: str) -> dict[str, str]:
  """Returns TensorStore's description of a folder.

  Args:
    path: a folder, `gs://` ones included.

  >>> kvstore('gs://t5-data/t5x/checkpoint_1')
  {'driver': 'gcs', 'bucket': 't5-data', 'path': 't5x/checkpoint_1/'}
  """
  if path.startswith('gs://'):
    bucket, _, below = path.removeprefix('gs://').partition('/')
    below = below.strip('/')
    return {'driver': 'gcs', 'bucket': bucket, 'path': f'{below}/'}
  absolute = pathlib.Path(path).absolute().as_posix()
  return {'driver': 'file', 'path': f'{absolute}/'}


def read_file(path: str, name: str) -> bytes | None:
  """Reads a file of a folder.

  Args:
    path: the folder.
    name: the file.

  Returns:
    Its bytes; None if it is not there.

  Raises:
    InputError: the storage refuses.
  """
  try:
    found = ts.KvStore.open(kvstore(path)).result().read(name).result()
  except (ValueError, RuntimeError, OSError) as error:
    raise _unreadable(f'{error}'.splitlines()[0], f'{path}/{name}') from error
  return found.value if found.state == 'value' else None


def open_folder(path: str) -> Checkpoint:
  """Looks at a folder `checkpoint_<step>`.

  Args:
    path: the folder, local or `gs://`.

  Returns:
    The checkpoint; it states no configuration.

  Raises:
    InputError: it is no checkpoint of this form.
  """
  where = f'{path.rstrip("/")}/{FILE}'
  target = _target(read_file(path, FILE), where)
  leaves = dict(_flatten(target, ''))
  arrays = {
      name: _described(leaf, name, where) for name, leaf in leaves.items()
  }
  return Checkpoint(
      form="a checkpoint in T5X's legacy form",
      path=path,
      arrays=arrays,
      read=lambda wanted: _read(wanted, leaves, path),
      files=_local_files(path),
  )


def _target(contents: bytes | None, where: str) -> Mapping[str, Any]:
  """Returns the tree of parameters in the msgpack file."""
  if contents is None:
    raise _unreadable('it is not there', where)
  if contents.startswith(b'model_checkpoint_path'):
    raise InputError(
        'The checkpoint is one of TensorFlow (Mesh TensorFlow T5).',
        where=where,
        expected=_EXPECTED,
        fix='Use the checkpoint that T5X publishes of this model, or a Hugging '
        'Face folder.',
    )
  try:
    state: Any = serialization.msgpack_restore(contents)
    target = state.get('optimizer', state)['target']
  except Exception as error:  # msgpack has no common class of errors.
    raise _unreadable(repr(error), where) from error
  return target


def _flatten(node: Mapping[str, Any], prefix: str):
  """Yields the leaves: arrays, or descriptions with a `driver`."""
  for name, child in node.items():
    if isinstance(child, Mapping) and 'driver' not in child:
      yield from _flatten(child, f'{prefix}{name}/')
    else:
      yield f'{prefix}{name}', child


def _described(leaf: Any, name: str, where: str) -> jax.ShapeDtypeStruct:
  """Returns shape and dtype of a leaf."""
  if isinstance(leaf, np.ndarray):
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
  try:
    metadata = leaf['metadata']
    kind = leaf.get('dtype') or metadata['dtype']
    dtype = (
        np.dtype(kind) if kind.startswith('<') else ts.dtype(kind).numpy_dtype
    )
    return jax.ShapeDtypeStruct(tuple(metadata['shape']), dtype)
  except (KeyError, TypeError, AttributeError, ValueError) as error:
    raise _unreadable(f'{name} is {leaf!r}', where) from error


def _read(wanted: Wanted, leaves: Mapping[str, Any], path: str):
  """Reads parameters; all stores are opened at once."""
  opened = {
      name: _open_store(leaves[name], path)
      for name in wanted
      if not isinstance(leaves[name], np.ndarray)
  }
  found = {}
  for name, shape in wanted.items():
    where = f'{path}, {name}'
    array = leaves[name]
    if name in opened:
      try:
        store = opened[name].result()
        if tuple(store.shape) != shape.shape:
          raise ValueError(f'its shape is {tuple(store.shape)}')
        found[name] = placing.place(
            shape, lambda index, s=store: s[index].read().result(), where
        )
      except InputError:
        raise
      except (ValueError, RuntimeError, OSError) as error:
        raise _unreadable(f'{error}'.splitlines()[0], where) from error
    else:
      found[name] = placing.place(shape, array.__getitem__, where)
  return found


def _open_store(leaf: Mapping[str, Any], path: str):
  """Starts opening a zarr array; its path is relative to the checkpoint's."""
  folder = kvstore(path)
  # Before TensorStore 0.1.14 the path stood beside `kvstore`.
  below = leaf['kvstore'].get('path') or leaf['path']
  return ts.open(
      {
          'driver': leaf['driver'],
          'kvstore': {**folder, 'path': f'{folder["path"]}{below}'},
      },
      open=True,
      read=True,
  )


def _local_files(path: str) -> tuple[pathlib.Path, ...]:
  """Returns the files that hold parameters, not those of the optimizer."""
  if '://' in path:
    return ()
  folder = pathlib.Path(path)
  return (
      folder / FILE,
      *sorted(file for file in folder.glob('target.*/**/*') if file.is_file()),
  )


def _unreadable(problem: str, where: object) -> InputError:
  return InputError(
      f'The checkpoint cannot be read: {problem}.',
      where=where,
      expected=_EXPECTED,
      fix='Get the checkpoint again, or correct the path.',
  )

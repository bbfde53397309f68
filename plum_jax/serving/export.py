# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The search as StableHLO, for servers that have JAX's runtime alone.

    export/
      program.bin          one function, serialised by `jax.export`
      index.safetensors    the constraint index
      export.json          what the function takes and gives, and hashes

The function takes weights and index as arguments, so that neither is in the
program: `export.json` lists its arguments in their order, and the weights are
those of the bundle's `generator/parameters.safetensors`, by the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import json
import os
import pathlib
from typing import Any

import jax
from jax import export as jax_export
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from plum_jax.artifacts import atomic
from plum_jax.artifacts import manifest
from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.decoding.index_building import build_constraint_index
from plum_jax.serving import engine
from plum_jax.serving.bundle import Bundle

PROGRAM, INDEX = 'program.bin', 'index.safetensors'
MANIFEST = 'export.json'
_FORMAT = 1
_TABLE = 'table'
Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Exported:
  """A program that was read.

  Attributes:
    call: (params, index, features, history) -> item_ids, scores, valid; see
      `write`.
    index: the constraint index, arrays by their names.
    values: of `export.json`.
  """

  call: Any
  index: Arrays
  values: dict[str, Any]


def index_arrays(index: ConstraintIndex) -> Arrays:
  """Returns a constraint index as arrays by names."""
  return {_TABLE: np.asarray(index.table)}


def write(
    directory: str | os.PathLike[str],
    bundle: Bundle,
    *,
    batch_size: int,
    max_excluded: int,
    platforms: Sequence[str] = ('cpu',),
) -> None:
  """Writes `export/` from a bundle.

  The program is a function of
  * the generator's parameters by their names, such as `decoder/…/kernel`;
  * the array of the constraint index by its name, of the same shape;
  * the prompts; see `PromptFormat.features`;
  * `history` int32 [batch, max_excluded], item numbers that are left out,
    padded with -1;

  and gives `item_ids` int32, `scores` float32 and `valid` bool, each [batch,
  beam_size]; see `BeamSearchResult`.

  Args:
    directory: the folder to appear; an older one is replaced.
    bundle: what is exported.
    batch_size: users of a call.
    max_excluded: items of a user that can be left out.
    platforms: what the program is lowered for: `cpu`, `tpu`, `cuda`.

  Raises:
    InputError: a number is too small, or there is no such platform.
  """
  _check(batch_size, max_excluded, platforms)
  index = build_constraint_index(bundle.item_tokens)
  arrays = index_arrays(index)

  def run(params, arrays, features, history):
    result = engine.search(
        bundle.model,
        bundle.search,
        trees.nest(params),
        dataclasses.replace(index, table=arrays[_TABLE]),
        features,
        excluded=history,
    )
    return {
        'item_ids': result.item_ids,
        'scores': result.scores,
        'valid': result.valid,
    }

  features = bundle.prompt.features(
      engine.empty_histories(batch_size), bundle.item_tokens
  )
  arguments = {
      'params': _shapes(trees.to_flat(bundle.params)),
      'index': _shapes(arrays),
      'features': _shapes(features),
      'history': jax.ShapeDtypeStruct((batch_size, max_excluded), jnp.int32),
  }
  exported = jax_export.export(jax.jit(run), platforms=platforms)(
      *arguments.values()
  )
  with atomic.write_directory(directory) as temporary:
    (temporary / PROGRAM).write_bytes(exported.serialize())
    # safetensors' own writer lets the owner alone read the file.
    (temporary / INDEX).write_bytes(safetensors.numpy.save(arrays))
    values = {
        'format': _FORMAT,
        'bundle': bundle.version,
        'generator': bundle.generator_hash,
        'platforms': list(exported.platforms),
        'calling_convention': exported.calling_convention_version,
        'arguments': {name: _described(x) for name, x in arguments.items()},
        'versions': manifest.library_versions(),
        'files': {
            name: manifest.hash_file(temporary / name)
            for name in (PROGRAM, INDEX)
        },
    }
    (temporary / MANIFEST).write_text(json.dumps(values, indent=2), 'utf-8')


def load(directory: str | os.PathLike[str]) -> Exported:
  """Reads an export, and checks that its files are whole.

  Args:
    directory: what `write` made.

  Returns:
    The program; it is compiled when it is called under `jax.jit`.

  Raises:
    InputError: a file is missing, or has another content.
  """
  folder = pathlib.Path(directory)
  try:
    values = json.loads((folder / MANIFEST).read_text('utf-8'))
    if values['format'] != _FORMAT:
      raise ValueError(f'format {values["format"]!r} is not known')
    for name in (PROGRAM, INDEX):
      if manifest.hash_file(folder / name) != values['files'][name]:
        raise ValueError(f'{name} has changed')
    exported = jax_export.deserialize(
        bytearray((folder / PROGRAM).read_bytes())
    )
    index = safetensors.numpy.load_file(folder / INDEX)
  except (OSError, KeyError, TypeError, ValueError) as error:
    raise InputError(
        f'The export cannot be read: {error!r}',
        where=folder,
        expected=f'{PROGRAM}, {INDEX} and {MANIFEST} as they were written',
        fix='Export the bundle again, or correct the path.',
    ) from error
  return Exported(exported.call, index, values)


def _check(
    batch_size: int, max_excluded: int, platforms: Sequence[str]
) -> None:
  known = ('cpu', 'tpu', 'cuda', 'rocm')
  if (
      min(batch_size, max_excluded) < 1
      or not platforms
      or set(platforms).difference(known)
  ):
    raise InputError(
        f'The program cannot be for {batch_size} users, {max_excluded} items '
        f'and the platforms {", ".join(platforms)}.',
        where='--batch_size, --max_excluded, --platforms',
        expected=f'numbers from 1, and some of {", ".join(known)}',
        fix='Correct them.',
    )


def _shapes(arrays: Any) -> Any:
  return {
      name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in arrays.items()
  }


def _described(shapes: Any) -> Any:
  """Describes arguments as JSON values, in the order of a call."""
  if isinstance(shapes, dict):
    return {name: _described(shapes[name]) for name in sorted(shapes)}
  return {'shape': list(shapes.shape), 'dtype': str(shapes.dtype)}

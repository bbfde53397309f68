# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Parameters to start from: a checkpoint's, in the places of a model's."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.networks.config import NetworkConfig
from plum_jax.pretrained import new_rows
from plum_jax.pretrained import placing
from plum_jax.pretrained.checkpoint import Checkpoint
from plum_jax.pretrained.checkpoint import DECODER_ONLY_EMBEDDING
from plum_jax.pretrained.checkpoint import EMBEDDING
from plum_jax.pretrained.checkpoint import LOGITS

_SHOWN = 3
# What shapes do not tell, and a network computes differently.
_SILENT_FIELDS = (
    'mlp_activations',
    'max_relpos_distance',
    'sliding_window',
    'global_every',
    'global_rope_base',
    'local_rope_base',
    'query_pre_attn_scalar',
    'bos_id',
    'num_selected_experts',
)


@dataclasses.dataclass(frozen=True)
class Growth:
  """Rows for tokens that the checkpoint does not know.

  Attributes:
    num_kept: rows that stay as they are.
    make: makes the others.
    seed: of what is random.
  """

  num_kept: int
  make: new_rows.NewRows
  seed: int = 0


def load(
    checkpoint: Checkpoint,
    target: Any,
    *,
    config: NetworkConfig | None = None,
    growth: Growth | None = None,
) -> Any:
  """Reads a checkpoint as the parameters of a model.

  Args:
    checkpoint: what `finding.find` found.
    target: tree of `jax.ShapeDtypeStruct`s; each parameter is cast to its
      dtype and read onto its sharding, or as a NumPy array if that is None.
    config: hyper-parameters of the model, to compare with the checkpoint's
      where shapes tell nothing.
    growth: how the tables of the vocabulary get their further rows; None if
      they have the same rows as the checkpoint's.

  Returns:
    A tree like `target`.

  Raises:
    InputError: the model has other parameters than the checkpoint; it names
      them and both shapes.
  """
  check(checkpoint, target, config=config, grows=growth is not None)
  wanted = trees.to_flat(target)
  tables = {}
  if growth is not None:
    names = (EMBEDDING, DECODER_ONLY_EMBEDDING, LOGITS)
    tables = {name: wanted.pop(name) for name in names if name in wanted}
  params = dict(checkpoint.read(wanted))
  for number, (name, shape) in enumerate(tables.items()):
    assert growth is not None
    params[name] = _grown(checkpoint, name, shape, growth, number)
  return trees.from_nested(trees.nest(params), target)


def _grown(
    checkpoint: Checkpoint,
    name: str,
    shape: jax.ShapeDtypeStruct,
    growth: Growth,
    number: int,
) -> Any:
  """Reads a table whole, adds rows, and puts it in its place."""
  stored = checkpoint.arrays[name]
  whole = jax.ShapeDtypeStruct(stored.shape, shape.dtype)
  table = np.asarray(checkpoint.read({name: whole})[name])
  across = name == LOGITS
  table = new_rows.grow(
      table.T if across else table,
      growth.num_kept,
      shape.shape[1 if across else 0],
      growth.make,
      # Each table draws its own numbers.
      int(np.random.SeedSequence([growth.seed, number]).generate_state(1)[0]),
  )
  table = table.T if across else table
  return placing.place(shape, table.__getitem__, f'{checkpoint.path}, {name}')


def check(
    checkpoint: Checkpoint,
    target: Any,
    *,
    config: NetworkConfig | None = None,
    grows: bool,
) -> None:
  """Refuses another network than the checkpoint's; reads no parameters.

  Args:
    checkpoint: the checkpoint.
    target: the model's parameters, or their shapes.
    config: see `load`.
    grows: whether tables of the vocabulary may have other rows.

  Raises:
    InputError: see `load`.
  """
  wanted = trees.to_flat(target)
  stored = checkpoint.arrays
  kinds = [
      'an encoder-decoder' if EMBEDDING in names else 'decoder-only'
      for names in (stored, wanted)
  ]
  if kinds[0] != kinds[1]:
    raise _other(
        f'The checkpoint is {kinds[0]}, the model {kinds[1]}.', checkpoint
    )
  differences = [
      f'{name} is not in the checkpoint'
      for name in wanted
      if name not in stored
  ]
  differences += [
      f'{name} is not in the model' for name in stored if name not in wanted
  ]
  for name in sorted(set(wanted) & set(stored)):
    ours, theirs = list(wanted[name].shape), list(stored[name].shape)
    if grows and name in (EMBEDDING, DECODER_ONLY_EMBEDDING):
      ours, theirs = ours[1:], theirs[1:]
    elif grows and name == LOGITS:
      ours, theirs = ours[:1], theirs[:1]
    if ours != theirs:
      differences.append(
          f'{name} has shape {list(stored[name].shape)} in the checkpoint and '
          f'{list(wanted[name].shape)} in the model'
      )
  if config is not None and checkpoint.config is not None:
    for field in _SILENT_FIELDS:
      ours, theirs = (
          getattr(one, field, None) for one in (config, checkpoint.config)
      )
      if ours != theirs:
        differences.append(
            f'{field} is {theirs} in the checkpoint and {ours} in the model'
        )
  if differences:
    more = len(differences) - _SHOWN
    raise _other(
        'The checkpoint is of another model: '
        + '; '.join(differences[:_SHOWN])
        + (f'; and {more} more differences.' if more > 0 else '.'),
        checkpoint,
    )


def _other(what: str, checkpoint: Checkpoint) -> InputError:
  return InputError(
      what,
      where=checkpoint.path,
      expected='a checkpoint of the configured network',
      fix='Configure the network as the checkpoint has it, or take another '
      'checkpoint.',
  )

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Trees of arrays by the names of their leaves, and how two of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from plum_jax.artifacts.errors import InputError

_SHOWN = 3


def leaf_names(path: tuple[Any, ...]) -> list[str]:
  """Returns a leaf's path as the names along it."""
  return [jax.tree_util.keystr((key,), simple=True) for key in path]


def to_flat(tree: Any) -> dict[str, Any]:
  """Returns the leaves by their names.

  >>> to_flat({'b': {'c': 1}, 'a': (2, 3)})
  {'a/0': 2, 'a/1': 3, 'b/c': 1}
  """
  return {
      '/'.join(leaf_names(path)): leaf
      for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }


def to_nested(tree: Any) -> dict[str, Any]:
  """Turns any tree into nested dictionaries by the names of its leaves.

  >>> to_nested({'b': {'c': 1}, 'a': (2, 3)})
  {'a': {'0': 2, '1': 3}, 'b': {'c': 1}}
  """
  nested: dict[str, Any] = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
    *folders, name = leaf_names(path)
    node = nested
    for folder in folders:
      node = node.setdefault(folder, {})
    node[name] = leaf
  return nested


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
  """Turns leaves by their names into nested dictionaries.

  >>> nest({'a/0': 2, 'b/c': 1})
  {'a': {'0': 2}, 'b': {'c': 1}}
  """
  nested: dict[str, Any] = {}
  for path, leaf in flat.items():
    *folders, name = path.split('/')
    node = nested
    for folder in folders:
      node = node.setdefault(folder, {})
    node[name] = leaf
  return nested


def from_nested(nested: Mapping[str, Any], target: Any) -> Any:
  """Puts leaves from nested dictionaries into the containers of `target`."""

  def find(path, _):
    node: Any = nested
    for name in leaf_names(path):
      node = node[name]
    return node

  return jax.tree_util.tree_map_with_path(find, target)


def check(found: Any, wanted: Any, where: object, cast: bool) -> None:
  """Compares names, shapes and dtypes of what is saved and what is wanted.

  Args:
    found: a tree of what has `shape` and `dtype`.
    wanted: another.
    where: what holds `found`, for the error.
    cast: whether dtypes may differ.

  Raises:
    InputError: they differ; it names the first differences.
  """

  def describe(tree):
    return {
        name: (tuple(leaf.shape), np.dtype(leaf.dtype))
        for name, leaf in to_flat(tree).items()
    }

  saved, asked = describe(found), describe(wanted)
  differences = [f'{name} is not in it' for name in asked if name not in saved]
  differences += [f'{name} is too much' for name in saved if name not in asked]
  for name, (shape, dtype) in asked.items():
    if name not in saved:
      continue
    saved_shape, saved_dtype = saved[name]
    if saved_shape != shape:
      differences.append(f'{name} has shape {saved_shape}, wanted {shape}')
    elif saved_dtype != dtype and not cast:
      differences.append(f'{name} is {saved_dtype}, wanted {dtype}')
  if differences:
    more = len(differences) - _SHOWN
    raise InputError(
        'The checkpoint holds other parameters: '
        + '; '.join(differences[:_SHOWN])
        + (f'; and {more} more differences.' if more > 0 else '.'),
        where=where,
        expected='the names and shapes of the configured model and optimizer',
        fix='Use the configuration that the checkpoint was made with, or '
        'another folder.',
    )

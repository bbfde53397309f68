# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Which items make which batch, and how they get onto the devices."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import numpy as np

from plum_jax.semantic_ids import co_occurrence
from plum_jax.semantic_ids import inputs
from plum_jax.sharding import mesh as meshes

# Up to this many bytes of embeddings lie on every device for the whole run.
# Larger ones are sent in pieces of this size.
DEVICE_BYTES = 2 << 30
# Steps in one compiled call: enough that starting a call costs nothing.
_CALL_STEPS = 100
# Keeps the randomness of partners apart from that of the items' order.
_PARTNERS = 1


class Rows(NamedTuple):
  """Which items make which batch.

  Attributes:
    items: int32 [groups, group_steps, batch_size].
    partners: the same shape, a partner beside each item, or -1 where it has
      none; None where training asks for no partners.
  """

  items: Any
  partners: Any = None


@dataclasses.dataclass(frozen=True)
class Plan:
  """Cuts training into calls of equal shape, so that one program serves all.

  A call runs `groups` groups of `group_steps` steps; metrics are recorded per
  group. If all items are on the device a group is an epoch; otherwise it is
  the part of an epoch that fits, and a call has one group.

  Attributes:
    num_items: size of the catalog.
    batch_size: items per step.
    epoch_steps: steps per epoch.
    epochs: passes over the items.
    groups: groups per call.
    group_steps: steps per group.
    resident: whether all items are on the device.
    seed: of the items' order.
  """

  num_items: int
  batch_size: int
  epoch_steps: int
  epochs: int
  groups: int
  group_steps: int
  resident: bool
  seed: int

  @property
  def total_steps(self) -> int:
    """Steps of the whole training."""
    return self.epoch_steps * self.epochs

  @property
  def call_steps(self) -> int:
    """Steps per call; divides `total_steps`."""
    return self.groups * self.group_steps

  def rows(self, step: int, draw: PartnerDraw | None = None) -> Rows:
    """Gives the items of one call.

    Each epoch goes through a permutation of all items; its last batch is
    filled up with the first items of the same permutation.

    Args:
      step: the call's first step, a multiple of `call_steps`.
      draw: gives partners; None for none.

    Returns:
      Item numbers.
    """
    epoch, within = divmod(step, self.epoch_steps)
    groups = []
    for group in range(self.groups):
      rows = Rows(self._epoch(epoch + group))
      if draw is not None:
        rows = rows._replace(partners=draw(epoch + group, rows.items))
      groups.append(rows)
    if not self.resident:
      part = slice(within, within + self.group_steps)
      groups = [jax.tree.map(lambda array: array[part], groups[0])]
    return jax.tree.map(lambda *arrays: np.stack(arrays), *groups)

  def _epoch(self, epoch: int) -> np.ndarray:
    order = np.random.default_rng((self.seed, epoch)).permutation(
        self.num_items
    )
    filled = np.resize(order, self.epoch_steps * self.batch_size)
    return filled.reshape(self.epoch_steps, self.batch_size).astype(np.int32)


class PartnerDraw:
  """Draws the partners of whole epochs.

  An epoch's partners depend on the seed and the epoch alone, not on how it is
  cut into calls, nor on where a run was interrupted.
  """

  def __init__(self, partners: co_occurrence.Partners, seed: int):
    """Takes what to draw from.

    Args:
      partners: of all items.
      seed: of the draws.
    """
    self._partners, self._seed = partners, seed
    self._epoch, self._drawn = -1, np.zeros(0, np.int32)

  def __call__(self, epoch: int, items: np.ndarray) -> np.ndarray:
    """Draws the partners of an epoch's items, once however often asked.

    Args:
      epoch: its number.
      items: its item numbers int32 [...].

    Returns:
      int32 [...]; -1 where an item has none.
    """
    if epoch != self._epoch:
      generator = np.random.default_rng((self._seed, epoch, _PARTNERS))
      self._drawn = self._partners.sample(generator, items)
      self._epoch = epoch
    return self._drawn


def make_plan(
    embeddings: inputs.TokenizerInputs,
    *,
    batch_size: int,
    epochs: int,
    seed: int,
    partners: bool = False,
    mesh: jax.sharding.Mesh | None = None,
    device_bytes: int = DEVICE_BYTES,
) -> Plan:
  """Decides sizes.

  Args:
    embeddings: of all items.
    batch_size: items per step; less if there are fewer items. Rounded up to a
      multiple of the pieces that the mesh cuts a batch into.
    epochs: passes over the items.
    seed: of the items' order.
    partners: whether a partner comes with each item.
    mesh: the mesh; None for one device.
    device_bytes: room for embeddings on each device.

  Returns:
    The plan.
  """
  shards = 1 if mesh is None else meshes.num_batch_shards(mesh)
  batch_size = math.ceil(min(batch_size, embeddings.num_items) / shards)
  batch_size *= shards
  epoch_steps = math.ceil(embeddings.num_items / batch_size)
  item_bytes = 4 * sum(size for _, size in embeddings.modality_sizes)
  resident = embeddings.num_items * item_bytes <= device_bytes
  if resident:
    groups = _largest_divisor(epochs, _CALL_STEPS // epoch_steps)
    group_steps = epoch_steps
  else:
    groups = 1
    step_bytes = item_bytes * batch_size * (2 if partners else 1)
    fitting = device_bytes // step_bytes
    group_steps = _largest_divisor(epoch_steps, min(fitting, _CALL_STEPS))
  return Plan(
      num_items=embeddings.num_items,
      batch_size=batch_size,
      epoch_steps=epoch_steps,
      epochs=epochs,
      groups=groups,
      group_steps=group_steps,
      resident=resident,
      seed=seed,
  )


def _largest_divisor(number: int, limit: int) -> int:
  """Returns the largest divisor up to a limit, at least 1.

  >>> _largest_divisor(20, 8), _largest_divisor(7, 3), _largest_divisor(4, 0)
  (5, 1, 1)
  """
  return max(
      d for d in range(1, max(1, min(limit, number)) + 1) if number % d == 0
  )


class Feeder:
  """Gives each call of the compiled function its items."""

  def __init__(
      self,
      embeddings: inputs.TokenizerInputs,
      plan: Plan,
      mesh: jax.sharding.Mesh | None,
      partners: co_occurrence.Partners | None = None,
  ):
    """Puts the embeddings on the device if they fit.

    Args:
      embeddings: of all items.
      plan: which items make which batch.
      mesh: the mesh; None for one device.
      partners: what draws a partner for each item; None for none.
    """
    self._embeddings, self._plan, self._mesh = embeddings, plan, mesh
    self._draw = None
    if partners is not None:
      self._draw = PartnerDraw(partners, plan.seed)
    self._resident = None
    if plan.resident:
      self._resident = self._put(embeddings.rows(slice(None)))

  def __call__(self, step: int) -> tuple[Any, Rows]:
    """Gives `data` and `rows` of the call that starts at a step.

    Args:
      step: the call's first step.

    Returns:
      (embeddings, present) per modality, and which rows of them make each
      batch. Two rows of `data` that are asked for are never the same item.
    """
    items = self._plan.rows(step, self._draw)
    if self._resident is not None:
      return self._resident, self._put(items)
    wanted = np.concatenate([a.ravel() for a in jax.tree.leaves(items)])
    # Read in the order of the file: neighbours share its pages.
    ascending = np.unique(wanted[wanted >= 0])
    rows = jax.tree.map(
        lambda array: np.where(
            array >= 0, np.searchsorted(ascending, array), array
        ).astype(np.int32),
        items,
    )
    # Shapes must not depend on how often an item comes.
    data = self._embeddings.rows(np.resize(ascending, wanted.size))
    return self._put(data), self._put(rows)

  def _put(self, tree: Any) -> Any:
    if self._mesh is None:
      return jax.device_put(tree)
    return jax.device_put(tree, meshes.replicated(self._mesh))

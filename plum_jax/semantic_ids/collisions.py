# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Collisions: how items with the same codes are told apart."""

from __future__ import annotations

from collections.abc import Callable
import functools

import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.artifacts import progress
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import prefix_index
from plum_jax.semantic_ids import tokenizer as tokenizers

DISAMBIGUATION, NEAREST_FREE = 'disambiguation', 'nearest_free'
KINDS = (DISAMBIGUATION, NEAREST_FREE)

# How many further codes an item gets at a time after it lost its place.
_CHOICES = 32

# (rows int64 [n], ascending; blocked bool [n, codebook_size]) to int32 [n, m],
# at least one column: of each row's codes that are not blocked the nearest,
# nearest first, the lowest on ties; -1 where there are no more.
NextCodes = Callable[[np.ndarray, np.ndarray], np.ndarray]


def disambiguation_codes(
    codes: np.ndarray, kept: np.ndarray | None = None
) -> np.ndarray:
  """Gives each item the lowest number that no earlier item of its codes has.

  Args:
    codes: int [num_items, num_levels].
    kept: int [num_kept], what the first rows have already and keep; equal
      codes have different numbers. They may leave gaps, which are filled.

  Returns:
    int32 [num_items].

  >>> disambiguation_codes(np.array([[3], [3], [1], [3]])).tolist()
  [0, 1, 0, 2]
  >>> disambiguation_codes(np.array([[3], [3], [1], [3]]), [1]).tolist()
  [1, 0, 0, 2]
  """
  kept = np.asarray([] if kept is None else kept, np.int32)
  group = prefix_index.number_groups(codes)
  old, new = group[: len(kept)], group[len(kept) :]
  # Which of the group's free numbers, from 0.
  nth_free = prefix_index.rank_within_groups(new[:, None])
  # Below the i-th smallest number kept, s, of a group are s - i free ones.
  order = np.lexsort((kept, old))
  old = old[order]
  free_below = kept[order] - prefix_index.rank_within_groups(old[:, None])
  width = 1 + max(free_below.max(initial=0), nth_free.max(initial=0))
  passed = np.searchsorted(
      old * width + free_below, new * width + nth_free, side='right'
  ) - np.searchsorted(old, new)
  return np.concatenate([kept, nth_free + passed]).astype(np.int32)


def nearest_free(
    codes: np.ndarray, codebook_size: int, next_codes: NextCodes
) -> np.ndarray:
  """Gives items with the same codes other codes of the last level.

  In the order of the rows each item takes, of the last level's codes that no
  earlier item with the same first codes has, the nearest one; the first choice
  is what the tokenizer gave. So what an item gets depends on earlier rows
  alone. PLUM names no rule for collisions: our choice.

  That order is not walked: in each round all items without a place ask for
  the next code of their choice, and the lowest row keeps it. Since all codes
  prefer lower rows, this ends with the same result (deferred acceptance, Gale
  and Shapley, 1962), after at most as many rounds as items share first codes.

  Args:
    codes: int [num_items, num_levels], as the tokenizer gave them.
    codebook_size: codes of the last level.
    next_codes: gives further choices; see `NextCodes`.

  Returns:
    Codes of the last level, int32 [num_items].

  Raises:
    InputError: more items share their first codes than the last level has
      codes.

  >>> def next_codes(rows, blocked):
  ...   return np.argmin(blocked, axis=1)[:, None]  # The lowest is nearest.
  >>> codes = np.array([[0, 0], [0, 1], [0, 0], [1, 0]])
  >>> nearest_free(codes, 3, next_codes).tolist()
  [0, 1, 2, 0]
  """
  last = np.array(codes[:, -1], np.int32)
  group = prefix_index.number_groups(codes[:, :-1])
  _check_room(codes, group, codebook_size)
  # A group is a run of rows. It drops out when all of its items have a place.
  active = np.argsort(group, kind='stable')
  active, held = _unsettled(active, group, last, codebook_size)
  total = int(np.sum(~held))
  report = progress.Progress('semantic_ids: collisions', total, 'items')
  choices = _Choices(len(codes), next_codes)
  while len(active):
    asking = np.flatnonzero(~held)
    empty = asking[choices.are_used_up(active[asking])]
    # In the order of the file that the embeddings are read from.
    empty = empty[np.argsort(active[empty])]
    for start in range(0, len(empty), assign.CHUNK_ITEMS):
      chunk = empty[start : start + assign.CHUNK_ITEMS]
      blocked = _held_before(
          chunk, group[active], held, last[active], codebook_size
      )
      choices.fill(active[chunk], blocked)
    last[active[asking]] = choices.take(active[asking])
    active, held = _unsettled(active, group, last, codebook_size)
    report.update(max(0, total - int(np.sum(~held))))
  return last


def _unsettled(
    active: np.ndarray, group: np.ndarray, last: np.ndarray, codebook_size: int
) -> tuple[np.ndarray, np.ndarray]:
  """Finds the groups in which some item has no place yet.

  Args:
    active: int64 [n], rows in the order of their groups.
    group: int64 [num_items].
    last: [num_items], the code that each item asks for.
    codebook_size: number of codes.

  Returns:
    The rows of these groups, and whether each is the lowest that asks for its
    code.
  """
  place = group[active] * codebook_size + last[active]
  held = np.zeros(len(active), bool)
  held[np.unique(place, return_index=True)[1]] = True
  unsettled = np.zeros(len(group), bool)
  unsettled[group[active[~held]]] = True
  kept = unsettled[group[active]]
  return active[kept], held[kept]


def choices_of(
    tokenizer: tokenizers.Tokenizer,
    embeddings: inputs.TokenizerInputs,
    *,
    mesh: jax.sharding.Mesh | None = None,
) -> NextCodes:
  """Makes the function that `nearest_free` asks, from distances.

  Args:
    tokenizer: frozen.
    embeddings: of all items.
    mesh: the mesh to spread a chunk over; None for one device.

  Returns:
    The function; it takes at most `assign.CHUNK_ITEMS` rows.
  """
  count = min(_CHOICES, tokenizer.codebook_sizes[-1])

  def next_codes(rows: np.ndarray, blocked: np.ndarray) -> np.ndarray:
    batch, mask = assign.padded((embeddings.rows(rows), blocked), mesh)
    distances = tokenizer.last_level_distances(*batch)
    return np.asarray(_nearest(distances, mask, count))[: len(rows)]

  return next_codes


@functools.partial(jax.jit, static_argnums=2)
def _nearest(distances: jax.Array, blocked: jax.Array, count: int) -> jax.Array:
  """Finds the nearest codes; of equally near ones `top_k` puts lower first."""
  last = jnp.finfo(distances.dtype).max
  nearness = jnp.where(blocked, -jnp.inf, -jnp.minimum(distances, last))
  values, codes = jax.lax.top_k(nearness, count)
  return jnp.where(jnp.isneginf(values), -1, codes)


class _Choices:
  """The next codes of items that have lost a place."""

  def __init__(self, num_items: int, next_codes: NextCodes):
    self._next_codes = next_codes
    self._slots = np.full(num_items, -1, np.int64)
    self._codes = np.zeros((0, 1), np.int32)

  def are_used_up(self, rows: np.ndarray) -> np.ndarray:
    """Whether items have no further code, bool [n]."""
    slots = self._slots[rows]
    used_up = slots < 0
    used_up[~used_up] = self._codes[slots[~used_up], 0] < 0
    return used_up

  def fill(self, rows: np.ndarray, blocked: np.ndarray) -> None:
    """Asks for more codes of items."""
    found = np.asarray(self._next_codes(rows, blocked), np.int32)
    if np.any(found[:, 0] < 0):
      raise ValueError('next_codes gave no code where one is free.')
    # Ends each list; `take` moves lists to the left.
    found = np.pad(found, ((0, 0), (0, 1)), constant_values=-1)
    unknown = rows[self._slots[rows] < 0]
    self._slots[unknown] = len(self._codes) + np.arange(len(unknown))
    grown = np.empty((len(self._codes) + len(unknown), found.shape[1]), 'i4')
    grown[: len(self._codes)] = self._codes
    grown[self._slots[rows]] = found
    self._codes = grown

  def take(self, rows: np.ndarray) -> np.ndarray:
    """Gives each item its next code, int32 [n], and forgets it."""
    slots = self._slots[rows]
    taken = self._codes[slots, 0]
    self._codes[slots, :-1] = self._codes[slots, 1:]
    return taken


def _held_before(
    positions: np.ndarray,
    runs: np.ndarray,
    held: np.ndarray,
    codes: np.ndarray,
    codebook_size: int,
) -> np.ndarray:
  """Marks the codes that lower rows of the same group hold.

  They will go to still lower rows, if to others at all.

  Args:
    positions: int64 [n], whom to mark them for.
    runs: the group at each position, ascending.
    held: bool, whether the item at a position has its code for now.
    codes: the code at each position.
    codebook_size: number of codes.

  Returns:
    bool [n, codebook_size].
  """
  starts = np.searchsorted(runs, runs[positions])
  counts = positions - starts
  owner = np.repeat(np.arange(len(positions)), counts)
  before = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
  before += np.repeat(starts, counts)
  holds = held[before]
  blocked = np.zeros((len(positions), codebook_size), bool)
  blocked[owner[holds], codes[before[holds]]] = True
  return blocked


def _check_room(
    codes: np.ndarray, group: np.ndarray, codebook_size: int
) -> None:
  counts = np.bincount(group)
  largest = int(np.argmax(counts)) if len(counts) else 0
  if len(counts) and counts[largest] > codebook_size:
    first = codes[int(np.argmax(group == largest)), :-1]
    raise InputError(
        f'{counts[largest]} items share their first codes, more than the '
        f'{codebook_size} codes of the last level can tell apart.',
        where=f'items with the codes {tuple(first.tolist())}',
        expected=f'at most {codebook_size} items',
        fix=f'Choose the collisions {DISAMBIGUATION!r}, or train a tokenizer '
        'with more codes or levels; items with equal embeddings always get '
        'equal codes.',
    )

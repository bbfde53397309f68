# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Partners of items: what occurs together with them in users' histories."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.sources import reading
from plum_jax.catalog.sources.columns import Columns
from plum_jax.catalog.splits import Split

NONE = -1
# How often a draw that gave the item itself is drawn again.
_REDRAWS = 4
_DELIMITERS = {'.csv': ',', '.tsv': '\t'}


@dataclasses.dataclass(frozen=True)
class CoOccurrence:
  """Where the partners of items come from.

  Attributes:
    window: two interactions of a user's training window occur together if they
      are at most so many apart; 0 takes any two of the window. Our choice:
      PLUM samples partners from sessions and does not say more.
    partners_file: a list of pairs to use instead of histories, see
      `PairPartners.load`; '' for none.
  """

  window: int = 5
  partners_file: str = ''

  def __post_init__(self):
    if self.window < 0:
      raise InputError(
          f'window = {self.window} cannot be used.',
          where='CoOccurrence.window',
          expected='a number of at least 0',
          fix='Correct the configuration.',
      )


class Partners(Protocol):
  """Draws items that occur together with given ones."""

  def sample(
      self, generator: np.random.Generator, items: np.ndarray
  ) -> np.ndarray:
    """Draws a partner of each item.

    Args:
      generator: where the randomness comes from; the same state gives the same
        partners.
      items: item numbers, int of any shape.

    Returns:
      Item numbers int32 of the same shape, never the item itself; `NONE` where
      an item has no partner.
    """
    ...


class HistoryPartners:
  """Partners from the training windows of users' histories.

  A partner is drawn as an interaction with the item and then one of the
  interactions around it, both uniformly. So pairs come in proportion to how
  often they occur together, and no list of pairs is ever made: memory is that
  of the interactions.
  """

  def __init__(self, histories: Histories, split: Split, window: int = 5):
    """Indexes the training windows by item.

    Args:
      histories: of all users.
      split: only its training windows are read.
      window: how many interactions to either side, within the same user's
        training window, count as together; 0 for all of that window.

    Raises:
      InputError: no two items occur together.
    """
    # A lone interaction has none beside it.
    lengths = split.train_end - histories.offsets[:-1]
    used = np.repeat(lengths > 1, histories.lengths)
    used &= split.train_mask(histories)
    self._played = histories.item_ids[used].astype(np.int32)
    self._bounds = np.concatenate(([0], np.cumsum(lengths[lengths > 1])))
    self._window = window
    positions = np.argsort(self._played, kind='stable')
    # Half the memory where it suffices.
    wide = len(positions) > np.iinfo(np.int32).max
    self._positions = positions if wide else positions.astype(np.int32)
    counts = np.bincount(self._played, minlength=histories.num_items)
    self._starts = np.concatenate(([0], np.cumsum(counts)))
    self._check()

  def _check(self) -> None:
    """Refuses windows that hold no two different items."""
    same = self._played[1:] == self._played[:-1]
    within = np.ones(len(same), bool)
    within[self._bounds[1:-1] - 1] = False
    if not np.any(within & ~same):
      raise InputError(
          'No two items occur together in the training window of any user, so '
          'that there is nothing for the contrastive loss to learn from.',
          where='the training windows of interactions.parquet',
          expected='users with at least two different items',
          fix='Set RqvaeConfig.contrastive_weight = 0, name a '
          'CoOccurrence.partners_file, or choose a split with longer training '
          'windows.',
      )

  def sample(
      self, generator: np.random.Generator, items: np.ndarray
  ) -> np.ndarray:
    """Draws a partner of each item; see `Partners.sample`."""
    flat = np.asarray(items).reshape(-1)
    partners = np.full(len(flat), NONE, np.int32)
    left = np.flatnonzero(self._starts[flat + 1] > self._starts[flat])
    for _ in range(1 + _REDRAWS):
      drawn = self._draw(generator, flat[left])
      other = drawn != flat[left]
      partners[left[other]] = drawn[other]
      left = left[~other]
    return partners.reshape(np.shape(items))

  def _draw(
      self, generator: np.random.Generator, items: np.ndarray
  ) -> np.ndarray:
    """Draws a neighbour of each item; it may be the same item again."""
    chosen = generator.integers(self._starts[items], self._starts[items + 1])
    position = self._positions[chosen].astype(np.int64)
    user = np.searchsorted(self._bounds, position, side='right') - 1
    first, last = self._bounds[user], self._bounds[user + 1] - 1
    if self._window:
      first = np.maximum(first, position - self._window)
      last = np.minimum(last, position + self._window)
    neighbour = generator.integers(first, last)
    # The interaction itself is not among its neighbours.
    neighbour += neighbour >= position
    return self._played[neighbour]


class PairPartners:
  """Partners from a list of pairs, in proportion to their weights."""

  def __init__(
      self,
      num_items: int,
      first: np.ndarray,
      second: np.ndarray,
      weights: np.ndarray | None = None,
  ):
    """Indexes pairs by item; a pair counts in both directions.

    Args:
      num_items: size of the catalog.
      first: item numbers int [n].
      second: item numbers int [n], in each pair another one.
      weights: positive numbers [n]; all the same if None.
    """
    weights = np.ones(len(first)) if weights is None else weights
    items = np.concatenate((first, second))
    order = np.argsort(items, kind='stable')
    self._others = np.concatenate((second, first))[order].astype(np.int32)
    self._sums = np.cumsum(np.concatenate((weights, weights))[order])
    counts = np.bincount(items, minlength=num_items)
    self._starts = np.concatenate(([0], np.cumsum(counts)))

  @classmethod
  def load(
      cls, path: str | os.PathLike[str], item_ids: pa.Array
  ) -> PairPartners:
    """Reads pairs from a file.

    Args:
      path: .csv, .tsv or .parquet, with the columns
        `item_id`, `partner_id` and, if wanted, `weight`. Whoever makes it sees
        to it that it knows nothing of validation and test.
      item_ids: strings, the ids of the catalog's items.

    Returns:
      The partners.

    Raises:
      InputError: the file cannot be read or is empty, an id is not of the
        catalog, a pair is of one item, or a weight is no positive number.
    """
    path = pathlib.Path(path).expanduser()
    table, weights = _read_pairs(path)
    first, second = (
        _numbers(table.texts(name), item_ids, path, name)
        for name in ('item_id', 'partner_id')
    )
    same = first == second
    if same.any():
      row = int(np.argmax(same))
      raise InputError(
          f'The item {item_ids[int(first[row])].as_py()!r} is named as its own '
          'partner.',
          where=f'{path}, row {row + 1}',
          expected='two different items',
          fix='Drop the row.',
      )
    return cls(len(item_ids), first, second, weights)

  def sample(
      self, generator: np.random.Generator, items: np.ndarray
  ) -> np.ndarray:
    """Draws a partner of each item; see `Partners.sample`."""
    flat = np.asarray(items).reshape(-1)
    partners = np.full(len(flat), NONE, np.int32)
    left = np.flatnonzero(self._starts[flat + 1] > self._starts[flat])
    start, stop = self._starts[flat[left]], self._starts[flat[left] + 1]
    below = np.where(start > 0, self._sums[start - 1], 0.0)
    total = self._sums[stop - 1] - below
    wanted = below + generator.random(len(left)) * total
    chosen = np.searchsorted(self._sums, wanted, side='right')
    # Rounding must not lead to a neighbour's pairs.
    partners[left] = self._others[np.clip(chosen, start, stop - 1)]
    return partners.reshape(np.shape(items))


def _read_pairs(path: pathlib.Path) -> tuple[Columns, np.ndarray | None]:
  """Reads the columns of a list of pairs, and checks its weights."""
  if not path.is_file():
    raise InputError(
        'The list of partners does not exist.',
        where=path,
        expected='a file with the columns item_id and partner_id',
        fix='Correct CoOccurrence.partners_file.',
    )
  weighted = 'weight' in _column_names(path)
  table = Columns(
      path, ['item_id', 'partner_id'], ['weight'] if weighted else []
  )
  if not table.num_rows:
    raise InputError(
        'The list of partners is empty.',
        where=path,
        expected='at least one pair of items',
        fix='Fill it, or set CoOccurrence.partners_file to the empty string to '
        'draw partners from histories.',
    )
  if not weighted:
    return table, None
  weights = table.numbers('weight')
  values = pc.fill_null(weights, 0.0).to_numpy(zero_copy_only=False)
  right = np.isfinite(values) & (values > 0)
  if not right.all():
    row = int(np.argmin(right))
    raise InputError(
        f'The weight of a pair is {weights[row].as_py()}.',
        where=f'{path}, row {row + 1}, column weight',
        expected='a positive number',
        fix='Correct the weight or drop the row.',
    )
  return table, values.astype(np.float64)


def _column_names(path: pathlib.Path) -> list[str]:
  """Reads the head of a table."""
  if path.suffix not in ('.parquet', *_DELIMITERS):
    raise InputError(
        f'The form of the file is not known: {path.name}.',
        where=path,
        expected=f'a name that ends with .parquet, {", ".join(_DELIMITERS)}',
        fix='Rename or convert the file.',
    )
  with reading.guarded(path, 'a table with the columns item_id and partner_id'):
    if path.suffix == '.parquet':
      return pq.read_schema(path).names
    options = pa_csv.ParseOptions(delimiter=_DELIMITERS[path.suffix])
    with pa_csv.open_csv(path, parse_options=options) as reader:
      return reader.schema.names


def _numbers(
    ids: pa.Array, item_ids: pa.Array, path: pathlib.Path, column: str
) -> np.ndarray:
  """Returns item numbers of ids, refusing unknown ones."""
  numbers = pc.index_in(ids, value_set=item_ids)
  if numbers.null_count:
    row = pc.index(pc.is_null(numbers), True).as_py()
    raise InputError(
        f'The item {ids[row].as_py()!r} is not in the catalog; '
        f'{numbers.null_count} rows name unknown items.',
        where=f'{path}, row {row + 1}, column {column}',
        expected=f'one of the {len(item_ids)} item ids of the catalog',
        fix='Correct the id or drop the row.',
    )
  return numbers.to_numpy(zero_copy_only=False).astype(np.int64)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""User histories: the interactions of each user, in order, without padding."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.catalog import tables

UNKNOWN_TIME = -1


@dataclasses.dataclass(frozen=True)
class Histories:
  """All users' interactions as compressed rows.

  User `u` has the interactions `offsets[u]` up to, not including,
  `offsets[u + 1]`, in the order of (time, row of the source). The second key
  makes the order of equal times the source's own and the same at every run;
  publishers with times of a day's precision leave nothing better.

  Attributes:
    user_ids: strings [num_users], users in order of their first appearance in
      the source.
    offsets: int64 [num_users + 1].
    item_ids: int32 [num_interactions], item numbers.
    times: int64 [num_interactions], seconds.
    ratings: float32 [num_interactions], NaN where missing.
    rewards: float32 [num_interactions], NaN where missing.
    first_seen: int64 [num_items], seconds: the item table's, or else the time
      of the first interaction where times are absolute; `UNKNOWN_TIME` where
      neither is known.
    time_kind: `absolute` or `relative`; see `tables.make_interactions`.
    numbers: the interactions' further columns by name, float32
      [num_interactions], NaN where missing.
  """

  user_ids: np.ndarray
  offsets: np.ndarray
  item_ids: np.ndarray
  times: np.ndarray
  ratings: np.ndarray
  rewards: np.ndarray
  first_seen: np.ndarray
  time_kind: str
  numbers: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

  @property
  def num_users(self) -> int:
    """The number of users; each has at least one interaction."""
    return len(self.offsets) - 1

  @property
  def num_items(self) -> int:
    """The number of items of the catalog, with or without interactions."""
    return len(self.first_seen)

  @property
  def lengths(self) -> np.ndarray:
    """The number of interactions of each user, int64 [num_users]."""
    return np.diff(self.offsets)

  @property
  def users(self) -> np.ndarray:
    """The user of each interaction, int64 [num_interactions]."""
    return np.repeat(np.arange(self.num_users), self.lengths)


def make_histories(items: pa.Table, interactions: pa.Table) -> Histories:
  """Sorts a catalog's interactions into histories.

  Args:
    items: a checked item table.
    interactions: a checked interaction table of these items.

  Returns:
    The histories.

  >>> items = tables.make_items(pa.array(['a', 'b']), pa.array(['A', 'B']))
  >>> interactions = tables.make_interactions(
  ...     pa.array(['u', 'v', 'u']), pa.array(['b', 'b', 'a']),
  ...     pa.array([20, 10, 10]), time_kind='absolute')
  >>> histories = make_histories(items, interactions)
  >>> histories.user_ids.tolist(), histories.offsets.tolist()
  (['u', 'v'], [0, 2, 3])
  >>> histories.item_ids.tolist(), histories.times.tolist()
  ([0, 1, 1], [10, 20, 10])
  """
  # All chunks of an encoded column have the same dictionary.
  chunks = interactions['user_id'].dictionary_encode().chunks
  user_ids = chunks[0].dictionary.to_numpy(zero_copy_only=False)
  users = np.concatenate([chunk.indices.to_numpy() for chunk in chunks])
  numbers = pc.index_in(
      interactions['item_id'], value_set=items['item_id'].combine_chunks()
  ).to_numpy()
  times = interactions['time'].to_numpy()
  time_kind = tables.time_kind(interactions)
  order = _order(users, times)
  counts = np.bincount(users, minlength=len(user_ids))
  return Histories(
      user_ids=user_ids,
      offsets=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
      item_ids=numbers.astype(np.int32)[order],
      times=times[order],
      ratings=_floats(interactions['rating'])[order],
      rewards=_floats(interactions['reward'])[order],
      first_seen=_first_seen(items, numbers, times, time_kind),
      time_kind=time_kind,
      numbers={
          name: _floats(interactions[name])[order]
          for name in tables.number_columns(interactions)
      },
  )


def _order(users: np.ndarray, times: np.ndarray) -> np.ndarray:
  """Sorts by (user, time); what is equal in both stays in its order.

  Args:
    users: int32 [n], at least 0.
    times: int64 [n], at least 0.

  Returns:
    Rows, int64 [n].
  """
  span = int(times.max()) + 1
  if (int(users.max()) + 1) * span > np.iinfo(np.int64).max:
    return np.lexsort((times, users))
  # One key is 2 to 8 times as fast as two, most where users come in runs.
  return np.argsort(users.astype(np.int64) * span + times, kind='stable')


def _first_seen(
    items: pa.Table, numbers: np.ndarray, times: np.ndarray, time_kind: str
) -> np.ndarray:
  """Returns when each item was first seen, int64 [num_items]."""
  given = pc.fill_null(items['first_seen'], UNKNOWN_TIME).to_numpy()
  if time_kind != 'absolute':
    return given
  latest = np.iinfo(np.int64).max
  first = np.full(len(given), latest)
  np.minimum.at(first, numbers, times)
  first[first == latest] = UNKNOWN_TIME
  return np.where(given == UNKNOWN_TIME, first, given)


def _floats(column: pa.ChunkedArray) -> np.ndarray:
  """Returns float32 with NaN in the place of nulls."""
  return pc.fill_null(column, np.float32(np.nan)).to_numpy()

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a ranking task asks about: the true item among sampled negatives."""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.splits import Split
from plum_jax.catalog.splits import Targets

UNIFORM, POPULARITY = 'uniform', 'popularity'

# Floats that are held at once, for each of a few arrays.
_MAX_CELLS = 1 << 22
# Draws for each negative wanted; who has not enough by then chooses from the
# catalog as a whole.
_ROUNDS = (2, 16)
# Streams of numbers that have nothing to do with each other.
_DRAWS, _KEYS, _PLACE = 1, 2, 3


@dataclasses.dataclass(frozen=True)
class RankingCandidates:
  """For each target, the items among which it is to be ranked.

  Attributes:
    item_ids: int32 [n, num_negatives + 1], item numbers, all different in a
      row.
    place: int32 [n], where the true item stands: `item_ids[i, place[i]]` is the
      target of row `i`.
  """

  item_ids: np.ndarray
  place: np.ndarray

  def __len__(self) -> int:
    return len(self.place)


def draw_ranking_candidates(
    histories: Histories,
    split: Split,
    targets: Targets,
    *,
    num_negatives: int = 99,
    sampling: str = UNIFORM,
    seed: int = 0,
) -> RankingCandidates:
  """Draws negatives for each target of a split.

  Ranking one true item among 99 that the user has not interacted with is the
  protocol of the P5 family (arXiv 2203.13366), with which "Aligning LLMs with
  Recommendation Knowledge" (arXiv 2404.00245) compares. How negatives are drawn
  is our choice: none of them occurs in the user's history at any time, in the
  training window, before or after the target, and none comes twice. A row
  depends on the seed, the user and the target's position in the user's history
  alone, so that the same targets have the same candidates in any selection of
  them.

  Args:
    histories: of the catalog.
    split: of these histories; popularity is that of its training windows.
    targets: its validation or test targets, or a part of them.
    num_negatives: negatives of each target.
    sampling: `uniform`, all items alike; or `popularity`, one after another in
      proportion to an item's interactions in the training windows plus one, so
      that cold-start items may come too.
    seed: of all draws.

  Returns:
    The candidates, a row for each target in their order.

  Raises:
    InputError: there is no such sampling; the numbers make no sense; a user has
      interacted with so many items that not enough are left.

  >>> histories = Histories(
  ...     user_ids=np.array(['u']), offsets=np.array([0, 3]),
  ...     item_ids=np.array([0, 1, 2]), times=np.array([1, 2, 3]),
  ...     ratings=np.zeros(3), rewards=np.zeros(3), first_seen=np.zeros(5),
  ...     time_kind='absolute')
  >>> split = Split(np.array([1]), Targets(np.array([0]), np.array([1])),
  ...               Targets(np.array([0]), np.array([2])), np.zeros(5, bool))
  >>> drawn = draw_ranking_candidates(
  ...     histories, split, split.test, num_negatives=2)
  >>> drawn.item_ids.tolist(), drawn.place.tolist()
  ([[3, 2, 4]], [1])
  """
  _check(histories, targets, num_negatives, sampling, seed)
  weights = np.ones(histories.num_items)
  if sampling == POPULARITY:
    trained = histories.item_ids[split.train_mask(histories)]
    weights += np.bincount(trained, minlength=histories.num_items)
  draw = _Draw(
      num_negatives,
      weights,
      np.unique(histories.users * histories.num_items + histories.item_ids),
  )
  start = histories.offsets[targets.user]
  ordinal = targets.position - start
  stream = _mix(_mix(_mix(_uint64(seed)) + _uint64(targets.user)))
  stream = _mix(stream + _uint64(ordinal))
  negatives = np.empty((len(targets), num_negatives), np.int32)
  _fill(negatives, draw, targets.user, stream)
  place = _uniform(stream, _PLACE, np.zeros(1, np.uint64))[:, 0]
  place = (place * (num_negatives + 1)).astype(np.int32)
  # What stands at the place goes to the end, and the true item comes there.
  rows = np.arange(len(targets))
  item_ids = np.concatenate([negatives, negatives[:, -1:]], axis=1)
  item_ids[rows, -1] = item_ids[rows, place]
  item_ids[rows, place] = histories.item_ids[targets.position]
  return RankingCandidates(item_ids, place)


@dataclasses.dataclass(frozen=True)
class _Draw:
  """What all draws have in common.

  Attributes:
    num_negatives: wanted in each row.
    weights: float64 [num_items], above 0.
    pairs: int64 [n], ascending: `user * num_items + item` of all interactions.
  """

  num_negatives: int
  weights: np.ndarray
  pairs: np.ndarray

  def interacted(self, user: np.ndarray, item_ids: np.ndarray) -> np.ndarray:
    """Whether users have interacted with items, bool [rows, columns]."""
    wanted = user[:, None] * len(self.weights) + item_ids
    found = np.searchsorted(self.pairs, wanted)
    found = np.minimum(found, len(self.pairs) - 1)
    return self.pairs[found] == wanted


def _fill(
    negatives: np.ndarray, draw: _Draw, user: np.ndarray, stream: np.ndarray
) -> None:
  """Draws the negatives of all rows, int32 [n, num_negatives], in place.

  Drawing with replacement and dropping what was drawn before, or must not be
  drawn, is drawing one after another without replacement. Each round draws the
  same numbers as the one before and more, for the rows that lacked some.
  """
  missing = np.arange(len(user))
  for factor in _ROUNDS:
    lacking = []
    num_draws = factor * draw.num_negatives
    for rows in _parts(missing, num_draws):
      found, complete = _draw_some(draw, user[rows], stream[rows], num_draws)
      negatives[rows] = found
      lacking.append(rows[~complete])
    missing = np.concatenate(lacking) if lacking else missing
  for rows in _parts(missing, len(draw.weights)):
    negatives[rows] = _choose_from_all(
        draw, user[rows], stream[rows], negatives[rows]
    )


def _parts(rows: np.ndarray, width: int) -> Iterator[np.ndarray]:
  """Cuts rows into parts of not too many cells."""
  size = max(_MAX_CELLS // width, 1)
  for start in range(0, len(rows), size):
    yield rows[start : start + size]


def _draw_some(
    draw: _Draw, user: np.ndarray, stream: np.ndarray, num_draws: int
) -> tuple[np.ndarray, np.ndarray]:
  """Draws with replacement and keeps what is new and may be drawn.

  Returns:
    The first negatives found, int32 [rows, num_negatives], -1 where none is;
    and whether the row is complete, bool [rows].
  """
  cumulative = np.cumsum(draw.weights)
  numbers = _uniform(stream, _DRAWS, np.arange(num_draws, dtype=np.uint64))
  item_ids = np.searchsorted(cumulative, numbers * cumulative[-1], side='right')
  # Rounding may lead beyond the last item.
  item_ids = np.minimum(item_ids, len(cumulative) - 1)
  keep = ~draw.interacted(user, item_ids) & _first_in_row(item_ids)
  number = np.cumsum(keep, axis=1)
  keep &= number <= draw.num_negatives
  found = np.full((len(user), draw.num_negatives), -1, np.int32)
  row, column = np.nonzero(keep)
  found[row, number[row, column] - 1] = item_ids[row, column]
  return found, number[:, -1] >= draw.num_negatives


def _first_in_row(item_ids: np.ndarray) -> np.ndarray:
  """Whether no equal number stands left of each in its row, bool [n, m]."""
  order = np.argsort(item_ids, axis=1, kind='stable')
  ordered = np.take_along_axis(item_ids, order, axis=1)
  first = np.ones(item_ids.shape, bool)
  first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
  result = np.empty_like(first)
  np.put_along_axis(result, order, first, axis=1)
  return result


def _choose_from_all(
    draw: _Draw, user: np.ndarray, stream: np.ndarray, found: np.ndarray
) -> np.ndarray:
  """Fills up what earlier rounds found, looking at every item of the catalog.

  The smallest of exponential times with the weights as rates come in the order
  of drawing one after another (Efraimidis and Spirakis, 2006).

  Returns:
    int32 [rows, num_negatives].
  """
  num_items = len(draw.weights)
  items = np.arange(num_items)
  times = -np.log1p(-_uniform(stream, _KEYS, items.astype(np.uint64)))
  times /= draw.weights[None, :]
  times[draw.interacted(user, items[None, :])] = np.inf
  row, column = np.nonzero(found >= 0)
  times[row, found[row, column]] = np.inf
  order = np.argsort(times, axis=1, kind='stable')[:, : draw.num_negatives]
  # What was found stands on the left; the next places follow.
  number = np.arange(draw.num_negatives)[None, :] - np.sum(
      found >= 0, axis=1, keepdims=True
  )
  more = np.take_along_axis(order, np.maximum(number, 0), axis=1)
  return np.where(found >= 0, found, more).astype(np.int32)


def _uint64(numbers: np.ndarray | int) -> np.ndarray:
  return np.atleast_1d(np.asarray(numbers)).astype(np.uint64)


def _mix(numbers: np.ndarray) -> np.ndarray:
  """Makes random bits of numbers, uint64: a step of SplitMix64.

  A number's bits depend on it alone (Steele, Lea and Flood, OOPSLA 2014), which
  a generator that is drawn from in turn cannot give.
  """
  numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
  numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(
      0xBF58476D1CE4E5B9
  )
  numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(
      0x94D049BB133111EB
  )
  return numbers ^ (numbers >> np.uint64(31))


def _uniform(
    stream: np.ndarray, purpose: int, counters: np.ndarray
) -> np.ndarray:
  """Returns numbers from 0 up to 1, float64 [rows, counters]."""
  start = _mix(stream + np.uint64(purpose))
  bits = _mix(start[:, None] + _mix(counters)[None, :])
  return (bits >> np.uint64(11)) * 2.0**-53


def _check(
    histories: Histories,
    targets: Targets,
    num_negatives: int,
    sampling: str,
    seed: int,
) -> None:
  """Refuses what cannot be drawn."""
  if sampling not in (UNIFORM, POPULARITY):
    raise InputError(
        f'There is no sampling of negatives called {sampling!r}.',
        where='sampling',
        expected=f'{UNIFORM} or {POPULARITY}',
        fix='Correct the name.',
    )
  if num_negatives < 1 or seed < 0:
    raise InputError(
        f'{num_negatives} negatives with seed {seed} cannot be drawn.',
        where='num_negatives, seed',
        expected='at least 1, and a seed of at least 0',
        fix='Correct the number.',
    )
  pairs = np.unique(histories.users * histories.num_items + histories.item_ids)
  num_seen = np.bincount(
      pairs // histories.num_items, minlength=histories.num_users
  )
  left = histories.num_items - num_seen[targets.user]
  if len(left) and left.min() < num_negatives:
    user = histories.user_ids[targets.user[np.argmin(left)]]
    raise InputError(
        f'{num_negatives} negatives are wanted, and only {left.min()} of '
        f'{histories.num_items} items are left that user {user!r} has not '
        'interacted with.',
        where=f'ranking candidates, num_negatives={num_negatives}',
        expected=f'at most {left.min()} negatives',
        fix='Set a smaller number of negatives, or bring a larger catalog.',
    )

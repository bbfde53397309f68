# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A generated world to study ranking in: items, content, users, impressions.

All of it is our choice. What it has in common with a large service:

* popularity follows a power law, and items enter all the time;
* items stand in a hierarchy of categories; content and appeal are made level
  by level, so that items which share categories are alike in both;
* a user clicks what is near to their taste and to the item that they are at,
  and part of what makes an item clicked is its own, not its content's.
"""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
import functools

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.impressions import NO_ITEM
from plum_jax.catalog.splits import SECONDS_PER_DAY

START_TIME = 1_704_067_200  # 2024-01-01, UTC.
_CHUNKS_PER_DAY = 24


@dataclasses.dataclass(frozen=True)
class GeneratedWorld:
  """A world, made from a seed.

  Attributes:
    num_items: items of all days.
    num_users: users, all there from the start.
    num_impressions: impressions of all days, evenly spread.
    num_days: days, from 2024-01-01 on.
    branching: categories of each level below one of the level above.
    content_size: width of the content embeddings.
    taste_size: width of the vectors of taste.
    level_scales: share of each level, and last of the item itself, in content,
      taste and appeal: standard deviations.
    appeal_scale: of an item's appeal to everyone, in the click's logit.
    taste_scale: of the product of a user's taste and an item's.
    context_scale: of the product of the current item's taste and a candidate's.
    click_logit: of an item of mean appeal for a user of no taste.
    popularity_exponent: an item of rank r is shown in proportion to
      r ** -popularity_exponent.
    share_at_start: share of items that are there at the start; the rest enter
      at times that are evenly spread.
    freshness: an item that has just entered is shown 1 + freshness times as
      much; a day later, freshness has fallen to 1/e.
    seed: of everything.
  """

  num_items: int = 24_000
  num_users: int = 10_000
  num_impressions: int = 1_200_000
  num_days: int = 15
  branching: tuple[int, ...] = (16, 8, 8)
  content_size: int = 64
  taste_size: int = 16
  level_scales: tuple[float, ...] = (0.7, 0.5, 0.4, 0.3)
  appeal_scale: float = 0.8
  taste_scale: float = 1.0
  context_scale: float = 1.0
  click_logit: float = -2.0
  popularity_exponent: float = 0.8
  share_at_start: float = 0.6
  freshness: float = 4.0
  seed: int = 0

  def __post_init__(self):
    """Refuses sizes that make no world."""
    sizes = (
        self.num_items,
        self.num_users,
        self.num_impressions,
        self.num_days,
        *self.branching,
    )
    if (
        min(sizes) < 1
        or len(self.level_scales) != len(self.branching) + 1
        or not 0 < self.share_at_start <= 1
    ):
      raise InputError(
          f'The sizes make no world: {self}',
          where='GeneratedWorld',
          expected='sizes of at least 1, share_at_start in (0, 1], and one of '
          'level_scales for each level of branching and one for the item',
          fix='Correct the configuration.',
      )


@dataclasses.dataclass(frozen=True, eq=False)
class Chunk:
  """Impressions of a part of a day.

  Attributes:
    times: int64 [n] seconds, ascending.
    users: int64 [n].
    current_items: int64 [n], the item that the user clicked last before this
      chunk; `NO_ITEM` for none.
    items: int64 [n], what was shown.
    clicks: bool [n].
    watched: float32 [n], the share that was watched, in (0, 1); NaN without a
      click.
  """

  times: np.ndarray
  users: np.ndarray
  current_items: np.ndarray
  items: np.ndarray
  clicks: np.ndarray
  watched: np.ndarray


class World:
  """A world's items and users, and its stream of impressions.

  Attributes:
    config: what it was made from.
    categories: int64 [num_items, levels], an item's category of each level,
      numbered over the whole level.
    first_seen: int64 [num_items] seconds.
    content: float32 [num_items, content_size].
  """

  def __init__(self, config: GeneratedWorld):
    self.config = config
    rng = np.random.default_rng((config.seed, 0))
    self.categories = _categories(config, rng)
    self.first_seen = _entry_times(config, rng)
    self.content = self._level_sum(config.content_size, rng).astype(np.float32)
    self._tastes = self._level_sum(config.taste_size, rng)
    self._appeals = config.appeal_scale * self._level_sum(1, rng)[:, 0]
    ranks = rng.permutation(config.num_items) + 1.0
    self._weights = ranks**-config.popularity_exponent
    # A user likes what a few items have in common.
    liked = rng.integers(config.num_items, size=(config.num_users, 3))
    self._user_tastes = self._tastes[liked].mean(axis=1)
    self._activity = rng.lognormal(size=config.num_users)

  def _level_sum(self, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws vectors whose levels add up, float64 [num_items, size]."""
    *scales, own = self.config.level_scales
    total = own * rng.normal(size=(self.config.num_items, size))
    counts = np.cumprod(self.config.branching)
    for level, (scale, count) in enumerate(zip(scales, counts, strict=True)):
      nodes = scale * rng.normal(size=(count, size))
      total += nodes[self.categories[:, level]]
    return total

  def chunks(self) -> Iterator[Chunk]:
    """Streams the impressions in order of time; the same at every call.

    Memory holds a part of a day, however many impressions there are.
    """
    num_chunks = self.config.num_days * _CHUNKS_PER_DAY
    borders = np.arange(num_chunks + 1) * self.config.num_impressions
    counts = np.diff(borders // num_chunks)
    newest = np.full(self.config.num_users, NO_ITEM)
    users = np.cumsum(self._activity)
    for number, count in enumerate(counts.tolist()):
      rng = np.random.default_rng((self.config.seed, 1, number))
      chunk = self._chunk(number, count, users, newest, rng)
      # Of several clicks of a user the last stays.
      newest[chunk.users[chunk.clicks]] = chunk.items[chunk.clicks]
      yield chunk

  def _chunk(
      self,
      number: int,
      count: int,
      cumulative_activity: np.ndarray,
      newest: np.ndarray,
      rng: np.random.Generator,
  ) -> Chunk:
    config = self.config
    length = SECONDS_PER_DAY // _CHUNKS_PER_DAY
    begin = START_TIME + number * length
    times = np.sort(begin + rng.integers(length, size=count))
    users = _draw(cumulative_activity, count, rng)
    age = (begin - self.first_seen) / SECONDS_PER_DAY
    there = np.where(
        age >= 0, 1 + config.freshness * np.exp(-np.maximum(age, 0)), 0
    )
    items = _draw(np.cumsum(self._weights * there), count, rng)
    current = newest[users]
    logits = config.click_logit + self._appeals[items]
    logits += config.taste_scale * self._products(
        self._user_tastes[users], items
    )
    # The last row of tastes stands in where there is no current item.
    near = self._products(self._tastes[current], items)
    logits += config.context_scale * np.where(current == NO_ITEM, 0.0, near)
    clicks = rng.random(count) < _sigmoid(logits)
    watched = _sigmoid(0.7 * (logits + 1) + 0.5 * rng.normal(size=count))
    return Chunk(
        times=times,
        users=users,
        current_items=current,
        items=items,
        clicks=clicks,
        watched=np.where(clicks, watched, np.nan).astype(np.float32),
    )

  def _products(self, vectors: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Multiplies vectors [n, taste_size] with items', to about unit size."""
    products = np.einsum('ns,ns->n', vectors, self._tastes[items])
    return products / self._product_scale

  @functools.cached_property
  def _product_scale(self) -> float:
    variance = np.mean(np.square(self._tastes))
    return float(variance * np.sqrt(self.config.taste_size))


def _categories(config: GeneratedWorld, rng: np.random.Generator) -> np.ndarray:
  """Draws an item's category of each level, int64 [num_items, levels]."""
  columns = []
  above = np.zeros(config.num_items, np.int64)
  for size in config.branching:
    # Some branches are larger than others, in each level in the same way.
    share = rng.dirichlet(np.full(size, 3.0))
    drawn = rng.choice(size, config.num_items, p=share)
    above = above * size + drawn
    columns.append(above)
  return np.stack(columns, axis=1)


def _entry_times(
    config: GeneratedWorld, rng: np.random.Generator
) -> np.ndarray:
  """Draws when items enter, int64 [num_items] seconds."""
  late = rng.random(config.num_items) >= config.share_at_start
  times = rng.integers(config.num_days * SECONDS_PER_DAY, size=config.num_items)
  return START_TIME + np.where(late, times, 0)


def _draw(
    cumulative: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
  """Draws with weights whose running sum is given, int64 [count]."""
  drawn = rng.random(count) * cumulative[-1]
  return np.searchsorted(cumulative, drawn, side='right')


def _sigmoid(x: np.ndarray) -> np.ndarray:
  return 1 / (1 + np.exp(-x))

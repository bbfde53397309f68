# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""An engine with names for its items: requests in, answers out."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np
import pyarrow.compute as pc

from plum_jax.serving import engine as engines
from plum_jax.serving import query as queries
from plum_jax.serving.engine import Engine
from plum_jax.serving.engine import Results
from plum_jax.serving.prompt_format import Histories
from plum_jax.serving.query import Query
from plum_jax.serving.query import RequestError

# Of an answer, JSON values.
Answer = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class _Resolved:
  """A request in item numbers.

  Attributes:
    history: int [n].
    items: int [m], what is excluded, or all that is allowed.
    k: how many items.
    unknown: the ids that the bundle does not have.
  """

  history: np.ndarray
  items: np.ndarray
  k: int
  unknown: tuple[str, ...]


def kind(query: Query) -> str:
  """Returns which program a request needs; see `engine`."""
  return engines.EXCLUDED if query.allow is None else engines.ALLOWED


class Recommender:
  """Answers requests from one bundle."""

  def __init__(self, engine: Engine):
    """Makes the look-up of item ids and runs every program once.

    Args:
      engine: the compiled search.
    """
    self._engine = engine
    ids = engine.bundle.table.item_ids.to_pylist()
    self._numbers = dict(zip(ids, range(len(ids)), strict=True))
    self._ids = ids
    nothing = np.zeros(0, np.int64)
    for program, batch_size in engine.programs:
      histories = engines.empty_histories(batch_size)
      engine.start(histories, [nothing] * batch_size, program).fetch()

  @property
  def engine(self) -> Engine:
    """The compiled search."""
    return self._engine

  @property
  def version(self) -> str:
    """Names the bundle."""
    return self._engine.bundle.version

  def recommend(self, batch: Sequence[Query]) -> list[Answer | RequestError]:
    """Answers requests of one kind.

    Args:
      batch: at most as many as the engine's largest batch.

    Returns:
      For each request its answer: `bundle`, `items` (each `item_id`, `title`,
      `score`, the log-probability of its SID, and `sid`, its codes), best
      first, and `unknown_item_ids`; or why it has none.
    """
    resolved = [self._try_resolve(query) for query in batch]
    searched = [
        one
        for one, query in zip(resolved, batch, strict=True)
        if isinstance(one, _Resolved) and self._can_have_items(one, query)
    ]
    found: dict[int, Answer] = {}
    if searched:
      lengths = [len(one.history) for one in searched]
      results = self._engine.start(
          Histories(
              np.concatenate([one.history for one in searched]),
              np.concatenate(([0], np.cumsum(lengths))),
          ),
          [one.items for one in searched],
          kind(batch[0]),
      ).fetch()
      found = {
          id(one): self._answer(one, results, row)
          for row, one in enumerate(searched)
      }
    return [
        one
        if isinstance(one, RequestError)
        else found.get(id(one)) or self._answer(one, None, 0)
        for one in resolved
    ]

  def search_titles(self, words: str, limit: int) -> list[dict[str, Any]]:
    """Finds items whose title or id contains words.

    Args:
      words: a text; letters may be small or capital.
      limit: how many items at most.

    Returns:
      `item_id`, `title` and `sid` of each, in the order of the catalog.
    """
    bundle = self._engine.bundle
    mask = pc.match_substring(bundle.titles, words, ignore_case=True)
    found = np.flatnonzero(
        np.asarray(pc.fill_null(mask, False)) | self._named(words)
    )
    return [self._item(int(item)) for item in found[:limit]]

  def _named(self, words: str) -> np.ndarray:
    """Marks the item whose id the words are."""
    mask = np.zeros(len(self._ids), bool)
    number = self._numbers.get(words)
    if number is not None:
      mask[number] = True
    return mask

  def _item(self, item: int) -> dict[str, Any]:
    bundle = self._engine.bundle
    return {
        'item_id': self._ids[item],
        'title': bundle.titles[item].as_py(),
        'sid': bundle.table.full_codes[item].tolist(),
    }

  def _can_have_items(self, one: _Resolved, query: Query) -> bool:
    """Whether a search can find anything."""
    return query.allow is None or len(one.items) > 0

  def _answer(
      self, one: _Resolved, results: Results | None, row: int
  ) -> Answer:
    items = []
    if results is not None:
      valid = results.valid[row, : one.k]
      for item, score in zip(
          results.item_ids[row, : one.k][valid].tolist(),
          results.scores[row, : one.k][valid].tolist(),
          strict=True,
      ):
        items.append({**self._item(item), 'score': score})
    return {
        'bundle': self.version,
        'items': items,
        'unknown_item_ids': list(one.unknown),
    }

  def _try_resolve(self, query: Query) -> _Resolved | RequestError:
    """Finds the numbers of a request's items, or says why it cannot be."""
    try:
      return self._resolve(query)
    except RequestError as error:
      return error

  def _resolve(self, query: Query) -> _Resolved:
    engine = self._engine
    k = engine.max_items if query.k is None else query.k
    if k > engine.max_items:
      raise RequestError(
          400, f'k is {k}, the bundle gives at most {engine.max_items} items.'
      )
    unknown: dict[str, None] = {}

    def numbers(ids: Sequence[str]) -> np.ndarray:
      found = [self._numbers.get(one, -1) for one in ids]
      for one, number in zip(ids, found, strict=True):
        if number < 0:
          unknown[one] = None
      return np.array([n for n in found if n >= 0], np.int64)

    history, deny = numbers(query.history), numbers(query.deny)
    exclude = query.exclude_history
    if exclude is None:
      exclude = engine.bundle.search.exclude_history
    excluded = np.union1d(history, deny) if exclude else np.unique(deny)
    items = excluded
    if query.allow is not None:
      items = np.setdiff1d(numbers(query.allow), excluded)
    if unknown and query.unknown_items == queries.ERROR:
      raise RequestError(422, f'The item {next(iter(unknown))!r} is not known.')
    if engine.bundle.prompt.needs_history and not len(history):
      raise RequestError(
          422, 'No item of the history is known, and this generator needs one.'
      )
    width = (
        engine.config.max_excluded
        if query.allow is None
        else engine.config.max_allowed
    )
    if len(items) > width:
      raise RequestError(413, f'{len(items)} items are more than {width}.')
    return _Resolved(history, items, k, tuple(unknown))

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Requests that arrive one by one, searched for in batches."""

from __future__ import annotations

import asyncio
import collections
from concurrent import futures
import dataclasses
import logging
import time

from plum_jax.serving import recommender as recommenders
from plum_jax.serving.query import Query
from plum_jax.serving.query import RequestError
from plum_jax.serving.recommender import Answer
from plum_jax.serving.recommender import Recommender
from plum_jax.serving.service_metrics import ServiceMetrics

_LOGGER = logging.getLogger('plum_jax')


@dataclasses.dataclass(eq=False)
class _Waiting:
  """A request in the queue."""

  query: Query
  kind: str
  arrived: float
  answer: asyncio.Future[Answer]


class Batcher:
  """A queue, and one thread that searches.

  A batch starts when it is full, or when its oldest request has waited
  `max_wait_s`; while the search runs, the next one gathers. Each batch is
  answered by one recommender, the one that is there when it starts.
  """

  def __init__(
      self,
      recommender: Recommender,
      metrics: ServiceMetrics,
      *,
      max_wait_s: float,
      max_queue: int,
  ):
    """Makes an empty queue; `run` works it off.

    Args:
      recommender: answers, until another is swapped in.
      metrics: what is counted.
      max_wait_s: how long a request waits for others, in seconds.
      max_queue: requests that may wait; more are turned away.
    """
    self._recommender, self._metrics = recommender, metrics
    self._max_wait_s, self._max_queue = max_wait_s, max_queue
    self._queue: collections.deque[_Waiting] = collections.deque()
    self._changed = asyncio.Event()
    self._closing = False
    self._thread = futures.ThreadPoolExecutor(1, 'search')

  @property
  def recommender(self) -> Recommender:
    """What the next batch is answered by."""
    return self._recommender

  def swap(self, recommender: Recommender) -> None:
    """Answers from another bundle, from the next batch on."""
    self._recommender = recommender

  async def recommend(self, query: Query) -> Answer:
    """Waits for the answer to a request.

    Args:
      query: the request.

    Returns:
      Its answer.

    Raises:
      RequestError: there is none; 503 if too many wait or the service stops.
    """
    if self._closing:
      raise RequestError(503, 'The service is shutting down.')
    if len(self._queue) >= self._max_queue:
      raise RequestError(503, 'Too many requests are waiting; try again.')
    waiting = _Waiting(
        query,
        recommenders.kind(query),
        time.monotonic(),
        asyncio.get_running_loop().create_future(),
    )
    self._queue.append(waiting)
    self._note_change()
    try:
      return await waiting.answer
    except asyncio.CancelledError:
      if waiting in self._queue:  # Else a batch has it, and drops its answer.
        self._queue.remove(waiting)
        self._note_change()
      raise

  async def run(self) -> None:
    """Works the queue off until `close` was called and it is empty."""
    try:
      while not (self._closing and not self._queue):
        if not self._queue:
          await self._next_change(None)
          continue
        oldest = self._queue[0]
        left = oldest.arrived + self._max_wait_s - time.monotonic()
        if left > 0 and not self._closing and not self._is_full(oldest.kind):
          await self._next_change(left)
          continue
        await self._search(self._take(oldest.kind))
    finally:
      self._thread.shutdown(wait=False)

  def close(self) -> None:
    """Takes no further requests; those that wait are still answered."""
    self._closing = True
    self._note_change()

  def _note_change(self) -> None:
    self._metrics.queue_length.set(len(self._queue))
    self._changed.set()

  async def _next_change(self, timeout: float | None) -> None:
    """Waits until a request comes or goes, or time is up."""
    self._changed.clear()
    try:
      async with asyncio.timeout(timeout):
        await self._changed.wait()
    except TimeoutError:
      pass

  def _is_full(self, kind: str) -> bool:
    size = self._recommender.engine.config.max_batch
    return sum(one.kind == kind for one in self._queue) >= size

  def _take(self, kind: str) -> list[_Waiting]:
    """Takes the oldest requests of a kind out of the queue."""
    size = self._recommender.engine.config.max_batch
    batch = [one for one in self._queue if one.kind == kind][:size]
    taken = set(map(id, batch))
    self._queue = collections.deque(
        one for one in self._queue if id(one) not in taken
    )
    self._note_change()
    return batch

  async def _search(self, batch: list[_Waiting]) -> None:
    """Answers a batch."""
    begun = time.monotonic()
    self._metrics.batch_size.observe(len(batch))
    try:
      answers = await asyncio.get_running_loop().run_in_executor(
          self._thread,
          self._recommender.recommend,
          [one.query for one in batch],
      )
    except Exception:
      # One batch must not end the service.
      _LOGGER.exception('A batch failed.')
      self._metrics.errors.labels('search').inc()
      answers = [RequestError(500, 'The search failed.')] * len(batch)
    self._metrics.batch_seconds.observe(time.monotonic() - begun)
    for one, answer in zip(batch, answers, strict=True):
      if one.answer.done():  # Who asked has gone.
        continue
      if isinstance(answer, RequestError):
        one.answer.set_exception(answer)
      else:
        self._metrics.unknown_items.inc(len(answer['unknown_item_ids']))
        one.answer.set_result(answer)

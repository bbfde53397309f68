# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Recommendations over HTTP, from a bundle that can be swapped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
import contextlib
import dataclasses
import ipaddress
import logging
import pathlib
import time
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.responses import Response
from starlette.routing import Route

from plum_jax.artifacts.errors import InputError
from plum_jax.serving import bundle as bundles
from plum_jax.serving import query as queries
from plum_jax.serving.batcher import Batcher
from plum_jax.serving.engine import Engine
from plum_jax.serving.engine import EngineConfig
from plum_jax.serving.query import Limits
from plum_jax.serving.query import RequestError
from plum_jax.serving.recommender import Recommender
from plum_jax.serving.service_metrics import ServiceMetrics

_LOGGER = logging.getLogger('plum_jax')
_PAGE = pathlib.Path(__file__).with_name('page.html')
_MAX_FOUND = 20
# The page is one file, and talks to nobody else.
_PAGE_HEADERS = {
    'content-security-policy': (
        "default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}
Handler = Callable[[Request], Awaitable[Response]]


@dataclasses.dataclass(frozen=True)
class ServiceConfig:
  """How a service works.

  Attributes:
    bundle: the folder that is served, and read again by a swap.
    batch_sizes: see `EngineConfig`.
    max_wait_s: how long a request waits for others to fill a batch, in seconds.
    max_queue: requests that may wait; more are turned away with 503.
    timeout_s: after so many seconds a request gets 504.
    limits: what a request may be.
  """

  bundle: str
  batch_sizes: tuple[int, ...] = (1, 8)
  max_wait_s: float = 0.002
  max_queue: int = 256
  timeout_s: float = 5.0
  limits: Limits = Limits()

  @property
  def engine(self) -> EngineConfig:
    """The shapes that are compiled."""
    limits = self.limits
    return EngineConfig(
        self.batch_sizes,
        max_excluded=limits.max_history + limits.max_list,
        max_allowed=limits.max_list,
        room_to_grow=True,
    )


class Service:
  """The endpoints, and what they share."""

  def __init__(self, config: ServiceConfig):
    """Reads the bundle, compiles and warms up: then all is ready to answer.

    Args:
      config: how it works.

    Raises:
      InputError: the bundle cannot be used.
    """
    self._config = config
    self._metrics = ServiceMetrics(config.batch_sizes)
    self._batcher = Batcher(
        self._load(None),
        self._metrics,
        max_wait_s=config.max_wait_s,
        max_queue=config.max_queue,
    )
    self._metrics.serves(self.version, swapped=False)
    self._swapping = asyncio.Lock()
    self._stopping = asyncio.Event()
    self._running: asyncio.Task[None] | None = None

  @property
  def version(self) -> str:
    """Names the bundle that is served."""
    return self._batcher.recommender.version

  def app(self) -> Starlette:
    """Returns the ASGI application."""
    routes = (
        ('/', 'GET', self._page),
        ('/recommend', 'POST', self._recommend),
        ('/items', 'GET', self._items),
        ('/healthz', 'GET', self._health),
        ('/metrics', 'GET', self._show_metrics),
        ('/admin/swap', 'POST', self._swap),
    )
    return Starlette(
        routes=[
            Route(path, self._counted(path, handler), methods=[method])
            for path, method, handler in routes
        ],
        exception_handlers={HTTPException: self._refuse},
        lifespan=self._lifespan,
    )

  def stop(self) -> None:
    """Says that the end has come: no swap is waited for any longer.

    Requests that are under way are still answered. Call it on the event loop.
    """
    self._stopping.set()

  def _load(self, previous: Recommender | None) -> Recommender:
    """Reads the bundle and compiles what is new in it."""
    engine = Engine(
        bundles.load(self._config.bundle),
        self._config.engine,
        None if previous is None else previous.engine,
    )
    return Recommender(engine)

  @contextlib.asynccontextmanager
  async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
    """Works the queue off while the server runs, and empties it at the end."""
    del app
    self._running = asyncio.create_task(self._batcher.run())
    try:
      yield
    finally:
      self.stop()
      self._batcher.close()
      await self._running

  def _counted(self, path: str, handler: Handler) -> Handler:
    """Counts the requests of an endpoint, and turns errors into JSON."""

    async def counted(request: Request) -> Response:
      begun = time.monotonic()
      try:
        response = await handler(request)
      except RequestError as error:
        response = _error(error.status, error.what)
      except ClientDisconnect:
        response = _error(400, 'The request ended too soon.')
      except Exception:
        _LOGGER.exception('The request %s failed.', path)
        response = _error(500, 'The request failed.')
      self._metrics.finished(
          path, response.status_code, time.monotonic() - begun
      )
      return response

    return counted

  async def _refuse(self, request: Request, error: Exception) -> Response:
    """Answers what no endpoint is there for."""
    del request
    assert isinstance(error, HTTPException)
    self._metrics.finished('other', error.status_code, 0.0)
    response = _error(error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response

  async def _recommend(self, request: Request) -> Response:
    """Answers `POST /recommend`."""
    try:
      async with asyncio.timeout(self._config.timeout_s):
        body = await self._body(request)
        query = queries.parse(body, self._config.limits)
        return JSONResponse(await self._batcher.recommend(query))
    except TimeoutError as error:
      raise RequestError(504, 'There was no answer in time.') from error

  async def _body(self, request: Request) -> bytes:
    """Reads a request's body, but no more than may be."""
    limit = self._config.limits.max_body_bytes
    body = bytearray()
    async for chunk in request.stream():
      body += chunk
      if len(body) > limit:
        raise RequestError(413, f'The request has more than {limit} bytes.')
    return bytes(body)

  async def _items(self, request: Request) -> Response:
    """Answers `GET /items?search=…`: items by their titles."""
    words = request.query_params.get('search', '').strip()
    if not words or len(words) > self._config.limits.max_id_length:
      raise RequestError(400, 'search is empty or too long.')
    recommender = self._batcher.recommender
    try:
      found = await run_in_threadpool(
          recommender.search_titles, words, _MAX_FOUND
      )
    except UnicodeEncodeError as error:
      raise RequestError(400, 'search is no text.') from error
    return JSONResponse({'bundle': recommender.version, 'items': found})

  async def _health(self, request: Request) -> Response:
    """Answers `GET /healthz`."""
    del request
    if self._stopping.is_set():
      raise RequestError(503, 'The service is shutting down.')
    if self._running is None or self._running.done():
      raise RequestError(500, 'Nobody works the queue off.')
    return JSONResponse({'status': 'ok', 'bundle': self.version})

  async def _show_metrics(self, request: Request) -> Response:
    """Answers `GET /metrics`."""
    del request
    return Response(
        self._metrics.text(), media_type='text/plain; version=0.0.4'
    )

  async def _page(self, request: Request) -> Response:
    """Answers `GET /`: the page for people."""
    del request
    page = await run_in_threadpool(_PAGE.read_text, 'utf-8')
    return Response(page, media_type='text/html', headers=_PAGE_HEADERS)

  async def _swap(self, request: Request) -> Response:
    """Answers `POST /admin/swap`: reads the bundle's folder again.

    The new bundle is read, compiled and run beside the old one, which answers
    meanwhile; if anything is wrong with it, the old one stays.
    """
    if not _is_loopback(request):
      raise RequestError(403, 'Swaps are asked for from this machine alone.')
    # A page in a browser cannot send this without asking first.
    kind = request.headers.get('content-type', '').partition(';')[0].strip()
    if kind != 'application/json':
      raise RequestError(415, 'The content type is not application/json.')
    if self._swapping.locked():
      raise RequestError(409, 'A swap is under way.')
    async with self._swapping:
      before = self._batcher.recommender
      try:
        after = await self._unless_stopping(
            run_in_threadpool(self._load, before)
        )
      except InputError as error:
        self._metrics.errors.labels('swap').inc()
        _LOGGER.warning('The bundle is not swapped: %s', error)
        raise RequestError(422, str(error)) from error
      self._batcher.swap(after)
      self._metrics.serves(after.version, swapped=True)
      _LOGGER.info('serve: bundle %s after %s', after.version, before.version)
      return JSONResponse(
          {
              'bundle': after.version,
              'before': before.version,
              'compiled': after.engine.num_compiled,
          }
      )

  async def _unless_stopping(
      self, loading: Coroutine[Any, Any, Recommender]
  ) -> Recommender:
    """Waits for a bundle, but not beyond the end of the service."""
    task = asyncio.create_task(loading)
    stopping = asyncio.create_task(self._stopping.wait())
    try:
      await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
      if not task.done():
        raise RequestError(503, 'The service is shutting down.')
      return task.result()
    finally:
      stopping.cancel()


def _is_loopback(request: Request) -> bool:
  """Whether a request comes from this machine."""
  try:
    return (
        request.client is not None
        and ipaddress.ip_address(request.client.host).is_loopback
    )
  except ValueError:
    return False


def _error(status: int, what: str) -> JSONResponse:
  values: dict[str, Any] = {'error': what}
  headers = {'retry-after': '1'} if status == 503 else {}
  return JSONResponse(values, status, headers)

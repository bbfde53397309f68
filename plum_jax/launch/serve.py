# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Recommendations from a bundle, over HTTP."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
import logging
import sys
import types
from typing import TYPE_CHECKING

from plum_jax.artifacts.errors import InputError
from plum_jax.launch import application
from plum_jax.launch import chatter

if TYPE_CHECKING:
  import uvicorn

  from plum_jax.serving import service

_PROGRAM = 'plum_jax.launch.serve'
_DESCRIPTION = """
Answers requests for recommendations from a bundle; see docs/serving.md. It
listens once the bundle is read and everything is compiled.
"""
_LOGGER = logging.getLogger('plum_jax')
_EXTRA = ('starlette', 'uvicorn', 'prometheus_client')


def main(argv: Sequence[str] | None = None) -> None:
  """Runs the program.

  Args:
    argv: the arguments; the process's own by default.
  """
  arguments = list(sys.argv[1:] if argv is None else argv)
  sys.exit(application.exit_status(lambda: _run(arguments)))


def _run(argv: list[str]) -> None:
  flags = _parser().parse_args(argv)
  sizes = _batch_sizes(flags.batch_sizes)
  chatter.set_up_logging()
  try:
    import uvicorn

    from plum_jax.serving import service
  except ModuleNotFoundError as error:
    if error.name not in _EXTRA:
      raise
    raise InputError(
        str(error),
        where=sys.executable,
        expected='the packages of the extra serve',
        fix="pip install -e '.[serve]'",
    ) from error
  from plum_jax.serving.query import Limits

  config = service.ServiceConfig(
      bundle=flags.bundle,
      batch_sizes=sizes,
      max_wait_s=flags.max_wait_ms / 1000,
      max_queue=flags.max_queue,
      timeout_s=flags.timeout_s,
      limits=Limits(
          max_body_bytes=flags.max_body_bytes,
          max_history=flags.max_history,
          max_list=flags.max_list,
      ),
  )
  made = service.Service(config)
  _LOGGER.info(
      'serve: bundle %s on http://%s:%d', made.version, flags.host, flags.port
  )
  server = uvicorn.Server(
      uvicorn.Config(
          made.app(),
          host=flags.host,
          port=flags.port,
          log_level='warning',
          access_log=False,
          # Requests that are under way at SIGTERM are answered.
          timeout_graceful_shutdown=int(flags.timeout_s) + 5,
          limit_concurrency=4 * flags.max_queue,
      )
  )
  asyncio.run(_serve(server, made))


async def _serve(server: uvicorn.Server, made: service.Service) -> None:
  """Runs a server; a signal to end reaches the service, too."""
  loop = asyncio.get_running_loop()
  handle_exit = server.handle_exit

  def end(sig: int, frame: types.FrameType | None) -> None:
    loop.call_soon_threadsafe(made.stop)
    handle_exit(sig, frame)

  server.handle_exit = end
  await server.serve()


def _batch_sizes(text: str) -> tuple[int, ...]:
  """Reads numbers with commas between them."""
  try:
    sizes = tuple(sorted({int(part) for part in text.split(',')}))
    if sizes[0] < 1:
      raise ValueError('a batch has at least one request')
  except ValueError as error:
    raise InputError(
        f'The batch sizes cannot be read: {error}',
        where=f'--batch_sizes={text}',
        expected='numbers such as 1,8,32',
        fix='Correct them.',
    ) from error
  return sizes


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
      prog=f'python -m {_PROGRAM}', description=_DESCRIPTION, allow_abbrev=False
  )
  add = parser.add_argument
  add('--bundle', required=True, metavar='PATH', help='a folder bundle/')
  add('--host', default='127.0.0.1', help='by default this machine alone')
  add('--port', type=int, default=8000)
  add(
      '--batch_sizes',
      default='1,8',
      help='requests of a batch that programs are compiled for',
  )
  for name, kind, default, text in (
      ('max_wait_ms', float, 2.0, 'how long a request waits for others'),
      ('max_queue', int, 256, 'requests that may wait; more get 503'),
      ('timeout_s', float, 5.0, 'after so many seconds a request gets 504'),
      ('max_body_bytes', int, 1 << 18, 'of a request'),
      ('max_history', int, 512, 'items of a history'),
      ('max_list', int, 512, 'items of allow, and of deny'),
  ):
    add(f'--{name}', type=_positive(kind), default=default, help=text)
  return parser


def _positive(kind: type[int] | type[float]):
  """Returns a reader of numbers above 0."""

  def read(text: str) -> int | float:
    value = kind(text)
    if not 0 < value < 1e9:
      raise argparse.ArgumentTypeError(f'{text} is not above 0')
    return value

  return read


if __name__ == '__main__':
  main()

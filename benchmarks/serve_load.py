# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Loads the HTTP service at a stated rate amid swaps and kills.

Requests arrive as a Poisson process that does not wait for answers (an open
loop), so that a slow service meets a queue and not a patient client. Latency
counts from the moment a request was due. Services take turns; a request whose
connection breaks goes to the next one, as behind a load balancer. Every answer
is compared with what its bundle gives when nothing else happens. See README.md
for the commands and for results.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
from collections.abc import Sequence
import dataclasses
import json
import logging
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from plum_jax.artifacts import atomic
from plum_jax.serving import bundle
from plum_jax.serving.engine import Engine
from plum_jax.serving.engine import EngineConfig
from plum_jax.serving.query import Query
from plum_jax.serving.recommender import Recommender
from plum_jax.testing import tiny_bundle

_NUM_HISTORIES, _MAX_HISTORY = 64, 20
_TINY_ITEMS = 400
_TRIES = 8
_JSON = 'content-type: application/json\r\n'
Expected = dict[str, list[list[str]]]


@dataclasses.dataclass
class Counts:
  """What became of requests."""

  latencies: list[float] = dataclasses.field(default_factory=list)
  statuses: collections.Counter[int] = dataclasses.field(
      default_factory=collections.Counter
  )
  bundles: collections.Counter[str] = dataclasses.field(
      default_factory=collections.Counter
  )
  failed: int = 0
  retried: int = 0
  wrong: int = 0
  kills: int = 0
  swaps: collections.Counter[int] = dataclasses.field(
      default_factory=collections.Counter
  )


class Services:
  """Processes that serve one folder, and can be killed."""

  def __init__(self, live: pathlib.Path, number: int, flags: Sequence[str]):
    self._live, self._flags = live, flags
    self.ports = [_free_port() for _ in range(number)]
    self._processes = [self._start(port) for port in self.ports]

  def _start(self, port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            '-m',
            'plum_jax.launch.serve',
            f'--bundle={self._live}',
            f'--port={port}',
            *self._flags,
        ]
    )

  async def wait_until_ready(self, port: int) -> None:
    """Waits until a service answers."""
    while True:
      try:
        if (await _call(port, 'GET', '/healthz'))[0] == 200:
          return
      except OSError:
        pass
      await asyncio.sleep(0.2)

  async def kill(self, number: int) -> None:
    """Sends SIGKILL, and starts another in its place."""
    self._processes[number].kill()
    self._processes[number].wait()
    self._processes[number] = self._start(self.ports[number])
    await self.wait_until_ready(self.ports[number])

  def megabytes(self) -> list[float]:
    """Returns the resident memory of each, 0 where there is none to ask."""
    found = []
    for process in self._processes:
      status = pathlib.Path(f'/proc/{process.pid}/status').read_text('utf-8')
      sizes = [x for x in status.splitlines() if x.startswith('VmRSS:')]
      found.append(int(sizes[0].split()[1]) / 1024 if sizes else 0.0)
    return found

  def stop(self) -> list[int]:
    """Asks all to end, and returns how they did."""
    for process in self._processes:
      process.terminate()
    return [process.wait() for process in self._processes]


def _free_port() -> int:
  with socket.create_server(('127.0.0.1', 0)) as listening:
    return listening.getsockname()[1]


async def _call(
    port: int, method: str, path: str, body: bytes = b''
) -> tuple[int, bytes]:
  """Sends a request on a connection of its own."""
  reader, writer = await asyncio.open_connection('127.0.0.1', port)
  try:
    writer.write(
        f'{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n'
        f'{_JSON}content-length: {len(body)}\r\n\r\n'.encode() + body
    )
    await writer.drain()
    answer = await reader.read()
  finally:
    writer.close()
  head, separator, text = answer.partition(b'\r\n\r\n')
  if not separator:
    raise ConnectionResetError('The answer was cut off.')
  return int(head.split(None, 2)[1]), text


class Load:
  """A stream of requests, and what became of them."""

  def __init__(
      self,
      services: Services,
      histories: Sequence[Sequence[str]],
      expected: Expected,
  ):
    self._services, self._expected = services, expected
    self._bodies = [
        json.dumps({'history': list(one), 'k': 10}).encode()
        for one in histories
    ]
    self._next = 0
    self.counts = Counts()

  async def run(self, rate: float, seconds: float, seed: int) -> None:
    """Sends requests at `rate` per second, and waits for all answers."""
    rng = np.random.default_rng(seed)
    begun, due = time.monotonic(), 0.0
    tasks: set[asyncio.Task[None]] = set()
    while due < seconds:
      due += rng.exponential(1 / rate)
      await asyncio.sleep(max(0.0, begun + due - time.monotonic()))
      which = int(rng.integers(len(self._bodies)))
      task = asyncio.create_task(self._ask(which, begun + due))
      tasks.add(task)
      task.add_done_callback(tasks.discard)
    while tasks:
      await asyncio.gather(*tasks)

  async def _ask(self, which: int, due: float) -> None:
    """Sends a request, to the next service if a connection breaks."""
    for _ in range(_TRIES):
      self._next += 1
      port = self._services.ports[self._next % len(self._services.ports)]
      try:
        status, text = await _call(
            port, 'POST', '/recommend', self._bodies[which]
        )
      except OSError:
        self.counts.retried += 1
        await asyncio.sleep(0.01)
        continue
      self.counts.latencies.append(time.monotonic() - due)
      self.counts.statuses[status] += 1
      if status == 200:
        self._check(which, json.loads(text))
      return
    self.counts.failed += 1

  def _check(self, which: int, answer: dict[str, Any]) -> None:
    found = [item['item_id'] for item in answer['items']]
    self.counts.bundles[answer['bundle']] += 1
    wanted = self._expected.get(answer['bundle'])
    self.counts.wrong += wanted is None or wanted[which] != found

  async def swap(
      self, live: pathlib.Path, bundles: Sequence[pathlib.Path], every: float
  ) -> None:
    """Puts one bundle after another into the folder, until cancelled."""
    number = 0
    while True:
      await asyncio.sleep(every)
      number += 1
      await asyncio.to_thread(replace, live, bundles[number % len(bundles)])
      for port in self._services.ports:
        try:
          status, _ = await _call(port, 'POST', '/admin/swap')
          self.counts.swaps[status] += 1
        except OSError:  # It was killed; it starts with the new bundle.
          pass

  async def watch(self, every: float) -> None:
    """Prints how much memory each service has, until cancelled."""
    begun = time.monotonic()
    while True:
      await asyncio.sleep(every)
      sizes = ' '.join(f'{size:.1f}' for size in self._services.megabytes())
      seconds = time.monotonic() - begun
      print(f'{seconds:.0f} s: {sizes} MB', flush=True)

  async def kill(self, every: float) -> None:
    """Kills one service after another, until cancelled."""
    while True:
      await asyncio.sleep(every)
      number = self.counts.kills % len(self._services.ports)
      self.counts.kills += 1
      await self._services.kill(number)


def replace(live: pathlib.Path, source: pathlib.Path) -> None:
  """Puts a copy of a bundle into the folder that is served, at once."""
  with atomic.write_directory(live) as temporary:
    shutil.copytree(source, temporary, dirs_exist_ok=True)


def answers(
    paths: Sequence[pathlib.Path], seed: int
) -> tuple[list[list[str]], Expected]:
  """Draws histories, and finds what each bundle recommends for them."""
  expected: Expected = {}
  histories: list[list[str]] = []
  for path in paths:
    loaded = bundle.load(path)
    if not histories:
      rng = np.random.default_rng(seed)
      ids = loaded.table.item_ids
      histories = [
          [ids[int(item)].as_py() for item in rng.integers(0, len(ids), length)]
          for length in rng.integers(1, _MAX_HISTORY, _NUM_HISTORIES)
      ]
    recommender = Recommender(
        Engine(loaded, EngineConfig((8,), 1024, max_allowed=0))
    )
    found = []
    for start in range(0, len(histories), 8):
      batch = [Query(tuple(h), 10) for h in histories[start : start + 8]]
      for answer in recommender.recommend(batch):
        assert isinstance(answer, dict)
        found.append([item['item_id'] for item in answer['items']])
    expected[loaded.version] = found
  return histories, expected


async def _measure(
    flags: argparse.Namespace, folder: pathlib.Path
) -> tuple[Counts, list[int]]:
  paths = [pathlib.Path(path) for path in flags.bundles.split(',') if path]
  if not paths:
    paths = [folder / 'first', folder / 'second']
    for seed, path in enumerate(paths):
      tiny_bundle.write(
          path, num_items=_TINY_ITEMS, codebook_sizes=(16, 16), seed=seed
      )
  histories, expected = answers(paths, flags.seed)
  live = folder / 'live'
  replace(live, paths[0])
  services = Services(
      live, flags.services, [f'--batch_sizes={flags.batch_sizes}']
  )
  try:
    for port in services.ports:
      await services.wait_until_ready(port)
    load = Load(services, histories, expected)
    disturbing = []
    if flags.swap_every:
      disturbing.append(load.swap(live, paths, flags.swap_every))
    if flags.kill_every:
      disturbing.append(load.kill(flags.kill_every))
    if flags.memory_every:
      disturbing.append(load.watch(flags.memory_every))
    tasks = [asyncio.create_task(one) for one in disturbing]
    await load.run(flags.rate, flags.seconds, flags.seed)
    for task in tasks:
      task.cancel()
    for found in await asyncio.gather(*tasks, return_exceptions=True):
      if isinstance(found, Exception):
        raise found
  finally:
    statuses = services.stop()
  return load.counts, statuses


def _print(flags: argparse.Namespace, counts: Counts, ends: list[int]) -> None:
  answered = np.array(counts.latencies)
  p50, p99, p999 = np.percentile(answered, [50, 99, 99.9]) * 1000
  print(
      f'{flags.services} services, {flags.rate:g} requests/s for '
      f'{flags.seconds:g} s: {len(answered)} answers\n'
      f'latency ms: p50 {p50:.1f}  p99 {p99:.1f}  p99.9 {p999:.1f}  '
      f'max {answered.max() * 1000:.1f}\n'
      f'statuses: {dict(counts.statuses)}  no answer: {counts.failed}  '
      f'sent again: {counts.retried}\n'
      f'wrong answers: {counts.wrong}  answers by bundle: '
      f'{dict(counts.bundles)}\n'
      f'swaps by status: {dict(counts.swaps)}  kills: {counts.kills}  '
      f'exit statuses: {ends}'
  )


def main() -> None:
  """Runs the benchmark; ends with 1 if an answer is wrong or missing."""
  parser = argparse.ArgumentParser(description=__doc__)
  add = parser.add_argument
  add('--rate', type=float, default=50.0, help='requests a second')
  add('--seconds', type=float, default=60.0)
  add('--services', type=int, default=2, help='processes')
  add('--swap_every', type=float, default=15.0, help='seconds; 0 for never')
  add('--kill_every', type=float, default=0.0, help='seconds; 0 for never')
  add('--memory_every', type=float, default=0.0, help='seconds; 0 for never')
  add('--batch_sizes', default='1,8')
  add('--bundles', default='', help='with commas; by default two tiny ones')
  add('--seed', type=int, default=0)
  flags = parser.parse_args()
  logging.getLogger('plum_jax').setLevel(logging.WARNING)
  with tempfile.TemporaryDirectory() as folder:
    counts, ends = asyncio.run(_measure(flags, pathlib.Path(folder)))
  _print(flags, counts, ends)
  fine = set(counts.statuses) == {200}
  sys.exit(not fine or counts.failed > 0 or counts.wrong > 0)


if __name__ == '__main__':
  main()

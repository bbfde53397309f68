# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Bundles that take the place of others while requests come in."""

import asyncio
from concurrent import futures
import gc
import json
import shutil
import threading
import weakref

import pytest

from plum_jax.serving import bundle
from plum_jax.serving.engine import Engine
from plum_jax.serving.query import Query
from plum_jax.serving.recommender import Recommender
from plum_jax.serving.service import Service
from plum_jax.testing import tiny_bundle
from tests.serving.running_service import call
from tests.serving.running_service import config
from tests.serving.running_service import recommend
from tests.serving.running_service import running
from tests.serving.running_service import swap

_HISTORIES = [(f'i{n}', f'i{n + 1}') for n in range(0, 22, 3)]


@pytest.fixture
def live(bundle_path, tmp_path, compiled_service):
  """A folder with a bundle that may be replaced, and a service of it."""
  del compiled_service
  path = tmp_path / 'bundle'
  shutil.copytree(bundle_path, path)
  service = Service(config(path))
  with running(service) as port:
    yield path, service, port


def _expected(recommender):
  return {
      history: recommender.recommend([Query(history)])[0]
      for history in _HISTORIES
  }


def test_no_request_fails_during_swaps_and_each_answer_is_one_bundles(
    live, service_engine, tmp_path
):
  path, service, port = live
  tiny_bundle.write(tmp_path / 'other', num_items=30, seed=1)
  other = Recommender(
      Engine(bundle.load(tmp_path / 'other'), config(path).engine)
  )
  expected = {
      one.version: _expected(one)
      for one in (Recommender(service_engine), other)
  }
  assert len(expected) == 2
  done, answers = threading.Event(), []

  def ask(worker):
    number = worker
    while not done.is_set():
      number += 1
      history = _HISTORIES[number % len(_HISTORIES)]
      answers.append((history, *recommend(port, history=history)))

  with futures.ThreadPoolExecutor(3) as pool:
    asking = [pool.submit(ask, worker) for worker in range(3)]
    try:
      seeds = [{'num_items': 30, 'seed': 1}, {}, {'num_items': 30, 'seed': 1}]
      for changes in seeds:
        tiny_bundle.write(path, **changes)
        status, answer = swap(port)
        assert status == 200
        assert answer['bundle'] == service.version
    finally:
      done.set()
    for one in asking:
      one.result()
  assert {status for _, status, _ in answers} == {200}
  assert {answer['bundle'] for _, _, answer in answers} == set(expected)
  for history, _, answer in answers:
    wanted = expected[answer['bundle']][history]
    assert [item['item_id'] for item in answer['items']] == [
        item['item_id'] for item in wanted['items']
    ]
  metrics = call(port, 'GET', '/metrics')[1]
  assert 'plum_jax_swaps_total 3.0' in metrics
  assert f'version="{service.version}"' in metrics


def test_same_bundle_is_swapped_without_compiling(live):
  _, service, port = live
  status, answer = swap(port)
  assert status == 200
  assert answer == {
      'bundle': service.version,
      'before': service.version,
      'compiled': 0,
  }


def test_bundle_that_was_replaced_is_let_go(live):
  path, service, port = live
  gone = weakref.ref(service._batcher.recommender)
  tiny_bundle.write(path, num_items=27)
  assert swap(port)[0] == 200
  gc.collect()
  assert gone() is None


def test_new_items_are_live_without_compiling(live):
  path, _, port = live
  status, answer = recommend(port, history=['i1'], allow=['i26'])
  assert (status, answer['unknown_item_ids']) == (200, ['i26'])
  # The same model and Semantic IDs of the same sizes, more items.
  tiny_bundle.write(path, num_items=27)
  status, answer = swap(port)
  assert (status, answer['compiled']) == (200, 0)
  _, answer = recommend(port, history=['i1'], allow=['i26'])
  assert [item['item_id'] for item in answer['items']] == ['i26']


def test_bundle_that_is_not_whole_leaves_the_old_one(live):
  path, service, port = live
  before = recommend(port, history=['i1'])
  (path / 'items.parquet').write_bytes(b'half')
  status, answer = swap(port)
  assert status == 422
  assert 'items.parquet' in answer['error']
  assert recommend(port, history=['i1']) == before
  shutil.rmtree(path)
  assert swap(port)[0] == 422
  assert recommend(port, history=['i1']) == before
  assert (
      'plum_jax_errors_total{where="swap"} 2.0'
      in call(port, 'GET', '/metrics')[1]
  )
  assert service.version == before[1]['bundle']


def test_one_swap_at_a_time(live, monkeypatch):
  _, service, port = live
  opened, begun, real = threading.Event(), threading.Event(), service._load

  def wait(previous):
    begun.set()
    assert opened.wait(60)
    return real(previous)

  monkeypatch.setattr(service, '_load', wait)
  with futures.ThreadPoolExecutor(1) as pool:
    first = pool.submit(swap, port)
    assert begun.wait(60)
    assert swap(port) == (409, {'error': 'A swap is under way.'})
    assert recommend(port, history=['i1'])[0] == 200
    opened.set()
    assert first.result()[0] == 200


def test_swap_is_not_for_pages_in_a_browser_or_other_machines(live):
  _, service, port = live
  assert call(port, 'POST', '/admin/swap', '')[0] == 415
  assert call(port, 'GET', '/admin/swap')[0] == 405
  assert asyncio.run(_status(service.app(), ('10.0.0.7', 5))) == 403
  assert asyncio.run(_status(service.app(), None)) == 403


async def _status(app, client):
  """Asks for a swap as if from elsewhere."""
  sent = []

  async def receive():
    return {'type': 'http.request', 'body': b'', 'more_body': False}

  async def send(message):
    sent.append(message)

  scope = {
      'type': 'http',
      'method': 'POST',
      'path': '/admin/swap',
      'query_string': b'',
      'headers': [(b'content-type', b'application/json')],
      'client': client,
  }
  await app(scope, receive, send)
  assert json.loads(sent[1]['body'])['error']
  return sent[0]['status']

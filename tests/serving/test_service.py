# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The HTTP service: answers, refusals, and requests of any kind."""

from concurrent import futures
import http.client
import json
import threading

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest

from plum_jax.serving import service as services
from plum_jax.serving.engine import Engine
from plum_jax.serving.query import parse
from plum_jax.serving.query import Query
from plum_jax.serving.query import RequestError
from plum_jax.serving.recommender import Recommender
from plum_jax.serving.service import Service
from tests.serving.running_service import call
from tests.serving.running_service import config
from tests.serving.running_service import LIMITS
from tests.serving.running_service import recommend
from tests.serving.running_service import running


@pytest.fixture(scope='module')
def port(bundle_path, service_engine):
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(
        services,
        'Engine',
        lambda bundle, config, previous: Engine(bundle, config, service_engine),
    )
    service = Service(config(bundle_path))
  with running(service) as of_service:
    yield of_service


@pytest.fixture(scope='module')
def recommender(service_engine):
  return Recommender(service_engine)


def _ids(answer):
  return [item['item_id'] for item in answer['items']]


def test_answer_has_items_with_titles_scores_and_sids(port, recommender, tiny):
  status, answer = recommend(port, history=['i1', 'i2'], k=4)
  assert status == 200
  assert answer['bundle'] == tiny.version
  assert answer['unknown_item_ids'] == []
  [expected] = recommender.recommend([Query(('i1', 'i2'), 4)])
  assert answer == expected
  assert len(answer['items']) == 4
  assert not {'i1', 'i2'} & set(_ids(answer))
  for item in answer['items']:
    number = int(item['item_id'][1:])
    assert item['title'] == f'Film number {number}'
    assert item['sid'] == tiny.table.full_codes[number].tolist()
    assert item['score'] < 0


def test_items_come_back_as_long_as_there_are_any(port):
  everything = [f'i{n}' for n in range(24)]
  _, answer = recommend(port, history=['i1'], deny=everything[2:20])
  assert sorted(_ids(answer)) == sorted(['i0', 'i20', 'i21', 'i22', 'i23'])
  _, answer = recommend(port, history=['i1'], allow=['i1', 'i5', 'i9', 'i9'])
  assert sorted(_ids(answer)) == ['i5', 'i9']
  _, answer = recommend(
      port,
      history=['i1'],
      allow=['i1', 'i5', 'i9'],
      deny=['i5'],
      k=2,
      exclude_history=False,
  )
  assert sorted(_ids(answer)) == ['i1', 'i9']
  status, answer = recommend(port, history=['i1'], allow=['i1'])
  assert (status, answer['items']) == (200, [])
  assert recommend(port, history=['i1'], allow=[])[1]['items'] == []


def test_history_is_left_out_unless_the_request_says_otherwise(port):
  history = ['i1', 'i2', 'i3']
  _, without = recommend(port, history=history)
  _, both = recommend(port, history=history, exclude_history=False, k=10)
  best = [one for one in _ids(both) if one not in history]
  assert _ids(without)[: len(best)] == best


def test_unknown_items_are_named_or_refused(port):
  _, known = recommend(port, history=['i1'])
  status, answer = recommend(
      port, history=['gone', 'i1', 'gone'], deny=['lost']
  )
  assert status == 200
  assert answer['unknown_item_ids'] == ['gone', 'lost']
  assert answer['items'] == known['items']
  status, answer = recommend(
      port, history=['gone', 'i1'], unknown_items='error'
  )
  assert (status, answer) == (422, {'error': "The item 'gone' is not known."})
  # A decoder-only model goes on from its start token.
  assert len(recommend(port, history=[])[1]['items']) == 10


@pytest.mark.parametrize(
    ('body', 'status', 'named'),
    [
        (b'', 400, 'no JSON'),
        (b'{"history": ["i1"]', 400, 'no JSON'),
        (b'\xff', 400, 'no JSON'),
        (b'[' * 4000, 400, 'no JSON'),
        (b'[1]', 400, 'no JSON object'),
        (b'null', 400, 'no JSON object'),
        (b'{}', 400, 'history is missing'),
        (b'{"history": "i1"}', 400, 'history is no list'),
        (b'{"history": ["i1", 2]}', 400, 'history[1] is no item id'),
        (b'{"history": [""]}', 400, 'history[0] is no item id'),
        (b'{"history": ["\\ud800"]}', 400, 'surrogate'),
        (b'{"history": ["012345678901234567890"]}', 400, '20 characters'),
        (b'{"history": [], "k": 0}', 400, 'k is no whole number'),
        (b'{"history": [], "k": true}', 400, 'k is no whole number'),
        (b'{"history": [], "k": 1.5}', 400, 'k is no whole number'),
        (b'{"history": [], "k": 11}', 400, 'at most 10'),
        (b'{"history": [], "k": 1e400}', 400, 'k is no whole number'),
        (b'{"history": [], "allow": {}}', 400, 'allow is no list'),
        (b'{"history": [], "deny": 3}', 400, 'deny is no list'),
        (b'{"history": [], "exclude_history": 1}', 400, 'exclude_history'),
        (b'{"history": [], "unknown_items": "x"}', 400, 'unknown_items'),
        (b'{"history": [], "histroy": []}', 400, 'no field'),
        (json.dumps({'history': ['i1'] * 13}).encode(), 413, 'at most 12'),
        (b'{"history": [], "deny": ' + b' ' * 5000 + b'[]}', 413, '4096'),
    ],
)
def test_wrong_requests_are_refused_with_a_reason(port, body, status, named):
  found, answer, _ = call(port, 'POST', '/recommend', body)
  assert found == status
  assert named in answer['error']


def test_body_without_a_length_is_cut_off(port):
  connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
  connection.request(
      'POST', '/recommend', iter([b' ' * 1000] * 50), encode_chunked=True
  )
  assert connection.getresponse().status == 413
  connection.close()


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(['i1', 'i2', 'i23', 'i24']),
    lambda inner: st.lists(inner, max_size=15)
    | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=20,
)
_REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        'history': st.lists(st.sampled_from(['i1', 'i5', 'x']), max_size=14)
        | _JSON,
        'k': st.integers(-1, 12) | _JSON,
        'allow': st.lists(st.sampled_from(['i1', 'i7', 'x']), max_size=9)
        | _JSON,
        'deny': st.lists(st.sampled_from(['i1', 'i7', 'x']), max_size=9)
        | _JSON,
        'exclude_history': st.booleans() | _JSON,
        'unknown_items': st.sampled_from(['skip', 'error']) | _JSON,
        'other': _JSON,
    },
)
_BODIES = st.binary(max_size=60) | (_REQUESTS | _JSON).map(
    lambda value: json.dumps(value).encode()
)


@settings(max_examples=150, deadline=None)
@given(body=_BODIES)
def test_whatever_is_asked_the_answer_is_json_and_the_service_stays(port, body):
  status, answer, _ = call(port, 'POST', '/recommend', body)
  assert status in (200, 400, 413, 422)
  if status == 200:
    query = parse(body, LIMITS)
    ids = _ids(answer)
    assert len(set(ids)) == len(ids) <= (query.k or 10)
    assert not set(query.deny) & set(ids)
    if query.exclude_history is not False:
      assert not set(query.history) & set(ids)
    if query.allow is not None:
      assert set(ids) <= set(query.allow)
  else:
    assert answer['error']


def test_what_there_is_no_endpoint_for_is_refused_as_json(port):
  assert call(port, 'GET', '/nothing')[:2] == (404, {'error': 'Not Found'})
  status, answer, headers = call(port, 'GET', '/recommend')
  assert (status, answer) == (405, {'error': 'Method Not Allowed'})
  assert headers['allow'] == 'POST'


def test_titles_are_searched(port):
  status, answer, _ = call(port, 'GET', '/items?search=NUMBER%202')
  assert status == 200
  assert [item['item_id'] for item in answer['items']] == [
      'i2',
      'i20',
      'i21',
      'i22',
      'i23',
  ]
  assert call(port, 'GET', '/items?search=i7')[1]['items'][0]['item_id'] == 'i7'
  assert len(call(port, 'GET', '/items?search=film')[1]['items']) == 20
  assert call(port, 'GET', '/items?search=%5B(')[1]['items'] == []
  assert call(port, 'GET', '/items')[0] == 400
  assert call(port, 'GET', '/items?search=' + 'x' * 21)[0] == 400


def test_page_is_one_file_without_external_resources(port):
  status, page, headers = call(port, 'GET', '/')
  assert status == 200
  assert headers['content-type'].startswith('text/html')
  assert "default-src 'none'" in headers['content-security-policy']
  assert 'http://' not in page
  assert 'https://' not in page
  assert 'src=' not in page
  assert 'innerHTML' not in page


def test_metrics_tell_requests_batches_and_bundle(port, tiny):
  recommend(port, history=['i1', 'nowhere'])
  status, text, _ = call(port, 'GET', '/metrics')
  assert status == 200
  assert f'plum_jax_bundle_info{{version="{tiny.version}"}} 1.0' in text
  for name in (
      'plum_jax_requests_total{endpoint="/recommend",status="200"}',
      'plum_jax_request_seconds_bucket{endpoint="/recommend",le="0.1"}',
      'plum_jax_batch_size_bucket{le="4.0"}',
      'plum_jax_queue_length 0.0',
      'plum_jax_unknown_items_total',
  ):
    assert name in text
  assert call(port, 'GET', '/healthz')[1] == {
      'status': 'ok',
      'bundle': tiny.version,
  }


class _Gate:
  """Holds searches up until it is opened."""

  def __init__(self, monkeypatch):
    self.opened, self.batches = threading.Event(), []
    real = Recommender.recommend

    def wait(recommender, batch):
      self.batches.append(batch)
      assert self.opened.wait(60)
      return real(recommender, batch)

    monkeypatch.setattr(Recommender, 'recommend', wait)

  def wait_for(self, condition):
    while not condition():
      threading.Event().wait(0.01)


@pytest.mark.usefixtures('compiled_service')
def test_requests_at_once_are_searched_together_and_others_turned_away(
    bundle_path, monkeypatch
):
  service = Service(config(bundle_path, max_queue=6))
  gate = _Gate(monkeypatch)
  with running(service) as of_service, futures.ThreadPoolExecutor(9) as pool:
    ask = lambda n: pool.submit(recommend, of_service, history=[f'i{n}'])  # noqa: E731
    first = ask(0)
    gate.wait_for(lambda: gate.batches)
    rest = [ask(n) for n in range(1, 7)]
    gate.wait_for(lambda: len(service._batcher._queue) == 6)
    status, answer, headers = call(
        of_service, 'POST', '/recommend', '{"history": []}'
    )
    assert (status, headers['retry-after']) == (503, '1')
    assert 'Too many' in answer['error']
    gate.opened.set()
    statuses = [one.result()[0] for one in [first, *rest]]
  assert statuses == [200] * 7
  assert sorted(map(len, gate.batches)) == [1, 2, 4]


@pytest.mark.usefixtures('compiled_service')
def test_request_that_waits_too_long_ends(bundle_path, monkeypatch):
  service = Service(config(bundle_path, timeout_s=0.2))
  gate = _Gate(monkeypatch)
  with running(service) as of_service, futures.ThreadPoolExecutor(1) as pool:
    first = pool.submit(recommend, of_service, history=['i1'])
    gate.wait_for(lambda: gate.batches)
    status, answer = recommend(of_service, history=['i2'])
    assert (status, answer['error']) == (504, 'There was no answer in time.')
    assert first.result()[0] == 504
    # What nobody waits for is not searched for.
    assert not service._batcher._queue
    gate.opened.set()
    assert recommend(of_service, history=['i3'])[0] in (200, 504)
  assert all(query.history != ('i2',) for one in gate.batches for query in one)


@pytest.mark.usefixtures('compiled_service')
def test_requests_that_are_under_way_are_answered_at_the_end(
    bundle_path, monkeypatch
):
  service = Service(config(bundle_path))
  gate = _Gate(monkeypatch)
  with futures.ThreadPoolExecutor(2) as pool:
    with running(service) as of_service:
      first = pool.submit(recommend, of_service, history=['i1'])
      gate.wait_for(lambda: gate.batches)
      second = pool.submit(recommend, of_service, history=['i2'])
      gate.wait_for(lambda: service._batcher._queue)
      threading.Timer(0.3, gate.opened.set).start()
    assert (first.result()[0], second.result()[0]) == (200, 200)
  with pytest.raises(ConnectionError):
    recommend(of_service, history=['i3'])


@pytest.mark.usefixtures('compiled_service')
def test_search_that_fails_does_not_end_the_service(bundle_path, monkeypatch):
  service = Service(config(bundle_path))
  real = Recommender.recommend

  def fail(recommender, batch):
    if batch[0].history == ('i9',):
      raise FloatingPointError('made up')
    return real(recommender, batch)

  monkeypatch.setattr(Recommender, 'recommend', fail)
  with running(service) as of_service:
    assert recommend(of_service, history=['i9']) == (
        500,
        {'error': 'The search failed.'},
    )
    assert recommend(of_service, history=['i1'])[0] == 200
    assert (
        'plum_jax_errors_total{where="search"} 1.0'
        in call(of_service, 'GET', '/metrics')[1]
    )


@pytest.mark.usefixtures('compiled_service')
def test_service_whose_queue_nobody_works_off_is_not_healthy(bundle_path):
  service = Service(config(bundle_path))
  with running(service) as of_service:
    assert call(of_service, 'GET', '/healthz')[0] == 200
    service._batcher.close()
    while call(of_service, 'GET', '/healthz')[0] == 200:
      pass
    status, answer, _ = call(of_service, 'GET', '/healthz')
    assert (status, answer['error']) == (500, 'Nobody works the queue off.')
    assert recommend(of_service, history=['i1'])[0] == 503


def test_requests_of_a_batch_do_not_spoil_each_other(recommender):
  fine, wrong = Query(('i1',)), Query(('i1',), k=99)
  answers = recommender.recommend([wrong, fine, Query(('i2',))])
  assert isinstance(answers[0], RequestError)
  assert answers[1] == recommender.recommend([fine])[0]

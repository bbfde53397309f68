# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The compiled search: what is padded, taken over and refused."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest

from plum_jax.serving import bundle
from plum_jax.serving import engine as engines
from plum_jax.serving.bundle import SearchSettings
from plum_jax.serving.engine import Engine
from plum_jax.serving.engine import EngineConfig
from plum_jax.serving.prompt_format import Histories
from plum_jax.testing import tiny_bundle


@pytest.fixture
def engine(service_engine):
  return service_engine


def _search(engine, users, items, kind=engines.EXCLUDED):
  return engine.start(
      Histories(np.concatenate(users), np.cumsum([0, *map(len, users)])),
      [np.array(one, np.int64) for one in items],
      kind,
  ).fetch()


def test_answer_does_not_depend_on_who_else_is_in_the_batch(engine):
  alone = _search(engine, [[1, 2]], [[3]])
  together = _search(engine, [[5], [1, 2], [7, 8, 9]], [[], [3], [1, 2]])
  np.testing.assert_array_equal(alone.item_ids[0], together.item_ids[1])
  np.testing.assert_array_equal(alone.scores[0], together.scores[1])
  assert alone.item_ids.shape == (1, 10)


def test_allowing_all_but_some_is_excluding_these(engine):
  rest = [item for item in range(24) if item not in (3, 7, 9)]
  excluded = _search(engine, [[1, 2]], [[3, 7, 9]])
  allowed = _search(engine, [[1, 2]], [rest], engines.ALLOWED)
  np.testing.assert_array_equal(excluded.item_ids, allowed.item_ids)
  assert not set(excluded.item_ids[0].tolist()) & {3, 7, 9}


def test_candidates_are_the_only_items_that_come_back(tiny, engine):
  candidates = np.array([2, 3, 5, 7, 11, 13])
  few = Engine(tiny, EngineConfig((4,), 36, 0), candidates=candidates)
  found = _search(few, [[1, 2]], [[3, 4, 13]])
  same = _search(engine, [[1, 2]], [[2, 5, 7, 11]], engines.ALLOWED)
  valid = found.valid[0]
  assert valid.tolist() == [True] * 4 + [False] * 6
  np.testing.assert_array_equal(found.item_ids[0, :4], same.item_ids[0, :4])


def test_what_does_not_fit_the_programs_is_refused(engine):
  with pytest.raises(ValueError, match='5 users'):
    _search(engine, [[1]] * 5, [[]] * 5)
  with pytest.raises(ValueError, match='up to 37 items'):
    _search(engine, [[1]], [list(range(37))])
  with pytest.raises(ValueError, match='batch_sizes'):
    EngineConfig(())


def test_same_generator_is_taken_over_with_its_programs(tiny, engine):
  again = Engine(tiny, engine.config, engine)
  assert again.num_compiled == 0
  assert again._params is engine._params
  np.testing.assert_array_equal(
      _search(again, [[1]], [[]]).item_ids,
      _search(engine, [[1]], [[]]).item_ids,
  )


def test_engine_that_was_replaced_leaves_no_weights_behind(tiny, engine):
  first = Engine(tiny, dataclasses.replace(engine.config, max_allowed=0))
  second = Engine(tiny, first.config, first)
  _search(first, [[1]], [[]])
  gone = weakref.ref(first)
  del first
  gc.collect()
  assert second.num_compiled == 0
  assert gone() is None
  assert _search(second, [[1]], [[]]).valid.all()


def test_programs_of_another_search_are_not_taken_over(engine, tmp_path):
  search = SearchSettings(beam_size=3)
  tiny_bundle.write(tmp_path / 'b', search=search)
  config = dataclasses.replace(engine.config, max_allowed=0)
  other = Engine(bundle.load(tmp_path / 'b'), config, engine)
  assert other.num_compiled == 1
  assert other._params is engine._params
  assert _search(other, [[1]], [[]]).item_ids.shape == (1, 3)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The evaluator with recommenders that keep or break the contract."""

import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.evaluation import evaluator
from plum_jax.evaluation.protocols import Recommendations

NUM_ITEMS = 6
HISTORY = np.array(
    [[-1, 0, 1], [2, 3, 4], [-1, -1, 5], [0, 2, 4], [1, 3, 5]], np.int32
)
TARGETS = np.array([2, 5, 0, 1, 4])


class NextItems:
  """Recommends the numbers after the newest item; records shapes."""

  def __init__(self):
    self.shapes = set()
    self.num_traces = 0

    def count_trace(newest, steps):
      self.num_traces += 1
      return (newest[:, None] + steps[None, :]) % NUM_ITEMS

    self._jitted = jax.jit(count_trace)

  def recommend(self, batch, k, exclude_history):
    del exclude_history
    self.shapes.add(tuple(v.shape for v in batch.values()))
    item_ids = self._jitted(
        batch['history_item_ids'][:, -1], jnp.arange(1, k + 1)
    )
    scores = jnp.broadcast_to(-jnp.arange(float(k))[None, :], item_ids.shape)
    return Recommendations(item_ids, scores, jnp.ones(item_ids.shape, bool))


class Fixed:
  """Returns the same row for everyone."""

  def __init__(self, item_ids, scores, valid):
    self.row = (
        np.array(item_ids, np.int32),
        np.array(scores, np.float32),
        np.array(valid),
    )

  def recommend(self, batch, k, exclude_history):
    del k, exclude_history
    size = len(batch['history_item_ids'])
    return Recommendations(*(np.tile(x, (size, 1)) for x in self.row))


def run(recommender, **kwargs):
  kwargs = {
      'num_items': NUM_ITEMS,
      'ks': (1, 2),
      'batch_size': 2,
      'exclude_history': False,
  } | kwargs
  targets = kwargs.pop('targets', TARGETS)
  history = kwargs.pop('history', HISTORY)
  return evaluator.evaluate(
      recommender, {'history_item_ids': history}, targets, **kwargs
  )


def test_evaluate_gives_hand_computed_metrics():
  result = run(NextItems())
  np.testing.assert_array_equal(
      result.item_ids, [[2, 3], [5, 0], [0, 1], [5, 0], [0, 1]]
  )
  assert result.metrics['retrieval/recall@1'] == pytest.approx(3 / 5)
  assert result.metrics['retrieval/recall@2'] == pytest.approx(3 / 5)
  assert result.metrics['retrieval/coverage@2'] == pytest.approx(5 / 6)
  assert not result.exclude_history
  assert result.num_users == 5


def test_batches_have_one_shape_when_users_are_no_multiple():
  recommender = NextItems()
  run(recommender, batch_size=3)
  assert recommender.shapes == {((3, 3),)}
  assert recommender.num_traces == 1


@pytest.mark.parametrize('batch_size', [1, 2, 5, 8])
def test_result_does_not_depend_on_the_batch_size(batch_size):
  result = run(NextItems(), batch_size=batch_size)
  np.testing.assert_array_equal(result.item_ids, run(NextItems()).item_ids)


def test_several_targets_are_averaged_per_user():
  targets = np.array([[2, 3], [5, -1], [3, 4], [0, 1], [1, -1]])
  result = run(NextItems(), targets=targets)
  assert result.metrics['retrieval/recall@2'] == pytest.approx(
      (1 + 1 + 0 + 0.5 + 1) / 5
  )


def test_progress_is_logged_in_users(caplog):
  with caplog.at_level(logging.INFO, logger='plum_jax'):
    run(NextItems(), name='popularity')
  assert 'popularity: 5/5 users' in caplog.text


@pytest.mark.parametrize(
    ('item_ids', 'scores', 'valid', 'message'),
    [
        ([2, 2], [1, 0], [True, True], 'an item twice'),
        ([2, 6], [1, 0], [True, True], 'no item of the catalog'),
        ([2, -1], [1, 0], [True, True], 'no item of the catalog'),
        ([2, 3], [0, 1], [True, True], 'scores that rise'),
        ([2, 3], [0, np.nan], [True, True], 'not a number'),
        ([2, 3], [np.inf, 0], [True, True], 'not a number'),
        ([2, 3], [0, -np.inf], [True, False], 'not valid'),
        ([2, -1], [0, -1], [True, False], '-inf'),
        ([2, 3], [0, -np.inf], [True, True], '-inf'),
    ],
)
def test_evaluate_raises_when_the_contract_is_broken(
    item_ids, scores, valid, message
):
  with pytest.raises(evaluator.RecommendationError, match=message):
    run(Fixed(item_ids, scores, valid))


def test_evaluate_raises_when_history_is_recommended_though_excluded():
  fixed = Fixed([2, 3], [1, 0], [True, True])
  assert run(fixed).metrics['retrieval/recall@2'] == pytest.approx(0.2)
  with pytest.raises(evaluator.RecommendationError, match='Row 1 .*history'):
    run(fixed, exclude_history=True)


def test_fewer_items_than_asked_for_are_allowed_and_counted():
  result = run(Fixed([2, -1], [1, -np.inf], [True, False]))
  assert result.metrics['retrieval/valid_item_rate@2'] == pytest.approx(0.5)
  assert result.metrics['retrieval/valid_item_rate@1'] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'targets': np.array([2, 5, 0, 1])}, '5 rows'),
        ({'targets': np.array([2, 5, 0, 1, 6])}, 'no item'),
        ({'targets': np.array([2, 5, 0, 1, -1])}, 'row 4 has no target'),
        ({'targets': np.array([[2, 2]] * 5)}, 'twice'),
        ({'targets': np.zeros((0, 1)), 'history': HISTORY[:0]}, 'no user'),
        ({'history': HISTORY + 3}, 'no item'),
        ({'ks': ()}, 'Cut-offs'),
        ({'ks': (7,)}, 'Cut-offs'),
        ({'batch_size': 0}, 'Cut-offs'),
    ],
)
def test_evaluate_refuses_input_that_does_not_fit(change, message):
  with pytest.raises(InputError, match=message):
    run(NextItems(), **change)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import functools

import jax
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.impressions import BINARY
from plum_jax.catalog.impressions import GRADED
from plum_jax.catalog.impressions import Label
from plum_jax.ranking.model import RankerModel
from plum_jax.ranking.network import RankerConfig
from plum_jax.ranking.network import RankerShape

_LABELS = (Label('click', BINARY), Label('grade', GRADED))
_CONFIG = RankerConfig(
    embed_size=8,
    max_history=3,
    bottom_size=16,
    num_experts=2,
    expert_size=8,
    tower_size=4,
)
_SHAPE = RankerShape(
    num_rows=20, content_size=0, depth=1.0, context_sizes=(24, 7), num_labels=2
)


def _batch(rng, count=8, max_history=3, num_pieces=2):
  # Each slot shows an item of its own.
  slots = np.arange(count * (max_history + 2), dtype=np.int32)
  slots = slots.reshape(count, -1)
  slots[:, 0] = -1
  pieces = rng.integers(20, size=(*slots.shape, num_pieces)).astype(np.int32)
  pieces[slots < 0] = -1
  return {
      'slots': slots,
      'item_pieces': pieces,
      'context_ids': rng.integers(7, size=(count, 2)).astype(np.int32),
      'labels': rng.integers(2, size=(count, 2)).astype(np.float32),
      'label_weights': np.ones((count, 2), np.float32),
  }


@functools.cache
def _initialized(pooling):
  model = RankerModel(
      dataclasses.replace(_CONFIG, pooling=pooling), _SHAPE, _LABELS
  )
  one = _batch(np.random.default_rng(0))
  return model, jax.jit(model.init)(jax.random.key(0), one)['params']


def _made(pooling='mean'):
  """Model, parameters and batch, the last two to be changed at will."""
  model, params = _initialized(pooling)
  params = jax.tree.map(np.array, params)
  return model, params, _batch(np.random.default_rng(0))


def test_loss_is_cross_entropy_and_half_the_squared_error():
  model, params, batch = _made()
  batch['label_weights'][:3, 1] = 0
  loss_fn = jax.jit(lambda p: model.loss_fn(p, batch, None))
  loss, sums = loss_fn(params)
  logits, grades = np.asarray(model.predict(params, batch)).T
  labels, weights = batch['labels'], batch['label_weights']
  entropy = np.logaddexp(0, logits) - labels[:, 0] * logits
  squared = 0.5 * weights[:, 1] * (grades - labels[:, 1]) ** 2
  np.testing.assert_allclose(sums['click_loss'], [entropy.sum(), 8], rtol=1e-5)
  np.testing.assert_allclose(sums['grade_loss'], [squared.sum(), 5], rtol=1e-5)
  expected = entropy.sum() + 0.5 * squared.sum()
  np.testing.assert_allclose(loss, expected, rtol=1e-5)
  np.testing.assert_allclose(sums['loss'], [expected, 8], rtol=1e-5)


@pytest.mark.parametrize('pooling', ['mean', 'attention'])
def test_predictions_depend_on_history_current_item_and_candidate(pooling):
  model, params, batch = _made(pooling)
  base = model.predict(params, batch)
  for slot in (1, 3, 4):
    pieces = batch['item_pieces'].copy()
    pieces[:, slot] = (pieces[:, slot] + 7) % 20
    other = model.predict(params, batch | {'item_pieces': pieces})
    assert np.all(np.abs(other - base) > 1e-7)


@pytest.mark.parametrize('pooling', ['mean', 'attention'])
def test_padding_of_the_history_changes_nothing(pooling):
  model, params, batch = _made(pooling)
  pieces = batch['item_pieces'].copy()
  pieces[:, 0] = 5  # The slot holds no item.
  np.testing.assert_allclose(
      model.predict(params, batch),
      model.predict(params, batch | {'item_pieces': pieces}),
      rtol=1e-6,
  )


def test_mean_history_does_not_depend_on_its_order():
  model, params, batch = _made()
  swapped = batch['item_pieces'].copy()
  swapped[:, [1, 2]] = swapped[:, [2, 1]]
  np.testing.assert_allclose(
      model.predict(params, batch),
      model.predict(params, batch | {'item_pieces': swapped}),
      rtol=1e-4,
      atol=1e-7,
  )


def test_an_item_is_the_sum_of_its_pieces():
  model, params, batch = _made()
  table = params['items']['table']
  # One row in the place of two: their sum.
  table[20] = table[3] + table[11]
  pieces = batch['item_pieces'].copy()
  pieces[:, 4] = [3, 11]
  joined = pieces.copy()
  joined[:, 4] = [20, -1]
  np.testing.assert_allclose(
      model.predict(params, batch | {'item_pieces': pieces}),
      model.predict(params, batch | {'item_pieces': joined}),
      rtol=1e-4,
      atol=1e-7,
  )


def test_absent_pieces_have_no_gradient():
  model, params, batch = _made()
  loss_fn = jax.jit(lambda p: model.loss_fn(p, batch, None)[0])
  gradient = jax.grad(loss_fn)(params)
  used = np.unique(batch['item_pieces'])
  rows = np.abs(gradient['items']['table']).sum(axis=1)
  assert rows.shape == (128,)
  assert set(np.flatnonzero(rows)) == set(used[used >= 0].tolist())


def test_depth_multiplies_the_shared_layers_of_dense_content():
  counts = []
  for depth in (1.0, 1.5, 2.0):
    shape = RankerShape(0, 6, depth, (24, 7), 2)
    batch = _batch(np.random.default_rng(0))
    del batch['item_pieces']
    content = np.random.default_rng(1).normal(size=(8, 5, 6))
    batch['item_content'] = content.astype(np.float32)
    model = RankerModel(_CONFIG, shape, _LABELS)
    variables = jax.eval_shape(model.init, jax.random.key(0), batch)
    counts.append(sum('bottom' in name for name in variables['params']) // 2)
  assert counts == [2, 3, 4]


@pytest.mark.parametrize(
    'change', [{'embed_size': 0}, {'max_history': -1}, {'pooling': 'max'}]
)
def test_sizes_that_make_no_ranker_are_refused(change):
  with pytest.raises(InputError, match='make no ranker'):
    dataclasses.replace(_CONFIG, **change)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""BPR-MF and biased matrix factorization: scores and losses by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines import factorization
from plum_jax.baselines.biased_mf import BiasedMfModel
from plum_jax.baselines.biased_mf import BiasedMfPredictor
from plum_jax.baselines.bpr_mf import BprMfModel
from plum_jax.baselines.bpr_mf import BprMfRecommender
from plum_jax.baselines.factorization import FactorizationConfig
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes

CONFIG = FactorizationConfig(3, 5, 4)
WITH_USER_BIAS = FactorizationConfig(3, 5, 4, user_bias=True)
PAIRS = {
    'user': np.array([0, 2, 2, 1], np.int32),
    'positive_item_ids': np.array([4, 0, 1, 3], np.int32),
    'negative_item_ids': np.array([1, 2, 3, 0], np.int32),
    'loss_weights': np.array([1, 1, 0, 1], np.float32),
}
RATINGS = {
    'user': np.array([0, 2, 2, 1], np.int32),
    'item_ids': np.array([4, 0, 1, 3], np.int32),
    'ratings': np.array([1, 5, 3, 4], np.float32),
}


def _random_params(model):
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), {}))
  rng = np.random.default_rng(1)
  return jax.tree.map(
      lambda leaf: jnp.asarray(rng.normal(0, 1, leaf.shape), jnp.float32),
      shapes['params'],
  )


def _score(params, user, item):
  """Computes a score, and the squared norm of what it is made of."""
  params = {name: np.asarray(x, np.float64) for name, x in params.items()}
  user_row, item_row = (
      params['user_embedding'][user],
      params['item_embedding'][item],
  )
  biases = [params['item_bias'][item]]
  if 'user_bias' in params:
    biases.append(params['user_bias'][user])
  norm = np.sum(user_row**2) + np.sum(item_row**2)
  return user_row @ item_row + sum(biases), norm + sum(b**2 for b in biases)


def test_bpr_loss_is_that_of_each_pair():
  model = BprMfModel(CONFIG, regularization=0.1)
  params = _random_params(model)
  expected = accuracy = 0.0
  for row in (0, 1, 3):  # The others weigh nothing.
    user = PAIRS['user'][row]
    items = PAIRS['positive_item_ids'][row], PAIRS['negative_item_ids'][row]
    (chosen, norm), (other, both) = (
        _score(params, user, item) for item in items
    )
    # The user's row is counted once.
    norm += both - np.sum(np.asarray(params['user_embedding'][user]) ** 2)
    expected += np.log(1 + np.exp(other - chosen)) + 0.1 * norm
    accuracy += chosen > other
  loss, sums = jax.jit(model.loss_fn)(params, PAIRS, None)
  assert float(loss) == pytest.approx(expected, rel=1e-5)
  assert float(sums['loss'][1]) == 3
  assert float(sums['pair_accuracy'][0]) == accuracy


def test_biased_mf_loss_is_that_of_each_rating():
  model = BiasedMfModel(WITH_USER_BIAS, 3.5, regularization=0.1)
  params = _random_params(model)
  errors, norms = [], []
  for user, item, rating in zip(*RATINGS.values(), strict=True):
    score, norm = _score(params, user, item)
    errors.append((rating - 3.5 - score) ** 2)
    norms.append(norm)
  loss, sums = jax.jit(model.loss_fn)(params, RATINGS, None)
  assert float(sums['squared_error'][0]) == pytest.approx(sum(errors), rel=1e-5)
  expected = sum(errors) + 0.1 * sum(norms)
  assert float(loss) == pytest.approx(expected, rel=1e-5)
  predictor = BiasedMfPredictor(WITH_USER_BIAS, 3.5, params)
  batch = {'user': RATINGS['user'], 'rated_item_ids': RATINGS['item_ids']}
  predicted = np.asarray(predictor.predict(batch))
  np.testing.assert_allclose(
      (RATINGS['ratings'] - predicted) ** 2, errors, rtol=1e-4
  )


@pytest.mark.parametrize('exclude_history', [False, True])
def test_bpr_recommends_what_it_scores_best(exclude_history):
  params = _random_params(BprMfModel(CONFIG))
  recommender = BprMfRecommender(CONFIG, params)
  batch = {
      'user': np.array([2, 0], np.int32),
      'history_item_ids': np.array([[-1, 3], [0, 1]], np.int32),
  }
  found = recommender.recommend(batch, 3, exclude_history)
  candidates = np.array([[4, 0], [2, 3]], np.int32)
  scored = recommender.score(batch, candidates)
  for row, user in enumerate(batch['user']):
    scores = np.array([_score(params, user, item)[0] for item in range(5)])
    np.testing.assert_allclose(
        np.asarray(scored)[row], scores[candidates[row]], rtol=1e-4
    )
    if exclude_history:
      history = batch['history_item_ids'][row]
      scores[history[history >= 0]] = -np.inf
    best = np.argsort(-scores)[:3]
    np.testing.assert_array_equal(np.asarray(found.item_ids)[row], best)


def test_what_nothing_has_taught_is_forgotten():
  params = _random_params(BprMfModel(CONFIG))
  kept = factorization.forget_untrained(
      params, np.array([0, 2, 0]), np.array([1, 4, 4])
  )
  users = np.flatnonzero(np.any(kept['user_embedding'] != 0, axis=1))
  items = np.flatnonzero(np.any(kept['item_embedding'] != 0, axis=1))
  assert users.tolist() == [0, 2]
  assert items.tolist() == np.flatnonzero(kept['item_bias']).tolist() == [1, 4]
  np.testing.assert_array_equal(
      kept['item_embedding'][4], params['item_embedding'][4]
  )


def test_loss_on_a_mesh_equals_that_on_one_device():
  model = BiasedMfModel(WITH_USER_BIAS, 3.5)
  params = _random_params(model)
  mesh, rules = meshes.make_mesh(data=2, fsdp=2, tensor=2), axis_rules.preset()
  axes = jax.eval_shape(lambda: model.init(jax.random.key(0), {}))
  shardings = axis_rules.param_shardings(
      axes['params_axes'], params, mesh, rules
  )
  assert not shardings['user_embedding'].is_fully_replicated

  @jax.jit
  def sharded_loss(params, batch):
    with axis_rules.activation_rules(mesh, rules):
      return model.loss_fn(params, batch, None)[0]

  loss = sharded_loss(
      jax.device_put(params, shardings),
      jax.device_put(RATINGS, meshes.batch_sharding(mesh)),
  )
  expected = float(jax.jit(model.loss_fn)(params, RATINGS, None)[0])
  assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('size', ['num_users', 'num_items', 'embed_size'])
def test_sizes_that_make_no_sense_are_refused(size):
  sizes = {'num_users': 1, 'num_items': 1, 'embed_size': 1} | {size: 0}
  with pytest.raises(InputError, match='not positive'):
    FactorizationConfig(**sizes)

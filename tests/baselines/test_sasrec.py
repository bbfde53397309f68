# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""SASRec: causality, loss by hand, sharding, recommendations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines import sasrec
from plum_jax.baselines.sasrec_network import SasrecConfig
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes

CONFIG = SasrecConfig(
    num_items=7,
    max_length=4,
    embed_size=8,
    num_layers=1,
    num_heads=2,
    mlp_size=16,
    dropout_rate=0.5,
)
MODEL = sasrec.SasrecModel(CONFIG)
BATCH = {
    'history_item_ids': np.array(
        [[-1, 0, 1, 2], [3, 4, 5, 6], [-1, -1, -1, 5], [6, 5, 4, 3]], np.int32
    ),
    'target_item_ids': np.array(
        [[-1, 1, 2, 3], [4, 5, 6, 0], [-1, -1, -1, 2], [5, 4, 3, 1]], np.int32
    ),
    'loss_weights': np.array(
        [[0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 1, 0.5]], np.float32
    ),
}


@pytest.fixture(scope='module')
def params():
  shapes = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), BATCH))
  # Far from zero, so that every path of the network matters.
  rng = np.random.default_rng(1)
  return jax.tree.map(
      lambda leaf: jnp.asarray(rng.normal(0.3, 0.3, leaf.shape), jnp.float32),
      shapes['params'],
  )


@jax.jit
def hidden_states(params, history):
  return MODEL.network.apply({'params': params}, history)[0]


loss_fn = jax.jit(MODEL.loss_fn)


def test_every_parameter_has_axes_that_a_rule_names():
  variables = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), BATCH))
  shardings = axis_rules.param_shardings(
      variables['params_axes'],
      variables['params'],
      meshes.make_mesh(data=2, fsdp=2, tensor=2),
      axis_rules.preset(),
  )
  table = shardings['item_embedding']
  assert table.spec == jax.sharding.PartitionSpec('tensor', 'fsdp')


def test_a_later_item_changes_no_earlier_position(params):
  history = BATCH['history_item_ids'][1:2]
  changed = history.copy()
  changed[0, 2] = 0
  before, after = hidden_states(params, history), hidden_states(params, changed)
  np.testing.assert_array_equal(before[:, :2], after[:, :2])
  assert np.all(np.any(before[:, 2:] != after[:, 2:], axis=2))


def test_padding_does_not_reach_real_positions(params):
  poisoned = jax.tree.map(lambda x: x, params)
  poisoned['item_embedding'] = params['item_embedding'].at[0].set(1e3)
  history = np.array([[-1, -1, 5, 6]], np.int32)
  np.testing.assert_array_equal(
      hidden_states(params, history)[:, 2:],
      hidden_states(poisoned, history)[:, 2:],
  )


def test_loss_is_the_weighted_cross_entropy_over_the_catalog(params):
  loss, sums = loss_fn(params, BATCH, None)
  hidden = np.asarray(hidden_states(params, BATCH['history_item_ids']))
  table = np.asarray(params['item_embedding'])[: CONFIG.num_items]
  expected = 0.0
  for row, position in np.ndindex(4, 4):
    logits = table @ hidden[row, position]
    target = BATCH['target_item_ids'][row, position]
    weight = BATCH['loss_weights'][row, position]
    if weight:
      probability = np.exp(logits[target]) / np.sum(np.exp(logits))
      expected -= weight * np.log(probability)
  assert float(loss) == pytest.approx(expected, rel=1e-5)
  assert float(sums['loss'][0]) == pytest.approx(expected, rel=1e-5)
  assert float(sums['loss'][1]) == pytest.approx(11.5)


def test_sums_of_halves_add_up_to_the_whole(params):
  whole, _ = loss_fn(params, BATCH, None)
  halves = []
  for half in (np.arange(4) < 2, np.arange(4) >= 2):
    weights = BATCH['loss_weights'] * half[:, None]
    halves.append(loss_fn(params, BATCH | {'loss_weights': weights}, None)[0])
  assert float(sum(halves)) == pytest.approx(float(whole), rel=1e-6)


def test_dropout_follows_the_key_alone(params):
  losses = [
      float(loss_fn(params, BATCH, jax.random.key(seed))[0])
      for seed in (0, 0, 1)
  ]
  assert losses[0] == losses[1] != losses[2]


def test_gradient_is_finite_and_reaches_every_parameter(params):
  gradient = jax.jit(jax.grad(lambda p: MODEL.loss_fn(p, BATCH, None)[0]))(
      params
  )
  for leaf in jax.tree.leaves(gradient):
    assert np.all(np.isfinite(leaf))
    assert np.any(leaf != 0)
  # Rows beyond the catalog are never chosen nor pushed away.
  assert not np.any(gradient['item_embedding'][CONFIG.num_items :])


def test_loss_on_a_mesh_equals_that_on_one_device(params):
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  rules = axis_rules.preset()
  variables = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), BATCH))
  axes = variables['params_axes']
  placed = jax.device_put(
      params, axis_rules.param_shardings(axes, params, mesh, rules)
  )
  batch = jax.device_put(BATCH, meshes.batch_sharding(mesh))

  @jax.jit
  def sharded_loss(params, batch):
    with axis_rules.activation_rules(mesh, rules):
      return MODEL.loss_fn(params, batch, None)[0]

  expected = float(loss_fn(params, BATCH, None)[0])
  assert float(sharded_loss(placed, batch)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('exclude_history', [False, True])
def test_recommendations_equal_a_sort_of_all_scores(params, exclude_history):
  history = BATCH['history_item_ids']
  recommender = sasrec.SasrecRecommender(CONFIG, params)
  found = recommender.recommend(
      {'history_item_ids': history}, 3, exclude_history
  )
  hidden = np.asarray(hidden_states(params, history))[:, -1]
  scores = hidden @ np.asarray(params['item_embedding'])[: CONFIG.num_items].T
  for row in range(4):
    if exclude_history:
      scores[row, history[row][history[row] >= 0]] = -np.inf
    best = np.argsort(-scores[row])[:3]
    np.testing.assert_array_equal(np.asarray(found.item_ids)[row], best)
    np.testing.assert_allclose(
        np.asarray(found.scores)[row], scores[row, best], rtol=1e-4
    )


def test_candidates_have_the_scores_that_recommendations_come_by(params):
  history = BATCH['history_item_ids']
  recommender = sasrec.SasrecRecommender(CONFIG, params)
  batch = {'history_item_ids': history}
  found = recommender.recommend(batch, 7, False)
  scores = recommender.score(batch, np.asarray(found.item_ids))
  np.testing.assert_allclose(scores, found.scores, rtol=1e-5)


def test_long_histories_are_read_from_the_newest_and_excluded_whole(params):
  recommender = sasrec.SasrecRecommender(CONFIG, params)
  newest = np.array([[3, 4, 5, 6]], np.int32)
  longer = np.array([[-1, 0, 3, 4, 5, 6]], np.int32)
  short = np.array([[5, 6]], np.int32)

  def recommend(history, exclude_history):
    batch = {'history_item_ids': history}
    found = recommender.recommend(batch, 7, exclude_history)
    return np.asarray(found.item_ids)[0].tolist()

  assert recommend(longer, False) == recommend(newest, False)
  assert sorted(recommend(longer, True)) == [-1] * 5 + [1, 2]
  padded = np.array([[-1, -1, 5, 6]], np.int32)
  assert recommend(short, False) == recommend(padded, False)


def test_other_parameters_give_other_scores_without_compiling(params):
  recommender = sasrec.SasrecRecommender(CONFIG, params)
  batch = {'history_item_ids': BATCH['history_item_ids']}
  before = recommender.recommend(batch, 3, False)
  other = recommender.with_params(jax.tree.map(lambda x: -x, params))
  with jax.no_tracing():
    after = other.recommend(batch, 3, False)
  assert np.any(np.asarray(before.scores) != np.asarray(after.scores))
  np.testing.assert_array_equal(
      recommender.recommend(batch, 3, False).scores, before.scores
  )


@pytest.mark.parametrize(
    'changes',
    [{'num_heads': 3}, {'num_items': 0}, {'max_length': 0}, {'num_layers': 0}],
)
def test_sizes_that_make_no_sense_are_refused(changes):
  with pytest.raises(InputError):
    SasrecConfig(**({'num_items': 7} | changes))

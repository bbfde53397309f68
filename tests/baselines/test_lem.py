# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The LEM: loss by hand, tables that stay cut, equal losses on any mesh."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.baselines import flops
from plum_jax.baselines import lem
from plum_jax.baselines.lem_network import LemConfig
from plum_jax.hardware import collectives
from plum_jax.hardware import hlo_text
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.training import step as steps
from plum_jax.training.config import TrainConfig
from plum_jax.training.optimizers import AdamW

SIZES = {
    'num_items': 1_000,
    'max_length': 4,
    'embed_size': 8,
    'num_layers': 1,
    'num_heads': 2,
    'mlp_size': 16,
    'dropout_rate': 0.0,
}
CONFIG = LemConfig(**SIZES)
MODEL = lem.LemModel(CONFIG)
_RNG = np.random.default_rng(0)


def _batch():
  targets = _RNG.integers(0, 1_000, (8, 4)).astype(np.int32)
  history = np.roll(targets, 1, axis=1)
  history[0, :2] = targets[0, :2] = -1
  negatives = _RNG.integers(0, 1_000, (8, 6)).astype(np.int32)
  negatives[3] = targets[5, 2]  # Hits.
  return {
      'history_item_ids': history,
      'target_item_ids': targets,
      'loss_weights': (targets >= 0).astype(np.float32),
      'negative_item_ids': negatives,
      'negative_log_probs': _RNG.normal(-6, 1, (8, 6)).astype(np.float32),
  }


BATCH = _batch()


def make_params(model):
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), BATCH))
  rng = np.random.default_rng(1)
  return jax.tree.map(
      lambda leaf: jnp.asarray(rng.normal(0.2, 0.3, leaf.shape), jnp.float32),
      shapes['params'],
  )


@pytest.fixture(scope='module')
def params():
  return make_params(MODEL)


loss_fn = jax.jit(MODEL.loss_fn)


def test_loss_is_the_corrected_one_worked_out_position_by_position(params):
  loss, sums = loss_fn(params, BATCH, None)
  hidden, table = MODEL.network.apply(
      {'params': params}, BATCH['history_item_ids']
  )
  hidden, table = np.asarray(hidden, float), np.asarray(table, float)
  negatives = BATCH['negative_item_ids'].ravel()
  counts = np.exp(BATCH['negative_log_probs'].ravel()) * len(negatives)
  expected = 0.0
  for row, position in np.ndindex(8, 4):
    target = BATCH['target_item_ids'][row, position]
    if target < 0:
      continue
    scores = table @ hidden[row, position]
    other = negatives != target
    z = np.sum(np.exp(scores[negatives]) / counts, where=other)
    expected += np.log(np.exp(scores[target]) + z) - scores[target]
  assert float(loss) == pytest.approx(expected, rel=1e-5)
  assert float(sums['loss'][1]) == 30


def test_tables_are_separate_or_tied():
  assert 'output_embedding' in make_params(MODEL)
  tied = lem.LemModel(LemConfig(**SIZES, tied_output=True))
  params = make_params(tied)
  assert 'output_embedding' not in params
  outputs = tied.network.apply({'params': params}, BATCH['history_item_ids'])
  np.testing.assert_array_equal(outputs[1], params['item_embedding'])


def test_validation_loss_is_the_full_softmax_of_the_last_position(params):
  batch = {name: BATCH[name] for name in list(BATCH)[:3]}
  found = MODEL.validation_loss(params, batch)
  hidden, table = MODEL.network.apply(
      {'params': params}, BATCH['history_item_ids']
  )
  logits = np.asarray(hidden)[:, -1] @ np.asarray(table)[:1_000].T
  target = BATCH['target_item_ids'][:, -1]
  losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(8), target]
  assert float(found) == pytest.approx(losses.sum(), rel=1e-5)


@pytest.mark.parametrize(
    ('preset', 'sizes'),
    [('fsdp_tensor', (2, 2, 2)), ('fsdp', (1, 8, 1))],
)
def test_step_on_a_mesh_equals_one_device_and_moves_no_table(preset, sizes):
  rules = axis_rules.preset(preset)
  config = TrainConfig(num_steps=3, optimizer=AdamW())
  losses = []
  for mesh in (
      meshes.make_mesh(*sizes),
      meshes.make_mesh(devices=jax.devices()[:1]),
  ):
    shapes = {
        name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
        for name, leaf in BATCH.items()
    }
    program = steps.build_program(MODEL, config, mesh, rules, shapes)
    compiled = program.lower_step().compile()
    state = program.init()
    for _ in range(3):
      state, report = compiled(
          state, jax.device_put(BATCH, meshes.batch_sharding(mesh))
      )
    losses.append(float(report.metric_sums['loss'][0]))
    if len(losses) == 1:
      _assert_no_table_moves(compiled, state.params, mesh)
  assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def _assert_no_table_moves(compiled, params, mesh):
  pieces = mesh.shape['fsdp'] * mesh.shape['tensor']
  for name in ('item_embedding', 'output_embedding'):
    [shape] = {x.data.shape for x in params[name].addressable_shards}
    assert shape == (CONFIG.table_size // pieces, CONFIG.embed_size)
  found = collectives.find(hlo_text.parse(compiled.as_text()))
  assert found
  part = CONFIG.table_size * CONFIG.embed_size * 4 / pieces
  for one in found:
    # Copies of the table add up their parts' gradients; nothing else may send
    # as much as a part of it.
    if one.kind == 'all-reduce' and one.group_size == mesh.shape['data']:
      continue
    assert one.result_bytes < part, one


def test_training_flops_are_counted_by_hand():
  # Per position: four projections of 8 x 8, two of 8 x 16, attention to four
  # positions, 48 negatives and the target.
  position = 2 * (4 * 64 + 2 * 128) + 4 * 8 * 4 + 2 * 8 * 49
  found = flops.lem_training_step(CONFIG, batch_size=8, num_negatives=48)
  assert found == 3 * 8 * 4 * position


def test_recommendations_equal_a_sort_of_all_scores(params):
  history = BATCH['history_item_ids']
  found = lem.LemRecommender(CONFIG, params).recommend(
      {'history_item_ids': history}, 5, True
  )
  hidden, table = MODEL.network.apply({'params': params}, history)
  scores = np.asarray(hidden)[:, -1] @ np.asarray(table)[:1_000].T
  for row in range(8):
    scores[row, history[row][history[row] >= 0]] = -np.inf
    best = np.argsort(-scores[row])[:5]
    np.testing.assert_array_equal(np.asarray(found.item_ids)[row], best)

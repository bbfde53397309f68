# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from plum_jax.semantic_ids import batches
from plum_jax.semantic_ids import inputs
from plum_jax.sharding import mesh as meshes


def _plan(num_items=10, **changes):
  embeddings = inputs.from_array(np.zeros((num_items, 3), np.float32))
  options = {'batch_size': 4, 'epochs': 6, 'seed': 0, **changes}
  return batches.make_plan(embeddings, **options)


def test_rows_hold_every_item_once_and_fill_the_last_batch():
  plan = _plan()
  assert (plan.epoch_steps, plan.groups, plan.total_steps) == (3, 6, 18)
  rows = plan.rows(0).items
  assert rows.shape == (6, 3, 4)
  for epoch in rows:
    order = epoch.ravel()
    assert sorted(order[:10]) == list(range(10))
    np.testing.assert_array_equal(order[10:], order[:2])
  assert len({epoch.tobytes() for epoch in rows}) == 6


def test_rows_are_the_same_however_training_is_cut_into_calls():
  whole = _plan().rows(0).items.reshape(-1, 4)
  cut = _plan(device_bytes=4 * 3 * 4)
  assert (cut.resident, cut.groups, cut.group_steps) == (False, 1, 1)
  rows = np.concatenate([cut.rows(step).items[0] for step in range(18)])
  np.testing.assert_array_equal(rows, whole)


def test_batch_is_no_larger_than_the_catalog_and_fits_the_mesh():
  assert _plan(num_items=3).batch_size == 3
  mesh = meshes.make_mesh(data=4, fsdp=2)
  assert _plan(mesh=mesh).batch_size == 8
  assert _plan(num_items=3, mesh=mesh).rows(0).items.shape == (6, 1, 8)


@pytest.mark.parametrize('device_bytes', [1 << 20, 2 * 4 * 3 * 4])
def test_feeder_gives_the_rows_of_each_batch(device_bytes):
  generator = np.random.default_rng(0)
  array = generator.normal(size=(16, 3)).astype(np.float32)
  embeddings = inputs.from_array(array)
  plan = batches.make_plan(
      embeddings, batch_size=4, epochs=2, seed=1, device_bytes=device_bytes
  )
  feeder = batches.Feeder(embeddings, plan, None)
  for step in range(0, plan.total_steps, plan.call_steps):
    (data, present), rows = feeder(step)
    np.testing.assert_array_equal(
        np.asarray(data['text'])[np.asarray(rows.items)],
        array[plan.rows(step).items],
    )
    assert np.asarray(present['text']).all()

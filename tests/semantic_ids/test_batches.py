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


class _Shifted:
  """The partner of an item is one of the next two; item 0 has none."""

  def sample(self, generator, items):
    partners = items + generator.integers(1, 3, items.shape)
    return np.where(items == 0, -1, partners % 16).astype(np.int32)


def test_partners_are_the_same_however_training_is_cut_into_calls():
  draw = batches.PartnerDraw(_Shifted(), seed=3)
  whole = _plan(num_items=16).rows(0, draw)
  assert whole.partners.shape == whole.items.shape == (6, 4, 4)
  assert len({epoch.tobytes() for epoch in whole.partners}) == 6
  cut = _plan(num_items=16, partners=True, device_bytes=2 * 4 * 3 * 4)
  assert (cut.resident, cut.group_steps) == (False, 1)
  fresh = batches.PartnerDraw(_Shifted(), seed=3)
  # As after a resume, from the middle of an epoch on.
  for step in range(6, 24):
    epoch, within = divmod(step, 4)
    np.testing.assert_array_equal(
        cut.rows(step, fresh).partners[0],
        whole.partners[epoch, within : within + 1],
    )


@pytest.mark.parametrize('device_bytes', [1 << 20, 2 * 4 * 3 * 4])
def test_feeder_gives_partners_beside_their_items(device_bytes):
  generator = np.random.default_rng(0)
  array = generator.normal(size=(16, 3)).astype(np.float32)
  embeddings = inputs.from_array(array)
  plan = batches.make_plan(
      embeddings,
      batch_size=4,
      epochs=2,
      seed=1,
      partners=True,
      device_bytes=device_bytes,
  )
  feeder = batches.Feeder(embeddings, plan, None, _Shifted())
  draw = batches.PartnerDraw(_Shifted(), plan.seed)
  shapes = set()
  for step in range(0, plan.total_steps, plan.call_steps):
    (data, _), rows = feeder(step)
    wanted = plan.rows(step, draw)
    found = np.asarray(data['text'])
    shapes.add(found.shape)
    exists = wanted.partners >= 0
    np.testing.assert_array_equal(np.asarray(rows.partners) >= 0, exists)
    for where, expected in (
        (rows.items, wanted.items),
        (rows.partners, wanted.partners),
    ):
      np.testing.assert_array_equal(
          found[np.asarray(where)][exists], array[expected][exists]
      )
    # Equal rows exactly where the items are equal.
    both = np.concatenate([np.ravel(leaf) for leaf in rows])
    ids = np.concatenate([np.ravel(leaf) for leaf in wanted])
    np.testing.assert_array_equal(
        both[:, None] == both[None, :], ids[:, None] == ids[None, :]
    )
  assert len(shapes) == 1


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

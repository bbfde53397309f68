# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import jax
import numpy as np

from plum_jax.semantic_ids import contrastive
from plum_jax.sharding import mesh as meshes

_TEMPERATURE = 0.5


@jax.jit
def _values_and_gradient(vectors, item_ids, temperature):
  def total(vectors):
    losses = contrastive.info_nce(vectors, item_ids, temperature)
    return losses.sum(), losses

  (_, losses), gradient = jax.value_and_grad(total, has_aux=True)(vectors)
  return losses, gradient


def _batch():
  generator = np.random.default_rng(0)
  vectors = generator.normal(size=(16, 3)).astype(np.float32)
  # Pairs: some items come several times, as item or as partner; some lack one.
  items = np.array([0, 1, 2, 3, 0, 4, 5, 6])
  partners = np.array([1, 0, -1, 7, 2, 5, 8, -1])
  return vectors, np.stack([items, partners], axis=1).reshape(-1)


def _by_hand(vectors, item_ids):
  losses = np.zeros(len(vectors))
  for anchor, item in enumerate(item_ids):
    partner = anchor + 1 if anchor % 2 == 0 else anchor - 1
    if item < 0 or item_ids[partner] < 0:
      continue
    others = [
        row
        for row, other in enumerate(item_ids)
        if other >= 0 and other not in (item, item_ids[partner])
    ]
    scores = np.exp(vectors @ vectors[anchor].astype(float) / _TEMPERATURE)
    chance = scores[partner] / (scores[partner] + scores[others].sum())
    losses[anchor] = -np.log(chance)
  return losses


def test_info_nce_equals_the_sum_written_out():
  vectors, item_ids = _batch()
  losses = contrastive.info_nce(vectors, item_ids, _TEMPERATURE)
  expected = _by_hand(vectors, item_ids)
  np.testing.assert_allclose(losses, expected, rtol=1e-5)
  assert np.sum(expected == 0) == 4


def test_info_nce_reads_nothing_of_rows_that_are_not_there():
  vectors, item_ids = _batch()
  missing = item_ids < 0
  losses, gradient = _values_and_gradient(vectors, item_ids, _TEMPERATURE)
  assert not np.any(gradient[missing])
  changed = np.where(missing[:, None], np.float32(1e6), vectors)
  others = _values_and_gradient(changed, item_ids, _TEMPERATURE)
  np.testing.assert_array_equal(others[0], losses)
  np.testing.assert_array_equal(others[1], gradient)


def test_info_nce_of_items_without_any_partner_is_zero():
  item_ids = np.where(np.arange(16) % 2, -1, np.arange(16))
  losses, gradient = _values_and_gradient(_batch()[0], item_ids, _TEMPERATURE)
  assert not np.any(losses)
  assert not np.any(gradient)


def test_info_nce_of_large_products_stays_finite():
  sign = np.where(np.arange(16) // 2 % 2, -1, 1)[:, None]
  vectors = (1e3 * sign * np.ones((16, 3))).astype(np.float32)
  losses, gradient = _values_and_gradient(vectors, np.arange(16), 0.01)
  assert np.isfinite(losses).all()
  assert np.isfinite(gradient).all()


def test_info_nce_is_the_same_on_one_and_on_eight_devices():
  batch = _batch()
  place = meshes.batch_sharding(meshes.make_mesh(data=4, fsdp=2))
  one = _values_and_gradient(*batch, _TEMPERATURE)
  eight = _values_and_gradient(*jax.device_put(batch, place), _TEMPERATURE)
  for a, b in zip(one, eight, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)

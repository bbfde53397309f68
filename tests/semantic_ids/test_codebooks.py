# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import codebooks
from plum_jax.semantic_ids import train_step


def _params():
  return {
      'codebook_1': jnp.arange(6.0).reshape(3, 2),
      'codebook_2': -jnp.arange(4.0).reshape(2, 2),
      'encoder_text': {'kernel_1': jnp.ones((2, 2))},
  }


@pytest.mark.parametrize('name', train_step.OPTIMIZERS)
def test_move_dead_replaces_only_dead_rows_and_their_optimizer_state(name):
  params = _params()
  config = train_step.TrainConfig(optimizer=name)
  optimizer = train_step.make_optimizer(config, 10)
  fresh = optimizer.init(params)
  _, used = optimizer.update(jax.tree.map(jnp.ones_like, params), fresh, params)
  residuals = jnp.arange(100.0, 116.0).reshape(4, 2, 2)
  dead = (jnp.array([True, False, True]), jnp.array([False, False]))
  moved, state = codebooks.move_dead(optimizer, params, used, dead, residuals)
  np.testing.assert_array_equal(moved['codebook_1'][1], params['codebook_1'][1])
  np.testing.assert_array_equal(moved['codebook_2'], params['codebook_2'])
  np.testing.assert_array_equal(moved['codebook_1'][::2], residuals[:2, 0])
  checked = 0
  for old, new, start in zip(
      jax.tree.leaves(used),
      jax.tree.leaves(state),
      jax.tree.leaves(fresh),
      strict=True,
  ):
    if old.shape == (3, 2):
      checked += 1
      np.testing.assert_array_equal(new[1], old[1])
      np.testing.assert_array_equal(new[::2], start[::2])
      assert np.any(old[::2] != start[::2])
    else:
      np.testing.assert_array_equal(new, old)
  assert checked == {'adamw': 2, 'adagrad': 1}[name]


def test_replaced_changes_the_codebooks_alone():
  params = _params()
  books = tuple(book + 1 for book in codebooks.of(params))
  changed = codebooks.replaced(params, books)
  np.testing.assert_array_equal(changed['codebook_2'], params['codebook_2'] + 1)
  assert changed['encoder_text'] is params['encoder_text']


def test_multi_resolution_halves_down_to_two_codes():
  assert codebooks.multi_resolution() == (2048, 1024, 512, 256, 128)
  assert codebooks.multi_resolution(8, 3) == (8, 4, 2)
  assert codebooks.multi_resolution(12, 2) == (12, 6)
  assert codebooks.multi_resolution(3, 1) == (3,)


@pytest.mark.parametrize(
    ('first_size', 'num_levels'), [(8, 4), (12, 4), (1, 1), (8, 0), (0, 2)]
)
def test_multi_resolution_refuses_sizes_without_meaning(first_size, num_levels):
  with pytest.raises(InputError, match='codes and halve'):
    codebooks.multi_resolution(first_size, num_levels)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import jax
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.sharding import mesh as meshes
from plum_jax.testing import tiny_model
from plum_jax.training import device_batches


def _open(batches):
  return device_batches.DeviceBatches(batches, meshes.make_mesh())


class _List:
  """A list of batches, with the number of those read as position."""

  def __init__(self, batches):
    self._batches, self.number = batches, 0

  def __next__(self):
    if self.number == len(self._batches):
      raise StopIteration
    batch = self._batches[self.number]
    self.number += 1
    return batch

  def state(self):
    return {'number': self.number}


def test_batches_come_in_order_with_the_position_after_them():
  batches = _open(tiny_model.TinyBatches())
  direct = tiny_model.TinyBatches()
  for number in range(1, 6):
    batch = next(batches)
    jax.tree.map(np.testing.assert_array_equal, batch, next(direct))
    assert batches.position() == {'number': number}
    assert batch['decoder_input_tokens'].sharding.num_devices == 8


def test_an_end_of_the_input_is_an_error():
  batches = _open(_List([{'x': np.zeros(8)}]))
  next(batches)
  with pytest.raises(InputError, match='ended before batch 2'):
    next(batches)


@pytest.mark.parametrize(
    'other',
    [{'x': np.zeros(4)}, {'x': np.zeros(8, np.int32)}, {'y': np.zeros(8)}],
)
def test_another_shape_is_an_error(other):
  batches = _open(_List([{'x': np.zeros(8)}, other]))
  next(batches)
  with pytest.raises(InputError, match='Batch 2 has other features'):
    next(batches)


class _Known(_List):
  """Says its shapes before it is read."""

  def shapes(self):
    return {'x': ((8,), np.dtype(np.float64))}


def test_nothing_is_read_before_it_must_be_where_shapes_are_known():
  source = _Known([{'x': np.arange(8.0)}, {'x': np.zeros(8)}])
  batches = _open(source)
  assert batches.shapes['x'].shape == (8,)
  assert source.number == 0
  for _ in range(2):
    batches.read_first()
    assert source.number == 1
  np.testing.assert_array_equal(next(batches)['x'], np.arange(8.0))
  batches.read_first()
  assert source.number == 1


def test_a_first_batch_of_another_shape_is_an_error():
  batches = _open(_Known([{'x': np.zeros(16)}]))
  with pytest.raises(InputError, match='Batch 1 has other features'):
    next(batches)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import threading
import time

import jax
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.sharding import mesh as meshes
from plum_jax.testing import tiny_model
from plum_jax.training import device_batches


@pytest.fixture
def opened():
  """Opens DeviceBatches and closes them after the test."""
  opened = []

  def open_batches(batches, **kwargs):
    opened.append(
        device_batches.DeviceBatches(batches, meshes.make_mesh(), **kwargs)
    )
    return opened[-1]

  yield open_batches
  for batches in opened:
    batches.close()
  names = [thread.name for thread in threading.enumerate()]
  assert 'device_batches' not in names


class _List:
  """A list of batches, with the number of those read as position."""

  def __init__(self, batches):
    self._batches, self.number = batches, 0

  def __next__(self):
    if self.number == len(self._batches):
      raise StopIteration
    batch = self._batches[self.number]
    if isinstance(batch, Exception):
      raise batch
    self.number += 1
    return batch

  def state(self):
    return {'number': self.number}


def test_batches_come_in_order_with_the_position_after_them(opened):
  batches = opened(tiny_model.TinyBatches())
  direct = tiny_model.TinyBatches()
  for number in range(1, 6):
    batch, position = next(batches)
    jax.tree.map(np.testing.assert_array_equal, batch, next(direct))
    assert position == {'number': number}
    assert batch['decoder_input_tokens'].sharding.num_devices == 8


def test_batches_are_read_ahead_but_not_further(opened):
  source = _List([{'x': np.zeros(8)}] * 100)
  batches = opened(source, ahead=3)
  next(batches)
  # Three wait, and the thread holds one more.
  while source.number < 5:
    time.sleep(0.001)
  time.sleep(0.02)
  assert source.number == 5


def test_an_error_of_the_input_is_raised_where_batches_are_taken(opened):
  batches = opened(_List([{'x': np.zeros(8)}, ValueError('broken file')]))
  next(batches)
  for _ in range(2):
    with pytest.raises(ValueError, match='broken file'):
      next(batches)


def test_an_end_of_the_input_is_an_error(opened):
  batches = opened(_List([{'x': np.zeros(8)}]))
  next(batches)
  with pytest.raises(InputError, match='ended before batch 2'):
    next(batches)


@pytest.mark.parametrize(
    'other',
    [{'x': np.zeros(4)}, {'x': np.zeros(8, np.int32)}, {'y': np.zeros(8)}],
)
def test_another_shape_is_an_error(opened, other):
  batches = opened(_List([{'x': np.zeros(8)}, other]))
  next(batches)
  with pytest.raises(InputError, match='Batch 2 has other features'):
    next(batches)

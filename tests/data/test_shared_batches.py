# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.data.shared_batches import SharedBatches
from plum_jax.testing.tiny_model import TinyBatches


def _open(index, batch_size):
  return TinyBatches(batch_size=batch_size, seed=index)


def _batches(num_shards, start=0, stop=12):
  return SharedBatches(_open, num_shards, 12, slice(start, stop))


@pytest.mark.parametrize('num_shards', [1, 2, 3, 12])
@pytest.mark.parametrize('cut', [3, 4, 6])
def test_parts_of_processes_are_the_batch_of_one(num_shards, cut):
  whole = _batches(num_shards)
  parts = [_batches(num_shards, 0, cut), _batches(num_shards, cut, 12)]
  for _ in range(3):
    expected = next(whole)
    found = [next(part) for part in parts]
    assert len(found[0]['decoder_target_tokens']) == cut
    for name, rows in expected.items():
      np.testing.assert_array_equal(
          np.concatenate([part[name] for part in found]), rows
      )


@pytest.mark.parametrize('num_shards', [1, 3])
def test_shapes_are_those_of_a_batch(num_shards):
  batches = _batches(num_shards, 2, 8)
  shapes = batches.shapes()
  assert shapes == {
      name: (rows.shape, rows.dtype) for name, rows in next(batches).items()
  }


def test_process_opens_only_the_shards_of_its_rows():
  opened = []

  def note(index, batch_size):
    opened.append((index, batch_size))
    return _open(index, batch_size)

  SharedBatches(note, 4, 12, slice(6, 12))
  assert opened == [(2, 3), (3, 3)]


def test_restore_goes_on_where_the_state_was_taken():
  batches = _batches(3)
  next(batches)
  state = batches.state()
  expected = next(batches)
  # A process that has only some of the rows takes its part of the state.
  other = _batches(3, 4, 12)
  other.restore(state)
  found = next(other)
  for name, rows in expected.items():
    np.testing.assert_array_equal(found[name], rows[4:])


def test_restore_refuses_another_number_of_shards():
  with pytest.raises(InputError, match='other shards'):
    _batches(2).restore(_batches(3).state())


def test_shards_that_do_not_divide_the_batch_are_refused():
  with pytest.raises(InputError, match='12 rows cannot come from 5'):
    _batches(5)

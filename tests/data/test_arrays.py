# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess
import sys

import numpy as np
import pytest

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.data import arrays
from plum_jax.data.input_pipeline import SeqioBatches
from plum_jax.data.save_arrays import save_arrays
from tasks import histories


def _write(folder, num_rows=10):
  folder.mkdir()
  np.save(folder / 'a.npy', np.arange(num_rows, dtype=np.int32))
  np.save(folder / 'b.npy', np.arange(2 * num_rows).reshape(num_rows, 2))
  manifest.Manifest('arrays', {}, {}).save(folder)
  return folder


def test_every_epoch_has_every_row_once_in_a_new_order(tmp_path):
  batches = arrays.ArrayBatches(_write(tmp_path / 'x'), 4, seed=0)
  taken = [next(batches) for _ in range(5)]
  order = np.concatenate([batch['a'] for batch in taken])
  assert sorted(order[:10]) == sorted(order[10:]) == list(range(10))
  assert order[:10].tolist() != order[10:].tolist()
  for batch in taken:
    assert batch['a'].shape == (4,)
    np.testing.assert_array_equal(batch['b'][:, 0], 2 * batch['a'])


@pytest.mark.parametrize('stop', [0, 2, 7])
def test_restored_position_gives_the_same_batches(tmp_path, stop):
  folder = _write(tmp_path / 'x')
  batches = arrays.ArrayBatches(folder, 4, seed=3)
  for _ in range(stop):
    next(batches)
  state = json.loads(json.dumps(batches.state()))
  resumed = arrays.ArrayBatches(folder, 4, seed=3)
  resumed.restore(state)
  for _ in range(6):
    np.testing.assert_array_equal(next(resumed)['b'], next(batches)['b'])


def test_shards_are_disjoint_and_complete(tmp_path):
  folder = _write(tmp_path / 'x')
  rows = []
  for shard, size in enumerate((4, 3, 3)):
    batches = arrays.ArrayBatches(
        folder, size, seed=0, shard_index=shard, num_shards=3
    )
    rows += next(batches)['a'].tolist()
  assert sorted(rows) == list(range(10))


def test_arrays_that_cannot_be_used_are_refused(tmp_path):
  with pytest.raises(InputError, match='no finished arrays'):
    arrays.ArrayBatches(tmp_path, 1, seed=0)
  folder = _write(tmp_path / 'x')
  with pytest.raises(InputError, match='too few for 11'):
    arrays.ArrayBatches(folder, 1, seed=0, num_shards=11)
  with pytest.raises(InputError, match='other data'):
    state = arrays.ArrayBatches(folder, 1, seed=1).state()
    arrays.ArrayBatches(folder, 1, seed=0).restore(state)
  np.save(folder / 'a.npy', np.arange(3))
  with pytest.raises(InputError, match='arrays have'):
    arrays.load(folder)
  (folder / 'a.npy').write_bytes(b'torn')
  with pytest.raises(InputError, match='cannot be read'):
    arrays.load(folder)


def test_save_arrays_keeps_the_rows_of_the_task(run_directory, tmp_path):
  task = histories.register('arrays', run_directory, max_items=10)
  lengths = {'targets': 30}
  made = save_arrays(
      task,
      'train',
      lengths,
      tmp_path / 'arrays',
      converter='decoder_only',
      pack=True,
      seed=5,
      num_epochs=2,
      inputs={'tasks': run_directory / 'tasks'},
  )
  assert made.inputs == {
      'tasks': manifest.content_hash(run_directory / 'tasks')
  }
  saved = arrays.load(tmp_path / 'arrays')
  batches = SeqioBatches(task, 'train', lengths, 7, 5, 'decoder_only', True)
  chunks = [chunk for _ in range(2) for chunk in batches.epoch()]
  assert set(saved) == set(chunks[0])
  for name, array in saved.items():
    expected = np.concatenate([chunk[name] for chunk in chunks])
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


def test_arrays_are_read_without_tensorflow():
  code = (
      'import sys; import plum_jax.data.arrays, plum_jax.vocabulary.layout; '
      "assert not {'tensorflow', 'seqio'} & set(sys.modules)"
  )
  subprocess.run([sys.executable, '-c', code], check=True)

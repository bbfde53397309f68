# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Rows come as NumPy gives them, and the file does not stay in memory."""

import subprocess
import sys

import numpy as np
import pytest

from plum_jax.item_embeddings import row_file

_ARRAY = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


def _open(tmp_path, array=_ARRAY):
  np.save(tmp_path / 'rows.npy', array)
  return row_file.RowFile(tmp_path / 'rows.npy')


@pytest.mark.parametrize(
    'index',
    [
        slice(None),
        slice(7, 30),
        slice(40, 90),
        slice(30, 7),
        slice(-5, None),
        slice(1, 40, 3),
        slice(None, None, -1),
        np.array([4, 5, 6, 0, 49, 6, 6, 7]),
        np.array([], np.int64),
        np.array([0, 1, 9], np.int32),
        np.array([9], np.uint8),
        np.arange(50) % 7 < 3,
    ],
    ids=str,
)
def test_reading_gives_what_numpy_gives(tmp_path, index):
  found = _open(tmp_path)[index]
  np.testing.assert_array_equal(found, _ARRAY[index])
  assert found.dtype == np.float32


def test_file_looks_like_its_array(tmp_path):
  array = np.arange(24, dtype=np.float16).reshape(4, 3, 2)
  rows = _open(tmp_path, array)
  assert (rows.shape, rows.ndim, len(rows)) == ((4, 3, 2), 3, 4)
  assert rows.dtype == np.float16
  np.testing.assert_array_equal(rows, array)
  np.testing.assert_array_equal(rows[np.array([3, 1])], array[[3, 1]])
  assert np.asarray(rows, np.float64).dtype == np.float64
  assert _open(tmp_path, _ARRAY[:0])[:].shape == (0, 3)
  assert _open(tmp_path, np.zeros(5, bool))[2:4].tolist() == [False, False]


def test_open_file_and_what_was_read_outlive_its_replacement(tmp_path):
  rows = _open(tmp_path)
  some = rows[3:5]
  np.save(tmp_path / 'new.npy', np.zeros_like(_ARRAY))
  (tmp_path / 'new.npy').replace(tmp_path / 'rows.npy')
  np.testing.assert_array_equal(rows[3:5], _ARRAY[3:5])
  some += 1
  np.testing.assert_array_equal(rows[3:5], _ARRAY[3:5])


@pytest.mark.parametrize(
    'rows',
    [
        np.array([0, 50]),
        np.array([-1]),
        np.array([0.0]),
        np.zeros((1, 1), int),
        np.ones(49, bool),
    ],
    ids=str,
)
def test_index_that_names_no_rows_is_refused(tmp_path, rows):
  with pytest.raises(IndexError, match='Rows are'):
    _open(tmp_path)[rows]


def test_file_that_is_no_array_of_rows_is_refused(tmp_path):
  rows = _open(tmp_path)
  path = tmp_path / 'rows.npy'
  path.write_bytes(path.read_bytes()[:-1])
  with pytest.raises(ValueError, match='mmap length'):
    row_file.RowFile(path)
  with pytest.raises(OSError, match='shorter'):
    rows[:]
  with pytest.raises(ValueError, match='columns'):
    _open(tmp_path, np.asfortranarray(_ARRAY))
  np.savez(tmp_path / 'several.npz', a=_ARRAY)
  with pytest.raises(ValueError, match='archive'):
    row_file.RowFile(tmp_path / 'several.npz')
  with pytest.raises(OSError, match='No such file'):
    row_file.RowFile(tmp_path / 'nothing.npy')


_READ = """
import sys
import numpy as np
from plum_jax.item_embeddings import row_file

def peak():
  # ru_maxrss would begin with that of the process that started this one.
  with open('/proc/self/status') as lines:
    return next(int(l.split()[1]) for l in lines if l.startswith('VmHWM'))

rows = row_file.RowFile(sys.argv[1])
before = peak()
total = sum(float(rows[i : i + 1000].sum()) for i in range(0, len(rows), 1000))
order = np.random.default_rng(0).permutation(len(rows))
for i in range(0, len(rows), 1000):
  total -= float(rows[order[i : i + 1000]].sum())
print((peak() - before) // 1024, total)
"""


def test_reading_all_rows_leaves_the_file_out_of_memory(tmp_path):
  # 120 MB, pieces of 8 MB; ones, so that both sums are exact.
  np.save(tmp_path / 'rows.npy', np.ones((15_000, 1_000)))
  done = subprocess.run(
      [sys.executable, '-c', _READ, str(tmp_path / 'rows.npy')],
      check=True,
      capture_output=True,
      text=True,
  )
  megabytes, difference = map(float, done.stdout.split())
  assert difference == 0
  assert megabytes < 40

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Cosines by prefix against all pairs one by one."""

import numpy as np
import pytest

from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids.quality import cosines


def _brute_force(embeddings, codes):
  unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
  means = []
  for level in range(codes.shape[1] + 1):
    pairs = [
        unit[i] @ unit[j]
        for i in range(len(codes))
        for j in range(i)
        if np.array_equal(codes[i, :level], codes[j, :level])
    ]
    means.append(np.mean(pairs) if pairs else np.nan)
  return means


class _InOrder(inputs.TokenizerInputs):
  """Refuses to be read in any other way than from first to last row."""

  def rows(self, rows):
    assert isinstance(rows, slice)
    assert rows.start == self.reached.get('stop', 0)
    assert rows.stop - rows.start <= cosines._CHUNK_ITEMS
    last = rows.stop == self.num_items
    self.reached['stop'] = 0 if last else rows.stop
    self.reached['passes'] = self.reached.get('passes', 0) + last
    return super().rows(rows)


def _inputs(arrays, present):
  made = _InOrder(arrays, present)
  object.__setattr__(made, 'reached', {})
  return made


@pytest.mark.parametrize(('chunk', 'sum_bytes'), [(4, 1), (7, 120), (64, 1e6)])
def test_prefix_cosines_equal_all_pairs_one_by_one(
    monkeypatch, chunk, sum_bytes
):
  monkeypatch.setattr(cosines, '_CHUNK_ITEMS', chunk)
  generator = np.random.default_rng(0)
  arrays = {
      'title': generator.normal(size=(30, 5)).astype(np.float32),
      'image': generator.normal(size=(30, 3)).astype(np.float32),
  }
  present = {
      'title': np.ones(30, bool),
      'image': generator.random(30) < 0.7,
  }
  codes = generator.integers(0, 3, (30, 3))
  embeddings = _inputs(arrays, present)
  found = cosines.prefix_cosines(embeddings, codes, sum_bytes=int(sum_bytes))
  for name, array in arrays.items():
    rows = present[name]
    np.testing.assert_allclose(
        found[name], _brute_force(array[rows], codes[rows]), atol=1e-6
    )
  passes = embeddings.reached['passes']
  assert passes == 1 if sum_bytes == 1e6 else passes > 3


def test_prefix_cosines_are_unknown_without_pairs():
  arrays = {'text': np.eye(3, dtype=np.float32)}
  codes = np.array([[0, 0], [0, 1], [1, 0]])
  present = {'text': np.array([True, False, False])}
  found = cosines.prefix_cosines(_inputs(arrays, present), codes)
  assert np.isnan(found['text']).all()
  everything = inputs.from_array(arrays['text'])
  found = cosines.prefix_cosines(everything, codes)['text']
  assert np.isnan(found).tolist() == [False, False, True]

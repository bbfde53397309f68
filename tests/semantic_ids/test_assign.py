# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Assignment by ranges, and the memory it takes."""

import subprocess
import sys

import numpy as np
import pytest

from plum_jax.artifacts import manifest
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import tokenizer_kinds


@pytest.fixture
def loaded(small_run, monkeypatch):
  monkeypatch.setattr(assign, 'CHUNK_ITEMS', 16)
  return (
      tokenizer_kinds.load(small_run / 'tokenizer'),
      inputs.load(small_run / 'item_embeddings'),
  )


def test_ranges_give_the_chunks_of_all_items(loaded):
  whole = assign.assign(*loaded)
  chunks = [
      *assign.chunks(*loaded, end=32),
      *assign.chunks(*loaded, begin=32),
  ]
  assert [chunk.begin for chunk in chunks] == [0, 16, 32, 48]
  codes = np.concatenate([chunk.codes for chunk in chunks])
  np.testing.assert_array_equal(codes, whole.codes)
  assert len(np.unique(codes, axis=0)) > 5
  errors = np.concatenate([chunk.errors for chunk in chunks])
  np.testing.assert_allclose(
      errors.mean(axis=0), whole.reconstruction_errors, rtol=1e-6
  )


def test_range_that_would_cut_a_chunk_is_refused(loaded):
  with pytest.raises(ValueError, match='no multiple of 16'):
    next(assign.chunks(*loaded, begin=8))


_ASSIGN = """
import sys
import jax
import numpy as np
from plum_jax.semantic_ids import assign, inputs, rqvae, rqvae_tokenizer

def peak():
  # ru_maxrss would begin with that of the process that started this one.
  with open('/proc/self/status') as lines:
    return next(int(l.split()[1]) for l in lines if l.startswith('VmHWM'))

embeddings = inputs.load(sys.argv[1])
module = rqvae.Rqvae(rqvae.RqvaeConfig((4,), (4,), 2), (('text', 768),))
tokenizer = rqvae_tokenizer.RqvaeTokenizer(
    module,
    jax.tree.map(
        lambda leaf: np.ones(leaf.shape, np.float32),
        rqvae_tokenizer.variable_shapes(module)))
# Compiling takes memory too.
assign.assign(tokenizer, inputs.from_array(np.zeros((1, 768), np.float32)))
before = peak()
inputs.check_and_measure(embeddings)
checked = peak()
codes = assign.assign(tokenizer, embeddings).codes
print((checked - before) // 1024, (peak() - before) // 1024, len(codes))
"""


def test_memory_does_not_grow_with_the_file(tmp_path):
  # 300 MB, mostly a hole: reading it takes memory, the disk hardly any.
  array = np.lib.format.open_memmap(
      tmp_path / 'text.npy', 'w+', np.float32, (100_000, 768)
  )
  array[-1] = 1
  del array
  np.save(tmp_path / 'text.present.npy', np.ones(100_000, bool))
  manifest.Manifest(
      'item_embeddings', {}, {'modalities': [{'name': 'text'}]}
  ).save(tmp_path)
  done = subprocess.run(
      [sys.executable, '-c', _ASSIGN, str(tmp_path)],
      check=True,
      capture_output=True,
      text=True,
  )
  after_check, after_assign, num_items = map(int, done.stdout.split())
  assert num_items == 100_000
  assert after_check < 150
  assert after_assign < 150

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import jax
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import rqvae_tokenizer
from plum_jax.semantic_ids import tokenizer as tokenizers
from plum_jax.semantic_ids import tokenizer_files
from plum_jax.semantic_ids import tokenizer_kinds
from plum_jax.sharding import mesh as meshes

_SIZES = (('text', 6), ('image', 3))


def _tokenizer(seed=0):
  module = rqvae.Rqvae(rqvae.RqvaeConfig((16, 8), (8,), 4), _SIZES)
  generator = np.random.default_rng(seed)
  variables = jax.tree.map(
      lambda leaf: generator.normal(size=leaf.shape).astype(np.float32),
      rqvae_tokenizer.variable_shapes(module),
  )
  return rqvae_tokenizer.RqvaeTokenizer(module, variables)


def _embeddings(num_items=100):
  generator = np.random.default_rng(1)
  return inputs.TokenizerInputs(
      {
          name: generator.normal(size=(num_items, n)).astype(np.float32)
          for name, n in _SIZES
      },
      {
          'text': np.ones(num_items, bool),
          'image': generator.random(num_items) < 0.5,
      },
  )


_ASSIGN_AGAIN = """
import sys
import numpy as np
from plum_jax.semantic_ids import assign, inputs, tokenizer_kinds
folder = sys.argv[1]
arrays = np.load(folder + '/embeddings.npz')
embeddings = inputs.TokenizerInputs(
    {'text': arrays['text'], 'image': arrays['image']},
    {'text': arrays['text_present'], 'image': arrays['image_present']})
result = assign.assign(tokenizer_kinds.load(folder + '/tokenizer'), embeddings)
np.save(folder + '/codes.npy', result.codes)
"""


def test_loaded_in_a_new_process_gives_identical_codes(tmp_path):
  tokenizer, embeddings = _tokenizer(), _embeddings()
  tokenizer.save(tmp_path / 'tokenizer')
  np.savez(
      tmp_path / 'embeddings.npz',
      **embeddings.arrays,
      **{f'{name}_present': p for name, p in embeddings.present.items()},
  )
  subprocess.run(
      [sys.executable, '-c', _ASSIGN_AGAIN, str(tmp_path)], check=True
  )
  codes = assign.assign(tokenizer, embeddings).codes
  assert len(np.unique(codes, axis=0)) > 10
  np.testing.assert_array_equal(np.load(tmp_path / 'codes.npy'), codes)


def test_hash_tells_tokenizers_apart_and_not_the_time_of_saving(tmp_path):
  hashes = []
  for name, seed in (('a', 0), ('b', 0), ('c', 1)):
    _tokenizer(seed).save(tmp_path / name)
    hashes.append(tokenizers.tokenizer_hash(tmp_path / name))
  assert hashes[0] == hashes[1] != hashes[2]


def test_load_refuses_what_is_no_tokenizer(tmp_path):
  folder = tmp_path / 'tokenizer'
  with pytest.raises(InputError, match='cannot be read'):
    tokenizer_kinds.load(folder)
  _tokenizer().save(folder)
  config = folder / tokenizer_files.CONFIG_FILE
  text = config.read_text()
  for wrong, message in (
      (text.replace('"rqvae"', '"other"'), "of kind 'other'"),
      (text.replace('16', '17'), 'not as config.json says: params/codebook_1'),
      (text[:20], 'cannot be read'),
  ):
    config.write_text(wrong)
    with pytest.raises(InputError, match=message):
      tokenizer_kinds.load(folder)
  config.write_text(text)
  parameters = folder / tokenizer_files.PARAMETERS_FILE
  parameters.write_bytes(parameters.read_bytes()[:-10])
  with pytest.raises(InputError, match='cannot be read') as caught:
    tokenizer_kinds.load(folder)
  assert str(folder) in str(caught.value)


def test_assign_in_chunks_equals_all_at_once(monkeypatch):
  tokenizer, embeddings = _tokenizer(), _embeddings()
  whole = assign.assign(tokenizer, embeddings)
  monkeypatch.setattr(assign, 'CHUNK_ITEMS', 32)
  chunks = assign.assign(tokenizer, embeddings)
  np.testing.assert_array_equal(whole.codes, chunks.codes)
  np.testing.assert_allclose(
      whole.reconstruction_errors, chunks.reconstruction_errors, rtol=1e-5
  )


def test_assign_equals_the_codes_of_one_device_on_a_mesh(monkeypatch):
  monkeypatch.setattr(assign, 'CHUNK_ITEMS', 32)
  tokenizer, embeddings = _tokenizer(), _embeddings()
  mesh = meshes.make_mesh(data=4, fsdp=2)
  np.testing.assert_array_equal(
      assign.assign(tokenizer, embeddings, mesh=mesh).codes,
      assign.assign(tokenizer, embeddings).codes,
  )


def test_assign_refuses_embeddings_that_do_not_fit():
  tokenizer, embeddings = _tokenizer(), _embeddings()
  other = inputs.from_array(np.zeros((3, 5), np.float32))
  with pytest.raises(InputError, match='trained on other embeddings'):
    assign.assign(tokenizer, other)
  embeddings.arrays['text'][70, 2] = np.nan
  with pytest.raises(InputError, match='not finite') as caught:
    assign.assign(tokenizer, embeddings)
  assert 'row 70' in str(caught.value)


def test_last_level_distances_are_smallest_at_the_codes_that_assign_gives():
  tokenizer = _tokenizer()
  batch = _embeddings().rows(slice(None))
  codes, _ = tokenizer.assign(*batch)
  distances = tokenizer.last_level_distances(*batch)
  assert distances.shape == (100, 8)
  np.testing.assert_array_equal(np.argmin(distances, axis=1), codes[:, -1])
  # An absent image is not looked at.
  arrays, present = batch
  image = np.where(present['image'][:, None], arrays['image'], 9.0)
  np.testing.assert_array_equal(
      tokenizer.last_level_distances({**arrays, 'image': image}, present),
      distances,
  )

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Residual k-means from embeddings to a saved tokenizer."""

import dataclasses
import json
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import residual_kmeans
from plum_jax.semantic_ids import residual_kmeans_fit
from plum_jax.semantic_ids import tokenizer as tokenizers
from plum_jax.semantic_ids import tokenizer_files
from plum_jax.semantic_ids import tokenizer_kinds
from plum_jax.sharding import mesh as meshes

_CONFIG = residual_kmeans.ResidualKmeansConfig((8, 4, 4))


def _embeddings(num_items=61):
  """Two modalities; every third item has no image, two others no text."""
  generator = np.random.default_rng(0)
  centers = generator.normal(size=(9, 6))
  text = centers[generator.integers(0, 9, num_items)]
  text = text + 0.3 * generator.normal(size=(num_items, 6))
  image = 5 + generator.normal(size=(num_items, 3))
  numbers = np.arange(num_items)
  return inputs.TokenizerInputs(
      {'text': text.astype(np.float32), 'image': image.astype(np.float32)},
      {'text': ~np.isin(numbers, [4, 10]), 'image': numbers % 3 > 0},
  )


def _fit(directory, embeddings=None, config=_CONFIG, seed=0, **options):
  return residual_kmeans_fit.fit(
      _embeddings() if embeddings is None else embeddings,
      config=config,
      seed=seed,
      work_directory=directory,
      **options,
  )


def _lines(directory):
  text = (directory / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


def _residuals(embeddings):
  """Standardized modalities, NaN where an item lacks them."""
  parts = []
  for name, array in embeddings.arrays.items():
    rows = array[embeddings.present[name]].astype(np.float64)
    scale = np.sqrt(np.square(rows - rows.mean(axis=0)).sum(axis=1).mean())
    part = np.full(array.shape, np.nan)
    part[embeddings.present[name]] = (rows - rows.mean(axis=0)) / scale
    parts.append(part)
  return np.concatenate(parts, axis=1)


def test_fit_gives_means_of_members_and_errors_over_what_is_there(tmp_path):
  embeddings = _embeddings()
  tokenizer = _fit(tmp_path, embeddings)
  assert tokenizer.codebook_sizes == (8, 4, 4)
  assert tokenizer.modality_sizes == (('text', 6), ('image', 3))
  assignment = assign.assign(tokenizer, embeddings)
  left = _residuals(embeddings)
  for level, codebook in enumerate(tokenizer.codebooks):
    distances = np.nansum(np.square(left[:, None] - codebook[None]), axis=2)
    codes = distances.argmin(axis=1)
    np.testing.assert_array_equal(assignment.codes[:, level], codes)
    for code in np.unique(codes):
      members = left[codes == code]
      expected = np.zeros(9)
      there = ~np.isnan(members).all(axis=0)
      expected[there] = np.nanmean(members[:, there], axis=0)
      np.testing.assert_allclose(codebook[code], expected, atol=1e-5)
    left = left - codebook[codes]
    np.testing.assert_allclose(
        assignment.reconstruction_errors[level],
        np.nansum(np.square(left), axis=1).mean(),
        rtol=1e-5,
    )


def test_fit_records_every_level(tmp_path):
  config = dataclasses.replace(_CONFIG, iterations=15)
  tokenizer = _fit(tmp_path, config=config)
  lines = _lines(tmp_path)
  steps = [line['step'] for line in lines]
  assert steps == sorted(set(steps))
  assert sorted({line['level'] for line in lines}) == [1, 2, 3]
  assignment = assign.assign(tokenizer, _embeddings())
  last = {line['level']: line for line in lines}
  for level, size in enumerate((8, 4, 4), start=1):
    assert last[level]['reconstruction'] == pytest.approx(
        assignment.reconstruction_errors[level - 1], rel=1e-4
    )
    used = len(set(assignment.codes[:, level - 1])) / size
    assert last[level][f'usage_level_{level}'] == used
    assert 1 <= last[level][f'perplexity_level_{level}'] <= size


def test_fit_gives_the_same_tokenizer_for_the_same_seed(tmp_path):
  hashes = []
  for name, seed in (('a', 0), ('b', 0), ('c', 1)):
    _fit(tmp_path / name, seed=seed).save(tmp_path / name / 'tokenizer')
    hashes.append(tokenizers.tokenizer_hash(tmp_path / name / 'tokenizer'))
  assert hashes[0] == hashes[1] != hashes[2]


def test_fit_gives_the_same_codes_on_one_and_on_eight_devices(tmp_path):
  embeddings = _embeddings()  # 61 items: the last shares are filled up.
  one = _fit(tmp_path / 'one', embeddings)
  mesh = meshes.make_mesh(data=4, fsdp=2)
  eight = _fit(tmp_path / 'eight', embeddings, mesh=mesh)
  np.testing.assert_array_equal(
      assign.assign(one, embeddings).codes,
      assign.assign(eight, embeddings, mesh=mesh).codes,
  )
  for a, b in zip(one.codebooks, eight.codebooks, strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)
  for a, b in zip(
      _lines(tmp_path / 'one'), _lines(tmp_path / 'eight'), strict=True
  ):
    assert a == pytest.approx(b, rel=1e-5)


def test_fit_with_rounds_of_splitting_loses_less(tmp_path):
  generator = np.random.default_rng(0)
  embeddings = inputs.from_array(
      generator.normal(size=(400, 5)).astype(np.float32)
  )
  errors = []
  for rounds in (0, 3):
    config = residual_kmeans.ResidualKmeansConfig((32,), split_rounds=rounds)
    tokenizer = _fit(tmp_path / str(rounds), embeddings, config)
    errors.append(assign.assign(tokenizer, embeddings).reconstruction_errors)
  assert errors[1][0] < errors[0][0]


class _Killed(Exception):
  pass


def test_fit_resumed_equals_uninterrupted_to_the_bit(tmp_path, monkeypatch):
  whole = _fit(tmp_path / 'whole')
  save = checkpoints.Checkpoints.save

  def killed(self, step, *args):
    save(self, step, *args)
    if step == 2:
      raise _Killed

  with monkeypatch.context() as patch, pytest.raises(_Killed):
    patch.setattr(checkpoints.Checkpoints, 'save', killed)
    _fit(tmp_path / 'cut')
  # A kill may also come between a line and its checkpoint.
  with (tmp_path / 'cut' / 'metrics.jsonl').open('a') as file:
    file.write('{"step": 100000}\n{"step": 1')
  fit_level = residual_kmeans_fit._Run.fit_level
  levels = []

  def counted(self, points, level, step):
    levels.append(level)
    return fit_level(self, points, level, step)

  monkeypatch.setattr(residual_kmeans_fit._Run, 'fit_level', counted)
  resumed = _fit(tmp_path / 'cut')
  assert levels == [2]
  for a, b in zip(whole.codebooks, resumed.codebooks, strict=True):
    np.testing.assert_array_equal(a, b)
  assert _lines(tmp_path / 'cut') == _lines(tmp_path / 'whole')


def test_fit_clusters_a_sample_when_items_do_not_fit(tmp_path, caplog):
  embeddings = _embeddings()
  whole = _fit(tmp_path / 'whole', embeddings)
  with caplog.at_level(logging.INFO):
    sampled = _fit(tmp_path / 'room', embeddings, device_bytes=4 * (9 + 8) * 20)
  assert 'clustering a sample of 20 of 61 items' in caplog.text
  config = dataclasses.replace(_CONFIG, max_items=20)
  limited = _fit(tmp_path / 'limit', embeddings, config)
  for a, b, c in zip(
      sampled.codebooks, limited.codebooks, whole.codebooks, strict=True
  ):
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
  assert len(assign.assign(sampled, embeddings).codes) == 61


def test_fit_reads_embeddings_from_files(tmp_path):
  embeddings = _embeddings()
  for name, array in embeddings.arrays.items():
    np.save(tmp_path / f'{name}.npy', array)
  mapped = inputs.TokenizerInputs(
      {
          name: np.load(tmp_path / f'{name}.npy', mmap_mode='r')
          for name in embeddings.arrays
      },
      embeddings.present,
  )
  first, second = _fit(tmp_path / 'a', embeddings), _fit(tmp_path / 'b', mapped)
  jax.tree.map(np.testing.assert_array_equal, first.codebooks, second.codebooks)


def test_tokenizer_saved_and_loaded_gives_the_same_codes(tmp_path):
  embeddings = _embeddings()
  tokenizer = _fit(tmp_path / 'work', embeddings)
  tokenizer.save(tmp_path / 'tokenizer')
  loaded = tokenizer_kinds.load(tmp_path / 'tokenizer')
  before = assign.assign(tokenizer, embeddings)
  after = assign.assign(loaded, embeddings)
  np.testing.assert_array_equal(before.codes, after.codes)
  np.testing.assert_array_equal(
      before.reconstruction_errors, after.reconstruction_errors
  )


def test_load_refuses_codebooks_of_another_size(tmp_path):
  _fit(tmp_path / 'work').save(tmp_path / 'tokenizer')
  path = tmp_path / 'tokenizer' / tokenizer_files.CONFIG_FILE
  config = json.loads(path.read_text())
  config['config']['codebook_sizes'] = [8, 4, 5]
  path.write_text(json.dumps(config))
  with pytest.raises(InputError, match='codebook_3'):
    tokenizer_kinds.load(tmp_path / 'tokenizer')


def test_tokenizer_tells_distances_of_the_last_level(tmp_path):
  embeddings = _embeddings()
  tokenizer = _fit(tmp_path, embeddings)
  batch = embeddings.rows(slice(None))
  codes, errors = tokenizer.assign(*batch)
  distances = tokenizer.last_level_distances(*batch)
  assert distances.shape == (61, 4)
  np.testing.assert_array_equal(jnp.argmin(distances, axis=1), codes[:, -1])
  # They are short of |r|², which the last level has from the one before.
  np.testing.assert_allclose(
      distances.min(axis=1) + errors[:, 1], errors[:, 2], atol=1e-5
  )


def test_fit_of_raw_embeddings_keeps_their_units(tmp_path):
  config = dataclasses.replace(_CONFIG, standardize=False)
  array = 100 + _embeddings().arrays['text']
  tokenizer = _fit(tmp_path, inputs.from_array(array), config)
  assert tokenizer.codebooks[0].min() > 90
  codes = assign.assign(tokenizer, inputs.from_array(array)).codes
  left = array
  for level, codebook in enumerate(tokenizer.codebooks):
    left = left - codebook[codes[:, level]]
  assert np.abs(left).max() < 5


def test_fit_refuses_what_cannot_be_clustered(tmp_path):
  config = residual_kmeans.ResidualKmeansConfig((4, 62))
  with pytest.raises(InputError, match='61 items, fewer than the 62 codes'):
    _fit(tmp_path, config=config)
  with pytest.raises(InputError, match='7 items fit on the devices, fewer'):
    _fit(tmp_path, device_bytes=4 * (9 + 8) * 7)
  constant = inputs.from_array(np.ones((20, 3), np.float32))
  with pytest.raises(InputError, match='All items have the same embedding'):
    _fit(tmp_path, constant)
  array = np.eye(20, dtype=np.float32)
  array[11, 3] = np.nan
  with pytest.raises(InputError, match='row 11'):
    _fit(tmp_path, inputs.from_array(array))


@pytest.mark.parametrize(
    'change',
    [
        {'codebook_sizes': ()},
        {'codebook_sizes': (8, 0)},
        {'iterations': 0},
        {'split_rounds': -1},
        {'max_items': 7},
    ],
)
def test_config_refuses_values_without_meaning(change):
  values = {'codebook_sizes': (8, 4), **change}
  with pytest.raises(InputError, match=f'^{next(iter(change))} = '):
    residual_kmeans.ResidualKmeansConfig(**values)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.ranking import feature_kinds
from plum_jax.ranking import hashing
from plum_jax.ranking.feature_kinds import NGram
from plum_jax.ranking.feature_kinds import Prefixes
from plum_jax.ranking.feature_kinds import RandomHashing
from plum_jax.ranking.feature_kinds import SidAndId
from plum_jax.ranking.feature_kinds import Spm
from plum_jax.ranking.item_features import FeatureInputs
from plum_jax.ranking.item_features import ItemFeatures
from plum_jax.ranking.item_features import Table
from plum_jax.semantic_ids import sid_table

_SIZES = (3, 4, 3)


def _inputs(num_items=40, seed=0, sizes=_SIZES, hash_='t', **changes):
  rng = np.random.default_rng(seed)
  ids = pa.array([f'item {n}' for n in range(num_items)])
  codes = np.stack([rng.integers(size, size=num_items) for size in sizes], 1)
  table = sid_table.make(ids, codes, codebook_sizes=sizes, tokenizer_hash=hash_)
  made = FeatureInputs(
      item_ids=ids,
      num_impressions=rng.integers(1, 50, num_items),
      impressed=np.ones(num_items, bool),
      sids=table,
  )
  return dataclasses.replace(made, **changes)


def _rows_of_tables(features: ItemFeatures) -> np.ndarray:
  """Row of each item in each table, from the joined array."""
  starts = np.cumsum([0, *(t.num_rows for t in features.tables)])[:-1]
  return features.pieces - starts[None, :]


def test_hashes_depend_on_text_and_salt_alone():
  texts = pa.array(['a', 'item 12', '', 'ä', 'a'])
  found = hashing.hash_texts(texts, 3)
  assert found[0] == found[4]
  assert len(set(found.tolist())) == 4
  np.testing.assert_array_equal(
      hashing.hash_texts(texts.slice(2), 3), found[2:]
  )
  assert not np.any(found == hashing.hash_texts(texts, 4))


def test_random_hashing_spreads_items_evenly():
  ids = pa.array([str(n) for n in range(20_000)])
  inputs = dataclasses.replace(_inputs(), item_ids=ids)
  features = RandomHashing(100).build(inputs)
  counts = np.bincount(features.pieces[:, 0], minlength=100)
  # Poisson: 200 ± 14.
  assert counts.min() > 130
  assert counts.max() < 270
  again = RandomHashing(100).build(dataclasses.replace(inputs, seed=1))
  assert np.mean(features.pieces == again.pieces) < 0.05


def test_unigram_is_a_row_for_each_code():
  inputs = _inputs()
  features = NGram(1).build(inputs)
  assert features.tables == tuple(
      Table(f'unigram_{n}', size) for n, size in enumerate(_SIZES, start=1)
  )
  np.testing.assert_array_equal(_rows_of_tables(features), inputs.sids.codes)


def test_bigram_numbers_pairs_and_a_last_single_code():
  inputs = _inputs()
  features = NGram(2).build(inputs)
  codes = inputs.sids.codes
  assert [table.num_rows for table in features.tables] == [12, 3]
  np.testing.assert_array_equal(
      _rows_of_tables(features),
      np.stack([codes[:, 0] * 4 + codes[:, 1], codes[:, 2]], axis=1),
  )


def test_prefixes_number_the_first_codes_of_each_depth():
  inputs = _inputs()
  features = Prefixes().build(inputs)
  a, b, c = inputs.sids.codes.T
  assert [table.num_rows for table in features.tables] == [3, 12, 36]
  np.testing.assert_array_equal(
      _rows_of_tables(features),
      np.stack([a, a * 4 + b, (a * 4 + b) * 3 + c], axis=1),
  )


def test_budget_hashes_large_tables_and_leaves_small_ones():
  inputs = _inputs(sizes=(64, 64, 3), num_items=300)
  features = NGram(2, 200).build(inputs)
  assert [table.num_rows for table in features.tables] == [100, 3]
  rows = _rows_of_tables(features)
  np.testing.assert_array_equal(rows[:, 1], inputs.sids.codes[:, 2])
  pairs = inputs.sids.codes[:, 0] * 64 + inputs.sids.codes[:, 1]
  by_pair = {}
  for pair, row in zip(pairs.tolist(), rows[:, 0].tolist(), strict=True):
    assert by_pair.setdefault(pair, row) == row
  assert len(set(by_pair.values())) > 85


def test_more_codes_than_64_bits_are_hashed():
  sizes = (2048,) * 8
  inputs = _inputs(sizes=sizes, num_items=500)
  features = Prefixes(8_000).build(inputs)
  rows = _rows_of_tables(features)
  assert np.all((rows >= 0) & (rows < 1_000))
  assert len(np.unique(rows[:, 7])) > 300


def test_sid_and_id_share_the_budget():
  inputs = _inputs(sizes=(64, 64))
  features = SidAndId(101).build(inputs)
  assert features.tables == (Table('bigram_1', 50), Table('hash', 51))
  rows = _rows_of_tables(features)
  expected = RandomHashing(51).build(inputs).pieces
  np.testing.assert_array_equal(rows[:, 1:], expected)


@pytest.mark.parametrize('name', feature_kinds.NAMES)
def test_features_stay_within_their_tables(name):
  inputs = _inputs(sizes=(16, 16))
  if name.startswith('dense'):
    with pytest.raises(InputError, match='no embeddings'):
      feature_kinds.named(name, 64).build(inputs)
    return
  features = feature_kinds.named(name, 64).build(inputs)
  assert features.num_rows <= 64
  assert features.pieces.dtype == np.int32
  assert features.pieces.min() >= -1
  assert features.pieces.max() < features.num_rows
  assert features.look_ups.min() >= 1


def test_unknown_feature_and_too_few_rows_are_refused():
  with pytest.raises(InputError, match='trigram'):
    feature_kinds.named('trigram', 8)
  with pytest.raises(InputError, match='not enough for 3 tables'):
    Prefixes(2).build(_inputs())
  with pytest.raises(InputError, match='not enough for 1 tables'):
    RandomHashing(0).build(_inputs())


def test_sid_features_without_semantic_ids_are_refused():
  with pytest.raises(InputError, match='there are none'):
    NGram(1).build(_inputs(sids=None))


@pytest.mark.parametrize('feature', [NGram(1), Spm(64)])
def test_impressed_item_without_a_semantic_id_is_refused(feature):
  inputs = _inputs()
  ids = pa.array([*inputs.item_ids.to_pylist(), 'later'])
  larger = dataclasses.replace(
      inputs,
      item_ids=ids,
      num_impressions=np.append(inputs.num_impressions, 0),
      impressed=np.append(inputs.impressed, True),
  )
  with pytest.raises(InputError, match="'later'"):
    feature.build(larger)
  # One that nobody was shown has no pieces, and needs none.
  impressed = np.append(inputs.impressed, False)
  features = feature.build(dataclasses.replace(larger, impressed=impressed))
  assert features.look_ups[-1] == 0
  assert features.look_ups[:-1].min() > 0


def test_rows_used_are_counted_by_table():
  features = ItemFeatures(
      np.array([[0, 3], [1, 3], [1, -1]], np.int32),
      (Table('a', 3), Table('b', 2)),
  )
  used = features.rows_used(np.array([True, True, False]))
  assert used == {'a': 2, 'b': 1}

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pyarrow as pa
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import splits
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.vocabulary import numeric_features
from plum_jax.vocabulary.numeric_features import Buckets
from plum_jax.vocabulary.numeric_features import NumericFeature


def _histories(ratings):
  """One user, an interaction an hour; the last two are targets."""
  number = len(ratings)
  catalog = Catalog(
      tables.make_items(pa.array(['a']), pa.array(['A'])),
      tables.make_interactions(
          pa.array(['u'] * number),
          pa.array(['a'] * number),
          pa.array([3_600 * i for i in range(number)]),
          ratings=pa.array(ratings, pa.float32()),
          time_kind='absolute',
      ),
  )
  return catalog.histories, splits.leave_one_out(catalog.histories)


def test_buckets_have_equal_shares_of_the_training_windows():
  histories, split = _histories([*range(100), 1_000, 1_000])
  [rating, hours] = numeric_features.fit(
      [NumericFeature('rating', 4), NumericFeature('hours_since', 2)],
      histories,
      split,
  )
  assert rating == Buckets('rating', (25.0, 50.0, 75.0))
  counts = np.bincount(rating.bucket(np.arange(100.0)))
  assert counts.tolist() == [25, 25, 25, 25]
  assert hours == Buckets('hours_since', (50.0,))


def test_few_values_give_a_bucket_each():
  histories, split = _histories([5.0, 1.0, 1.0, 1.0, 3.0, None, 2.0, 2.0])
  [rating] = numeric_features.fit([NumericFeature('rating')], histories, split)
  assert rating.edges == (3.0, 5.0)
  found = rating.bucket(np.array([1.0, 3.0, 5.0, np.nan, 0.0, 9.0]))
  assert found.tolist() == [0, 1, 2, 3, 0, 2]
  assert rating.tokens[3] == '<rating_none>'


def test_buckets_come_back_from_their_file(tmp_path):
  assert numeric_features.load(tmp_path) == {}
  buckets = [Buckets('rating', (0.1, 3.0)), Buckets('reward', ())]
  numeric_features.save(tmp_path, buckets)
  assert list(numeric_features.load(tmp_path).values()) == buckets
  (tmp_path / numeric_features.FILE_NAME).write_text('{"rating": 3}')
  with pytest.raises(InputError, match='cannot be read'):
    numeric_features.load(tmp_path)


@pytest.mark.parametrize(
    ('features', 'what'),
    [
        ([NumericFeature('height')], "no number 'height'"),
        ([NumericFeature('reward')], 'No interaction of a training window'),
        ([NumericFeature('rating')] * 2, 'comes twice'),
    ],
)
def test_a_number_that_is_not_there_is_refused(features, what):
  histories, split = _histories([1.0, 2.0, 3.0])
  with pytest.raises(InputError, match=what):
    numeric_features.fit(features, histories, split)


def test_a_feature_that_cannot_be_is_refused():
  with pytest.raises(InputError, match='name of tokens'):
    NumericFeature('Watch time')
  with pytest.raises(InputError, match='num_buckets is 0'):
    NumericFeature('rating', 0)

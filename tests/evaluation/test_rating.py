# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import itertools

import hypothesis
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.evaluation import rating


@hypothesis.given(
    arrays.arrays(np.float32, 8, elements=st.sampled_from([1, 2, 3, 4, 5])),
    # Few values: many ties.
    arrays.arrays(np.float32, 8, elements=st.sampled_from([0, 2.5, 3, 4.5, 7])),
    st.sampled_from([3.0, 4.0]),
)
def test_metrics_are_those_of_every_error_and_every_pair(
    ratings, predictions, liked
):
  found = rating.rating_metrics(
      ratings, predictions, lowest=1, highest=5, liked=liked
  )
  clipped = [min(max(float(x), 1.0), 5.0) for x in predictions]
  errors = [float(a) - b for a, b in zip(ratings, clipped, strict=True)]
  assert found['rating/rmse'] == pytest.approx(
      (sum(error**2 for error in errors) / 8) ** 0.5
  )
  assert found['rating/mae'] == pytest.approx(sum(map(abs, errors)) / 8)
  likes = [
      x for x, given in zip(clipped, ratings, strict=True) if given >= liked
  ]
  others = [
      x for x, given in zip(clipped, ratings, strict=True) if given < liked
  ]
  pairs = [
      1.0 if like > other else 0.5 if like == other else 0.0
      for like, other in itertools.product(likes, others)
  ]
  if pairs:
    assert found['rating/auc'] == pytest.approx(np.mean(pairs))
  else:
    assert found['rating/auc'] is None


def test_no_ratings_leave_all_metrics_undefined():
  none = np.zeros(0)
  found = rating.rating_metrics(none, none, lowest=1, highest=5)
  assert set(found.values()) == {None}


@pytest.mark.parametrize('wrong', [np.nan, np.inf])
def test_a_prediction_that_is_no_number_is_refused(wrong):
  with pytest.raises(rating.PredictionError, match='Row 1'):
    rating.rating_metrics(
        np.ones(2), np.array([1.0, wrong]), lowest=1, highest=5
    )


@pytest.mark.parametrize('wrong', [np.nan, 0.5, 5.5])
def test_a_rating_beyond_the_range_is_refused(wrong):
  with pytest.raises(InputError, match='range'):
    rating.rating_metrics(
        np.array([1.0, wrong]), np.ones(2), lowest=1, highest=5
    )


class _Predictor:

  def predict(self, batch):
    return batch['user'] * 10.0 + batch['rated_item_ids']


def test_every_row_is_predicted():
  features = {'user': np.arange(5), 'rated_item_ids': np.arange(5)[::-1]}
  found = rating.predict_all(_Predictor(), features, batch_size=3)
  np.testing.assert_array_equal(found, [4, 13, 22, 31, 40])

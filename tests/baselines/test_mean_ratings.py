# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines.mean_ratings import MeanRatingPredictor
from plum_jax.catalog import splits
from plum_jax.catalog.histories import Histories

_MISSING = np.nan
# The last two interactions of each of the first two users are held out.
HISTORIES = Histories(
    user_ids=np.array(['a', 'b', 'c'], object),
    offsets=np.array([0, 4, 7, 8]),
    item_ids=np.array([0, 1, 2, 3, 0, 2, 3, 1], np.int32),
    times=np.arange(8),
    ratings=np.array([1, 3, 5, 5, 4, 5, 5, _MISSING], np.float32),
    rewards=np.zeros(8, np.float32),
    first_seen=np.zeros(4, np.int64),
    time_kind='absolute',
)
SPLIT = splits.leave_one_out(HISTORIES)


@pytest.mark.parametrize(
    ('kind', 'expected'),
    [
        # Users 0, 1, 2 of items 0, 1, 3; the mean of all is 8 / 3.
        ('global_mean', [8 / 3, 8 / 3, 8 / 3]),
        ('user_mean', [2, 4, 8 / 3]),
        ('item_mean', [2.5, 3, 8 / 3]),
    ],
)
def test_means_are_of_training_ratings_alone(kind, expected):
  predictor = MeanRatingPredictor(kind, HISTORIES, SPLIT)
  batch = {'user': np.arange(3), 'rated_item_ids': np.array([0, 1, 3])}
  np.testing.assert_allclose(predictor.predict(batch), expected, rtol=1e-6)


def test_unknown_means_and_catalogs_without_ratings_are_refused():
  with pytest.raises(InputError, match='median'):
    MeanRatingPredictor('median', HISTORIES, SPLIT)
  none = dataclasses.replace(HISTORIES, ratings=np.full(8, np.nan, np.float32))
  with pytest.raises(InputError, match='0 ratings'):
    MeanRatingPredictor('user_mean', none, SPLIT)

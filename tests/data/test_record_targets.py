# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import tensorflow as tf

from plum_jax.data import record_targets
from plum_jax.data.label_sampling import LabelSampling

_SEED = tf.constant([3, 4])


def _record(items, target=-1, **kwargs):
  return {
      'item_ids': tf.constant(items, tf.int32),
      'target_item_id': tf.constant(target, tf.int32),
      **{name: tf.constant(value, tf.int32) for name, value in kwargs.items()},
  }


@pytest.mark.parametrize(
    ('record', 'expected'),
    [
        (_record([5, 6, 7]), [1, 2]),
        (_record([5]), []),
        (_record([5, 6, 7, 8], first_target=2), [2, 3]),
        (_record([5, 6, 7, 8], first_target=0), [1, 2, 3]),
        (_record([5, 6], first_target=2), []),
        (_record([5, 6, 7], target=9), [3]),
    ],
)
def test_positions_are_those_to_be_predicted(record, expected):
  found = record_targets.positions(record, LabelSampling(), _SEED)
  assert found.numpy().tolist() == expected


def test_positions_are_thinned_out_in_training_alone():
  labels = LabelSampling(max_per_user=2)
  training = record_targets.positions(_record(range(9)), labels, _SEED)
  assert len(training) == 2
  assert np.all(np.diff(training) > 0)
  rare = LabelSampling(rate=1e-9)
  assert not len(record_targets.positions(_record(range(9)), rare, _SEED))
  evaluated = record_targets.positions(_record([1, 2], 7), rare, _SEED)
  assert evaluated.numpy().tolist() == [2]


def test_history_is_that_of_the_one_example_of_a_target():
  record = _record([5, 6], target=9)
  assert record_targets.item_ids_with_target(record).numpy().tolist() == [
      5,
      6,
      9,
  ]
  for one, num_examples, expected in (
      (record, 1, [[5, 6]]),
      (record, 3, [[5, 6], [], []]),
      (record, 0, []),
      (_record([5, 6]), 2, [[], []]),
      (_record([5, 6]), 0, []),
  ):
    found = record_targets.evaluated_history(one, tf.constant(num_examples))
    assert found.to_list() == expected

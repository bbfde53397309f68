# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""User records without files, and what preprocessors make of them."""

import numpy as np
import seqio
import tensorflow as tf

from plum_jax.data import preprocessors
from plum_jax.data import user_records

# Levels of 100 codes, so that token 1000 + i and 1100 + i are of item i.
FIRST_IDS = [1_000, 1_100]
TRAINING = -1


def records(rows, rewards=None, first_targets=None):
  """Makes a dataset of (user, item numbers, target item or TRAINING).

  Rewards are one list a row; by default an item's reward is its number.
  """
  examples = []
  for row, (user, items, target) in enumerate(rows):
    of_target = [] if target == TRAINING else [target]
    integers = {
        'user': [user],
        'item_ids': items,
        'sid_codes': np.repeat(items, 2).astype(int),
        'times': items,
        'target_item_id': of_target or [-1],
        'target_sid_codes': np.repeat(of_target, 2).astype(int),
        'target_time': [0],
    }
    if first_targets is not None:
      integers['first_target'] = [first_targets[row]]
    reals = {
        'ratings': items,
        'rewards': items if rewards is None else rewards[row],
        'target_rating': [0.0],
        'target_reward': [0.0],
    }
    examples.append(
        user_records._example(f'u{user}', integers, reals)  # noqa: SLF001
    )
  features = user_records.features(first_targets=first_targets is not None)
  dataset = tf.data.Dataset.from_tensor_slices(examples)
  return preprocessors.sid_tokens(
      dataset.map(features.deserialize_example), level_first_ids=FIRST_IDS
  )


def run(
    preprocessor,
    rows,
    lengths=None,
    seed=0,
    rewards=None,
    first_targets=None,
    **kwargs,
):
  """Returns the examples of a preprocessor."""
  with seqio.map_seed_manager(seed):
    dataset = preprocessor(
        records(rows, rewards, first_targets),
        sequence_length=lengths,
        **kwargs,
    )
  return list(dataset.as_numpy_iterator())

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A tiny run for tasks in natural language, and what their texts mention.

Item `i` has SID tokens of its own, the title `Film i<i>` and, from everybody,
the rating `<i>.5`: whatever is said of it can be told apart.
"""

import re

import numpy as np
import tensorflow as tf

from plum_jax.catalog import splits
from plum_jax.catalog.histories import Histories
from plum_jax.data import user_records
from plum_jax.data.worded_setting import WordedSetting
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary
from tests.data.tiny_run import build_run

NUM_ITEMS = 12
# Each pair of codes twice, told apart by the third.
CODES = np.array([[i // 4, i // 2 % 2] for i in range(NUM_ITEMS)])
FULL_CODES = np.concatenate(
    [CODES, np.arange(NUM_ITEMS)[:, None] % 2], axis=1
).astype(np.int32)
_HISTORIES = [list(range(NUM_ITEMS)), list(range(NUM_ITEMS))[::-1]]
_SID = re.compile(r'<sid_1_(\d)><sid_2_(\d)><sid_3_(\d)>')


def build(root):
  """Makes the run; all items and ratings occur in its training windows."""
  return build_run(root, _HISTORIES, CODES)


def setting(run, **kwargs):
  """What tests have in common."""
  return WordedSetting('worded', run, noun='film', **kwargs)


def sids_in(text):
  """Lists the items whose Semantic IDs occur in a text."""
  return [4 * int(a) + 2 * int(b) + int(c) for a, b, c in _SID.findall(text)]


def titles_in(text):
  """Lists the items whose titles occur in a text."""
  return [int(number) for number in re.findall(r'Film i(\d+)', text)]


def ratings_in(text):
  """Lists the items whose ratings occur in a text."""
  return [int(number) for number in re.findall(r'rated (\d+)\.5', text)]


def mentioned(text):
  """The items that a text says anything of."""
  return {*sids_in(text), *titles_in(text), *ratings_in(text)}


def records(histories):
  """Makes the records of each split, left out if there are none.

  Args:
    histories: item numbers of each user, oldest first.
  """
  items = np.concatenate(histories).astype(np.int32)
  lengths = [len(one) for one in histories]
  made = Histories(
      user_ids=np.array([f'u{user}' for user in range(len(histories))]),
      offsets=np.concatenate([[0], np.cumsum(lengths)]),
      item_ids=items,
      times=np.concatenate([np.arange(length) for length in lengths]),
      ratings=items + np.float32(0.5),
      rewards=np.full(len(items), np.nan, np.float32),
      first_seen=np.zeros(NUM_ITEMS, np.int64),
      time_kind='absolute',
  )
  split = splits.leave_one_out(made)
  spans = {
      'train': user_records.training_spans(made, split, 0),
      'validation': user_records.target_spans(made, split.validation, 'v'),
      'test': user_records.target_spans(made, split.test, 't'),
  }
  features = user_records.features()
  return {
      name: tf.data.Dataset.from_tensor_slices(
          list(user_records.serialized(made, FULL_CODES, of_split))
      ).map(features.deserialize_example)
      for name, of_split in spans.items()
      if len(of_split)
  }


def vocabulary(run):
  """The run's vocabulary, for decoding."""
  return SemanticIdVocabulary(run / 'vocabulary')

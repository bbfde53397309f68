# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Samples that ask for several items, or ratings, at once."""

import functools
import re

import numpy as np
import pytest
import seqio
import tensorflow as tf

from plum_jax.data import worded_examples
from plum_jax.data.phrasings import Encoder
from plum_jax.vocabulary.layout import VocabularyLayout
from tasks import rating
from tasks import retrieval
from tests.data import worded_run

_LENGTHS = {'inputs': 400, 'targets': 60}
_END = 1


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  return worded_run.build(tmp_path_factory.mktemp('worded'))


@pytest.fixture(scope='module')
def setting(run):
  return worded_run.setting(run)


@pytest.fixture(scope='module')
def write(run):
  """Encodes a text whose items are numbers."""
  first = VocabularyLayout.load(run / 'vocabulary').sid_first_id
  starts = first + np.array([0, 3, 5])
  encoder = Encoder(run / 'vocabulary' / 'vocabulary.model')

  def encode(*parts):
    tokens = []
    for part in parts:
      if isinstance(part, str):
        tokens += encoder.words(part, first=not tokens).tolist()
      else:
        tokens += (starts + worded_run.FULL_CODES[part]).tolist()
    return tokens

  return encode


def _examples(name, split='test', lengths=_LENGTHS, seed=0):
  dataset = seqio.get_mixture_or_task(name).get_dataset(
      lengths, split=split, shuffle=False, seed=seed
  )
  return list(dataset.as_numpy_iterator())


def _texts(run, name, split='train', lengths=_LENGTHS, seed=0):
  decode = worded_run.vocabulary(run).decode
  return [
      (decode(e['inputs'].tolist()), decode(e['targets'].tolist()))
      for e in _examples(name, split, lengths, seed)
  ]


def test_a_sample_asks_for_several_items_in_training_alone(setting, write):
  name = retrieval.in_words(
      setting, items_per_sample=3, variants=['H {history} !']
  )
  examples = _examples(name, 'train')
  # Ten items in each of two windows, all but the first of them targets.
  assert len(examples) == 18
  for example in examples:
    window = list(range(10)) if example['user'] == 0 else list(range(11, 1, -1))
    at = window.index(int(example['target_item_id']))
    told = [part for i in window[:at] for part in (i, f'Film i{i}')]
    assert example['inputs'].tolist() == [*write('H', *told, '!'), _END]
    # At the end of a window there are fewer.
    assert example['targets'].tolist() == [*write(*window[at : at + 3]), _END]
  targets = [e['targets'].tolist() for e in _examples(name)]
  assert targets == [[*write(11), _END], [*write(0), _END]]
  # As many as there is room for.
  short = _examples(name, 'train', {'inputs': 400, 'targets': 8})
  assert max(len(e['targets']) for e in short) == 7


def test_a_sample_asks_about_several_ratings_in_training_alone(run, setting):
  name = rating.register(
      setting, items_per_sample=3, variants=['{history} # {item} ?']
  )
  for (text, answer), example in zip(
      _texts(run, name), _examples(name, 'train'), strict=True
  ):
    window = list(range(10)) if example['user'] == 0 else list(range(11, 1, -1))
    at = window.index(int(example['target_item_id']))
    asked = text.partition('#')[2]
    wanted = window[at : at + 3]
    assert worded_run.titles_in(asked) == wanted
    # Sentinels follow all items but the first, and tell whose a rating is.
    marks = ['<extra_id_0>', '<extra_id_1>'][: len(wanted) - 1]
    told, *others = re.split(r'\s*(<extra_id_\d+>)\s*', asked)
    assert worded_run.titles_in(told) == wanted[:2]
    assert others[::2] == marks
    pairs = zip(['', *marks], [f'{i}.5' for i in wanted], strict=True)
    expected = [part for pair in pairs for part in pair][1:]
    assert re.findall(r'<extra_id_\d+>|[\d.]+', answer) == expected
    assert example['target_rating'] == window[at] + 0.5
  assert [answer for _, answer in _texts(run, name, 'test')] == ['11.5', '0.5']


@pytest.mark.parametrize(
    ('ratings', 'answers', 'asked'),
    [
        ((0.5, np.nan, 2.5, np.nan), ['2.5'], [[2]]),
        (
            (0.5, 1.5, np.nan, 3.5),
            ['1.5 <extra_id_1> 3.5', '3.5'],
            [[1, 3], [3]],
        ),
    ],
)
def test_what_is_not_rated_is_not_asked_about(
    run, setting, ratings, answers, asked
):
  name = rating.register(
      setting, items_per_sample=4, variants=['{history} # {item} ?']
  )
  [make] = seqio.get_mixture_or_task(name).preprocessors
  assert isinstance(make, functools.partial)
  [record] = worded_run.records([[0, 1, 2, 3, 4, 5]])['train']
  record = record | {'ratings': np.array(ratings, np.float32)}
  dataset = tf.data.Dataset.from_tensors(record)
  decode = worded_run.vocabulary(run).decode
  examples = dataset.apply(
      lambda ds: worded_examples.examples(
          ds.map(lambda x: x), _LENGTHS, task=make.keywords['task']
      )
  ).as_numpy_iterator()
  texts = [
      (decode(e['inputs'].tolist()), decode(e['targets'].tolist()))
      for e in examples
  ]
  assert [' '.join(answer.split()) for _, answer in texts] == answers
  found = [worded_run.titles_in(text.partition('#')[2]) for text, _ in texts]
  assert found == asked

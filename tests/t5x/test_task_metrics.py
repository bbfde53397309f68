# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The figures of a task's scores are those of the arrays."""

import numpy as np
import pytest
import seqio

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.ranking_candidates import draw_ranking_candidates
from plum_jax.data import rating_values
from plum_jax.data import training_windows
from plum_jax.data.worded_setting import WordedSetting
from plum_jax.evaluation import ranking as ranking_metrics
from plum_jax.evaluation import rating as rating_metrics
from plum_jax.t5x import task_metrics
from plum_jax.vocabulary.layout import VocabularyLayout
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary
from tasks import rating
from tasks import retrieval
from tests.data.tiny_run import build_run

_CODES = np.array([[i // 4, i // 2 % 2] for i in range(12)])


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  histories = [[(5 * user + n) % 12 for n in range(5)] for user in range(4)]
  return build_run(tmp_path_factory.mktemp('run'), histories, _CODES)


def _examples(task, lengths):
  provider = seqio.get_mixture_or_task(task)
  assert provider.splits == ('test',)
  dataset = provider.get_dataset(lengths, split='test', shuffle=False)
  return list(dataset.as_numpy_iterator())


def _metric(task, scores):
  [metric] = seqio.TaskRegistry.get(task).score_metric_fns
  return metric([None] * len(scores), scores)


def test_ranking_asks_for_each_candidate_and_has_the_figures_of_the_arrays(run):
  task = retrieval.register('task_metrics', run)
  name = task_metrics.with_ranking(task, run, num_negatives=3, ks=(1, 2))
  assert name == task_metrics.with_ranking(
      task, run, num_negatives=3, ks=(1, 2)
  )
  histories, split = training_windows.split_histories(run)
  drawn = draw_ranking_candidates(histories, split, split.test, num_negatives=3)
  tokens = VocabularyLayout.load(run / 'vocabulary').sid_tokens
  full_codes = np.concatenate([_CODES, np.arange(12)[:, None] % 2], axis=1)
  item_tokens = tokens.token_ids(full_codes)
  examples = _examples(name, {'inputs': 12, 'targets': 3})
  asked = np.stack([example['targets'] for example in examples])
  np.testing.assert_array_equal(
      asked.reshape(4, 4, 3), item_tokens[drawn.item_ids]
  )
  prompts = np.stack([example['inputs'] for example in examples])
  assert all(len(np.unique(x, axis=0)) == 1 for x in prompts.reshape(4, 4, -1))
  scores = np.random.default_rng(0).normal(size=16)
  assert _metric(name, scores) == ranking_metrics.ranking_metrics(
      scores.reshape(4, 4), drawn.place, ks=(1, 2)
  )
  with pytest.raises(ValueError, match='whole splits'):
    _metric(name, scores[:8])


def test_rating_asks_for_each_value_and_has_the_figures_of_the_arrays(run):
  setting = WordedSetting('task_metrics', run, noun='film', show='sid')
  name = task_metrics.with_rating(rating.register(setting), run, liked=6.0)
  values = rating_values.load(run)
  examples = _examples(name, {'inputs': 128, 'targets': 8})
  vocabulary = SemanticIdVocabulary(run / 'vocabulary')
  texts = [vocabulary.decode(x['targets'].tolist()) for x in examples]
  assert [text.strip() for text in texts] == list(values.texts) * 4
  histories, split = training_windows.split_histories(run)
  scores = np.random.default_rng(0).normal(size=(4, len(values.values)))
  weights = np.exp(scores)
  predictions = weights @ np.array(values.values) / weights.sum(axis=1)
  expected = rating_metrics.rating_metrics(
      histories.ratings[split.test.position],
      predictions,
      lowest=0.5,
      highest=11.5,
      liked=6.0,
  )
  found = _metric(name, scores.ravel())
  assert found == {key: pytest.approx(value) for key, value in expected.items()}


def test_targets_without_a_rating_are_refused(run, monkeypatch):
  histories, _ = training_windows.split_histories(run)
  task = rating.register(
      WordedSetting('task_metrics', run, noun='film', show='sid')
  )
  ratings = histories.ratings.copy()
  ratings[-1] = np.nan
  monkeypatch.setitem(vars(histories), 'ratings', ratings)
  with pytest.raises(InputError, match='1 of 4 targets'):
    task_metrics.with_rating(task, run)

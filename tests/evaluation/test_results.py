# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Results on disk."""

import dataclasses
import json

import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.evaluation import results
from plum_jax.evaluation.evaluator import EvaluationResult

ITEM_IDS = ['a', 'b', 'c', 'd']
USER_IDS = ['u', 'v']
HISTORY = np.array([[-1, 0, 1], [1, 2, 3]], np.int32)


def make_result(**changes):
  item_ids = np.array([[2, 3], [0, -1]], np.int32)
  result = EvaluationResult(
      metrics={'retrieval/recall@2': 0.5, 'retrieval/ndcg@2': 0.25},
      item_ids=item_ids,
      scores=np.array([[2.0, 1.0], [3.0, -np.inf]], np.float32),
      valid=item_ids >= 0,
      targets=np.array([[3], [1]], np.int32),
      ks=(1, 2),
      num_items=4,
      exclude_history=True,
      users_per_second=100.0,
  )
  return dataclasses.replace(result, **changes)


def save(directory, by_name, **changes):
  arguments = {
      'split': 'leave_one_out',
      'user_ids': USER_IDS,
      'item_ids': ITEM_IDS,
      'history_item_ids': HISTORY,
      'history_shown': 2,
  } | changes
  results.save_results(directory, by_name, **arguments)


def test_saved_metrics_are_flat(tmp_path):
  save(
      tmp_path,
      {
          'sasrec': make_result(),
          'popularity': make_result(
              metrics={'retrieval/recall@2': 0.1}, exclude_history=False
          ),
      },
  )
  written = json.loads((tmp_path / 'metrics.json').read_text())
  assert written == {
      'popularity/retrieval/recall@2': 0.1,
      'sasrec/retrieval/ndcg@2': 0.25,
      'sasrec/retrieval/recall@2': 0.5,
  }
  protocol = results.load_results(tmp_path).protocol
  assert protocol['split'] == 'leave_one_out'
  assert protocol['recommenders']['sasrec']['exclude_history'] is True
  assert protocol['recommenders']['popularity'] == {
      'exclude_history': False,
      'num_users': 2,
      'num_items': 4,
      'ks': [1, 2],
  }


def test_saved_recommendations_are_ids_without_padding(tmp_path):
  save(tmp_path, {'sasrec': make_result()})
  assert results.load_results(tmp_path).recommendations.to_pylist() == [
      {
          'recommender': 'sasrec',
          'user_id': 'u',
          'history_item_ids': ['a', 'b'],
          'target_item_ids': ['d'],
          'item_ids': ['c', 'd'],
          'scores': [2.0, 1.0],
      },
      {
          'recommender': 'sasrec',
          'user_id': 'v',
          'history_item_ids': ['c', 'd'],
          'target_item_ids': ['b'],
          'item_ids': ['a'],
          'scores': [3.0],
      },
  ]


def test_files_of_equal_results_are_equal_whatever_the_time(tmp_path):
  for name, rate in (('first', 10.0), ('second', 20.0)):
    save(tmp_path / name, {'sasrec': make_result(users_per_second=rate)})
  for file in (tmp_path / 'first').iterdir():
    assert file.read_bytes() == (tmp_path / 'second' / file.name).read_bytes()


@pytest.mark.parametrize(
    ('by_name', 'changes'),
    [
        ({}, {}),
        ({'a/b': make_result()}, {}),
        ({'sasrec': make_result()}, {'user_ids': ['u']}),
        ({'sasrec': make_result()}, {'item_ids': ['a', 'b', 'c']}),
        ({'sasrec': make_result()}, {'history_item_ids': HISTORY[:1]}),
        (
            {
                'sasrec': make_result(),
                'popularity': make_result(targets=np.array([[3], [2]])),
            },
            {},
        ),
    ],
)
def test_save_results_refuses_what_does_not_belong_together(
    tmp_path, by_name, changes
):
  with pytest.raises(InputError):
    save(tmp_path, by_name, **changes)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'name', ['metrics.json', 'protocol.json', 'recommendations.parquet']
)
def test_load_results_names_the_file_that_cannot_be_read(tmp_path, name):
  save(tmp_path, {'sasrec': make_result()})
  (tmp_path / name).write_text('{')
  with pytest.raises(InputError) as caught:
    results.load_results(tmp_path)
  assert name in str(caught.value)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
from plum_jax.evaluation import task_results
from plum_jax.evaluation.task_results import Undefined
from plum_jax.reports import task_table

_RESULTS = task_results.collect(
    {
        'sasrec': {
            'retrieval': {
                'retrieval/recall@5': 0.25,
                'retrieval/ndcg@5': 0.125,
            },
            'ranking': {
                'ranking/hr@5': 0.5,
                'ranking/ndcg@5': 0.375,
                'ranking/mrr': 0.3,
            },
            'rating': Undefined('it predicts no ratings'),
        },
        'biased_mf': {
            'retrieval': Undefined('it recommends nothing'),
            'ranking': Undefined('it scores no candidates'),
            'rating': {
                'rating/rmse': 1.0,
                'rating/mae': 0.75,
                'rating/auc': None,
            },
        },
    },
    ks=(5,),
    protocol={'num_negatives': 99, 'num_ratings': 1_234},
)


def test_each_task_has_a_table_of_the_models_with_figures():
  assert task_table.text_table(_RESULTS).splitlines() == [
      'Retrieval  Recall@5  NDCG@5',
      '---------------------------',
      'SASRec       0.2500  0.1250',
      '',
      'Ranking, 1 + 99    HR@5  NDCG@5     MRR',
      '---------------------------------------',
      'SASRec           0.5000  0.3750  0.3000',
      '',
      '1,234 ratings    RMSE     MAE  AUC',
      '----------------------------------',
      'Biased MF      1.0000  0.7500    –',
      '',
      'Not defined',
      '  SASRec (rating): it predicts no ratings',
      '  Biased MF (retrieval): it recommends nothing',
      '  Biased MF (ranking): it scores no candidates',
  ]


def test_results_are_read_as_they_were_written(tmp_path):
  task_results.save(_RESULTS, tmp_path)
  found = task_results.load(tmp_path)
  assert found == _RESULTS
  assert found.models == ['sasrec', 'biased_mf']
  # What is not defined is there, and null.
  assert found.metrics['biased_mf/ranking/hr@5'] is None

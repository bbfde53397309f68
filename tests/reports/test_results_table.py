# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The table of results."""

import pyarrow as pa
import pytest

from plum_jax.evaluation.results import SavedResults
from plum_jax.reports import results_table

_METRICS = ('recall', 'ndcg', 'mrr', 'coverage', 'valid_item_rate')


def make_results(ks=(5, 10, 20), metrics=(*_METRICS, 'diversity')):
  values = {
      'popularity': (True, 0.0859),
      'sasrec': (True, 0.1739),
      'sasrec_history_kept': (False, 0.1113),
      'generative': (True, 0.1001),
      'lem': (True, 0.15),
  }
  return SavedResults(
      metrics={
          f'{name}/retrieval/{metric}@{k}': value
          for name, (_, value) in values.items()
          for metric in metrics
          for k in ks
      },
      protocol={
          'split': 'leave_one_out',
          'recommenders': {
              name: {
                  'exclude_history': masked,
                  'num_users': 943,
                  'num_items': 1682,
                  'ks': list(ks),
              }
              for name, (masked, _) in values.items()
          },
      },
      recommendations=pa.table({}),
  )


def test_text_table_has_a_line_per_recommender_in_order():
  lines = results_table.text_table(make_results(), {}).splitlines()
  assert [line.split()[:3] for line in lines[2:7]] == [
      ['Generative', 'masked', '0.1001'],
      ['LEM', 'masked', '0.1500'],
      ['SASRec', 'masked', '0.1739'],
      ['SASRec', 'kept', '0.1113'],
      ['Popularity', 'masked', '0.0859'],
  ]
  assert 'Recall@10' in lines[0]
  assert lines[0].endswith('Div.@10')
  assert max(map(len, lines[:7])) <= 80
  assert lines[8] == (
      "Leave-one-out: each user's last item is the target; 943 targets; all "
      '1,682 items are candidates; history masked or kept as the table says. '
      'Seeds: none.'
  )


def test_metrics_not_measured_are_dashes():
  results = make_results()
  del results.metrics['lem/retrieval/recall@10']
  lem = results_table.text_table(results, {}).splitlines()[3]
  assert '–' in lem


def test_variants_are_no_main_rows():
  names = [row.name for row in results_table.main_rows(make_results())]
  assert names == ['generative', 'lem', 'sasrec', 'popularity']


def test_best_cells_compare_rows_of_one_protocol_alone():
  results = make_results()
  rows = results_table.rows(results)
  best = results_table.best_cells(rows, ['retrieval/recall@10'])
  # The only row with the history kept has nothing to be compared with.
  assert [rows[row].name for row, _ in best] == ['sasrec']


@pytest.mark.parametrize(('ks', 'main'), [((5, 10, 20), 10), ((1, 3), 3)])
def test_shown_metrics_have_every_cut_off_of_recall(ks, main):
  shown = results_table.shown_metrics(make_results(ks))
  assert [f'retrieval/recall@{k}' for k in ks] == shown[: len(ks)]
  assert shown[-4:] == [
      f'retrieval/mrr@{main}',
      f'retrieval/coverage@{main}',
      f'retrieval/valid_item_rate@{main}',
      f'retrieval/diversity@{main}',
  ]


def test_shown_metrics_have_no_diversity_where_items_have_no_categories():
  shown = results_table.shown_metrics(make_results(metrics=_METRICS))
  assert shown[-1] == 'retrieval/valid_item_rate@10'

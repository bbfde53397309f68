# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Figures of the models: what is written, what is drawn, what is undefined."""

import pyarrow as pa
import pytest

from plum_jax.evaluation.results import SavedResults
from plum_jax.reports import model_figures
from plum_jax.reports import results_table


def make_results(**changes):
  metrics = {
      'generative/retrieval/effective_vocabulary@2': 3,
      'generative/cold_start/recall@2': 0.25,
      'generative/cold_start/num_targets': 1200,
      'generative/popularity_decile_1/recall@2': 0.5,
      'generative/parameters/tables': 57_344,
      'generative/parameters/network': 98_000,
      'generative/training/flops': 8.38e12,
      'generative/training/examples': 48_000,
      'generative/training/targets': 6_123_456.0,
      'lem/retrieval/effective_vocabulary@2': 1,
      'lem/cold_start/recall@2': None,
      'lem/cold_start/num_targets': 0,
      **changes,
  }
  items = {'generative': [['a', 'b', 'c'], ['a', 'd']], 'lem': [['a'], ['a']]}
  return SavedResults(
      metrics=metrics,
      protocol={
          'split': 'by_time, test',
          'recommenders': {
              name: {'exclude_history': True, 'num_users': 2, 'ks': [1, 2]}
              for name in items
          },
      },
      recommendations=pa.table(
          {
              'recommender': [name for name in items for _ in range(2)],
              'item_ids': [row for rows in items.values() for row in rows],
          }
      ),
  )


def test_cells_write_figures_and_dashes():
  generative, lem = results_table.main_rows(make_results())
  assert model_figures.cells(generative, 2) == [
      '3',
      '0.2500 of 1,200',
      '57,344',
      '98,000',
      '8.38e+12',
      '48,000',
      '6,123,456',
  ]
  assert model_figures.cells(lem, 2) == ['1', '– of 0', *['–'] * 5]


def test_text_has_a_line_per_figure_and_fits_a_terminal():
  lines = model_figures.text_table(make_results()).splitlines()
  assert lines[0].split() == ['Generative', 'LEM']
  assert lines[2].split() == ['Effective', 'vocabulary@2', '3', '1']
  assert len(lines) == 2 + len(model_figures.header(2))
  assert max(map(len, lines)) <= 80


def test_recall_is_drawn_for_models_that_have_it():
  drawn = model_figures.popularity_figure(make_results())
  [bars] = drawn.data
  assert bars.name == 'Generative'
  assert list(bars.x)[-1] == 'cold start'
  assert (bars.y[0], bars.y[1], bars.y[-1]) == (0.5, None, 0.25)


def test_evaluations_without_groups_draw_no_recall():
  results = make_results()
  results.metrics.clear()
  assert model_figures.popularity_figure(results) is None


def test_impressions_rise_to_all_that_is_shown_within_the_cut_off():
  lines = {
      line.name: line
      for line in model_figures.impressions_figure(make_results()).data
  }
  # Twice a, once b and d; c stands beyond the cut-off.
  assert list(lines['Generative'].x) == [1, 2, 3]
  assert list(lines['Generative'].y) == pytest.approx([0.5, 0.75, 1.0])
  assert list(lines['LEM'].y) == [1.0]


def test_long_lines_are_drawn_at_some_points_with_both_ends():
  kept = model_figures._spread(12_345)
  assert len(kept) == 500
  assert (kept[0], kept[-1]) == (0, 12_344)

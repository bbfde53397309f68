# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Pages, tables and files of a made-up scaling study."""

import csv
import json
import math

import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.reports import scaling_figures
from plum_jax.reports import scaling_page
from plum_jax.scaling import results as results_lib
from plum_jax.scaling import study
from plum_jax.scaling.study import Record

_SIZES = {size: 12_288 * size**3 for size in range(1, 6)}
_BUDGETS = (1e12, 2e12, 4e12)


def _record(size, budget, seed=0):
  distance = math.log(_SIZES[size] / (1e5 * (budget / 1e12) ** 0.6))
  noise = 1 + 0.004 * math.sin(7 * size + budget / 1e11 + seed)
  loss = 3.2 * (budget / 1e12) ** -0.09 * math.exp(0.012 * distance**2) * noise
  metrics = dict(zip(study.METRICS, (loss, 1.1 * loss, loss / 4), strict=True))
  return Record(
      size, budget, seed, budget, 10, 99, _SIZES[size], _SIZES[size], metrics
  )


@pytest.fixture(scope='module')
def results():
  records = tuple(
      _record(s, c, i) for i in (0, 1) for c in _BUDGETS for s in _SIZES
  )
  config = study.FitConfig(num_draws=40)
  found = results_lib.fit(records, config)
  made = study.predict(found.fits, 8e12, _SIZES)
  return results_lib.fit(
      records, config, made.with_measured([_record(made.size, 8e12)])
  )


def test_frontier_has_a_line_a_size_a_law_and_the_predicted_run(results):
  figure = scaling_figures.frontier_figure(results, study.EVALUATION_LOSS)
  lines = {trace.name: trace for trace in figure.data if trace.name}
  assert set(lines) == {
      *(f'size {size}' for size in _SIZES),
      'law',
      f'size {results.prediction.size}, predicted',
  }
  assert list(lines['size 1'].x) == list(_BUDGETS)
  assert lines['law'].x[-1] == pytest.approx(8e12)
  mean = (
      _record(2, 1e12, 0).metrics[study.EVALUATION_LOSS]
      + _record(2, 1e12, 1).metrics[study.EVALUATION_LOSS]
  ) / 2
  assert lines['size 2'].y[0] == pytest.approx(mean)


def test_iso_flop_curves_have_their_minima(results):
  figure = scaling_figures.iso_flop_figure(results, study.TRAINING_LOSS)
  crosses = [t for t in figure.data if t.marker.symbol == 'x']
  optima = results.fits[study.TRAINING_LOSS].optima
  assert all(one.parabola for one in optima)
  assert [t.x[0] for t in crosses] == [one.parameters for one in optima]


def test_best_sizes_have_intervals_that_hold_them(results):
  figure = scaling_figures.optimal_size_figure(results)
  [points] = [t for t in figure.data if t.name == 'parabolas']
  assert all(x >= 0 for x in points.error_y.array)
  assert all(x >= 0 for x in points.error_y.arrayminus)
  low, high = figure.layout.yaxis.range
  assert 10**low < min(_SIZES.values()) < max(_SIZES.values()) < 10**high


def test_table_and_page_say_the_same(results, tmp_path):
  text = scaling_page.text_table(results)
  path = scaling_page.build(results, tmp_path, 'a <b> study')
  html = path.read_text(encoding='utf-8')
  assert 'a &lt;b&gt; study' in html
  error = results.prediction.metrics[study.EVALUATION_LOSS].relative_error
  assert f'{100 * error:+.1f} %' in text
  assert f'{100 * error:+.1f} %' in html
  exponent = results.fits[study.EVALUATION_LOSS].frontier.law.exponent
  assert f'{exponent:.4f}' in text
  assert f'{exponent:.4f}' in html


def test_study_without_prediction_has_no_section_of_it(results):
  found = results_lib.ScalingResults(results.records, results.fits)
  assert 'Prediction' not in scaling_page.render(found, 'name')
  assert 'predicted' not in scaling_page.text_table(found)


def test_files_hold_every_run_and_fit(results, tmp_path):
  results_lib.save(results, tmp_path)
  values = json.loads((tmp_path / results_lib.JSON_FILE).read_text())
  assert len(values['runs']) == len(results.records)
  fit = values['fits'][study.EVALUATION_LOSS]
  low, high = fit['frontier']['exponent']['interval']
  assert low <= fit['frontier']['exponent']['value'] <= high
  assert values['prediction']['metrics'][study.MISS_RATE]['measured'] > 0
  with open(tmp_path / results_lib.CSV_FILE, newline='', encoding='utf-8') as f:
    rows = list(csv.DictReader(f))
  assert float(rows[3][study.TRAINING_LOSS]) == (
      results.records[3].metrics[study.TRAINING_LOSS]
  )


def test_prediction_is_read_as_it_was_written(results, tmp_path):
  made = study.predict(results.fits, 8e12, _SIZES)
  assert results_lib.load_prediction(tmp_path) is None
  results_lib.save_prediction(made, tmp_path)
  assert results_lib.load_prediction(tmp_path) == made
  (tmp_path / results_lib.PREDICTION_FILE).write_text('{}', encoding='utf-8')
  with pytest.raises(InputError, match='cannot be read'):
    results_lib.load_prediction(tmp_path)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Means, spreads and differences of a study, worked out by hand."""

import json
import math

import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.reports import study_curves
from plum_jax.reports import study_page
from plum_jax.reports import study_results
from plum_jax.reports.study_results import Run
from plum_jax.reports.study_results import StudyResults

_RECALL = 'generative/retrieval/recall@10'


@pytest.fixture
def results() -> StudyResults:
  values = {
      ('a', 0): 0.10,
      ('b', 0): 0.14,
      ('a', 1): 0.20,
      ('b', 1): 0.22,
      ('a', 2): 0.30,
      ('b', 2): 0.36,
  }
  return StudyResults(
      experiments=('a', 'b'),
      seeds=(0, 1, 2),
      metrics=(_RECALL, 'cosine'),
      runs=tuple(
          Run(
              experiment,
              seed,
              {_RECALL: value} | ({'cosine': 1.0} if seed == 1 else {}),
          )
          for (experiment, seed), value in values.items()
      ),
  )


def test_of_is_mean_and_sample_deviation(results):
  found = results.of('a', _RECALL)
  assert found.values == (0.10, 0.20, 0.30)
  assert found.mean == pytest.approx(0.2)
  assert found.standard_deviation == pytest.approx(0.1)
  assert found.standard_error == pytest.approx(0.1 / math.sqrt(3))


def test_difference_is_paired_by_seed(results):
  found = results.difference('b', _RECALL)
  assert found.values == pytest.approx((0.04, 0.02, 0.06))
  assert found.mean == pytest.approx(0.04)
  # Of the differences, not of two independent means.
  assert found.standard_error == pytest.approx(0.02 / math.sqrt(3))


def test_difference_does_not_depend_on_the_order_of_runs(results):
  turned = StudyResults(
      results.experiments, results.seeds, results.metrics, results.runs[::-1]
  )
  assert turned.difference('b', _RECALL) == results.difference('b', _RECALL)


def test_figures_that_runs_lack_stay_out_of_means(results):
  found = results.of('b', 'cosine')
  assert found.values == (None, 1.0, None)
  assert found.mean == 1.0
  assert found.standard_deviation is None
  assert results.difference('b', 'cosine').mean == 0.0
  assert results.of('b', 'none').mean is None


def test_save_writes_all_figures_and_a_row_for_each_run(results, tmp_path):
  study_results.save(results, tmp_path)
  found = json.loads((tmp_path / 'study.json').read_text())
  assert found['compared_with'] == 'a'
  assert found['summary']['a'][_RECALL]['values'] == [0.1, 0.2, 0.3]
  assert found['differences']['b'][_RECALL]['mean'] == pytest.approx(0.04)
  assert found['runs'][3] == {
      'experiment': 'b',
      'seed': 1,
      'figures': {_RECALL: 0.22, 'cosine': 1.0},
      'curves': {},
  }
  assert (tmp_path / 'study.csv').read_text().splitlines()[:3] == [
      f'experiment,seed,{_RECALL},cosine',
      'a,0,0.1,',
      'b,0,0.14,',
  ]


def test_read_figures_takes_numbers_of_the_folders_that_are_named(tmp_path):
  for folder, name, text in (
      ('semantic_ids', 'quality.json', '{"b": 2, "a": [1], "c": null}'),
      ('evaluation', 'metrics.json', '{"r": 0.5, "d": true, "e": "x"}'),
      ('old', 'metrics.json', '{"s": 1}'),
  ):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / name).write_text(text)
  folders = ['evaluation', 'semantic_ids', 'report.html']
  found = study_results.read_figures(tmp_path, folders)
  assert found == {'b': 2, 'r': 0.5}
  assert list(found) == ['b', 'r']


@pytest.mark.parametrize('text', ['{', '[1]'])
def test_read_figures_of_a_broken_file_names_it(tmp_path, text):
  (tmp_path / 'evaluation').mkdir()
  (tmp_path / 'evaluation' / 'metrics.json').write_text(text)
  with pytest.raises(InputError, match='cannot be read') as error:
    study_results.read_figures(tmp_path, ['evaluation'])
  assert error.value.where.endswith('evaluation/metrics.json')


def test_text_table_shows_means_spreads_and_differences(results):
  lines = study_page.text_table(results).splitlines()
  assert lines[0].split() == [_RECALL, 'cosine']
  assert [' '.join(line.split()) for line in lines[2:5]] == [
      'a 0.2000 ± 0.1000 1.0000 ± –',
      'b 0.2400 ± 0.1114 1.0000 ± –',
      'less a +0.0400 ± 0.0115 +0.0000 ± –',
  ]
  assert 'seeds 0, 1, 2' in lines[-1]
  assert len({len(line) for line in lines[:5]}) == 1


def test_dot_plot_has_a_dot_for_each_run_and_the_means(results):
  *seeds, means = study_page.dot_plot(results, _RECALL).data
  assert [trace.name for trace in seeds] == ['seed 0', 'seed 1', 'seed 2']
  assert [trace.x for trace in seeds] == [
      (0.10, 0.14),
      (0.20, 0.22),
      (0.30, 0.36),
  ]
  assert means.x == pytest.approx((0.2, 0.24))
  assert means.y == ('a', 'b')


def test_build_writes_a_page_that_loads_nothing(results, tmp_path):
  text = study_page.build(results, tmp_path).read_text(encoding='utf-8')
  assert text.count('figures.push(') == 2
  assert '+0.0400 ± 0.0115' in text
  assert 'src=' not in text.replace('src="data:', '').split('<body>')[1]


def test_page_escapes_names_of_experiments(results):
  runs = tuple(Run('<b>', run.seed, run.figures) for run in results.runs)
  odd = StudyResults(('<b>',), results.seeds, results.metrics, runs)
  assert '<b>' not in study_page.render(odd, 'x').split('<main>')[1]


def test_curves_are_read_and_drawn_by_experiment(tmp_path):
  training = tmp_path / 'training'
  training.mkdir()
  (training / 'metrics.jsonl').write_text(
      '{"step": 5, "train/loss": 2.0}\n'
      '{"step": 10, "validation/recall": 0.25}\n'
      '{"step": 20, "validation/recall": 0.5}\n'
  )
  curves = study_curves.read(tmp_path, ['training', 'evaluation'])
  assert curves == {'validation/recall': [(10, 0.25), (20, 0.5)]}
  other = {'validation/recall': [(10, 0.75), (20, 0.5)]}
  results = StudyResults(
      ('a', 'b'),
      (0, 1),
      ('x',),
      (Run('a', 0, {'x': 1.0}, curves), Run('a', 1, {'x': 1.0}, other)),
  )
  [line, dots] = study_curves.plot(results, 'validation/recall').data
  assert (list(line.x), list(line.y)) == ([10, 20], [0.5, 0.5])
  assert list(dots.y) == [0.25, 0.5, 0.75, 0.5]
  assert study_curves.metrics(results) == ['validation/recall']
  (training / 'metrics.jsonl').write_text('{"loss": 1}\n')
  with pytest.raises(InputError) as error:
    study_curves.read(tmp_path, ['training'])
  assert 'metrics.jsonl, line 1' in error.value.where


def test_undefined_figures_are_those_recorded_as_null(tmp_path):
  folder = tmp_path / 'task_evaluation'
  folder.mkdir()
  (folder / 'metrics.json').write_text(
      '{"generative/ranking/hr@10": 0.5, "generative/rating/rmse": null}'
  )
  folders = ['task_evaluation']
  found = study_results.undefined_figures(tmp_path, folders)
  assert found == {'generative/rating/rmse'}
  assert study_results.read_figures(tmp_path, folders) == {
      'generative/ranking/hr@10': 0.5
  }


def test_baselines_of_the_first_experiment_stand_below_the_experiments(
    results,
):
  runs = tuple(
      Run(
          run.experiment,
          run.seed,
          {
              **run.figures,
              'sasrec/retrieval/recall@10': 0.25
              if run.experiment == 'a'
              else 0,
              'sasrec/retrieval/recall@5': 0.1,
          },
      )
      for run in results.runs
  )
  found = StudyResults(('a', 'b'), (0, 1, 2), results.metrics, runs)
  assert results.baselines == ()
  assert found.baselines == ('sasrec',)
  assert found.of_baseline('sasrec', _RECALL).values == (0.25, 0.25, 0.25)
  assert found.of_baseline('sasrec', 'cosine').mean is None
  lines = study_page.text_table(found).splitlines()
  assert ' '.join(lines[5].split()) == 'SASRec 0.2500 ± 0.0000 – ± –'
  assert 'Baselines are those of the runs of a.' in lines[-1]
  summary = study_results.to_json(found)['baselines']
  assert summary['sasrec'][_RECALL]['mean'] == 0.25


def test_no_baselines_stand_beside_metrics_of_several_models(results):
  other = 'sasrec/retrieval/recall@10'
  runs = (Run('a', 0, {_RECALL: 0.5, other: 0.25, 'lem/retrieval/x': 1.0}),)
  assert StudyResults(('a',), (0,), (_RECALL, other), runs).baselines == ()

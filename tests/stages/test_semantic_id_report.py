# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage semantic_id_report on a tiny run: what it leaves and refuses."""

import json
import shutil

import numpy as np
import pytest

from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings.modalities import FileModality
from plum_jax.reports.semantic_id_report import SemanticIdReportConfig
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids.quality import summary
from plum_jax.stages import catalog
from plum_jax.stages import item_embeddings
from plum_jax.stages import semantic_id_report
from plum_jax.testing import tiny_catalog


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """A run up to its Semantic IDs, and where its source lies."""
  folder = tmp_path_factory.mktemp('tiny')
  run_dir, source_dir = folder / 'run', folder / 'source'
  source_dir.mkdir()
  catalog.run(str(run_dir), tiny_catalog.write(source_dir))
  _embed(run_dir, source_dir)
  _semantic_ids(run_dir)
  return run_dir, source_dir


def _semantic_ids(run_dir):
  """Writes what the stage does, with codes drawn instead of learned."""
  embeddings = inputs.load(run_dir / 'item_embeddings')
  codes = np.random.default_rng(0).integers(0, 4, (24, 2)).astype(np.int32)

  def make(folder, work):
    del work
    sid_table.make(
        [f'i{n}' for n in range(24)],
        codes,
        codebook_sizes=(4, 4),
        tokenizer_hash='',
    ).save(folder / 'sid_table.parquet')
    figures = summary.report(codes, (4, 4), np.array([0.5, 0.4]), embeddings)
    (folder / 'quality.json').write_text(json.dumps(figures))

  stage.run(
      'semantic_ids',
      run_dir / 'semantic_ids',
      make,
      inputs={'item_embeddings': run_dir / 'item_embeddings'},
      parameters={},
  )


def _embed(run_dir, source_dir):
  path = str(source_dir / 'embeddings.npy')
  item_embeddings.run(str(run_dir), [FileModality('text', path)], 256)


def _report(run_dir, tables=(), split='leave_one_out', options=None):
  semantic_id_report.run(
      str(run_dir),
      [str(table) for table in tables],
      split,
      options or {},
      SemanticIdReportConfig(),
  )
  folder = run_dir / 'semantic_id_report'
  assert '</html>' in (folder / 'report.html').read_text(encoding='utf-8')
  return json.loads((folder / 'quality.json').read_text(encoding='utf-8'))


def _tsv(folder, num_items=24):
  path = folder / 'others.tsv'
  lines = [f'i{n}\t{n // 6} {n % 6}\n' for n in range(num_items)]
  path.write_text(''.join(lines))
  return path


@pytest.fixture
def run_dir(finished, tmp_path):
  """A copy of the finished run, to spoil."""
  shutil.copytree(finished[0], tmp_path / 'run')
  return tmp_path / 'run'


def test_report_agrees_with_what_the_stage_semantic_ids_measured(
    run_dir, capsys
):
  values = _report(run_dir)
  recorded = json.loads((run_dir / 'semantic_ids' / 'quality.json').read_text())
  (table,) = values['tables']
  assert table['name'] == 'run'
  found = {
      'uniqueness': table['collisions']['uniqueness'],
      'perplexity_level_1': table['levels'][0]['use']['perplexity'],
      'reconstruction_error_level_2': table['levels'][1][
          'reconstruction_error'
      ],
      'cosine_level_1/text': table['prefixes'][1]['cosines']['text'],
  }
  assert found == {name: recorded[f'semantic_ids/{name}'] for name in found}
  assert 'run: uniqueness' in capsys.readouterr().out


def test_report_compares_tables_of_every_form(run_dir, tmp_path):
  other = shutil.copytree(run_dir, tmp_path / 'other') / 'semantic_ids'
  tables = [other, other / 'sid_table.parquet', _tsv(tmp_path, 30)]
  values = _report(run_dir, tables)
  names = [table['name'] for table in values['tables']]
  assert names == ['run', 'other', 'sid_table', 'others']
  assert [table['num_ignored'] for table in values['tables']] == [0, 0, 0, 6]
  absent = [
      table['levels'][0]['reconstruction_error'] is None
      for table in values['tables']
  ]
  assert absent == [False, False, True, True]
  assert len(values['stability']) == 6
  same = values['stability'][0]['by_length'][-1]
  assert same == {'adjusted_rand': 1.0, 'identical': 1.0}


def test_report_reads_training_windows_of_the_configured_split(run_dir):
  pairs = _report(run_dir)['num_neighbour_pairs']
  # Of nine items a user, seven are in the training window.
  assert 0.8 * 32 * 6 < pairs <= 32 * 6
  options = {'last_train_day': '2001-09-11'}
  fewer = _report(run_dir, split='by_time', options=options)
  assert fewer['num_neighbour_pairs'] <= 32 * 2


def test_finished_report_is_kept_until_a_table_changes(run_dir, tmp_path):
  path = _tsv(tmp_path)
  _report(run_dir, [path])
  written = run_dir / 'semantic_id_report' / 'report.html'
  before = written.stat().st_mtime_ns
  _report(run_dir, [path])
  assert written.stat().st_mtime_ns == before
  path.write_text(path.read_text().replace('i0\t0 0', 'i0\t3 0'))
  _report(run_dir, [path])
  assert written.stat().st_mtime_ns != before


def test_tables_of_others_are_measured_without_semantic_ids_of_ones_own(
    run_dir, tmp_path
):
  shutil.rmtree(run_dir / 'semantic_ids')
  (table,) = _report(run_dir, [_tsv(tmp_path)])['tables']
  assert table['collisions']['uniqueness'] == 1.0
  assert table['prefixes'][1]['cosines']['text'] > 0.5
  shutil.rmtree(run_dir / 'item_embeddings')
  (table,) = _report(run_dir, [_tsv(tmp_path)])['tables']
  assert table['prefixes'][1]['cosines'] == {}


def test_run_without_any_table_is_refused(run_dir):
  shutil.rmtree(run_dir / 'semantic_ids')
  with pytest.raises(InputError, match='no SID table'):
    _report(run_dir)
  assert not (run_dir / 'semantic_id_report').exists()


def test_table_that_lacks_items_is_refused(run_dir, tmp_path):
  with pytest.raises(InputError, match="first is 'i20'"):
    _report(run_dir, [_tsv(tmp_path, num_items=20)])
  assert not (run_dir / 'semantic_id_report').exists()


def test_embeddings_that_the_table_was_not_made_from_are_refused(
    run_dir, finished, tmp_path
):
  source_dir = shutil.copytree(finished[1], tmp_path / 'source')
  vectors = np.load(source_dir / 'embeddings.npy')
  np.save(source_dir / 'embeddings.npy', vectors[::-1])
  _embed(run_dir, source_dir)
  with pytest.raises(InputError, match='item_embeddings'):
    _report(run_dir)

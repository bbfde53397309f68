# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The quality report: numbers, warnings, titles; escaped and self-contained."""

import json

import numpy as np
import pytest

from plum_jax.catalog import splits
from plum_jax.reports import semantic_id_report
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids.quality.compared_tables import ComparedTable
from tests.reports import conftest
from tests.reports.test_html_report import Page

_OTHER = '<i>other</i>'


def _tables():
  mine = conftest.CODES.astype(np.int32)
  other = np.array([[0, 0], [0, 0], [0, 1], [0, 1], [1, 0], [1, 1]], np.int32)
  return [
      ComparedTable(
          'mine',
          'runs/mine',
          mine,
          np.concatenate([mine, [[0], [0], [1], [0], [0], [0]]], axis=1),
          (3, 3),
          True,
          (0.4321, 0.1234),
      ),
      ComparedTable(
          _OTHER, 'other.tsv', other, other, (2, 2), False, num_ignored=7
      ),
  ]


def _build(folder, tables, embeddings, **config):
  catalog = conftest.make_catalog()
  semantic_id_report.build(
      folder,
      name='<tiny>',
      catalog=catalog,
      split=splits.leave_one_out(catalog.histories),
      tables=tables,
      embeddings=embeddings,
      config=semantic_id_report.SemanticIdReportConfig(**config),
  )
  values = json.loads((folder / 'quality.json').read_text(encoding='utf-8'))
  return values, (folder / 'report.html').read_text(encoding='utf-8')


@pytest.fixture(scope='module')
def built(tmp_path_factory):
  vectors = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
  vectors[2] = vectors[0]
  return _build(
      tmp_path_factory.mktemp('report'), _tables(), inputs.from_array(vectors)
  )


def test_json_holds_figures_of_all_tables(built):
  values, _ = built
  mine, other = values['tables']
  assert (values['num_items'], mine['name'], other['name']) == (
      6,
      'mine',
      _OTHER,
  )
  assert mine['collisions']['uniqueness'] == 5 / 6
  worst = mine['worst_collisions'][0]
  assert worst['codes'] == [0, 1]
  assert worst['item_ids'] == ['i0', 'i2']
  assert (worst['distinct_embeddings'], worst['distinct_texts']) == (1, 2)
  assert [level['reconstruction_error'] for level in mine['levels']] == [
      0.4321,
      0.1234,
  ]
  # What is not known is absent, not zero.
  assert [level['reconstruction_error'] for level in other['levels']] == [
      None,
      None,
  ]
  assert other['num_ignored'] == 7
  assert mine['prefixes'][2]['cosines']['text'] == pytest.approx(1.0)
  assert len(values['stability'][0]['by_length']) == 2
  assert values['warnings'][0]['kind'] == 'duplicates'


def test_page_tells_the_numbers(built):
  values, html = built
  found = Page(html)
  mine = values['tables'][0]
  for figure in (
      '83.33%',
      '0.4321',
      '0.1234',
      f'{mine["prefixes"][1]["cosines"]["text"]:.3f}',
      f'{mine["levels"][0]["use"]["perplexity"]:.1f}',
      f'{values["stability"][0]["by_length"][0]["adjusted_rand"]:.3f}',
  ):
    assert figure in found.text, figure
  for table in values['tables']:
    for warning in table['warnings'] + values['warnings']:
      assert warning['finding'] in found.text
      assert all(switch in found.texts for switch in warning['switches'])
  assert '2 × 2 seen' in found.text
  assert 'Délicatessen' in found.text


def test_page_draws_a_line_for_each_table_and_none_for_what_is_absent(built):
  _, html = built
  figures = Page(html).figures
  assert len(figures['cosine-0']['data']) == 2
  assert figures['cosine-0']['data'][1]['name'] == '&lt;i&gt;other&lt;/i&gt;'
  (line,) = figures['reconstruction']['data']
  assert (line['name'], line['y']) == ('mine', [0.4321, 0.1234])
  assert {'sid-tree-0', 'sid-tree-1', 'lift', 'subtrees'} <= set(figures)


def test_page_escapes_and_loads_nothing(built):
  _, html = built
  found = Page(html)
  assert all(address.startswith('#part-') for address in found.addresses)
  assert 'link' not in found.tags
  assert 'i' not in found.tags
  assert 'script><script>alert' not in html
  assert 'alert(1)' in found.text
  assert _OTHER in found.text
  own = html.replace(max(found.scripts, key=len), '')
  assert 'http' not in own


def test_page_without_embeddings_leaves_cosines_out(tmp_path):
  values, html = _build(tmp_path, _tables()[:1], None)
  assert values['equal_embeddings'] is None
  assert values['tables'][0]['prefixes'][1]['cosines'] == {}
  figures = Page(html).figures
  assert 'cosine-0' not in figures
  assert 'sid-tree-1' not in figures
  assert 'Stability' not in Page(html).text


def test_tree_shows_the_sids_that_models_see(tmp_path):
  moved = conftest.CODES.astype(np.int32)
  moved[2] = [0, 0]  # The item whose codes the first one has.
  table = ComparedTable(
      'moved', 'path', conftest.CODES.astype(np.int32), moved, (3, 3)
  )
  values, html = _build(tmp_path, [table], None)
  assert values['tables'][0]['num_moved'] == 1
  assert values['tables'][0]['collisions']['uniqueness'] == 5 / 6
  hovers = Page(html).figures['sid-tree-0']['data'][0]['customdata']
  assert any('SID 0 0' in hover for hover in hovers)


def test_json_lists_the_first_items_of_a_large_collision(tmp_path, monkeypatch):
  monkeypatch.setattr(semantic_id_report, '_LISTED_ITEMS', 1)
  values, _ = _build(tmp_path, _tables()[:1], None)
  group = values['tables'][0]['worst_collisions'][0]
  assert (group['num_items'], group['item_ids']) == (2, ['i0'])


def test_summary_names_every_table_and_warning(built):
  values, _ = built
  text = semantic_id_report.text_summary(values)
  assert 'mine: uniqueness 83.33%' in text
  assert f'{_OTHER}: uniqueness' in text
  number = sum(len(table['warnings']) for table in values['tables'])
  assert text.count('Warning:') == number + len(values['warnings'])
  assert 'SID_MODALITIES' in text

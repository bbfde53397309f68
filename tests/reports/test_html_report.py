# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The report: parses, tells the numbers, loads nothing, escapes."""

import html.parser
import json
import re
import shutil

import numpy as np
import pytest

from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.reports import html_report
from plum_jax.semantic_ids import sid_table

_VOID = {'meta', 'br', 'link', 'img', 'hr', 'input'}


class Page(html.parser.HTMLParser):
  """Checks that elements close, and collects texts, scripts and addresses."""

  def __init__(self, text):
    super().__init__()
    self.open, self.texts, self.scripts, self.addresses = [], [], [], []
    self.tags = []
    self.feed(text)
    self.close()
    assert not self.open

  def handle_starttag(self, tag, attrs):
    self.tags.append(tag)
    if tag not in _VOID:
      self.open.append(tag)
    self.addresses += [v for k, v in attrs if k in ('src', 'href', 'action')]

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    target = self.scripts if self.open[-1:] == ['script'] else self.texts
    target.append(data)

  @property
  def text(self):
    return '\n'.join(self.texts)

  @property
  def figures(self):
    found = {}
    for script in self.scripts:
      if script.startswith('figures.push('):
        name, figure = json.loads(script[len('figures.push(') : -len(');')])
        found[name] = figure
    return found


@pytest.fixture(scope='module')
def text(run_directory):
  return html_report.build(run_directory).read_text(encoding='utf-8')


@pytest.fixture(scope='module')
def parsed(text):
  return Page(text)


def test_report_tells_the_numbers(parsed, run_directory):
  metrics = json.loads(
      (run_directory / 'evaluation' / 'metrics.json').read_text()
  )
  assert metrics
  for name, value in metrics.items():
    if re.search(r'(recall|ndcg)@|(mrr|coverage)@3', name):
      assert f'{value:.4f}' in parsed.text, name
  for figure in ('83.3%', '2.8', '0.4321', '0.1234', '0.5550'):
    assert figure in parsed.text
  assert 'Seeds: semantic_ids 3, training 7.' in parsed.text
  assert 'all 6 items are candidates' in parsed.text


def test_report_loads_nothing_from_anywhere(text, parsed):
  assert parsed.addresses
  assert all(address.startswith('#part-') for address in parsed.addresses)
  assert 'link' not in parsed.tags
  own = text.replace(max(parsed.scripts, key=len), '')
  assert '@import' not in own
  assert 'url(' not in own
  assert 'http' not in own
  assert 'plotly.js' in max(parsed.scripts, key=len)[:200]


def test_text_from_data_is_escaped_everywhere(text, parsed):
  assert 'alert(1)' in parsed.text
  assert '<b>Bold</b> & "Brash"' in parsed.text
  assert 'User <u>' in parsed.text
  assert '<tiny & small>' in parsed.text
  assert 'u' not in parsed.tags
  assert 'script><script>alert' not in text
  # Plotly reads some tags in its texts: they are escaped within its data.
  tree = parsed.figures['sid-tree']['data'][0]
  assert '&lt;b&gt;Bold&lt;/b&gt; &amp;' in ''.join(tree['labels'])
  assert not any('<b>Bold' in label for label in tree['labels'])
  assert not any('<script' in hover for hover in tree['customdata'])


def test_figures_hold_the_recorded_curves(parsed):
  training, validation = parsed.figures['loss-training']['data']
  assert (training['x'], training['y']) == ([10, 20], [3.5, 2.25])
  assert (validation['x'], validation['y']) == ([20], [2.75])
  recall = parsed.figures['recall']['data'][0]
  assert (recall['name'], recall['x'], recall['y']) == ('training', [1], [0.5])


def test_items_without_a_title_are_named_by_their_id(parsed):
  assert 'i4' in parsed.text


def test_report_of_a_run_without_semantic_ids_leaves_their_parts_out(
    run_without_sids, tmp_path
):
  path = html_report.build(run_without_sids, tmp_path / 'out.html')
  found = Page(path.read_text(encoding='utf-8'))
  assert 'sid-tree' not in found.figures
  assert 'Quality of the Semantic IDs' not in found.text
  assert 'Results' in found.text


def test_report_leads_to_the_quality_report_once_it_is_there(
    run_directory, tmp_path, parsed
):
  run = tmp_path / 'run'
  shutil.copytree(run_directory, run)
  stage.run(
      'semantic_id_report',
      run / 'semantic_id_report',
      lambda folder, work: (folder / 'report.html').write_text('more'),
      inputs={},
      parameters={},
  )
  address = 'semantic_id_report/report.html'
  text = html_report.build(run).read_text(encoding='utf-8')
  assert address in Page(text).addresses
  assert address not in parsed.addresses


def test_report_shows_sids_without_a_disambiguation_level(
    run_directory, tmp_path
):
  run = tmp_path / 'run'
  shutil.copytree(run_directory, run)
  sid_table.make(
      [f'i{n}' for n in range(6)],
      [[0, 1], [1, 0], [0, 1], [1, 2], [2, 0], [0, 2]],
      codebook_sizes=(3, 3),
      tokenizer_hash='',
      next_codes=lambda rows, blocked: np.argmin(blocked, axis=1)[:, None],
  ).save(run / 'semantic_ids' / 'sid_table.parquet')
  found = Page(html_report.build(run).read_text(encoding='utf-8'))
  hovers = found.figures['sid-tree']['data'][0]['customdata']
  assert any('SID 0 1' in hover for hover in hovers)
  assert any('SID 0 0' in hover for hover in hovers)
  assert any('level 1</b>, codes 0<br>3 items' in hover for hover in hovers)


@pytest.mark.parametrize('missing', ['catalog', 'evaluation'])
def test_report_names_the_stage_that_is_missing(
    run_directory, tmp_path, missing
):
  run = tmp_path / 'run'
  shutil.copytree(run_directory, run)
  (run / 'report.html').write_text('earlier')
  shutil.rmtree(run / missing)
  with pytest.raises(InputError, match=missing):
    html_report.build(run)
  assert (run / 'report.html').read_text() == 'earlier'


def test_report_refuses_a_sid_table_of_another_catalog(run_directory, tmp_path):
  run = tmp_path / 'run'
  shutil.copytree(run_directory, run)
  sid_table.make(
      ['other'], [[0, 0]], codebook_sizes=(3, 3), tokenizer_hash=''
  ).save(run / 'semantic_ids' / 'sid_table.parquet')
  with pytest.raises(InputError, match='not of this catalog'):
    html_report.build(run)


def test_report_refuses_quality_that_is_no_json(run_directory, tmp_path):
  run = tmp_path / 'run'
  shutil.copytree(run_directory, run)
  (run / 'semantic_ids' / 'quality.json').write_text('{')
  with pytest.raises(InputError) as caught:
    html_report.build(run)
  assert 'quality.json' in str(caught.value)

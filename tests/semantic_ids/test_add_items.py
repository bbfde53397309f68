# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import json
import pathlib
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plum_jax.artifacts import atomic
from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import build as embed
from plum_jax.item_embeddings import modalities
from plum_jax.semantic_ids import add_items
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import build
from plum_jax.semantic_ids import collisions
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import lineage
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import tokenizer as tokenizers
from plum_jax.semantic_ids import tokenizer_kinds

_SIZES = {'text': 6, 'image': 3}
_FIRST = list(range(40))
_GROWN = [*range(45, 60), *reversed(range(45))]


def _embed(run, numbers, seed=0, sizes=None):
  """Writes catalog and embeddings of items by number."""
  (run / 'catalog').mkdir(exist_ok=True, parents=True)
  ids = [f'item {number}' for number in numbers]
  pq.write_table(pa.table({'item_id': ids}), run / 'catalog' / 'items.parquet')
  generator = np.random.default_rng(seed)
  files = []
  for name, size in (sizes or _SIZES).items():
    rows = generator.normal(size=(100, size)).astype(np.float32)
    rows[[5, 41, 42]] = rows[2]  # Old and new items with equal content.
    np.save(run / f'{name}.npy', rows[numbers])
    files.append(modalities.FileModality(name, str(run / f'{name}.npy')))
  embed.build(
      run / 'item_embeddings',
      catalog_directory=run / 'catalog',
      modalities=files,
  )


@pytest.fixture(params=collisions.KINDS)
def run(request, tmp_path, write_tokenizer) -> pathlib.Path:
  """A run with a table of the first 40 items."""
  run = tmp_path / 'run'
  _embed(run, _FIRST)
  folder = run / 'semantic_ids'
  write_tokenizer(folder / 'tokenizer')
  tokenizer = tokenizer_kinds.load(folder / 'tokenizer')
  embeddings = inputs.load(run / 'item_embeddings')
  assignment = assign.assign(tokenizer, embeddings)
  table = sid_table.make(
      [f'item {number}' for number in _FIRST],
      assignment.codes,
      codebook_sizes=tokenizer.codebook_sizes,
      tokenizer_hash=tokenizers.tokenizer_hash(folder / 'tokenizer'),
      next_codes=collisions.choices_of(tokenizer, embeddings)
      if request.param == collisions.NEAREST_FREE
      else None,
  )
  build.write_table(folder, table, assignment.reconstruction_errors, embeddings)
  (folder / 'metrics.jsonl').write_text('{"step": 1}\n')
  manifest.Manifest(
      build.STAGE,
      {
          'items': manifest.content_hash(run / 'catalog' / 'items.parquet'),
          'item_embeddings': manifest.content_hash(run / 'item_embeddings'),
      },
      {'tokenizer': {'some': 1}},
      seed=7,
  ).save(folder)
  return run


def _add(run, **changes):
  return add_items.build(
      run / 'semantic_ids',
      **{
          'catalog_directory': run / 'catalog',
          'embeddings_directory': run / 'item_embeddings',
          **changes,
      },
  )


def _table(run):
  folder = run / 'semantic_ids'
  return sid_table.load(
      folder / build.TABLE_FILE, tokenizer_directory=folder / 'tokenizer'
  )


def _sids(run):
  table = _table(run)
  return dict(
      zip(
          table.item_ids.to_pylist(),
          map(tuple, table.full_codes.tolist()),
          strict=True,
      )
  )


def _bytes(run):
  return {
      path.relative_to(run): path.read_bytes()
      for path in (run / 'semantic_ids').rglob('*')
      if path.is_file()
  }


def test_new_items_get_sids_and_old_ones_keep_theirs(run, caplog):
  before, files, first = _sids(run), _bytes(run), _table(run)
  _embed(run, _GROWN)
  with caplog.at_level('INFO', 'plum_jax'):
    made = _add(run)
  assert '40 items kept, 20 new, 0 removed' in caplog.text
  after, table = _sids(run), _table(run)
  assert table.item_ids.to_pylist() == [f'item {n}' for n in _GROWN]
  assert {item: after[item] for item in before} == before
  assert len(set(after.values())) == 60
  assert (table.version, table.level_sizes) == (2, first.level_sizes)
  # New items have the codes that their content gives, but for collisions.
  assert after['item 41'][:2] != after['item 42'][:2] or (
      table.collisions == collisions.DISAMBIGUATION
  )
  assert after['item 41'][0] == after['item 42'][0] == before['item 2'][0]
  embeddings = inputs.load(run / 'item_embeddings')
  tokenizer = tokenizer_kinds.load(run / 'semantic_ids' / 'tokenizer')
  np.testing.assert_array_equal(
      table.tokenizer_codes, assign.assign(tokenizer, embeddings).codes
  )
  now = _bytes(run)
  assert now.keys() == files.keys()
  kept = {path for path in now if now[path] == files[path]}
  assert {path.name for path in now.keys() - kept} == {
      'manifest.json',
      'quality.json',
      'sid_table.parquet',
  }
  figures = json.loads((run / 'semantic_ids' / 'quality.json').read_text())
  distinct = len(np.unique(table.tokenizer_codes, axis=0))
  assert figures['semantic_ids/num_items'] == 60
  assert figures['semantic_ids/uniqueness'] == distinct / 60
  assert (made.stage, made.seed) == ('assign_semantic_ids', 7)
  assert made.parameters['tokenizer'] == {'some': 1}


def test_running_again_changes_nothing(run, caplog):
  _add(run)  # Nothing is new.
  first = _bytes(run)
  assert json.loads(first[pathlib.Path('semantic_ids/manifest.json')])[
      'stage'
  ] == (build.STAGE)
  _embed(run, _GROWN)
  made = _add(run)
  files = _bytes(run)
  with caplog.at_level('INFO', 'plum_jax'):
    assert _add(run) == made
  assert 'up to date' in caplog.text
  assert _bytes(run) == files


def test_other_embeddings_of_old_items_change_no_sid(run):
  before = _sids(run)
  _embed(run, _FIRST, seed=1)
  _add(run)
  assert _sids(run) == before
  assert _table(run).version == 1
  _embed(run, _GROWN, seed=2)
  _add(run)
  assert before.items() <= _sids(run).items()


def test_items_that_left_the_catalog_leave_the_table(run, caplog):
  before = _sids(run)
  _embed(run, _GROWN[:-10])
  with caplog.at_level('INFO', 'plum_jax'):
    _add(run)
  assert '30 items kept, 20 new, 10 removed' in caplog.text
  after = _sids(run)
  assert 'item 2' not in after
  assert {i: after[i] for i in before.keys() & after} == {
      f'item {n}': before[f'item {n}'] for n in range(10, 40)
  }


def test_table_of_another_run_grows_and_then_goes_on_from_its_own(
    run, tmp_path
):
  before, previous = _sids(run), run / 'semantic_ids'
  other = tmp_path / 'other'
  _embed(other, _GROWN)
  _add(other, previous_directory=previous)
  second = _sids(other)
  assert before.items() <= second.items()
  assert _sids(run) == before
  _embed(other, [70, *_GROWN])
  _add(other, previous_directory=previous)
  assert second.items() <= _sids(other).items()
  assert _table(other).version == 3
  files = _bytes(other)
  _add(other, previous_directory=previous)
  assert _bytes(other) == files
  # The other way round: this table did not grow out of that.
  with pytest.raises(InputError, match='did not grow out of') as caught:
    _add(run, previous_directory=other / 'semantic_ids')
  assert 'PREVIOUS_SEMANTIC_IDS' in str(caught.value)
  assert _sids(run) == before


def test_add_refuses_a_table_of_another_tokenizer(run, write_tokenizer):
  shutil.rmtree(run / 'semantic_ids' / 'tokenizer')
  write_tokenizer(run / 'semantic_ids' / 'tokenizer', seed=1)
  files = _bytes(run)
  _embed(run, _GROWN)
  with pytest.raises(InputError, match='not made with the tokenizer'):
    _add(run)
  assert _bytes(run) == files


@pytest.mark.parametrize(
    ('sizes', 'message'),
    [
        ({'text': 6, 'image': 4}, 'trained on other embeddings'),
        ({'text': 6}, "no modality 'image'"),
    ],
)
def test_add_refuses_embeddings_of_another_kind(run, sizes, message):
  files = _bytes(run)
  _embed(run, _GROWN, sizes=sizes)
  with pytest.raises(InputError, match=message) as caught:
    _add(run)
  assert str(run / 'item_embeddings') in str(caught.value)
  assert _bytes(run) == files


@pytest.mark.parametrize(
    ('numbers', 'message'),
    [
        (range(41), '41 items of the catalog do not go'),
        # As many, in another order.
        (range(40)[::-1], 'made with another items than'),
    ],
)
def test_add_refuses_embeddings_of_another_catalog(run, numbers, message):
  ids = pa.table({'item_id': [f'item {number}' for number in numbers]})
  pq.write_table(ids, run / 'catalog' / 'items.parquet')
  with pytest.raises(InputError, match=message):
    _add(run)


def test_add_without_an_earlier_table_names_the_stage_that_makes_one(run):
  shutil.rmtree(run / 'semantic_ids')
  with pytest.raises(InputError, match='no earlier SID table') as caught:
    _add(run)
  assert 'Run the stage semantic_ids' in str(caught.value)


def test_add_leaves_the_old_folder_whole_wherever_it_is_killed(
    run, monkeypatch
):
  files = _bytes(run)
  _embed(run, _GROWN)
  rename = pathlib.Path.replace

  def killed_before_the_new_one_is_there(path, target):
    if target == run / 'semantic_ids':
      raise KeyboardInterrupt
    return rename(path, target)

  def killed_while_writing(*args):
    raise KeyboardInterrupt

  for owner, name, killed in (
      (build.summary, 'report', killed_while_writing),
      (pathlib.Path, 'replace', killed_before_the_new_one_is_there),
  ):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
      patch.setattr(owner, name, killed)
      _add(run)
    atomic.remove_leftovers(run)
    assert _bytes(run) == files
  _add(run)
  assert _table(run).version == 2


def test_what_was_made_with_an_earlier_version_goes_with_later_ones(
    run, tmp_path
):
  folder = run / 'semantic_ids'

  def artifact(name):
    made = tmp_path / name
    made.mkdir()
    inputs_of = {
        'semantic_ids': manifest.content_hash(folder),
        'table': manifest.content_hash(folder / build.TABLE_FILE),
    }
    manifest.Manifest('training', inputs_of, {}).save(made)
    return made

  made = {1: artifact('first')}
  first = shutil.copytree(folder, tmp_path / 'version_1')
  _embed(run, _FIRST + [50])
  _add(run)
  made[2] = artifact('second')
  _embed(run, _GROWN)
  _add(run)
  made[3] = artifact('third')
  for one in made.values():
    for role in ('semantic_ids', 'table'):
      lineage.check_input(one, role, folder)
  lineage.check_input(made[1], 'semantic_ids', first)
  with pytest.raises(InputError, match='made with another semantic_ids'):
    lineage.check_input(made[2], 'semantic_ids', first)
  with pytest.raises(InputError, match='no manifest'):
    lineage.check_input(tmp_path, 'semantic_ids', folder)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import pyarrow as pa
import pytest
import seqio

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.data import build as tasks_build
from plum_jax.data import rating_values
from plum_jax.data import training_windows
from plum_jax.models.answers import Answers
from plum_jax.vocabulary import build as vocabulary_build
from tasks import rating
from tests.data import tiny_run
from tests.data import worded_run

_HISTORIES = [[0, 5, 3, 1], [2, 4, 1]]


def _build(root, ratings):
  """Makes a run whose interactions have these ratings."""
  tiny_run.write_inputs(root, _HISTORIES)
  catalog = Catalog.load(root / 'catalog')
  old = catalog.interactions
  interactions = tables.make_interactions(
      old['user_id'],
      old['item_id'],
      old['time'],
      ratings=None if ratings is None else pa.array(ratings, pa.float32()),
      time_kind='absolute',
  )
  (root / 'catalog' / 'manifest.json').unlink()
  Catalog(catalog.items, interactions).save(root / 'catalog')
  manifest.Manifest('catalog', {}, {}).save(root / 'catalog')
  folders = {
      'catalog_directory': root / 'catalog',
      'semantic_ids_directory': root / 'semantic_ids',
  }
  vocabulary_build.build(root / 'vocabulary', **folders)
  tasks_build.build(root / 'tasks', **folders)
  return root


def test_values_are_those_of_training_windows(tmp_path):
  # Of the first user two interactions are trained on, of the second one.
  run = _build(tmp_path, [4, 3.5, 1, 2, None, 5, 1])
  values = rating_values.load(run)
  assert values.values == (3.5, 4.0)
  assert values.texts == ('3.5', '4')
  decode = worded_run.vocabulary(run).decode
  assert [decode(list(ids)) for ids in values.token_ids] == ['3.5', '4']
  # None is the beginning of another, so that they can be scored.
  assert Answers(values.token_ids).arrays[1].all(axis=1).any()
  counts = training_windows.item_counts(run)
  assert counts.tolist() == [1, 0, 1, 0, 0, 1]


def test_missing_ratings_are_not_asked_about(tmp_path):
  run = _build(tmp_path, [4, 3.5, None, 2, None, 5, 1])
  name = rating.register(worded_run.setting(run))
  dataset = seqio.get_mixture_or_task(name).get_dataset(
      {'inputs': 200, 'targets': 20}, split='validation', shuffle=False
  )
  found = [e['target_rating'] for e in dataset.as_numpy_iterator()]
  assert found == [5.0]


def test_catalogs_without_ratings_are_refused(tmp_path):
  for number, (ratings, what) in enumerate(
      (
          (None, 'are not rated'),
          ([3] * 7, 'have 1 distinct ratings'),
      )
  ):
    run = _build(tmp_path / str(number), ratings)
    with pytest.raises(InputError, match=what) as caught:
      rating.register(worded_run.setting(run))
    assert 'Leave the rating task out' in caught.value.fix

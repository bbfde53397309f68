# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A tiny run directory, its stages made by what makes real ones."""

import json
import pathlib

import numpy as np
import pyarrow as pa
import pytest

from plum_jax.artifacts import stage
from plum_jax.baselines import popularity
from plum_jax.catalog import splits
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.evaluation import evaluator
from plum_jax.evaluation import examples
from plum_jax.evaluation import results
from plum_jax.semantic_ids import sid_table
from plum_jax.training import metric_writers

TITLES = [
    'Alien </script><script>alert(1)</script>',
    '<b>Bold</b> & "Brash"',
    "Children's Hour",
    'Délicatessen',
    '',
    'Fargo',
]
CATEGORIES = [
    [['Horror'], ['Sci-Fi']],
    [['Comedy']],
    [['Drama']],
    [['Comedy']],
    [],
    [['Drama', 'Crime & <Punishment>']],
]
CODES = np.array([[0, 1], [1, 0], [0, 1], [1, 2], [2, 0], [0, 2]])
QUALITY = {
    'semantic_ids/num_items': 6,
    'semantic_ids/uniqueness': 5 / 6,
    'semantic_ids/items_without_collision': 4 / 6,
    'semantic_ids/largest_collision_group': 2,
    'semantic_ids/usage_level_1': 1.0,
    'semantic_ids/usage_level_2': 1.0,
    'semantic_ids/perplexity_level_1': 2.75,
    'semantic_ids/perplexity_level_2': 3.0,
    'semantic_ids/reconstruction_error_level_1': 0.4321,
    'semantic_ids/reconstruction_error_level_2': 0.1234,
    'semantic_ids/reconstruction_error': 0.1234,
    'semantic_ids/cosine_level_0/text': 0.111,
    'semantic_ids/cosine_level_1/text': 0.555,
    'semantic_ids/cosine_level_2/text': None,
}


def make_catalog() -> Catalog:
  # The user's name is markup, too.
  users = ['<u>', '<u>', '<u>', '<u>', 'v', 'v', 'v', 'w', 'w', 'w', 'w']
  items = [0, 1, 2, 3, 1, 2, 5, 5, 1, 0, 4]
  return Catalog(
      tables.make_items(
          pa.array([f'i{n}' for n in range(6)]),
          pa.array(TITLES),
          categories=pa.array(CATEGORIES, pa.list_(pa.list_(pa.string()))),
      ),
      tables.make_interactions(
          pa.array(users),
          pa.array([f'i{n}' for n in items]),
          pa.array(range(len(items))),
          time_kind='absolute',
      ),
  )


def _write_log(path: pathlib.Path, lines) -> None:
  writer = metric_writers.JsonLinesWriter(path)
  for step, scalars in lines:
    writer.write_scalars(step, scalars)


def _evaluate(folder: pathlib.Path, catalog: Catalog) -> None:
  split = splits.leave_one_out(catalog.histories)
  test = examples.make_examples(catalog.histories, split.test)
  recommender = popularity.PopularityRecommender(
      popularity.count_interactions(catalog.histories, split)
  )
  by_name = {}
  for name, masked in (
      ('popularity', True),
      ('popularity_history_kept', False),
      ('generative', True),
  ):
    by_name[name] = evaluator.evaluate(
        recommender,
        test.features,
        test.target_item_ids,
        num_items=catalog.num_items,
        ks=(1, 3),
        batch_size=2,
        exclude_history=masked,
    )
  results.save_results(
      folder,
      by_name,
      split='leave_one_out',
      user_ids=catalog.histories.user_ids[test.user],
      item_ids=catalog.item_ids,
      history_item_ids=test.history_item_ids,
  )


def make_run(run: pathlib.Path, *, semantic_ids: bool = True) -> pathlib.Path:
  catalog = make_catalog()
  stage.run(
      'catalog',
      run / 'catalog',
      lambda folder, work: catalog.save(folder),
      inputs={},
      parameters={'source': '<tiny & small>'},
  )

  def train(folder, work):
    del work
    _write_log(
        folder / 'metrics.jsonl',
        [
            (10, {'train/loss': 3.5, 'train/learning_rate': 0.1}),
            (20, {'train/loss': 2.25, 'train/learning_rate': 0.1}),
            (20, {'validation/loss': 2.75, 'validation/recall@10': 0.5}),
        ],
    )

  def tokenize(folder, work):
    del work
    sid_table.make(
        catalog.item_ids, CODES, codebook_sizes=(3, 3), tokenizer_hash='hash'
    ).save(folder / 'sid_table.parquet')
    (folder / 'quality.json').write_text(json.dumps(QUALITY))

  stage.run(
      'training',
      run / 'training',
      train,
      inputs={'catalog': run / 'catalog'},
      parameters={'num_steps': 20},
      seed=7,
  )
  if semantic_ids:
    stage.run(
        'semantic_ids',
        run / 'semantic_ids',
        tokenize,
        inputs={'catalog': run / 'catalog'},
        parameters={},
        seed=3,
    )
  stage.run(
      'evaluation',
      run / 'evaluation',
      lambda folder, work: _evaluate(folder, catalog),
      inputs={'catalog': run / 'catalog'},
      parameters={},
  )
  return run


@pytest.fixture(scope='session')
def run_directory(tmp_path_factory):
  """A run with catalog, training, semantic_ids and evaluation."""
  return make_run(tmp_path_factory.mktemp('runs') / 'tiny')


@pytest.fixture(scope='session')
def run_without_sids(tmp_path_factory):
  """A run of baselines alone."""
  return make_run(
      tmp_path_factory.mktemp('runs') / 'baselines', semantic_ids=False
  )

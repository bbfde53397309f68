# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A tiny run without disambiguation codes, whose catalog then grows."""

import csv
import json
import pathlib

import jax
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings.modalities import FileModality
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.networks.config import TransformerConfig
from plum_jax.reports.html_report import ReportConfig
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids.build import SemanticIdsConfig
from plum_jax.semantic_ids.rqvae import RqvaeConfig
from plum_jax.semantic_ids.train_step import TrainConfig as SidTrainConfig
from plum_jax.serving import bundle as bundles
from plum_jax.sharding.mesh import make_mesh
from plum_jax.stages import assign_semantic_ids
from plum_jax.stages import bundle
from plum_jax.stages import catalog
from plum_jax.stages import evaluate
from plum_jax.stages import item_embeddings
from plum_jax.stages import report
from plum_jax.stages import semantic_ids
from plum_jax.stages import tasks
from plum_jax.stages import train
from plum_jax.stages import vocabulary
from plum_jax.testing import tiny_catalog
from plum_jax.training.config import TrainConfig
from plum_jax.training.optimizers import AdamW
from plum_jax.training.schedules import Constant
from tasks import histories

_NUM_ITEMS, _NUM_NEW = 24, 6


def _one_device():
  # Of what is tested here nothing depends on devices; one compiles sooner.
  return make_mesh(devices=jax.devices()[:1])


class _Run:
  """The stages of one run directory."""

  def __init__(self, path: pathlib.Path, source: pathlib.Path):
    self.path, self.source = path, source
    self.files = tiny_catalog.write(source, num_items=_NUM_ITEMS)
    self.feed = None

  def items(self):
    catalog.run(str(self.path), self.files)
    embeddings = FileModality('text', str(self.source / 'embeddings.npy'))
    item_embeddings.run(str(self.path), [embeddings], 256)

  def semantic_ids(self):
    semantic_ids.run(
        str(self.path),
        SemanticIdsConfig(
            tokenizer=RqvaeConfig(
                codebook_sizes=(4, 16), hidden_sizes=(16,), latent_size=8
            ),
            training=SidTrainConfig(epochs=20, batch_size=24),
            collisions='nearest_free',
        ),
        0,
    )

  def assign(self):
    assign_semantic_ids.run(str(self.path), '')

  def vocabulary(self):
    vocabulary.run(str(self.path), '', 128)

  def tasks(self):
    tasks.run(str(self.path), 'leave_one_out', {}, 0)
    task = histories.register('tiny', self.path, max_items=9)
    self.feed = train.Feed(task, {'targets': 18}, 'decoder_only', 16)

  def train(self):
    config = TransformerConfig(
        vocab_size=vocabulary.padded_vocab_size(str(self.path)),
        num_layers=1,
        emb_dim=16,
        num_heads=2,
        head_dim=8,
        mlp_dim=32,
        dropout_rate=0.0,
    )
    train.run(
        str(self.path),
        DecoderOnlyModel(config),
        self.feed,
        TrainConfig(
            num_steps=20,
            optimizer=AdamW(schedule=Constant(learning_rate=0.02)),
            log_every=10,
            best_metric=None,
        ),
        _one_device(),
        'fsdp_tensor',
        beam_size=10,
        max_validation_users=0,
    )

  def evaluate(self):
    evaluate.run(
        str(self.path),
        recommenders=('generative', 'popularity'),
        task=self.feed.task,
        task_feature_lengths=self.feed.task_feature_lengths,
        split='test',
        ks=(1, 5),
        beam_size=10,
        batch_size=16,
        exclude_history=True,
        mesh=_one_device(),
    )
    return json.loads((self.path / 'evaluation' / 'metrics.json').read_text())

  def bundle(self):
    bundle.run(
        str(self.path),
        self.feed.task,
        self.feed.task_feature_lengths,
        beam_size=10,
        exclude_history=True,
    )
    return bundles.load(self.path / 'bundle')

  def table(self):
    return sid_table.load(self.path / 'semantic_ids' / 'sid_table.parquet')

  def hash(self, stage):
    return manifest.content_hash(self.path / stage)

  def grow(self):
    """Adds items before, and the old ones come in another order."""
    path = self.source / 'items.csv'
    with open(path, newline='', encoding='utf-8') as file:
      header, *rows = csv.reader(file)
    new = [[f'n{i}', f'New film {i}', 'drama'] for i in range(_NUM_NEW)]
    with open(path, 'w', newline='', encoding='utf-8') as file:
      csv.writer(file).writerows([header, *new, *reversed(rows)])
    vectors = np.load(self.source / 'embeddings.npy')
    # Three of the new items are copies of old ones, in content.
    np.save(
        self.source / 'embeddings.npy',
        np.concatenate([vectors[:3], -vectors[:3], vectors[::-1]]),
    )
    with open(self.source / 'interactions.csv', 'a', encoding='utf-8') as file:
      for user in range(8):
        file.write(f'u{user},n{user % _NUM_NEW},1100000000,5\n')


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  return _Run(tmp_path_factory.mktemp('run'), tmp_path_factory.mktemp('source'))


def _sids(table):
  return dict(
      zip(
          table.item_ids.to_pylist(),
          map(tuple, table.full_codes.tolist()),
          strict=True,
      )
  )


def test_generator_recommends_items_that_came_after_its_training(run):
  for stage in (
      run.items,
      run.semantic_ids,
      run.vocabulary,
      run.tasks,
      run.train,
      run.evaluate,
  ):
    stage()
  report.run(str(run.path), ReportConfig())
  assert 'Film number' in (run.path / 'report.html').read_text()
  first = run.table()
  assert first.level_sizes == (4, 16)
  generator, tokens = run.hash('training'), run.hash('vocabulary')

  before = run.bundle()

  run.grow()
  run.items()
  with pytest.raises(InputError, match='of other items'):
    run.bundle()
  with pytest.raises(InputError, match='made with another catalog'):
    run.evaluate()
  run.assign()
  grown = run.table()
  assert grown.version == 2
  assert grown.num_items == _NUM_ITEMS + _NUM_NEW
  assert _sids(first).items() <= _sids(grown).items()
  np.testing.assert_array_equal(
      grown.tokenizer_codes[:3],
      first.tokenizer_codes[first.item_rows(['i0', 'i1', 'i2'])],
  )
  # A bundle needs no tasks: new items are live as soon as they have SIDs.
  after = run.bundle()
  assert after.version != before.version
  assert after.generator_hash == before.generator_hash
  assert after.table.num_items == _NUM_ITEMS + _NUM_NEW
  assert after.titles[0].as_py() == 'New film 0'
  with pytest.raises(InputError, match='made with another') as caught:
    run.evaluate()
  assert str(run.path / 'tasks') in str(caught.value)
  run.vocabulary()
  run.tasks()
  metrics = run.evaluate()
  report.run(str(run.path), ReportConfig())
  # The same generator, for old and new items.
  assert (run.hash('training'), run.hash('vocabulary')) == (generator, tokens)
  assert metrics['generative/retrieval/valid_item_rate@5'] == 1.0
  recommended = pq.read_table(
      run.path / 'evaluation' / 'recommendations.parquet'
  ).filter(pc.field('recommender') == 'generative')
  shown = pc.list_flatten(recommended['item_ids'])
  assert pc.any(pc.starts_with(shown, 'n')).as_py()

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tiny runs to bundles, and what they recommend beside the evaluation."""

import jax
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.decoding.strategies import Sampling
from plum_jax.item_embeddings.modalities import FileModality
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig
from plum_jax.semantic_ids.build import SemanticIdsConfig
from plum_jax.semantic_ids.rqvae import RqvaeConfig
from plum_jax.semantic_ids.train_step import TrainConfig as SidTrainConfig
from plum_jax.serving import batch
from plum_jax.serving import bundle as bundles
from plum_jax.sharding.mesh import make_mesh
from plum_jax.stages import bundle
from plum_jax.stages import catalog
from plum_jax.stages import evaluate
from plum_jax.stages import item_embeddings
from plum_jax.stages import semantic_ids
from plum_jax.stages import tasks
from plum_jax.stages import train
from plum_jax.stages import vocabulary
from plum_jax.testing import tiny_catalog
from plum_jax.training.config import TrainConfig
from plum_jax.training.optimizers import AdamW
from plum_jax.training.schedules import Constant
from tasks import histories
from tasks import retrieval

_SIZES = {
    'emb_dim': 16,
    'num_heads': 2,
    'head_dim': 8,
    'mlp_dim': 32,
    'dropout_rate': 0.0,
}


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  """A run directory with all that comes before training."""
  run_dir = tmp_path_factory.mktemp('run')
  source_dir = tmp_path_factory.mktemp('source')
  catalog.run(str(run_dir), tiny_catalog.write(source_dir))
  path = str(source_dir / 'embeddings.npy')
  item_embeddings.run(str(run_dir), [FileModality('text', path)], 256)
  config = SemanticIdsConfig(
      tokenizer=RqvaeConfig(
          codebook_sizes=(4, 4), hidden_sizes=(16,), latent_size=8
      ),
      training=SidTrainConfig(epochs=2, batch_size=24),
  )
  semantic_ids.run(str(run_dir), config, 0)
  vocabulary.run(str(run_dir), '', 128)
  tasks.run(str(run_dir), 'leave_one_out', {}, 0)
  return run_dir


def _train(run_dir, kind):
  """Trains for a few steps; returns the task and its lengths."""
  vocab_size = vocabulary.padded_vocab_size(str(run_dir))
  if kind == 'decoder_only':
    model = DecoderOnlyModel(
        TransformerConfig(vocab_size=vocab_size, num_layers=1, **_SIZES)
    )
    # Histories of nine items do not fit.
    task, lengths = (
        histories.register('tiny', run_dir, max_items=6),
        {'targets': 27},
    )
  else:
    config = T5Config(
        vocab_size=vocab_size,
        num_encoder_layers=1,
        num_decoder_layers=1,
        **_SIZES,
    )
    model = EncoderDecoderModel(config)
    task = retrieval.register('tiny', run_dir)
    lengths = {'inputs': 17, 'targets': 3}
  train.run(
      str(run_dir),
      model,
      train.Feed(task, lengths, kind, batch_size=16),
      TrainConfig(
          num_steps=4,
          optimizer=AdamW(schedule=Constant(learning_rate=0.02)),
          log_every=4,
          best_metric=None,
      ),
      make_mesh(devices=jax.devices()[:1]),
      'fsdp_tensor',
      beam_size=10,
      max_validation_users=0,
  )
  return task, lengths


def _histories(run_dir):
  """Returns users and their histories as the evaluation on `test` has them."""
  table = pq.read_table(run_dir / 'catalog' / 'interactions.parquet')
  table = table.append_column('row', pa.array(np.arange(len(table))))
  table = table.sort_by([('time', 'ascending'), ('row', 'ascending')])
  grouped = {}
  for row in table.to_pylist():
    grouped.setdefault(row['user_id'], []).append(row['item_id'])
  return [
      {'user_id': user, 'history': items[:-1]}
      for user, items in grouped.items()
  ]


@pytest.mark.parametrize('kind', ['decoder_only', 'encoder_decoder'])
def test_bundle_recommends_what_the_evaluation_does(prepared, tmp_path, kind):
  run_dir = str(prepared)
  task, lengths = _train(prepared, kind)
  evaluate.run(
      run_dir,
      recommenders=('generative',),
      task=task,
      task_feature_lengths=lengths,
      split='test',
      ks=(1, 5),
      beam_size=10,
      batch_size=16,
      exclude_history=True,
  )
  bundle.run(run_dir, task, lengths, 10, True)
  pq.write_table(
      pa.Table.from_pylist(_histories(prepared)), tmp_path / 'users.parquet'
  )
  batch.recommend(
      bundles.load(prepared / 'bundle'),
      str(tmp_path / 'users.parquet'),
      tmp_path / 'out',
      batch.BatchConfig(k=5, batch_size=16, max_history=8),
  )
  found = {
      row['user_id']: row for row in pq.read_table(tmp_path / 'out').to_pylist()
  }
  evaluated = pq.read_table(
      prepared / 'evaluation' / 'recommendations.parquet'
  ).filter(pc.field('recommender') == 'generative')
  assert len(evaluated) == len(found) == 32
  for row in evaluated.to_pylist():
    served = found[row['user_id']]
    assert served['item_ids'] == row['item_ids']
    # To the bit.
    np.testing.assert_array_equal(
        np.float32(served['scores']), np.float32(row['scores'])
    )


def test_tasks_that_cannot_be_served_are_refused(prepared):
  task, lengths = _train(prepared, 'encoder_decoder')
  with pytest.raises(InputError, match='Sampling cannot be served'):
    bundle.run(str(prepared), task, lengths, 10, True, Sampling())
  with_titles = retrieval.register('tiny', prepared, item_fields=['title'])
  with pytest.raises(InputError, match='cannot be made from item ids'):
    bundle.run(str(prepared), with_titles, {'inputs': 90}, 10, True)


def test_artifacts_that_do_not_belong_are_refused(prepared, tmp_path):
  import shutil

  task, lengths = _train(prepared, 'encoder_decoder')
  other = tmp_path / 'run'
  shutil.copytree(prepared, other)
  (other / 'vocabulary' / 'numeric_features.json').write_text('{}')
  with pytest.raises(InputError, match='made with another vocabulary'):
    bundle.run(str(other), task, lengths, 10, True)
  assert (other / 'bundle').exists() == (prepared / 'bundle').exists()

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""All stages on a tiny catalog: what they leave, skip, resume and refuse."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pyarrow as pa
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.baselines.build_lem import LemTraining
from plum_jax.baselines.build_sasrec import SasrecTraining
from plum_jax.catalog.catalog import Catalog
from plum_jax.data import evaluation_arrays
from plum_jax.decoding.strategies import DiverseBeamSearch
from plum_jax.item_embeddings.modalities import FileModality
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig
from plum_jax.reports.html_report import ReportConfig
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids.build import SemanticIdsConfig
from plum_jax.semantic_ids.rqvae import RqvaeConfig
from plum_jax.semantic_ids.train_step import TrainConfig as SidTrainConfig
from plum_jax.sharding.mesh import make_mesh
from plum_jax.stages import catalog
from plum_jax.stages import evaluate
from plum_jax.stages import evaluation_loss
from plum_jax.stages import item_embeddings
from plum_jax.stages import lem
from plum_jax.stages import report
from plum_jax.stages import sasrec
from plum_jax.stages import semantic_ids
from plum_jax.stages import tasks
from plum_jax.stages import titles
from plum_jax.stages import train
from plum_jax.stages import vocabulary
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.testing import tiny_catalog
from plum_jax.training.config import TrainConfig
from plum_jax.training.optimizers import AdamW
from plum_jax.training.schedules import Constant
from plum_jax.vocabulary.layout import VocabularyLayout
from tasks import histories
from tasks import retrieval

_SIZES = {
    'emb_dim': 16,
    'num_heads': 2,
    'head_dim': 8,
    'mlp_dim': 32,
    'dropout_rate': 0.0,
}
_STEPS = 60


def _prepare(run_dir, source_dir, seed=0):
  """Runs the stages before training."""
  source = tiny_catalog.write(source_dir)
  catalog.run(str(run_dir), source)
  path = str(source_dir / 'embeddings.npy')
  item_embeddings.run(str(run_dir), [FileModality('text', path)], 256)
  _semantic_ids(run_dir, seed)
  vocabulary.run(str(run_dir), '', 128)
  tasks.run(str(run_dir), 'leave_one_out', {}, 0)


def _semantic_ids(run_dir, seed):
  config = SemanticIdsConfig(
      tokenizer=RqvaeConfig(
          codebook_sizes=(4, 4), hidden_sizes=(16,), latent_size=8
      ),
      training=SidTrainConfig(epochs=20, batch_size=24),
  )
  semantic_ids.run(str(run_dir), config, seed)


def _train(run_dir, kind='decoder_only', steps=_STEPS):
  vocab_size = vocabulary.padded_vocab_size(str(run_dir))
  if kind == 'decoder_only':
    model = DecoderOnlyModel(
        TransformerConfig(vocab_size=vocab_size, num_layers=1, **_SIZES)
    )
    task = histories.register('tiny', run_dir, max_items=9)
    lengths = {'targets': 27}
  else:
    model = EncoderDecoderModel(
        T5Config(
            vocab_size=vocab_size,
            num_encoder_layers=1,
            num_decoder_layers=1,
            **_SIZES,
        )
    )
    task = retrieval.register('tiny', run_dir)
    lengths = {'inputs': 24, 'targets': 3}
  feed = train.Feed(task, lengths, kind, batch_size=16)
  train.run(
      str(run_dir),
      model,
      feed,
      TrainConfig(
          num_steps=steps,
          optimizer=AdamW(schedule=Constant(learning_rate=0.02)),
          evaluate_every=steps // 2,
          log_every=10,
          best_metric='validation/retrieval/recall@10',
      ),
      make_mesh(),
      'fsdp_tensor',
      beam_size=10,
      max_validation_users=32,
  )
  return feed


def _evaluate(run_dir, feed, **changes):
  arguments = {
      'recommenders': ('generative', 'sasrec', 'lem', 'popularity'),
      'task': feed.task,
      'task_feature_lengths': feed.task_feature_lengths,
      'split': 'test',
      'ks': (1, 5),
      'beam_size': 10,
      'batch_size': 16,
      'exclude_history': True,
      'mesh': make_mesh(),
  }
  evaluate.run(str(run_dir), **{**arguments, **changes})
  return json.loads((run_dir / 'evaluation' / 'metrics.json').read_text())


def _lem(run_dir, num_layers=1):
  config = LemTraining(
      max_length=8, embed_size=16, num_layers=num_layers, mlp_size=16
  )
  mesh = make_mesh(devices=jax.devices()[:1])
  lem.run(str(run_dir), config, 1, True, 'leave_one_out', {}, 0, mesh)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """A run directory with all stages, and what its generator was fed."""
  run_dir = tmp_path_factory.mktemp('run')
  _prepare(run_dir, tmp_path_factory.mktemp('source'))
  feed = _train(run_dir)
  config = SasrecTraining(
      max_length=8, embed_size=8, num_layers=1, num_epochs=2, mlp_size=16
  )
  sasrec.run(str(run_dir), config, 'leave_one_out', {}, 0, make_mesh())
  _lem(run_dir)
  _evaluate(run_dir, feed)
  report.run(str(run_dir), ReportConfig())
  return run_dir, feed


def test_run_leaves_metrics_and_a_report(finished):
  run_dir, _ = finished
  metrics = json.loads((run_dir / 'evaluation' / 'metrics.json').read_text())
  # The next item follows from the last in nine of ten cases.
  assert metrics['generative/retrieval/recall@5'] > 0.6
  assert metrics['popularity/retrieval/recall@5'] < 0.6
  assert 0 <= metrics['sasrec/retrieval/recall@5'] <= 1
  # SASRec's steps are fixed; the LEM's are what the generator's FLOPs pay for.
  flops = metrics['generative/training/flops']
  assert metrics['lem/training/flops'] == pytest.approx(flops, rel=0.01)
  assert metrics['generative/training/examples'] == _STEPS * 16
  assert metrics['generative/training/targets'] > 0
  assert metrics['sasrec/parameters/tables'] == 128 * 8
  assert metrics['lem/parameters/tables'] == 2 * 128 * 16
  assert metrics['popularity/training/flops'] is None
  # Every item of the tiny catalog is trained on.
  assert metrics['lem/cold_start/num_targets'] == 0
  assert metrics['lem/cold_start/recall@5'] is None
  html = (run_dir / 'report.html').read_text()
  assert 'Film number' in html
  assert not list((run_dir / 'work').iterdir())


def test_evaluation_loss_is_that_of_each_targets_tokens(finished):
  run_dir, feed = finished
  arguments = (feed.task, feed.task_feature_lengths, 'validation', 10)
  evaluation_loss.run(str(run_dir), *arguments)
  folder = run_dir / 'evaluation_loss'
  found = json.loads((folder / 'metrics.json').read_text())
  model, params, _ = train.load(str(run_dir))
  arrays = evaluation_arrays.evaluation_arrays(
      feed.task, 'validation', feed.task_feature_lengths, 'decoder_only'
  )
  table = sid_table.load(run_dir / 'semantic_ids' / 'sid_table.parquet')
  tokens = VocabularyLayout.load(run_dir / 'vocabulary').sid_tokens
  # Each user's prompt and target as one sequence, as training has them.
  length = arrays['prompt_tokens'].shape[1] + 3
  targets = np.zeros((len(arrays['user']), length), np.int32)
  weights = np.zeros(targets.shape, np.float32)
  for row, size in enumerate(arrays['prompt_lengths']):
    sid = tokens.token_ids(table.full_codes[arrays['target_item_ids'][row]])
    targets[row, :size] = arrays['prompt_tokens'][row, :size]
    targets[row, size : size + 3] = sid
    weights[row, size : size + 3] = 1
  batch = {
      'decoder_input_tokens': np.pad(targets, ((0, 0), (1, 0)))[:, :-1],
      'decoder_target_tokens': targets,
      'decoder_loss_weights': weights,
  }
  loss_sum, sums = jax.jit(model.loss_fn)(params, batch, None)
  assert found['generative/evaluation_targets'] == len(targets) == 32
  assert found['generative/evaluation_loss'] == pytest.approx(
      float(loss_sum / sums['loss'][1]), rel=1e-4
  )


def test_evaluation_refuses_a_lem_with_the_flops_of_another_training(
    finished, tmp_path
):
  run_dir, feed = finished
  other = tmp_path / 'run'
  shutil.copytree(run_dir, other)
  (other / 'training' / 'metrics.jsonl').write_text('{"step": 1}\n')
  with pytest.raises(InputError, match='another training'):
    _evaluate(other, feed, recommenders=('lem',))


def test_lem_of_equal_flops_needs_a_trained_generator(finished, tmp_path):
  shutil.copytree(finished[0] / 'catalog', tmp_path / 'catalog')
  with pytest.raises(InputError, match='stage train first'):
    _lem(tmp_path)


def test_run_skips_what_is_finished(finished, caplog):
  run_dir, feed = finished
  before = (run_dir / 'training' / 'manifest.json').stat().st_mtime_ns
  with caplog.at_level('INFO', 'plum_jax'):
    _train(run_dir)
    _evaluate(run_dir, feed)
  assert (run_dir / 'training' / 'manifest.json').stat().st_mtime_ns == before
  assert sum('skipped' in message for message in caplog.messages) == 2


def test_evaluation_refuses_another_sid_table_and_names_both(
    finished, tmp_path
):
  run_dir, feed = finished
  other = tmp_path / 'run'
  shutil.copytree(run_dir, other)
  _semantic_ids(other, seed=1)
  with pytest.raises(InputError) as caught:
    _evaluate(other, dataclasses.replace(feed))
  assert str(other / 'training') in str(caught.value)
  assert str(other / 'semantic_ids') in str(caught.value)
  assert (other / 'evaluation' / 'metrics.json').exists()


def test_evaluation_with_another_decoding_is_made_anew(finished, tmp_path):
  run_dir, feed = finished
  other = tmp_path / 'run'
  shutil.copytree(run_dir, other)
  arguments = {'recommenders': ('generative', 'popularity')}
  beams = _evaluate(other, feed, **arguments)
  groups = _evaluate(other, feed, decoding=DiverseBeamSearch(5, 9), **arguments)
  metric = 'retrieval/diversity@5'
  assert groups[f'popularity/{metric}'] == beams[f'popularity/{metric}'] > 0
  assert groups[f'generative/{metric}'] != beams[f'generative/{metric}']
  assert groups['generative/retrieval/valid_item_rate@5'] == 1.0
  manifest = json.loads((other / 'evaluation' / 'manifest.json').read_text())
  assert manifest['parameters']['decoding'] == {
      'strategy': 'DiverseBeamSearch',
      'num_groups': 5,
      'penalty': 9,
  }


def test_title_trie_of_a_run_refuses_items_without_a_title(finished, tmp_path):
  run_dir, _ = finished
  other = tmp_path / 'run'
  shutil.copytree(run_dir, other)
  trie = titles.load_title_trie(RunDirectory(other))
  table = Catalog.load(other / 'catalog')
  assert trie.num_items == table.num_items
  cut = titles.load_title_trie(RunDirectory(other), max_tokens=2)
  assert cut.num_levels == 3 < trie.num_levels  # with their end
  assert cut.num_titles < trie.num_titles
  column = table.items.schema.get_field_index('title')
  emptied = table.items.set_column(
      column, 'title', pa.array(['', *table.titles[1:]])
  )
  dataclasses.replace(table, items=emptied).save(other / 'catalog')
  with pytest.raises(InputError, match='is empty') as caught:
    titles.load_title_trie(RunDirectory(other))
  assert table.item_ids[0] in str(caught.value)


def test_evaluation_refuses_an_unknown_recommender(finished):
  run_dir, feed = finished
  with pytest.raises(InputError, match='tiger'):
    _evaluate(run_dir, feed, recommenders=('tiger',))


def test_encoder_decoder_trains_and_recommends_through_the_same_stages(
    finished, tmp_path
):
  run_dir, _ = finished
  other = tmp_path / 'run'
  shutil.copytree(run_dir, other)
  feed = _train(other, 'encoder_decoder', steps=80)
  metrics = _evaluate(
      other,
      feed,
      recommenders=('generative', 'generative_titles'),
      title_task=feed.task,
  )
  # It has never seen a title; but what it writes is one.
  assert metrics['generative_titles/retrieval/valid_item_rate@5'] == 1.0
  with pytest.raises(InputError, match='TITLE_TASK'):
    _evaluate(other, feed, recommenders=('generative_titles',))
  # By chance it would be 5 of 24. One encoder layer hardly tells which item of
  # the history is the newest.
  assert metrics['generative/retrieval/recall@5'] > 0.4
  assert metrics['generative/retrieval/valid_item_rate@5'] == 1.0

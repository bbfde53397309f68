# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Ranking and rating beside retrieval, of all models of a tiny run."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pyarrow as pa
import pytest
import seqio

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.baselines.build_biased_mf import BiasedMfTraining
from plum_jax.baselines.build_bpr_mf import BprMfTraining
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.ranking_candidates import draw_ranking_candidates
from plum_jax.data.worded_setting import WordedSetting
from plum_jax.evaluation import ranking as ranking_metrics
from plum_jax.models import saved
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import T5Config
from plum_jax.sharding.mesh import make_mesh
from plum_jax.stages import biased_mf
from plum_jax.stages import bpr_mf
from plum_jax.stages import evaluate
from plum_jax.stages import evaluate_tasks
from plum_jax.stages import train
from plum_jax.stages import vocabulary
from plum_jax.stages.evaluated_tasks import MODELS
from plum_jax.stages.evaluated_tasks import RankingQuestion
from plum_jax.stages.evaluated_tasks import RatingQuestion
from tasks import ranking
from tasks import rating
from tests.data.tiny_run import build_run

_CODES = np.array([[i // 4, i // 2 % 2] for i in range(12)])
_HISTORIES = [[(3 * user + n) % 12 for n in range(5)] for user in range(10)]
_LENGTHS = {'inputs': 160, 'targets': 16}
_ASK = {'num_negatives': 4, 'ks': (1, 2)}


def _one_device():
  return make_mesh(devices=jax.devices()[:1])


def _evaluate(run, targets='test', split='leave_one_out', **changes):
  arguments = {
      'models': MODELS,
      'ranking': RankingQuestion(**_ASK),
      'rating': RatingQuestion(),
  }
  evaluate_tasks.run(
      str(run),
      **(arguments | changes),
      task_feature_lengths=_LENGTHS,
      split=split,
      split_options={},
      targets=targets,
      batch_size=4,
  )
  folder = run / 'task_evaluation'
  return (
      json.loads((folder / 'metrics.json').read_text()),
      json.loads((folder / 'protocol.json').read_text()),
  )


def _save_generator(run):
  """Leaves what the stage train does, of a model that has learnt nothing."""
  model = EncoderDecoderModel(
      T5Config(
          vocab_size=vocabulary.padded_vocab_size(str(run)),
          num_encoder_layers=1,
          num_decoder_layers=1,
          emb_dim=8,
          num_heads=2,
          head_dim=4,
          mlp_dim=8,
          dropout_rate=0.0,
      )
  )
  tokens = jax.ShapeDtypeStruct((1, 4), np.int32)
  shapes = {'encoder_input_tokens': tokens, 'decoder_input_tokens': tokens}
  params = jax.jit(lambda key: model.init(key, shapes)['params'])(
      jax.random.key(0)
  )
  stage.run(
      'training',
      run / 'training',
      lambda directory, work: checkpoints.save_params(
          directory / train.CHECKPOINT,
          params,
          {'model': saved.to_json(model), 'feed': {}},
      ),
      inputs={name: run / name for name in ('semantic_ids', 'vocabulary')},
      parameters={},
  )


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """A run with all models but SASRec and the LEM, and its tasks' names."""
  run = build_run(tmp_path_factory.mktemp('root') / 'run', _HISTORIES, _CODES)
  setting = WordedSetting('evaluated', run, noun='film')
  tasks = {
      'ranking': ranking.register(setting),
      'pointwise': ranking.pointwise(setting),
      'rating': rating.register(setting),
  }
  _save_generator(run)
  mesh, sizes = _one_device(), {'embed_size': 2, 'num_epochs': 2}
  for baseline, config in (
      (bpr_mf, BprMfTraining(**sizes, batch_size=8)),
      (biased_mf, BiasedMfTraining(**sizes, batch_size=8)),
  ):
    baseline.run(str(run), config, 'leave_one_out', {}, 0, mesh)
  evaluate.run(
      str(run),
      ('bpr_mf', 'popularity'),
      tasks['ranking'],
      _LENGTHS,
      'test',
      (1, 2),
      beam_size=4,
      batch_size=4,
      exclude_history=True,
  )
  return run, tasks


def _ask(tasks, **changes):
  return {
      'ranking': RankingQuestion(
          **(_ASK | {'task': tasks['ranking']} | changes)
      ),
      'rating': RatingQuestion(tasks['rating'], liked=6.0),
  }


@pytest.fixture(scope='module')
def results(finished):
  run, tasks = finished
  return _evaluate(run, **_ask(tasks))


def test_every_model_has_every_metric_or_a_reason(results):
  metrics, protocol = results
  for model in MODELS:
    for name in ('retrieval/recall@2', 'ranking/hr@2', 'rating/rmse'):
      task = name.partition('/')[0]
      reason = protocol['undefined'].get(f'{model}/{task}')
      assert (metrics[f'{model}/{name}'] is None) == bool(reason)
  undefined = protocol['undefined']
  assert undefined['sasrec/ranking'] == 'the run has no finished sasrec/'
  assert undefined['bpr_mf/rating'] == 'it predicts no ratings'
  assert undefined['user_mean/ranking'] == 'it scores no candidates'
  assert 'left it out' in undefined['generative/retrieval']
  assert 'generative/rating' not in undefined
  assert metrics['generative/rating/auc'] is not None


def test_figures_of_simple_models_are_those_counted_by_hand(finished, results):
  metrics, _ = results
  histories = Catalog.load(finished[0] / 'catalog').histories
  split = splits.leave_one_out(histories)
  trained = split.train_mask(histories)
  counts = np.bincount(histories.item_ids[trained], minlength=12)
  drawn = draw_ranking_candidates(histories, split, split.test, num_negatives=4)
  expected = ranking_metrics.ranking_metrics(
      counts[drawn.item_ids].astype(float), drawn.place, ks=(1, 2)
  )
  for name, value in expected.items():
    assert metrics[f'popularity/{name}'] == pytest.approx(value)
  ratings = histories.ratings[split.test.position]
  errors = ratings - histories.ratings[trained].mean()
  rmse = np.sqrt(np.mean(errors**2))
  assert metrics['global_mean/rating/rmse'] == pytest.approx(rmse, rel=1e-5)
  assert metrics['global_mean/rating/auc'] == 0.5


def test_retrieval_is_what_the_stage_evaluate_measured(finished, results):
  run, _ = finished
  measured = json.loads((run / 'evaluation' / 'metrics.json').read_text())
  for model in ('bpr_mf', 'popularity'):
    name = f'{model}/retrieval/ndcg@2'
    assert results[0][name] == measured[name]


@pytest.mark.parametrize(
    ('answer', 'task'), [('title', 'ranking'), ('yes_no', 'pointwise')]
)
def test_a_generator_ranks_by_titles_and_by_yes_too(finished, answer, task):
  run, tasks = finished
  asked = _ask(tasks, answer=answer, task=tasks[task])
  asked['rating'] = RatingQuestion()
  metrics, protocol = _evaluate(run, models=('generative',), **asked)
  assert 0 < metrics['generative/ranking/mrr'] < 1
  reason = 'RATING_TASK names no task'
  assert protocol['undefined']['generative/rating'] == reason


def test_pointwise_prompts_that_ask_about_no_candidate_are_refused(finished):
  run, tasks = finished
  asked = _ask(tasks, answer='yes_no')
  asked['ranking'] = RankingQuestion(
      **_ASK, task=f'{tasks["ranking"]}_mixture', answer='yes_no'
  )
  name = asked['ranking'].task
  if name not in seqio.MixtureRegistry.names():
    seqio.MixtureRegistry.add(name, [(tasks['pointwise'], 1.0)])
  with pytest.raises(InputError, match='is a mixture'):
    _evaluate(run, models=('generative',), **asked)


def test_a_task_that_says_no_ratings_is_refused(finished):
  run, tasks = finished
  asked = {'rating': RatingQuestion(tasks['ranking'])}
  with pytest.raises(InputError, match='does not say what the ratings are'):
    _evaluate(run, models=('generative',), **asked)


def test_models_of_another_split_are_refused(finished):
  with pytest.raises(InputError, match='was made with the split'):
    _evaluate(finished[0], models=('bpr_mf',), split='by_time')


def test_targets_of_no_split_are_refused(finished):
  with pytest.raises(InputError, match="in a split 'train'"):
    _evaluate(finished[0], targets='train', models=('popularity',))


def test_an_unknown_model_is_refused(finished):
  with pytest.raises(InputError, match='simplex'):
    _evaluate(finished[0], models=('simplex',))


def test_what_a_run_of_a_catalog_alone_lacks_is_not_defined(
    finished, tmp_path, capsys
):
  shutil.copytree(finished[0] / 'catalog', tmp_path / 'run' / 'catalog')
  table = Catalog.load(tmp_path / 'run' / 'catalog')
  column = table.interactions.schema.get_field_index('rating')
  none = pa.nulls(table.interactions.num_rows, pa.float32())
  emptied = table.interactions.set_column(column, 'rating', none)
  dataclasses.replace(table, interactions=emptied).save(
      tmp_path / 'run' / 'catalog'
  )
  metrics, protocol = _evaluate(tmp_path / 'run', targets='validation')
  undefined = protocol['undefined']
  assert undefined['item_mean/rating'] == 'no target has a rating'
  assert undefined['generative/ranking'] == 'the run has no finished training/'
  assert 'evaluation/' in undefined['popularity/retrieval']
  assert metrics['item_mean/rating/rmse'] is None
  assert metrics['popularity/ranking/hr@2'] > 0
  printed = capsys.readouterr().out
  assert 'Ranking, 1 + 4' in printed
  assert f'{metrics["popularity/ranking/hr@2"]:.4f}' in printed
  assert 'the run has no finished training/' in printed

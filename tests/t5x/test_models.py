# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Generators as models of T5X; needs T5X."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import seqio

from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig
from plum_jax.stages import vocabulary
from plum_jax.training.optimizers import Adafactor
from plum_jax.training.optimizers import AdamW
from tasks import histories
from tasks import retrieval

pytestmark = pytest.mark.t5x

_SIZES = {
    'emb_dim': 16,
    'num_heads': 2,
    'head_dim': 8,
    'mlp_dim': 32,
    'dropout_rate': 0.1,
}
_LENGTHS = {
    'encoder_decoder': {'inputs': 12, 'targets': 3},
    'decoder_only': {'targets': 15},
}


@pytest.fixture(autouse=True)
def _allow_rank_promotion():
  """T5X relies on it."""
  with jax.numpy_rank_promotion('allow'):
    yield


def _generator(run_directory, kind):
  vocab_size = vocabulary.padded_vocab_size(str(run_directory))
  if kind == 'decoder_only':
    config = TransformerConfig(vocab_size=vocab_size, num_layers=2, **_SIZES)
    return DecoderOnlyModel(config)
  return EncoderDecoderModel(
      T5Config(
          vocab_size=vocab_size,
          num_encoder_layers=1,
          num_decoder_layers=2,
          **_SIZES,
      )
  )


def _model(run_directory, kind, **changes):
  from plum_jax.t5x import models

  generator = _generator(run_directory, kind)
  return models.make_model(
      generator, run_directory, kind, beam_size=4, **changes
  )


def _batch(run_directory, model, kind, size=8):
  register = {'encoder_decoder': retrieval, 'decoder_only': histories}[kind]
  task = register.register('t5x_models', run_directory)
  dataset = seqio.get_mixture_or_task(task).get_dataset(
      _LENGTHS[kind], split='test', shuffle=False
  )
  converter = model.FEATURE_CONVERTER_CLS(pack=False)
  rows = converter(dataset, _LENGTHS[kind]).batch(size)
  return next(rows.as_numpy_iterator())


def _params(model, batch):
  shapes = {name: array.shape for name, array in batch.items()}
  return model.get_initial_variables(jax.random.PRNGKey(0), shapes)['params']


@pytest.mark.parametrize('exclude_history', [False, True])
@pytest.mark.parametrize('kind', _LENGTHS)
def test_search_finds_what_our_own_search_finds(
    run_directory, kind, exclude_history
):
  model = _model(run_directory, kind, exclude_history=exclude_history)
  batch = _batch(run_directory, model, kind)
  params = _params(model, batch)
  best, aux = model.predict_batch_with_aux(params, batch)
  assert ('history_item_ids' in batch) == exclude_history

  prompts = {'encoder_input_tokens': batch.get('encoder_input_tokens')}
  if kind == 'decoder_only':
    shown = batch['decoder_input_tokens'] * batch['decoder_causal_attention']
    prompts = {
        'prompt_tokens': shown[:, 1:],
        'prompt_lengths': np.sum(shown[:, 1:] != 0, axis=1),
    }
  index = model.decode_fn.index
  expected = model.generator.recommend(
      params, prompts, index, 4, batch.get('history_item_ids')
  )
  from plum_jax.decoding.constraint_index import item_tokens

  np.testing.assert_allclose(aux['scores'], expected.scores, rtol=1e-4)
  np.testing.assert_array_equal(
      aux['sid_tokens'], item_tokens(index, expected.item_ids)
  )
  np.testing.assert_array_equal(best[:, :3], aux['sid_tokens'][:, 0])
  assert not np.any(best[:, 3:])


def test_search_serves_t5x_own_network(run_directory):
  from t5x.examples.t5 import network

  model = _model(run_directory, 'encoder_decoder')
  batch = _batch(run_directory, model, 'encoder_decoder')
  params = _params(model, batch)
  expected = model.predict_batch_with_aux(params, batch)
  own = model.generator.config
  model.module = network.Transformer(
      network.T5Config(
          vocab_size=own.vocab_size,
          num_encoder_layers=1,
          num_decoder_layers=2,
          **_SIZES,
      )
  )
  found = model.predict_batch_with_aux(params, batch)
  np.testing.assert_array_equal(found[0], expected[0])
  np.testing.assert_allclose(
      found[1]['scores'], expected[1]['scores'], rtol=1e-4
  )


def test_fewer_items_than_beams_leave_the_last_places_empty(run_directory):
  model = _model(run_directory, 'encoder_decoder')
  batch = _batch(run_directory, model, 'encoder_decoder')
  params = _params(model, batch)
  tokens, aux = model.predict_batch_with_aux(
      params, batch, num_decodes=9, return_all_decodes=True
  )
  assert tokens.shape == (8, 9, 3)
  # Six items less those of the history; T5X has the best last.
  num_seen = np.sum(batch['history_item_ids'] >= 0, axis=1)
  np.testing.assert_array_equal(
      np.sum(np.isfinite(aux['scores']), axis=1), 6 - num_seen
  )
  assert np.all(np.diff(np.nan_to_num(aux['scores'], neginf=-1e9)) >= 0)


@pytest.mark.parametrize('kind', _LENGTHS)
def test_loss_is_the_mean_over_weights(run_directory, kind):
  model = _model(run_directory, kind)
  batch = dict(_batch(run_directory, model, kind))
  params = _params(model, batch)
  weights = np.linspace(0, 2, batch['decoder_target_tokens'].size)
  batch['decoder_loss_weights'] = np.float32(
      weights.reshape(batch['decoder_target_tokens'].shape)
  )
  loss, metrics = model.loss_fn(params, batch, None)
  total, sums = model.generator.loss_fn(params, batch, None)
  assert float(sums['loss'][1]) == pytest.approx(weights.sum(), rel=1e-5)
  assert float(loss) == pytest.approx(float(total) / weights.sum(), rel=1e-5)
  assert float(metrics['loss'].compute()) == pytest.approx(float(loss))
  batch['decoder_loss_weights'] = np.zeros_like(batch['decoder_loss_weights'])
  assert float(model.loss_fn(params, batch, None)[0]) == 0.0


@pytest.mark.parametrize(
    'config', [Adafactor(min_factored_size=8), AdamW(max_gradient_norm=1.0)]
)
def test_optimizer_state_lies_beside_the_parameters(run_directory, config):
  from t5x import partitioning
  from t5x import utils

  model = _model(run_directory, 'encoder_decoder', optimizer=config)
  batch = _batch(run_directory, model, 'encoder_decoder')
  partitioner = partitioning.PjitPartitioner(
      model_parallel_submesh=(1, 1, 1, 2),
      logical_axis_rules=partitioning.standard_logical_axis_rules(),
  )
  initializer = utils.TrainStateInitializer(
      optimizer_def=model.optimizer_def,
      init_fn=model.get_initial_variables,
      input_shapes={name: array.shape for name, array in batch.items()},
      partitioner=partitioner,
  )
  state = initializer.from_scratch(jax.random.PRNGKey(0))
  arrays = {
      jax.tree_util.keystr(path, simple=True, separator='/'): array
      for path, array in jax.tree_util.tree_leaves_with_path(state.state_dict())
  }
  kernel = 'decoder/layers_0/mlp/wi/kernel'
  found = {
      name.removesuffix(kernel).strip('/').rpartition('/')[2]: array.sharding
      for name, array in arrays.items()
      if name.endswith(kernel) and array.ndim
  }
  placed = {name: tuple(sharding.spec) for name, sharding in found.items()}
  assert placed['target'] == (None, 'model')
  if isinstance(config, AdamW):
    assert placed['mu'] == placed['nu'] == (None, 'model')
  else:
    # [embed 16, mlp 32]: the row statistic keeps embed, the column one mlp.
    assert placed['v_row'] in ((), (None,))
    assert placed['v_col'] == ('model',)
  assert dict(partitioner.mesh.shape) == {'data': 4, 'model': 2}
  assert jnp.isfinite(arrays['target/' + kernel]).all()

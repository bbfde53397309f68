# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json

import jax
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import batches
from plum_jax.semantic_ids import co_occurrence
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import rqvae_tokenizer
from plum_jax.semantic_ids import train
from plum_jax.semantic_ids import train_step
from plum_jax.sharding import mesh as meshes

_CONFIG = rqvae.RqvaeConfig(
    codebook_sizes=(8, 4), hidden_sizes=(16,), latent_size=4
)


@pytest.fixture(autouse=True)
def _short_calls(monkeypatch):
  """Two epochs a call, and so the same compiled program in most tests."""
  monkeypatch.setattr(batches, '_CALL_STEPS', 8)


_V2 = rqvae.RqvaeConfig(
    codebook_sizes=(8, 4),
    hidden_sizes=(16,),
    latent_size=4,
    progressive_masking=True,
    contrastive_weight=0.1,
    projection_size=4,
)
# The items come and go in pairs of neighbours, but for the first ten.
_PARTNERS = co_occurrence.PairPartners(
    60, np.arange(10, 60, 2), np.arange(11, 60, 2)
)


def _embeddings(num_items=60, seed=0):
  generator = np.random.default_rng(seed)
  centers = generator.normal(size=(8, 6))
  rows = centers[generator.integers(0, 8, num_items)]
  noise = 0.3 * generator.normal(size=(num_items, 6))
  return inputs.from_array((rows + noise).astype(np.float32))


def _training(**changes):
  return train_step.TrainConfig(
      **{
          'learning_rate': 1e-2,
          'batch_size': 16,
          'epochs': 30,
          'kmeans_iterations': 5,
          'dead_code_steps': 4,
          **changes,
      }
  )


def _train(directory, embeddings=None, **options):
  training = options.pop('training', None) or _training()
  return train.train(
      _embeddings() if embeddings is None else embeddings,
      config=options.pop('config', _CONFIG),
      training=training,
      seed=options.pop('seed', 0),
      work_directory=directory,
      **options,
  )


def _lines(directory):
  text = (directory / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


def _assert_same_bits(first, second):
  for a, b in zip(
      jax.tree.leaves(first.variables),
      jax.tree.leaves(second.variables),
      strict=True,
  ):
    np.testing.assert_array_equal(a, b)


def test_train_lowers_the_loss_and_records_every_epoch(tmp_path):
  _train(tmp_path)
  lines = _lines(tmp_path)
  assert [line['step'] for line in lines] == list(range(4, 124, 4))
  assert [line['epoch'] for line in lines] == list(range(1, 31))
  first, last = lines[0], lines[-1]
  assert last['reconstruction'] < 0.5 * first['reconstruction']
  assert last['usage_level_1'] == 1.0
  assert 1 <= last['perplexity_level_2'] <= 4
  for line in lines:
    np.testing.assert_allclose(
        line['loss'], line['reconstruction'] + line['quantization'], rtol=1e-5
    )


class _Killed(Exception):
  pass


@pytest.mark.parametrize('device_bytes', [2**30, 2 * 16 * 6 * 4])
@pytest.mark.parametrize('config', [_CONFIG, _V2])
def test_train_resumed_equals_uninterrupted_to_the_bit(
    tmp_path, monkeypatch, device_bytes, config
):
  options = {
      'device_bytes': device_bytes,
      'config': config,
      'partners': _PARTNERS,
  }
  whole = _train(tmp_path / 'whole', **options)
  give = batches.Feeder.__call__
  calls = []

  def killed(feeder, step):
    calls.append(step)
    if len(calls) == 3:
      raise _Killed
    return give(feeder, step)

  monkeypatch.setattr(batches.Feeder, '__call__', killed)
  with pytest.raises(_Killed):
    _train(
        tmp_path / 'cut',
        training=_training(checkpoint_seconds=0.0),
        **options,
    )
  # A kill may also come between a line and its checkpoint, or amid a line.
  with (tmp_path / 'cut' / 'metrics.jsonl').open('a') as file:
    file.write('{"step": 100000, "loss": 0}\n{"step": 1')
  resumed = _train(tmp_path / 'cut', **options)
  assert calls[2] == calls[3] > 0
  _assert_same_bits(whole, resumed)
  assert _lines(tmp_path / 'cut') == _lines(tmp_path / 'whole')


@pytest.mark.parametrize('config', [_CONFIG, _V2])
def test_train_gives_the_same_losses_on_one_and_on_eight_devices(
    tmp_path, config
):
  options = {'config': config, 'partners': _PARTNERS}
  _train(tmp_path / 'one', **options)
  mesh = meshes.make_mesh(data=4, fsdp=2)
  _train(tmp_path / 'eight', mesh=mesh, **options)
  # Later on the rounding of sums may decide between two codes.
  for one, eight in zip(
      _lines(tmp_path / 'one')[:5], _lines(tmp_path / 'eight')[:5], strict=True
  ):
    for name in one:
      np.testing.assert_allclose(one[name], eight[name], rtol=1e-4)


@pytest.mark.parametrize('config', [_CONFIG, _V2])
def test_train_on_a_mesh_of_one_device_gives_the_same_bits(tmp_path, config):
  options = {'config': config, 'partners': _PARTNERS}
  plain = _train(tmp_path / 'plain', **options)
  mesh = meshes.make_mesh(devices=jax.devices()[:1])
  on_mesh = _train(tmp_path / 'mesh', mesh=mesh, **options)
  _assert_same_bits(plain, on_mesh)
  assert _lines(tmp_path / 'plain') == _lines(tmp_path / 'mesh')


@pytest.mark.parametrize('config', [_CONFIG, _V2])
def test_train_in_pieces_gives_the_same_losses_as_with_all_on_the_device(
    tmp_path, config
):
  options = {'config': config, 'partners': _PARTNERS}
  _train(tmp_path / 'all', **options)
  _train(tmp_path / 'pieces', device_bytes=2 * 16 * 6 * 4, **options)
  pieces = _lines(tmp_path / 'pieces')
  # With partners half as many items fit.
  steps = 1 if config.contrastive else 2
  assert [line['step'] for line in pieces] == list(range(steps, 121, steps))
  count = 4 // steps
  for i, line in enumerate(_lines(tmp_path / 'all')[:5]):
    np.testing.assert_allclose(
        line['loss'],
        np.mean([p['loss'] for p in pieces[count * i : count * (i + 1)]]),
        rtol=1e-4,
    )


def test_train_steps_move_a_code_that_stays_unused():
  embeddings = _embeddings()
  data = embeddings.rows(slice(None))
  sizes = embeddings.modality_sizes
  module = rqvae.Rqvae(_CONFIG, sizes)
  generator = np.random.default_rng(0)
  variables = jax.tree.map(
      lambda leaf: 0.1 * generator.normal(size=leaf.shape).astype(np.float32),
      rqvae_tokenizer.variable_shapes(module),
  )
  variables['params']['codebook_1'][3] = 1e3
  training = _training()
  optimizer = train_step.make_optimizer(training, 120)
  state = train_step.start_state(variables['params'], optimizer)
  setup = train_step.Setup(_CONFIG, sizes, training, 120)
  rows = generator.integers(0, 60, (2, 4, 16)).astype(np.int32)
  state, metrics = train_step.train_steps(
      setup, state, variables['statistics'], data, batches.Rows(rows)
  )
  assert metrics.counts[0][0, 3] == 0
  assert metrics.resets[0] >= 1
  assert np.abs(state.params['codebook_1'][3]).max() < 10
  assert int(state.step) == 8


def test_train_records_all_parts_of_the_loss_and_nothing_masked(tmp_path):
  _train(tmp_path / 'v2', config=_V2, partners=_PARTNERS)
  lines = _lines(tmp_path / 'v2')
  for line in lines:
    np.testing.assert_allclose(
        line['loss'],
        line['reconstruction']
        + line['quantization']
        + 0.1 * line['contrastive'],
        rtol=1e-5,
    )
  assert lines[-1]['contrastive'] < lines[0]['contrastive']
  masked = dataclasses.replace(_CONFIG, progressive_masking=True)
  _train(tmp_path / 'masked', config=masked)
  first = _lines(tmp_path / 'masked')[0]
  assert 'contrastive' not in first
  # At the start a masked step differs from another in its gradient alone.
  _train(tmp_path / 'plain')
  np.testing.assert_allclose(
      first['reconstruction'],
      _lines(tmp_path / 'plain')[0]['reconstruction'],
      rtol=0.05,
  )


def test_train_gives_the_same_bits_without_the_loss_whatever_the_partners(
    tmp_path,
):
  plain = _train(tmp_path / 'plain')
  unread = _train(tmp_path / 'unread', partners=_PARTNERS)
  _assert_same_bits(plain, unread)


def test_train_draws_items_that_occur_together_to_the_same_codes(tmp_path):
  generator = np.random.default_rng(0)
  # Eight groups that are but a small part of what the embeddings say.
  group = np.arange(64) % 8
  noise = generator.normal(size=(64, 6))
  embeddings = inputs.from_array(
      np.concatenate((noise, 1.5 * np.eye(8)[group]), axis=1).astype(np.float32)
  )
  first, second = np.triu_indices(64, 1)
  together = group[first] == group[second]
  tokenizer = _train(
      tmp_path,
      embeddings,
      config=dataclasses.replace(
          _V2, contrastive_weight=3.0, progressive_masking=False
      ),
      partners=co_occurrence.PairPartners(
          64, first[together], second[together]
      ),
      training=_training(batch_size=32, epochs=60),
  )
  codes = np.asarray(tokenizer.assign(*embeddings.rows(slice(None)))[0])[:, 0]
  same = codes[first] == codes[second]
  # 1.6 times as often without the contrastive loss.
  assert np.mean(same[together]) > 3 * np.mean(same)
  assert len(set(codes)) == 8


def test_draw_levels_takes_every_number_of_levels_alike():
  key = jax.random.key(0)
  config = dataclasses.replace(_V2, codebook_sizes=(4, 4, 4))
  draw = jax.jit(jax.vmap(lambda i: train_step.draw_levels(config, i, key)))
  drawn = np.asarray(draw(np.arange(3_000)))
  np.testing.assert_allclose(
      np.bincount(drawn) / 3_000, [0] + [1 / 3] * 3, atol=0.04
  )
  np.testing.assert_array_equal(draw(np.arange(3_000)), drawn)
  assert train_step.draw_levels(_CONFIG, np.int32(0), None) is None


def test_train_refuses_the_contrastive_loss_without_partners(tmp_path):
  with pytest.raises(InputError, match='no partners to compare'):
    _train(tmp_path, config=_V2)


def test_train_learns_with_the_optimizer_of_tiger(tmp_path):
  training = _training(
      optimizer='adagrad',
      learning_rate=0.4,
      schedule='constant',
      dead_code_steps=0,
  )
  _train(tmp_path, training=training)
  lines = _lines(tmp_path)
  assert lines[-1]['reconstruction'] < 0.7 * lines[0]['reconstruction']
  assert not any(line['resets'] for line in lines)


def test_train_refuses_fewer_items_than_codes(tmp_path):
  config = rqvae.RqvaeConfig(codebook_sizes=(4, 61))
  with pytest.raises(InputError, match='60 items, fewer than the 61 codes'):
    _train(tmp_path, config=config)
  with pytest.raises(InputError, match='kmeans_items = 7 is fewer'):
    _train(tmp_path, training=_training(kmeans_items=7))


def test_train_stops_when_the_loss_is_not_finite(tmp_path):
  training = _training(learning_rate=1e30)
  with pytest.raises(InputError, match='no longer finite'):
    _train(tmp_path, training=training)


@pytest.mark.parametrize(
    'change',
    [
        {'optimizer': 'sgd'},
        {'schedule': 'linear'},
        {'learning_rate': 0.0},
        {'epochs': 0},
        {'dead_code_steps': -1},
    ],
)
def test_config_refuses_values_without_meaning(change):
  with pytest.raises(InputError, match=f'^{next(iter(change))} = '):
    train_step.TrainConfig(**change)

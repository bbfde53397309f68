# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sampling by reward and weighting by it have the same expectation."""

import collections
import itertools

import jax
import jax.flatten_util
import numpy as np
import pytest
import tensorflow as tf

from plum_jax.data import feature_converters
from plum_jax.data import preprocessors
from plum_jax.data.label_sampling import LabelSampling
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig
from tests.data import tiny_records

_ITEMS = [3, 1, 4, 7, 5]
_REWARDS = [9.0, 2.0, 1.0, 0.0, 0.5]  # The first item is history alone.
_LARGEST = 2.0
_SHARES = {1: 1.0, 4: 0.5, 5: 0.25}  # By item; item 7 is worth nothing.
_NUM_EPOCHS = 800
_SIZES = {
    'vocab_size': 32,
    'emb_dim': 8,
    'num_heads': 1,
    'head_dim': 8,
    'mlp_dim': 8,
    'dropout_rate': 0.0,
}


def _examples(labels, num_epochs=1, seed=0, **kwargs):
  """A record per epoch: each draws from a seed of its own."""
  rows = [(0, _ITEMS, tiny_records.TRAINING)] * num_epochs
  return tiny_records.run(
      preprocessors.retrieval_examples,
      rows,
      seed=seed,
      rewards=[_REWARDS] * num_epochs,
      labels=labels,
      **kwargs,
  )


def _frequencies(examples, num_epochs=_NUM_EPOCHS):
  """How often an item is a label, or the mean of its weights."""
  sums = collections.Counter()
  for example in examples:
    sums[int(example['target_item_id'])] += float(
        example.get('loss_weight', 1.0)
    )
  return {item: total / num_epochs for item, total in sums.items()}


def _assert_near(found, expected):
  assert set(found) <= set(expected)
  for item, share in expected.items():
    # Five standard errors of a share.
    error = 5 * np.sqrt(share * (1 - share) / _NUM_EPOCHS)
    assert found[item] == pytest.approx(share, abs=error + 1e-7)


def test_weights_are_shares_of_the_largest_reward():
  examples = _examples(LabelSampling('weight', _LARGEST))
  assert _frequencies(examples, 1) == _SHARES
  assert all(e['loss_weight'].dtype == np.float32 for e in examples)


def test_target_of_an_evaluation_counts_whatever_it_is_worth():
  for labels in (
      LabelSampling('weight', _LARGEST),
      LabelSampling('sample', _LARGEST, rate=0.01, max_per_user=1),
  ):
    [example] = tiny_records.run(
        preprocessors.retrieval_examples,
        [(0, _ITEMS, 6)],
        rewards=[_REWARDS],
        labels=labels,
    )
    assert example['target_item_id'] == 6
    assert example.get('loss_weight', 1.0) == 1.0


def test_labels_are_drawn_in_proportion_to_rewards_and_anew_every_epoch():
  labels = LabelSampling('sample', _LARGEST)
  examples = _examples(labels, _NUM_EPOCHS)
  _assert_near(_frequencies(examples), _SHARES)
  drawn = [
      [int(e['target_item_id']) for e in _examples(labels, 40, seed)]
      for seed in (0, 0, 1)
  ]
  assert drawn[0] == drawn[1] != drawn[2]


def test_rewards_that_are_ignored_change_nothing():
  plain = tiny_records.run(
      preprocessors.retrieval_examples, [(0, _ITEMS, tiny_records.TRAINING)]
  )
  ignored = _examples(LabelSampling())
  for one, other in zip(plain, ignored, strict=True):
    assert set(one) == set(other)
    for name, values in one.items():
      np.testing.assert_array_equal(values, other[name])


def test_labels_are_thinned_out_to_a_rate():
  found = _frequencies(_examples(LabelSampling(rate=0.3), _NUM_EPOCHS))
  _assert_near(found, dict.fromkeys(_ITEMS[1:], 0.3))


def test_labels_of_a_user_are_capped_and_drawn_evenly():
  examples = _examples(LabelSampling(max_per_user=3), _NUM_EPOCHS)
  assert len(examples) == 3 * _NUM_EPOCHS
  _assert_near(_frequencies(examples), dict.fromkeys(_ITEMS[1:], 0.75))


@pytest.mark.parametrize(
    ('options', 'kwargs', 'factor'),
    [
        ({'rate': 0.4, 'max_per_user': 2}, {}, None),
        ({'max_per_user': 1}, {}, 1 / 3),
        ({}, {'positions': 'one'}, 1 / 3),
    ],
)
def test_sampling_and_weighting_agree_under_any_thinning(
    options, kwargs, factor
):
  sampled, weighted = (
      _frequencies(
          _examples(
              LabelSampling(rewards, _LARGEST, **options), _NUM_EPOCHS, **kwargs
          )
      )
      for rewards in ('sample', 'weight')
  )
  for item, share in _SHARES.items():
    assert sampled[item] == pytest.approx(weighted[item], abs=0.06)
    if factor is not None:
      _assert_near(sampled, {i: factor * s for i, s in _SHARES.items()})
    assert 0 < sampled[item] < share


def _batch(examples, converter, pack):
  names = {'inputs', 'targets', 'loss_weight'} & set(examples[0])
  columns = {
      name: tf.ragged.constant([e[name].tolist() for e in examples])
      if name == 'inputs'
      else np.stack([e[name] for e in examples])
      for name in names
  }
  dataset = tf.data.Dataset.from_tensor_slices(columns)
  # A vocabulary of 32: items 1 to 7, tokens 2 to 8 and 12 to 18.
  dataset = dataset.map(
      lambda example: {
          name: values
          if name == 'loss_weight'
          else values % 100 + 1 + values // 1_100 * 10
          for name, values in example.items()
      }
  )
  rows = list(
      feature_converters.make(converter, pack)(
          dataset, {'inputs': 8, 'targets': 2}
      ).as_numpy_iterator()
  )
  return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize('kind', ['prefix', 'encoder_decoder'])
def test_loss_and_gradient_of_samples_have_those_of_weights_as_expectation(
    kind,
):
  if kind == 'prefix':
    model = DecoderOnlyModel(TransformerConfig(num_layers=1, **_SIZES))
  else:
    model = EncoderDecoderModel(
        T5Config(num_encoder_layers=1, num_decoder_layers=1, **_SIZES)
    )
  every = _examples(LabelSampling())
  worth = [e for e in every if int(e['target_item_id']) in _SHARES]
  batch = _batch(worth, kind, pack=False)
  params = model.init(jax.random.key(0), batch)['params']

  def loss_of(params, batch):
    return model.loss_fn(params, batch, None)[0]

  @jax.jit
  def loss_and_gradient(batch):
    loss, gradient = jax.value_and_grad(loss_of)(params, batch)
    return loss, jax.flatten_util.ravel_pytree(gradient)[0]

  # Each example alone: the weights of the others are 0.
  alone = [
      loss_and_gradient(
          batch
          | {
              'decoder_loss_weights': np.float32(batch['decoder_loss_weights'])
              * (np.arange(3) == row)[:, None]
          }
      )
      for row in range(3)
  ]
  losses = np.array([loss for loss, _ in alone])
  gradients = np.stack([gradient for _, gradient in alone])
  shares = np.array([_SHARES[int(e['target_item_id'])] for e in worth])

  # Exactly: all subsets that an epoch can draw, with their probabilities.
  expected_loss, expected_gradient = 0.0, np.zeros_like(gradients[0])
  for kept in itertools.product([0, 1], repeat=3):
    kept = np.array(kept)
    chance = np.prod(np.where(kept, shares, 1 - shares))
    expected_loss += chance * (kept @ losses)
    expected_gradient += chance * (kept @ gradients)

  weighted = _examples(LabelSampling('weight', _LARGEST))
  # Packing moves weights with their tokens; one model is enough to see it.
  for pack in (False, True) if kind == 'prefix' else (False,):
    loss, gradient = loss_and_gradient(_batch(weighted, kind, pack))
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-5)

  # On average: the sums over what many epochs draw, unweighted.
  drawn = _frequencies(
      _examples(LabelSampling('sample', _LARGEST), _NUM_EPOCHS)
  )
  drawn = np.array([drawn[int(e['target_item_id'])] for e in worth])
  variances = shares * (1 - shares) / _NUM_EPOCHS
  error = 5 * np.sqrt(variances @ losses**2)
  assert drawn @ losses == pytest.approx(expected_loss, abs=error)
  errors = 5 * np.sqrt(variances @ gradients**2)
  assert (np.abs(drawn @ gradients - expected_gradient) <= errors + 1e-6).all()

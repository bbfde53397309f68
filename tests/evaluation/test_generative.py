# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A generator's recommendations on one and on eight devices."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.decoding.index_building import build_constraint_index
from plum_jax.decoding.strategies import BEAM_SEARCH
from plum_jax.decoding.strategies import DiverseBeamSearch
from plum_jax.decoding.strategies import Sampling
from plum_jax.evaluation.generative import GenerativeRecommender
from plum_jax.evaluation.generative import history_seeds
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.networks.config import TransformerConfig
from plum_jax.sharding.mesh import make_mesh

_SIDS = np.stack(np.unravel_index(np.arange(12), (4, 3)), axis=1) + [3, 7]


@pytest.fixture(scope='module')
def model():
  return DecoderOnlyModel(
      TransformerConfig(
          vocab_size=16,
          emb_dim=8,
          num_heads=2,
          head_dim=4,
          mlp_dim=8,
          num_layers=1,
      )
  )


@pytest.fixture(scope='module')
def params(model):
  shape = jax.ShapeDtypeStruct((1, 4), jnp.int32)
  return model.init(jax.random.key(0), {'decoder_input_tokens': shape})[
      'params'
  ]


@pytest.fixture(scope='module')
def batch():
  rng = np.random.default_rng(0)
  history = rng.integers(0, 12, (8, 2)).astype(np.int32)
  return {
      'history_item_ids': history,
      'prompt_tokens': _SIDS[history].reshape(8, -1).astype(np.int32),
      'prompt_lengths': np.full(8, 4, np.int32),
  }


def test_recommend_leaves_out_the_history_and_still_finds_k(
    model, params, batch
):
  recommender = GenerativeRecommender(
      model, params, build_constraint_index(_SIDS), beam_size=4
  )
  result = recommender.recommend(batch, 10, exclude_history=True)
  for row, history in zip(
      np.asarray(result.item_ids), batch['history_item_ids'], strict=True
  ):
    assert not set(row.tolist()) & set(history.tolist())
    assert len(set(row.tolist())) == 10
  assert np.asarray(result.valid).all()


@pytest.mark.parametrize('strategy', [BEAM_SEARCH, Sampling(0.5, seed=4)])
def test_recommend_gives_the_same_on_eight_devices_as_on_one(
    model, params, batch, strategy
):
  index = build_constraint_index(_SIDS)
  one, eight = (
      GenerativeRecommender(
          model, params, index, beam_size=6, strategy=strategy, mesh=mesh
      )
      for mesh in (None, make_mesh())
  )
  alone = one.recommend(batch, 5, exclude_history=False)
  spread = eight.recommend(batch, 5, exclude_history=False)
  assert len(spread.item_ids.sharding.device_set) == 8
  np.testing.assert_array_equal(alone.item_ids, spread.item_ids)
  np.testing.assert_allclose(alone.scores, spread.scores, rtol=1e-5)


def test_with_params_searches_with_the_new_ones(model, params, batch):
  recommender = GenerativeRecommender(
      model, params, build_constraint_index(_SIDS), beam_size=6
  )
  before = recommender.recommend(batch, 5, exclude_history=False)
  zero = jax.tree.map(jnp.zeros_like, params)
  after = recommender.with_params(zero).recommend(batch, 5, False)
  np.testing.assert_allclose(after.scores, 2 * np.log(1 / 16), rtol=1e-5)
  assert not np.allclose(before.scores, after.scores)


def test_samples_follow_from_the_seed_and_the_users_own_history(
    model, params, batch
):
  # One user with eight histories that are prompted in the same way.
  batch = batch | {'prompt_tokens': batch['prompt_tokens'][:1].repeat(8, 0)}
  pairs = list(itertools.combinations(range(12), 2))[:8]
  batch['history_item_ids'] = np.array(pairs, np.int32)
  index = build_constraint_index(_SIDS)

  recommenders = {
      seed: GenerativeRecommender(
          model, params, index, beam_size=9, strategy=Sampling(seed=seed)
      )
      for seed in (1, 2)
  }

  def sample(seed, rows):
    part = {name: x[rows] for name, x in batch.items()}
    return np.asarray(recommenders[seed].recommend(part, 3, False).item_ids)

  rows = np.arange(8)
  found = sample(1, rows)
  assert len(np.unique(found, axis=0)) > 2
  order = np.array([5, 2, 5, 0, 0, 7, 7, 7])
  np.testing.assert_array_equal(sample(1, order), found[order])
  assert (sample(2, rows) != found).any()


def test_seeds_tell_histories_apart_but_not_their_padding():
  histories = jnp.array([[-1, 4, 2], [-1, 2, 4], [-1, -1, 6], [0, 4, 2]])
  seeds = history_seeds(histories)
  assert len(set(seeds.tolist())) == 4
  wider = jnp.pad(histories, ((0, 0), (5, 0)), constant_values=-1)
  np.testing.assert_array_equal(history_seeds(wider), seeds)


def test_groups_spread_over_more_first_codes_than_beams(model, params, batch):
  index = build_constraint_index(_SIDS)
  first_codes = []
  for strategy in (BEAM_SEARCH, DiverseBeamSearch(4, penalty=5.0)):
    recommender = GenerativeRecommender(
        model, params, index, beam_size=12, strategy=strategy
    )
    items = np.asarray(recommender.recommend(batch, 4, False).item_ids)
    first_codes.append([len(set(row)) for row in _SIDS[items, 0].tolist()])
  assert np.mean(first_codes[1]) == 4
  assert np.mean(first_codes[0]) < 4

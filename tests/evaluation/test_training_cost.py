# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Parameters of tables and of networks, counted by their logical axes."""

import jax
import jax.numpy as jnp
import pytest

from plum_jax.baselines.lem import LemModel
from plum_jax.baselines.lem_network import LemConfig
from plum_jax.evaluation.training_cost import count_parameters
from plum_jax.evaluation.training_cost import TrainingCost
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.networks.config import TransformerConfig


@pytest.mark.parametrize('tied', [False, True])
def test_tables_of_the_lem_are_told_from_its_network(tied):
  sizes = {'max_length': 3, 'embed_size': 8, 'num_layers': 1, 'mlp_size': 16}
  model = LemModel(LemConfig(num_items=130, tied_output=tied, **sizes))
  variables = jax.eval_shape(lambda: model.init(jax.random.key(0), {}))
  tables, network = count_parameters(variables)
  assert tables == (1 if tied else 2) * 256 * 8
  # Four projections, two matrices of the MLP, three norms, the positions.
  assert network == 4 * 64 + 2 * 8 * 16 + 3 * 2 * 8 + 3 * 8


@pytest.mark.parametrize('tied', [False, True])
def test_output_layer_of_a_generator_is_a_table(tied):
  config = TransformerConfig(
      vocab_size=128,
      emb_dim=8,
      num_layers=1,
      num_heads=2,
      head_dim=4,
      mlp_dim=16,
      num_relpos_buckets=4,
      logits_via_embedding=tied,
  )
  batch = {'decoder_input_tokens': jnp.zeros((1, 4), jnp.int32)}
  variables = jax.eval_shape(
      lambda: DecoderOnlyModel(config).init(jax.random.key(0), batch)
  )
  tables, network = count_parameters(variables)
  assert tables == (1 if tied else 2) * 128 * 8
  # As above; norms have no bias; a bias for each of 4 distances and 2 heads.
  assert network == 4 * 64 + 2 * 8 * 16 + 3 * 8 + 4 * 2


def test_what_is_not_known_stays_undefined():
  assert set(TrainingCost().metrics().values()) == {None}
  assert TrainingCost(training_flops=7).metrics()['training/flops'] == 7

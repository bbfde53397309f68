# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Parameters made part by part are those of one program, bit by bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import ExpertsConfig
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.training import first_parameters

_SIZES = {
    'vocab_size': 64,
    'emb_dim': 16,
    'num_heads': 2,
    'head_dim': 8,
    'mlp_dim': 32,
}
_TOKENS = jax.ShapeDtypeStruct((8, 4), np.int32)


def _t5(**options):
  return EncoderDecoderModel(
      T5Config(**_SIZES, num_encoder_layers=3, num_decoder_layers=3, **options)
  )


_MODELS = {
    't5': lambda: _t5(),
    't5_rematerialised': lambda: _t5(remat_policy='full'),
    'decoder_only': lambda: DecoderOnlyModel(
        TransformerConfig(**_SIZES, num_layers=3)
    ),
    'experts': lambda: DecoderOnlyModel(
        TransformerConfig(
            **_SIZES, num_layers=3, experts=ExpertsConfig(num_experts=4)
        )
    ),
}


def _init(name):
  model = _MODELS[name]()
  batch = dict.fromkeys(
      (
          'encoder_input_tokens',
          'decoder_input_tokens',
          'decoder_target_tokens',
      ),
      _TOKENS,
  )
  return lambda key: model.init(key, batch)


@pytest.fixture(autouse=True)
def _as_users_compile():
  """Equal bits at unequal levels of the compiler are part of what is tested."""
  before = jax.config.read('jax_disable_most_optimizations')
  jax.config.update('jax_disable_most_optimizations', False)
  yield
  jax.config.update('jax_disable_most_optimizations', before)


@pytest.fixture(name='compilations')
def _compilations(monkeypatch):
  """Programs that were made, by what they make."""
  made = []
  original = first_parameters._compiled

  def count(program, *arguments):
    run = original(program, *arguments)
    made.append(run)
    return run

  monkeypatch.setattr(first_parameters, '_compiled', count)
  return made


@pytest.mark.parametrize('name', _MODELS)
def test_parameters_equal_those_of_one_program(name):
  init = _init(name)
  mesh, rules = meshes.make_mesh(2, 2, 2), axis_rules.preset('fsdp_tensor')
  variables = jax.eval_shape(init, jax.random.key(3))
  shardings = axis_rules.param_shardings(
      variables['params_axes'], variables['params'], mesh, rules
  )
  with axis_rules.activation_rules(mesh, rules):
    made = first_parameters.make(
        lambda key: init(key)['params'], jax.random.key(3), shardings
    )
    expected = jax.jit(
        lambda: init(jax.random.key(3))['params'], out_shardings=shardings
    )()

  def check(one, other):
    assert one.dtype == other.dtype
    assert one.sharding == other.sharding
    np.testing.assert_array_equal(one, other)

  jax.tree.map(check, made, expected)


@pytest.mark.parametrize('name', _MODELS)
def test_layers_share_programs(name, compilations):
  init = _init(name)
  shapes = jax.eval_shape(init, jax.random.key(0))['params']
  place = meshes.replicated(meshes.make_mesh())
  first_parameters.make(
      lambda key: init(key)['params'],
      jax.random.key(0),
      jax.tree.map(lambda _: place, shapes),
  )
  # Each runs for one parameter of each of three layers at least, but for the
  # last norm and what is not of a layer: two tables, the output's kernel.
  assert len(compilations) <= len(jax.tree.leaves(shapes)) / 3 + 4


@pytest.mark.parametrize('num_constants', [0, 4])
def test_constants_and_own_keys_are_kept_apart(num_constants):
  tables = [
      np.full((2, 3), i, np.float32) * np.arange(3.0, dtype=np.float32)
      for i in range(num_constants)
  ]

  def init(key):
    one, other = jax.random.split(key)
    layer = jax.checkpoint(
        lambda key: jax.random.normal(jax.random.fold_in(key, 3), (2, 3))
    )
    return {
        **{f't{i}': jnp.asarray(table) + 1 for i, table in enumerate(tables)},
        'a': jax.random.normal(one, (2, 3)),
        'b': jax.random.normal(other, (2, 3)),
        'c': jax.random.normal(jax.random.fold_in(key, 1), (2, 3)),
        'd': jax.random.normal(jax.random.fold_in(key, 2), (2, 3)),
        'e': layer(key),
        'f': jnp.ones((2, 3)),
    }

  key = jax.random.key(5)
  place = meshes.replicated(meshes.make_mesh())
  expected = jax.jit(init)(key)
  made = first_parameters.make(init, key, dict.fromkeys(expected, place))
  jax.tree.map(np.testing.assert_array_equal, made, expected)

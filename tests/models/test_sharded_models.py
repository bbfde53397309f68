# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The generators train the same on one device and cut over eight."""

import jax
import numpy as np
import pytest

from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import ExpertsConfig
from plum_jax.networks.config import GemmaConfig
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig
from plum_jax.sharding import axis_rules
from plum_jax.sharding.mesh import batch_sharding
from plum_jax.sharding.mesh import make_mesh
from plum_jax.training import step as steps
from plum_jax.training.config import TrainConfig

_SIZES = {
    'vocab_size': 32,
    'emb_dim': 16,
    'num_heads': 4,
    'head_dim': 4,
    'mlp_dim': 32,
}
_MODELS = {
    'decoder_only': DecoderOnlyModel(TransformerConfig(num_layers=1, **_SIZES)),
    'experts': DecoderOnlyModel(
        TransformerConfig(
            num_layers=1,
            experts=ExpertsConfig(num_experts=4, train_capacity_factor=0.75),
            **_SIZES,
        )
    ),
    # A window shorter than the examples; heads of keys that no axis divides.
    'gemma': DecoderOnlyModel(
        GemmaConfig(
            num_layers=2,
            num_kv_heads=1,
            sliding_window=3,
            global_every=2,
            query_pre_attn_scalar=4.0,
            **_SIZES,
        )
    ),
    'encoder_decoder': EncoderDecoderModel(
        T5Config(num_encoder_layers=1, num_decoder_layers=1, **_SIZES)
    ),
}


def _losses(model, mesh):
  rng = np.random.default_rng(0)
  targets = rng.integers(1, 32, (8, 6)).astype(np.int32)
  batch = {
      'encoder_input_tokens': rng.integers(1, 32, (8, 5)).astype(np.int32),
      'decoder_input_tokens': np.pad(targets, ((0, 0), (1, 0)))[:, :-1],
      'decoder_target_tokens': targets,
  }
  shapes = {
      name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in batch.items()
  }
  program = steps.build_program(
      model, TrainConfig(num_steps=3), mesh, axis_rules.preset(), shapes
  )
  state, losses = program.init(), []
  batch = jax.device_put(batch, batch_sharding(mesh))
  for _ in range(3):
    params = jax.device_get(state.params)
    losses.append(float(model.loss_fn(params, jax.device_get(batch), None)[0]))
    state, _ = program.step(state, batch)
  return losses


@pytest.mark.parametrize('preset', sorted(axis_rules.PRESETS))
def test_every_preset_places_experts(preset):
  model = _MODELS['experts']
  shape = {'decoder_input_tokens': jax.ShapeDtypeStruct((8, 6), 'int32')}
  variables = jax.eval_shape(lambda: model.init(jax.random.key(0), shape))
  shardings = axis_rules.param_shardings(
      variables['params_axes'],
      variables['params'],
      make_mesh(data=2, fsdp=2, tensor=2),
      axis_rules.preset(preset),
  )
  spec = shardings['decoder']['layers_0']['experts']['wi'].spec
  experts = 'tensor' if 'tensor' in preset else None
  embed = 'fsdp' if 'fsdp' in preset else None
  assert tuple(spec) == (experts, embed, None)


@pytest.mark.parametrize('name', list(_MODELS))
def test_losses_agree_when_data_and_parameters_are_cut(name):
  model = _MODELS[name]
  alone = _losses(model, make_mesh(devices=jax.devices()[:1]))
  cut = _losses(model, make_mesh(data=2, fsdp=2, tensor=2))
  np.testing.assert_allclose(alone, cut, rtol=1e-5)
  assert alone[-1] < alone[0]

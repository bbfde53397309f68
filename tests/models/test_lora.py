# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Adapters of low rank: what they compute, what is trained, what is kept."""

import dataclasses
import functools
import sys

import jax
import numpy as np
import pytest

from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.models import lora
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.models.lora import Lora
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
    'dropout_rate': 0.0,
}
_T5 = T5Config(num_encoder_layers=1, num_decoder_layers=1, **_SIZES)
_MODELS = {
    'decoder_only': DecoderOnlyModel(TransformerConfig(num_layers=1, **_SIZES)),
    'gemma': DecoderOnlyModel(
        GemmaConfig(
            num_layers=1, num_kv_heads=1, query_pre_attn_scalar=4.0, **_SIZES
        )
    ),
    'encoder_decoder': EncoderDecoderModel(_T5),
    'rematerialised': EncoderDecoderModel(
        dataclasses.replace(_T5, remat_policy='full')
    ),
    'bfloat16': EncoderDecoderModel(dataclasses.replace(_T5, dtype='bfloat16')),
}
_LORA = Lora(rank=2, alpha=3.0)


def _batch():
  rng = np.random.default_rng(0)
  targets = rng.integers(1, 32, (8, 6)).astype(np.int32)
  return {
      'encoder_input_tokens': rng.integers(1, 32, (8, 5)).astype(np.int32),
      'decoder_input_tokens': np.pad(targets, ((0, 0), (1, 0)))[:, :-1],
      'decoder_target_tokens': targets,
  }


@functools.cache
def _params(kind):
  """Parameters of a model with adapters, B not zero."""
  made = jax.jit(lora.adapt(_MODELS[kind], _LORA).init)(
      jax.random.key(0), _batch()
  )['params']
  # On the host: training donates what it starts from.
  return jax.tree.map(lambda x: np.asarray(x) + np.float32(0.01), made)


def _loss(model, params):
  return jax.jit(lambda p: model.loss_fn(p, _batch(), None)[0])(params)


@pytest.mark.parametrize('kind', list(_MODELS))
def test_merged_parameters_compute_what_adapters_do(kind):
  model, params = _MODELS[kind], _params(kind)
  merged = lora.merge(params, _LORA)
  plain = jax.eval_shape(model.init, jax.random.key(0), _batch())['params']
  assert jax.tree.structure(merged) == jax.tree.structure(plain)
  found = _loss(lora.adapt(model, _LORA), params)
  rtol = 1e-2 if kind == 'bfloat16' else 1e-6
  np.testing.assert_allclose(found, _loss(model, merged), rtol=rtol)
  # They do matter.
  other = lora.merge(params, dataclasses.replace(_LORA, alpha=30.0))
  assert abs(float(_loss(model, other) - found)) > 1e-2


def test_merged_kernels_are_those_of_the_definition():
  flat = trees.to_flat(_params('encoder_decoder'))
  name = 'encoder/layers_0/mlp/wo/kernel'
  a, b = flat[f'{name}_lora_a'], flat[f'{name}_lora_b']
  assert (a.shape, b.shape) == ((32, 2), (2, 16))
  expected = np.asarray(flat[name]) + 1.5 * np.asarray(a) @ np.asarray(b)
  merged = trees.to_flat(lora.merge(_params('encoder_decoder'), _LORA))
  np.testing.assert_allclose(merged[name], expected, rtol=1e-6)


def test_adapters_are_of_the_named_modules_alone():
  adapters = Lora(rank=1, modules='.*self_attention/(query|value)')
  shapes = jax.eval_shape(
      lora.adapt(_MODELS['encoder_decoder'], adapters).init,
      jax.random.key(0),
      _batch(),
  )['params']
  assert {name for name in trees.to_flat(shapes) if '_lora_' in name} == {
      f'decoder/layers_0/self_attention/{part}/kernel_lora_{matrix}'
      for part in ('query', 'value')
      for matrix in 'ab'
  }


def test_training_begins_with_what_was_read():
  model = _MODELS['encoder_decoder']
  adapted = lora.adapt(model, _LORA)
  read = model.init(jax.random.key(5), _batch())['params']
  shapes = jax.eval_shape(adapted.init, jax.random.key(0), _batch())['params']
  asked = []

  def reader(of):
    asked.extend(trees.to_flat(of))
    return read

  begin = functools.partial(lora.begin, shapes, read=reader)
  first = begin(seed=3)
  assert set(asked) == set(trees.to_flat(read))
  assert _loss(adapted, first) == _loss(model, read)
  flat, again = trees.to_flat(first), trees.to_flat(begin(seed=3))
  jax.tree.map(np.testing.assert_array_equal, flat, again)
  numbers = [x for name, x in flat.items() if name.endswith('_lora_a')]
  assert all(np.std(x) > 0.05 for x in numbers)
  # Kernels of one shape do not share their numbers, nor do seeds.
  assert len({x.tobytes() for x in map(np.asarray, numbers)}) == len(numbers)
  other = trees.to_flat(begin(seed=4))
  name = next(name for name in flat if name.endswith('_lora_a'))
  assert not np.array_equal(flat[name], other[name])


def _train(kind, mesh):
  adapted = lora.adapt(_MODELS[kind], _LORA)
  program = steps.build_program(
      adapted,
      TrainConfig(num_steps=9, log_every=1, trainable=_LORA.trainable),
      mesh,
      axis_rules.preset('fsdp_tensor'),
      jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), _batch()),
  )
  shardings = jax.tree.map(lambda x: x.sharding, program.state_shapes.params)
  state = program.init_from(jax.device_put(_params(kind), shardings))
  batch = jax.device_put(_batch(), batch_sharding(mesh))
  losses = []
  for _ in range(3):
    state, report = program.step(state, batch)
    losses.append(np.divide(*map(float, report.metric_sums['loss'])))
  return state, losses


@pytest.mark.parametrize('kind', ['gemma', 'encoder_decoder'])
def test_only_adapters_and_tables_are_trained_on_one_device_and_eight(kind):
  state, losses = _train(kind, make_mesh(devices=jax.devices()[:1]))
  _, many = _train(kind, make_mesh(data=2, fsdp=2, tensor=2))
  np.testing.assert_allclose(many, losses, rtol=1e-5)
  assert losses[-1] < losses[0]
  before, after = trees.to_flat(_params(kind)), trees.to_flat(state.params)
  for name, value in after.items():
    trained = '_lora_' in name or name.split('/')[-2:] in (
        ['token_embedder', 'embedding'],
        ['logits_dense', 'kernel'],
    )
    assert np.array_equal(value, before[name]) != trained, name
  # What is frozen costs the optimizer nothing.
  remembered = ' '.join(trees.to_flat(state.optimizer_state))
  assert 'wo/kernel_lora_a' in remembered
  assert not [
      x for x in remembered.split() if x.endswith('kernel') and 'mlp' in x
  ]


@pytest.mark.parametrize(
    ('model', 'adapters', 'what'),
    [
        ('encoder_decoder', {'modules': '.*attn.*'}, 'No module is called'),
        ('experts', {'modules': '.*'}, 'Kernels of experts'),
        ('encoder_decoder', {'rank': 0}, 'rank is 0'),
        ('encoder_decoder', {'alpha': -1.0}, r'alpha is -1\.0'),
    ],
)
def test_adapters_that_cannot_be_are_refused(model, adapters, what):
  experts = DecoderOnlyModel(
      TransformerConfig(
          num_layers=1, experts=ExpertsConfig(num_experts=4), **_SIZES
      )
  )
  with pytest.raises(InputError, match=what):
    jax.eval_shape(
        lora.adapt(_MODELS.get(model, experts), Lora(**adapters)).init,
        jax.random.key(0),
        _batch(),
    )


def test_a_missing_library_is_named(monkeypatch):
  monkeypatch.setitem(sys.modules, 'qwix', None)
  with pytest.raises(InputError, match='qwix is not installed'):
    _ = lora.adapt(_MODELS['gemma'], _LORA).network


def test_what_is_to_be_trained_must_be_there():
  with pytest.raises(InputError, match="named like 'nothing'"):
    steps.build_program(
        _MODELS['gemma'],
        TrainConfig(num_steps=1, trainable=('nothing',)),
        make_mesh(devices=jax.devices()[:1]),
        axis_rules.preset('data'),
        jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), _batch()
        ),
    )

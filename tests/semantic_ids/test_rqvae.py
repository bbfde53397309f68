# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import functools

import flax.traverse_util
import jax
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import rqvae_tokenizer
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes


def _batch(sizes, batch=6, seed=0):
  generator = np.random.default_rng(seed)
  embeddings = {
      name: generator.normal(size=(batch, n)).astype(np.float32)
      for name, n in sizes
  }
  return embeddings, {name: np.ones(batch, bool) for name in embeddings}


@functools.partial(jax.jit, static_argnums=(0, 1, 5))
def _jitted(config, sizes, variables, embeddings, present, method):
  module = rqvae.Rqvae(config, sizes)
  if method == 'init':
    return module.init(variables, embeddings, present)
  return module.apply(variables, embeddings, present, method=method)


def _apply(module, variables, embeddings, present, method='__call__'):
  outputs = _jitted(
      module.config,
      module.modality_sizes,
      variables,
      embeddings,
      present,
      method,
  )
  # JAX may read NumPy arguments where they lie, and later: a test that writes
  # into them must not be faster. Gradients are taken through here too.
  return jax.block_until_ready(outputs)


def _small(sizes, **changes):
  config = rqvae.RqvaeConfig(
      **{
          'codebook_sizes': (5, 3),
          'hidden_sizes': (8,),
          'latent_size': 4,
          **changes,
      }
  )
  module = rqvae.Rqvae(config, sizes)
  return module, _apply(module, jax.random.key(0), *_batch(sizes), 'init')


def test_rqvae_of_one_modality_has_the_sizes_of_tiger():
  module = rqvae.Rqvae(rqvae.RqvaeConfig(), (('text', 768),))
  params = rqvae_tokenizer.variable_shapes(module)['params']
  shapes = {
      name: leaf.shape
      for name, leaf in flax.traverse_util.flatten_dict(params, sep='/').items()
  }
  widths = [768, 512, 256, 128, 32]
  expected = {f'codebook_{level}': (256, 32) for level in (1, 2, 3)}
  for i in range(4):
    expected[f'encoder_text/kernel_{i + 1}'] = (widths[i], widths[i + 1])
    expected[f'encoder_text/bias_{i + 1}'] = (widths[i + 1],)
    expected[f'decoder_text/kernel_{4 - i}'] = (widths[i + 1], widths[i])
    expected[f'decoder_text/bias_{4 - i}'] = (widths[i],)
  assert shapes == expected


def test_rqvae_encodes_and_decodes_as_written_out_by_hand():
  module, variables = _small((('text', 3),))
  embeddings, present = _batch((('text', 3),))
  params = jax.tree.map(np.asarray, variables['params'])
  x = embeddings['text']
  layers = params['encoder_text']
  hidden = np.maximum(x @ layers['kernel_1'] + layers['bias_1'], 0)
  z = hidden @ layers['kernel_2'] + layers['bias_2']
  outputs = _apply(module, variables, embeddings, present)
  np.testing.assert_allclose(outputs.z, z, atol=1e-5)
  codes = np.asarray(outputs.quantized.codes)
  quantized = (
      params['codebook_1'][codes[:, 0]] + params['codebook_2'][codes[:, 1]]
  )
  layers = params['decoder_text']
  hidden = np.maximum(quantized @ layers['kernel_1'] + layers['bias_1'], 0)
  decoded = hidden @ layers['kernel_2'] + layers['bias_2']
  expected = np.sum((x - decoded) ** 2, axis=1)
  np.testing.assert_allclose(outputs.losses.reconstruction, expected, rtol=1e-4)
  found, errors = _apply(module, variables, embeddings, present, 'assign')
  np.testing.assert_array_equal(found, codes)
  np.testing.assert_allclose(errors[:, -1], expected, rtol=1e-4)


def test_rqvae_ignores_what_stands_in_the_row_of_an_absent_modality():
  sizes = (('text', 3), ('image', 5))
  module, variables = _small(sizes)
  embeddings, present = _batch(sizes)
  present['image'][2] = False
  outputs = _apply(module, variables, embeddings, present)
  embeddings['image'][2] = np.nan
  changed = _apply(module, variables, embeddings, present)
  for before, after in zip(
      jax.tree.leaves(outputs), jax.tree.leaves(changed), strict=True
  ):
    np.testing.assert_array_equal(before, after)
  assert np.isfinite(changed.losses.reconstruction).all()


def test_rqvae_masks_an_absent_modality_rather_than_filling_it_with_zeros():
  sizes = (('text', 3), ('image', 5))
  module, variables = _small(sizes)
  embeddings, present = _batch(sizes)
  embeddings['image'][:] = 0
  zeros = _apply(module, variables, embeddings, present)
  present['image'][:] = False
  masked = _apply(module, variables, embeddings, present)
  assert np.all(np.abs(masked.z - zeros.z).max(axis=1) > 1e-4)

  def loss(params):
    outputs = _apply(
        module, variables | {'params': params}, embeddings, present
    )
    return outputs.losses.reconstruction.sum() + outputs.z.sum()

  gradients = jax.jit(jax.grad(loss))(variables['params'])
  assert np.any(gradients['missing_image'] != 0)
  assert not np.any(gradients['missing_text'])
  assert not any(np.any(g) for g in gradients['decoder_image'].values())


def test_rqvae_standardizes_with_its_statistics():
  module, variables = _small((('text', 3),))
  embeddings, present = _batch((('text', 3),))
  shift = np.array([1.0, -2.0, 3.0], np.float32)
  moved = {'text': embeddings['text'] * 4 + shift}
  statistics = {'mean_text': shift, 'scale_text': np.float32(0.25)}
  plain = _apply(module, variables, embeddings, present, 'encode')
  scaled = _apply(
      module, variables | {'statistics': statistics}, moved, present, 'encode'
  )
  np.testing.assert_allclose(plain, scaled, atol=1e-5)


def test_rqvae_with_masked_levels_loses_as_much_as_without_them():
  sizes = (('text', 3), ('image', 5))
  module, variables = _small(sizes)
  generator = np.random.default_rng(1)
  variables = jax.tree.map(
      lambda leaf: generator.normal(size=leaf.shape).astype(np.float32),
      {name: variables[name] for name in ('params', 'statistics')},
  )
  batch = _batch(sizes)
  _, errors = _apply(module, variables, *batch, 'assign')
  for kept in (1, 2):
    outputs = module.apply(variables, *batch, kept)
    losses = outputs.losses
    np.testing.assert_allclose(
        losses.reconstruction, errors[:, kept - 1], rtol=1e-4
    )
    np.testing.assert_allclose(
        outputs.reconstruction_error, errors[:, -1], rtol=1e-4
    )
    np.testing.assert_allclose(
        losses.quantization,
        _apply(module, variables, *batch).losses.quantization,
        rtol=1e-5,
    )


def test_rqvae_projects_the_quantized_items_for_the_contrastive_loss():
  sizes = (('text', 3),)
  module, variables = _small(sizes, contrastive_weight=0.1, projection_size=2)
  batch = _batch(sizes)
  outputs = _apply(module, variables, *batch)
  head = variables['params']['contrastive_head']
  np.testing.assert_allclose(
      outputs.projected,
      np.asarray(outputs.quantized.quantized) @ np.asarray(head['kernel_1']),
      atol=1e-5,
  )
  # The same start, so that a comparison of both compares the loss alone.
  plain, others = _small(sizes)
  assert _apply(plain, others, *batch).projected is None
  rest = dict(variables['params'])
  del rest['contrastive_head']
  jax.tree.map(np.testing.assert_array_equal, rest, dict(others['params']))


@pytest.mark.parametrize('preset', sorted(axis_rules.PRESETS))
def test_rqvae_names_axes_that_every_preset_of_rules_knows(preset):
  sizes = (('text', 8), ('image', 16))
  module, variables = _small(
      sizes, latent_size=8, hidden_sizes=(16, 8), contrastive_weight=1.0
  )
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  shardings = axis_rules.param_shardings(
      variables['params_axes'],
      variables['params'],
      mesh,
      axis_rules.preset(preset),
  )
  placed = jax.device_put(variables['params'], shardings)
  batch = _batch(sizes)
  np.testing.assert_allclose(
      _apply(module, variables | {'params': placed}, *batch).z,
      _apply(module, variables, *batch).z,
      atol=1e-4,
  )


@pytest.mark.parametrize(
    'change',
    [
        {'codebook_sizes': ()},
        {'codebook_sizes': (4, 0)},
        {'hidden_sizes': (-1,)},
        {'latent_size': 0},
        {'beta': -0.1},
        {'contrastive_weight': -1.0},
        {'contrastive_weight': float('nan')},
        {'temperature': 0.0},
        {'projection_size': 0},
    ],
)
def test_config_refuses_sizes_without_meaning(change):
  with pytest.raises(InputError, match=f'^{next(iter(change))} = '):
    rqvae.RqvaeConfig(**change)

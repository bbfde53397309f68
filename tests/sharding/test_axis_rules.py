# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
from flax import linen as nn
from flax.linen import partitioning
import jax
import jax.numpy as jnp
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes

P = jax.sharding.PartitionSpec


class _Layer(nn.Module):
  """One matrix, whose output is placed on the mesh."""

  kernel_axes: tuple[str, ...] = ('embed', 'mlp')
  output_axes: tuple[str, ...] = ('batch', 'mlp')
  shape: tuple[int, ...] = (16, 32)

  @nn.compact
  def __call__(self, inputs):
    kernel = partitioning.param_with_axes(
        'kernel',
        nn.initializers.lecun_normal(),
        self.shape,
        jnp.float32,
        axes=self.kernel_axes,
    )
    return partitioning.with_sharding_constraint(
        inputs @ kernel, self.output_axes
    )


def _shapes(layer):
  return jax.eval_shape(layer.init, jax.random.key(0), jnp.ones((8, 16)))


def _spec(layer, mesh, rules):
  shapes = _shapes(layer)
  shardings = axis_rules.param_shardings(
      shapes['params_axes'], shapes['params'], mesh, rules
  )
  return shardings['kernel'].spec


@pytest.mark.parametrize(
    ('preset', 'spec'),
    [
        ('data', P(None, None)),
        ('fsdp', P('fsdp', None)),
        ('tensor', P(None, 'tensor')),
        ('fsdp_tensor', P('fsdp', 'tensor')),
    ],
)
def test_param_shardings_follow_the_preset(preset, spec):
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  assert _spec(_Layer(), mesh, axis_rules.preset(preset)) == spec


def test_preset_refuses_an_unknown_name():
  with pytest.raises(InputError, match='no preset of axis rules called fdsp'):
    axis_rules.preset('fdsp')


@pytest.mark.parametrize(
    ('layer', 'message'),
    [
        (_Layer(kernel_axes=('embd', 'mlp')), "No axis rule names .* 'embd'"),
        (_Layer(kernel_axes=('vocab', 'mlp')), 'Two dimensions of kernel lie'),
        (_Layer(shape=(16, 31)), "'mlp' of kernel, 31, cannot be cut into 2"),
    ],
)
def test_param_shardings_refuse_and_name_the_parameter(layer, message):
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  with pytest.raises(InputError, match=message) as caught:
    _spec(layer, mesh, axis_rules.preset())
  assert caught.value.where.startswith('parameter kernel')


def test_param_shardings_refuse_a_parameter_without_axes():
  shapes = _shapes(_Layer())
  with pytest.raises(InputError, match='bias has no logical axes'):
    axis_rules.param_shardings(
        shapes['params_axes'],
        {'bias': jax.ShapeDtypeStruct((2,), jnp.float32)},
        meshes.make_mesh(),
        axis_rules.preset(),
    )


def test_param_shardings_refuse_another_number_of_axes():
  shapes = _shapes(_Layer())
  with pytest.raises(InputError, match='1 dimensions but 2 logical axes'):
    axis_rules.param_shardings(
        shapes['params_axes'],
        {'kernel': jax.ShapeDtypeStruct((2,), jnp.float32)},
        meshes.make_mesh(),
        axis_rules.preset(),
    )


def _apply(layer, mesh, rules):
  """Runs the layer with parameters and inputs whole on every device."""
  params = layer.init(jax.random.key(0), jnp.ones((8, 16)))['params']

  def forward(params, inputs):
    with axis_rules.activation_rules(mesh, rules):
      return layer.apply({'params': params}, inputs)

  whole = meshes.replicated(mesh)
  return jax.jit(forward, in_shardings=(whole, whole))(
      params, jnp.ones((8, 16))
  )


@pytest.mark.parametrize(
    ('preset', 'shard_shape'),
    [('data', (2, 32)), ('tensor', (2, 16)), ('fsdp_tensor', (2, 16))],
)
def test_activation_rules_place_what_the_network_computes(preset, shard_shape):
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  outputs = _apply(_Layer(), mesh, axis_rules.preset(preset))
  shapes = {shard.data.shape for shard in outputs.addressable_shards}
  assert shapes == {shard_shape}


def test_activation_rules_give_the_batch_its_axes_before_embed():
  mesh = meshes.make_mesh(data=2, fsdp=2, tensor=2)
  layer = _Layer(output_axes=('batch', 'embed'))
  outputs = _apply(layer, mesh, axis_rules.preset())
  shapes = {shard.data.shape for shard in outputs.addressable_shards}
  assert shapes == {(2, 32)}


@pytest.mark.parametrize(
    'layer',
    [
        _Layer(output_axes=('batch', 'mpl')),
        _Layer(kernel_axes=('embed', 'mpl')),
    ],
)
def test_activation_rules_raise_for_a_misspelt_axis(layer):
  mesh = meshes.make_mesh(devices=jax.devices()[:1])
  with pytest.raises(InputError, match="No axis rule names .* 'mpl'"):
    _apply(layer, mesh, axis_rules.preset())


def test_activation_rules_end_with_their_block():
  mesh = meshes.make_mesh()
  with axis_rules.activation_rules(mesh, axis_rules.preset()):
    pass
  x = jnp.ones((8, 4))
  assert partitioning.with_sharding_constraint(x, ('batch', 'mpl')) is x

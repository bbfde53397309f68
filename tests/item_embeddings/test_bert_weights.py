# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Weights of a file: complete, of the right shapes, of any float type."""

import jax
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import bert_weights
from plum_jax.item_embeddings import sentence_folder
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh


def _rewrite(folder, change):
  """Lets `change` edit the file's tensors."""
  path = folder.path / 'model.safetensors'
  tensors = safetensors_numpy.load_file(path)
  safetensors_numpy.save_file(change(tensors), path)


def _load(folder):
  config = sentence_folder.read(folder.path).config
  return bert_weights.load(folder.path / 'model.safetensors', config)


def _assert_refused(folder, *words):
  with pytest.raises(InputError) as caught:
    _load(folder)
  for word in ('model.safetensors', *words):
    assert word in str(caught.value)


def test_load_turns_kernels_the_way_round_that_flax_has_them(tiny_bert):
  path = tiny_bert.path / 'model.safetensors'
  tensors = safetensors_numpy.load_file(path)
  kernel = _load(tiny_bert)['layers_1']['wi']['kernel']
  np.testing.assert_array_equal(
      kernel, tensors['encoder.layer.1.intermediate.dense.weight'].T
  )


def test_load_accepts_a_prefix_and_heads_on_top(tiny_bert):
  plain = _load(tiny_bert)

  def change(tensors):
    head = {'cls.predictions.bias': np.zeros(3, np.float32)}
    return {f'bert.{k}': v for k, v in tensors.items()} | head

  _rewrite(tiny_bert, change)
  jax.tree.map(np.testing.assert_array_equal, _load(tiny_bert), plain)


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_load_gives_float32_of_shorter_types(tiny_bert, dtype):
  plain = _load(tiny_bert)
  dtype = jax.numpy.dtype(dtype)
  _rewrite(tiny_bert, lambda t: {k: v.astype(dtype) for k, v in t.items()})
  jax.tree.map(
      lambda got, exact: np.testing.assert_array_equal(
          got, exact.astype(dtype).astype(np.float32)
      ),
      _load(tiny_bert),
      plain,
  )


def test_load_names_a_missing_tensor(tiny_bert):
  name = 'encoder.layer.1.output.dense.bias'
  _rewrite(tiny_bert, lambda t: {k: v for k, v in t.items() if k != name})
  _assert_refused(tiny_bert, '1 tensors', name)


def test_load_names_a_layer_that_the_configuration_lacks(tiny_bert):
  tiny_bert.edit('config.json', num_hidden_layers=1)
  _assert_refused(tiny_bert, 'encoder.layer.1.')


def test_load_names_a_tensor_of_another_shape(tiny_bert):
  name = 'embeddings.word_embeddings.weight'
  _rewrite(tiny_bert, lambda t: {**t, name: t[name][:5]})
  _assert_refused(tiny_bert, name, '[5, 16]', '[27, 16]')


def test_load_names_a_tensor_with_nan(tiny_bert):
  name = 'encoder.layer.0.attention.self.key.bias'
  nan = np.full(16, np.nan, np.float32)
  _rewrite(tiny_bert, lambda t: {**t, name: nan})
  _assert_refused(tiny_bert, name, 'NaN')


def test_load_refuses_a_truncated_file(tiny_bert):
  path = tiny_bert.path / 'model.safetensors'
  path.write_bytes(path.read_bytes()[:2000])
  _assert_refused(tiny_bert, 'cannot be read')


@pytest.mark.parametrize('preset', ['data', 'fsdp'])
def test_axis_rules_place_every_parameter(tiny_bert, preset):
  config = sentence_folder.read(tiny_bert.path).config
  variables = bert_weights.abstract_variables(config)
  shardings = axis_rules.param_shardings(
      variables['params_axes'],
      variables['params'],
      mesh.make_mesh(data=2, fsdp=4),
      axis_rules.preset(preset),
  )
  cut = [not leaf.is_fully_replicated for leaf in jax.tree.leaves(shardings)]
  assert any(cut) == (preset == 'fsdp')

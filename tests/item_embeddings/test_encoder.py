# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Texts to vectors: the reference's values, on any mesh, in any batch."""

import json
import pathlib

import jax
from jax import numpy as jnp
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import bert
from plum_jax.item_embeddings import bert_weights
from plum_jax.item_embeddings import encoder as encoders
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes


def _one_device():
  return jax.sharding.Mesh(np.array(jax.devices()[:1]), ('data',))


@pytest.mark.parametrize(
    ('variant', 'act', 'pooling', 'normalize'),
    [
        ('mean_normalize', 'gelu', 'mean', True),
        ('mean', 'gelu', 'mean', False),
        ('cls', 'gelu', 'cls', False),
        ('mean_tanh_gelu', 'gelu_new', 'mean', False),
        ('mean_relu', 'relu', 'mean', False),
    ],
)
def test_encode_equals_the_reference_library(
    tiny_bert, tiny_bert_golden, variant, act, pooling, normalize
):
  tiny_bert.edit('config.json', hidden_act=act)
  tiny_bert.edit(
      '1_Pooling/config.json',
      pooling_mode_cls_token=pooling == 'cls',
      pooling_mode_mean_tokens=pooling == 'mean',
  )
  if not normalize:
    path = tiny_bert.path / 'modules.json'
    path.write_text(json.dumps(json.loads(path.read_text())[:2]))
  encoder = encoders.TextEncoder(tiny_bert.path, mesh=_one_device())
  vectors = encoder.encode(tiny_bert_golden['texts'])
  assert vectors.dtype == np.float32
  np.testing.assert_allclose(
      vectors, tiny_bert_golden[variant], rtol=1e-4, atol=2e-5
  )


def test_the_golden_variants_differ(tiny_bert_golden):
  names = [name for name in tiny_bert_golden if name != 'texts']
  for i, first in enumerate(names):
    for second in names[i + 1 :]:
      difference = tiny_bert_golden[first] - tiny_bert_golden[second]
      assert np.abs(difference).max() > 2e-4, (first, second)


def _texts(num_texts):
  words = [*('red', 'nail', 'polish', 'space', 'opera', 'with'), *'abcdefgh']
  rng = np.random.default_rng(0)
  return [
      ' '.join(rng.choice(words, rng.integers(0, 22))) for _ in range(num_texts)
  ]


@pytest.fixture(scope='module')
def usual_vectors():
  """Vectors of 40 texts on one device."""
  folder = pathlib.Path(__file__).parent / 'testdata' / 'tiny_bert'
  encoder = encoders.TextEncoder(folder, mesh=_one_device())
  return encoder.encode(_texts(40))


@pytest.mark.parametrize(
    ('mesh_sizes', 'preset'),
    [
        ({'data': 2, 'fsdp': 4}, 'fsdp'),
        ({'data': 2, 'fsdp': 2, 'tensor': 2}, None),
    ],
)
def test_encode_gives_the_same_on_eight_devices(
    tiny_bert, usual_vectors, mesh_sizes, preset
):
  encoder = encoders.TextEncoder(
      tiny_bert.path,
      mesh=meshes.make_mesh(**mesh_sizes),
      rules=preset and axis_rules.preset(preset),
      batch_tokens=64,
  )
  np.testing.assert_allclose(
      encoder.encode(_texts(40)), usual_vectors, rtol=0, atol=2e-6
  )


@pytest.mark.parametrize('batch_tokens', [1, 100_000])
def test_encode_gives_the_same_in_any_batch(
    tiny_bert, usual_vectors, batch_tokens
):
  encoder = encoders.TextEncoder(
      tiny_bert.path, mesh=_one_device(), batch_tokens=batch_tokens
  )
  np.testing.assert_allclose(
      encoder.encode(_texts(40)), usual_vectors, rtol=0, atol=2e-6
  )


def test_a_mesh_without_rules_holds_all_parameters_on_every_device(tiny_bert):
  encoder = encoders.TextEncoder(tiny_bert.path, mesh=meshes.make_mesh())
  for leaf in jax.tree.leaves(encoder.params):
    assert leaf.sharding.is_fully_replicated
    assert len(leaf.sharding.device_set) == 8


def test_axis_rules_cut_the_parameters(tiny_bert):
  encoder = encoders.TextEncoder(
      tiny_bert.path,
      mesh=meshes.make_mesh(data=2, fsdp=4),
      rules=axis_rules.preset('fsdp'),
  )
  kernel = encoder.params['layers_0']['wi']['kernel']
  assert kernel.addressable_shards[0].data.shape == (4, 24)


def test_encode_compiles_once_for_each_length(tiny_bert, monkeypatch):
  traced = []

  def counting_pool(token_vectors, *args, pool=encoders.pool):
    traced.append(token_vectors.shape)
    return pool(token_vectors, *args)

  monkeypatch.setattr(encoders, 'pool', counting_pool)
  encoder = encoders.TextEncoder(
      tiny_bert.path, mesh=_one_device(), batch_tokens=32
  )
  encoder.encode(_texts(50))
  encoder.encode(_texts(41))
  assert sorted(traced) == [(2, 16, 16), (2, 20, 16)]


def test_encode_chunks_keeps_the_order_and_reports(tiny_bert, usual_vectors):
  texts = _texts(40)
  encoder = encoders.TextEncoder(tiny_bert.path, mesh=_one_device())
  reported = []
  chunks = [texts[:10], [], texts[10:]]
  encoded = list(encoder.encode_chunks(chunks, reported.append))
  assert [len(vectors) for vectors in encoded] == [10, 0, 30]
  np.testing.assert_allclose(
      np.concatenate(encoded), usual_vectors, rtol=0, atol=2e-6
  )
  assert reported == [10, 30]


def test_encode_cuts_a_text_at_the_longest_length(tiny_bert):
  encoder = encoders.TextEncoder(tiny_bert.path, mesh=_one_device())
  tokens = encoder.tokenize(['a ' * 100, 'a'])
  np.testing.assert_array_equal(np.diff(tokens.offsets), [20, 3])


def test_encode_puts_the_default_prompt_first(tiny_bert):
  plain = encoders.TextEncoder(tiny_bert.path, mesh=_one_device())
  settings = {'prompts': {'item': 'red '}, 'default_prompt_name': 'item'}
  path = tiny_bert.path / 'config_sentence_transformers.json'
  path.write_text(json.dumps(settings))
  prompted = encoders.TextEncoder(tiny_bert.path, mesh=_one_device())
  np.testing.assert_array_equal(
      prompted.encode(['nail']), plain.encode(['red nail'])
  )


def test_batch_tokens_below_one_is_refused(tiny_bert):
  with pytest.raises(InputError, match='batch_tokens is 0'):
    encoders.TextEncoder(tiny_bert.path, batch_tokens=0)


def test_padding_does_not_change_a_token_vector():
  config = bert.BertConfig(20, 8, 2, 2, 16, 12, 2)
  module = bert.BertEncoder(config)
  shapes = bert_weights.abstract_variables(config)['params']
  rng = np.random.default_rng(0)
  params = jax.tree.map(
      lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), shapes
  )
  apply = jax.jit(module.apply)
  token_ids = jnp.array([[3, 4, 5, 0, 0, 0]])
  mask = jnp.array([[True, True, True, False, False, False]])
  padded = apply({'params': params}, token_ids, mask)
  short = apply({'params': params}, token_ids[:, :3], mask[:, :3])
  np.testing.assert_allclose(padded[:, :3], short, rtol=0, atol=1e-5)

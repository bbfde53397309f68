# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Folders of encoders: what they say, and what is refused."""

import json

import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import sentence_folder


def _assert_refused(folder, *words):
  with pytest.raises(InputError) as caught:
    sentence_folder.read(folder.path).tokenizer()
  for word in words:
    assert word in str(caught.value)


def test_read_says_what_the_folder_says(tiny_bert):
  folder = sentence_folder.read(tiny_bert.path)
  assert folder.pooling == 'mean'
  assert folder.normalize
  assert folder.max_length == 20
  assert folder.config.num_attention_heads == 4
  assert folder.weights() in folder.files
  assert tiny_bert.path / '1_Pooling' / 'config.json' in folder.files


def test_read_takes_the_pooling_of_newer_files(tiny_bert):
  path = tiny_bert.path / '1_Pooling' / 'config.json'
  path.write_text('{"embedding_dimension": 16, "pooling_mode": "cls"}')
  assert sentence_folder.read(tiny_bert.path).pooling == 'cls'


def test_read_takes_the_length_from_the_tokenizer_when_it_stands_nowhere_else(
    tiny_bert,
):
  (tiny_bert.path / 'sentence_bert_config.json').unlink()
  assert sentence_folder.read(tiny_bert.path).max_length == 32
  tiny_bert.edit('tokenizer_config.json', model_max_length=12)
  assert sentence_folder.read(tiny_bert.path).max_length == 12


@pytest.mark.parametrize(
    'name', ['config.json', 'model.safetensors', 'tokenizer.json']
)
def test_read_names_a_missing_file(tiny_bert, name):
  (tiny_bert.path / name).unlink()
  _assert_refused(tiny_bert, str(tiny_bert.path), name)


def test_read_refuses_a_folder_without_modules(tiny_bert):
  (tiny_bert.path / 'modules.json').unlink()
  _assert_refused(tiny_bert, 'modules.json')


@pytest.mark.parametrize(
    ('name', 'field', 'value'),
    [
        ('config.json', 'model_type', 'mpnet'),
        ('config.json', 'hidden_act', 'silu'),
        ('config.json', 'position_embedding_type', 'relative_key'),
        ('config.json', 'num_hidden_layers', None),
        ('config.json', 'num_attention_heads', 3),
        ('sentence_bert_config.json', 'max_seq_length', 33),
        ('sentence_bert_config.json', 'max_seq_length', 2),
    ],
)
def test_read_names_a_setting_that_is_not_computed(
    tiny_bert, name, field, value
):
  tiny_bert.edit(name, **{field: value})
  _assert_refused(tiny_bert, name, field)


@pytest.mark.parametrize(
    ('field', 'value'),
    [('pooling_mode_max_tokens', True), ('pooling_mode', ['mean', 'max'])],
)
def test_read_refuses_two_poolings(tiny_bert, field, value):
  tiny_bert.edit('1_Pooling/config.json', **{field: value})
  _assert_refused(tiny_bert, '1_Pooling/config.json', 'mean + max')


def test_read_refuses_a_further_module(tiny_bert):
  path = tiny_bert.path / 'modules.json'
  dense = {'type': 'sentence_transformers.models.Dense', 'path': '3_Dense'}
  path.write_text(json.dumps([*json.loads(path.read_text()), dense]))
  _assert_refused(tiny_bert, 'modules.json', 'Dense')


def test_read_refuses_an_unknown_default_prompt(tiny_bert):
  path = tiny_bert.path / 'config_sentence_transformers.json'
  path.write_text('{"prompts": {}, "default_prompt_name": "query"}')
  _assert_refused(tiny_bert, path.name, 'query')


def test_read_refuses_a_pooling_without_the_prompt(tiny_bert):
  path = tiny_bert.path / 'config_sentence_transformers.json'
  path.write_text('{"prompts": {"a": "b: "}, "default_prompt_name": "a"}')
  tiny_bert.edit('1_Pooling/config.json', include_prompt=False)
  _assert_refused(tiny_bert, '1_Pooling', 'include_prompt')


def test_read_refuses_a_broken_json_file(tiny_bert):
  (tiny_bert.path / 'config.json').write_text('{"model_type": ')
  _assert_refused(tiny_bert, 'config.json', 'cannot be read')


def test_tokenizer_refuses_more_pieces_than_the_encoder_has(tiny_bert):
  tiny_bert.edit('config.json', vocab_size=20)
  _assert_refused(tiny_bert, 'tokenizer.json', '27 pieces', 'at most 20')


def test_tokenizer_refuses_a_broken_file(tiny_bert):
  (tiny_bert.path / 'tokenizer.json').write_text('{}')
  _assert_refused(tiny_bert, 'tokenizer.json', 'cannot be read')

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Folders in which sentence-transformers publishes a text encoder."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import json
import os
import pathlib
from typing import Any

import tokenizers

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import bert

_MODULES = 'modules.json'
_REQUIRED = ('config.json', 'model.safetensors', 'tokenizer.json')
_OPTIONAL = (
    'sentence_bert_config.json',
    'tokenizer_config.json',
    'config_sentence_transformers.json',
)
# Names of poolings in files before version 6 of sentence-transformers.
_POOLINGS = {
    'pooling_mode_cls_token': 'cls',
    'pooling_mode_mean_tokens': 'mean',
    'pooling_mode_max_tokens': 'max',
    'pooling_mode_mean_sqrt_len_tokens': 'mean_sqrt_len_tokens',
    'pooling_mode_weightedmean_tokens': 'weightedmean',
    'pooling_mode_lasttoken': 'lasttoken',
}
_OTHER_ENCODER = (
    'Use a BERT encoder with mean or cls pooling, such as all-MiniLM-L6-v2, or '
    'bring embeddings made elsewhere as a FileModality.'
)


@dataclasses.dataclass(frozen=True)
class SentenceFolder:
  """What a folder says about its encoder.

  Attributes:
    path: folder of the transformer's own files.
    config: sizes of the encoder.
    pooling: `mean` over a text's tokens, or `cls`, its first token.
    normalize: whether vectors are scaled to length 1.
    max_length: tokens of a text that are read, with [CLS] and [SEP].
    lower_case: whether texts are lower-cased before the tokenizer sees them.
    prompt: what precedes each text.
    files: all files that were read or will be, for hashing.
  """

  path: pathlib.Path
  config: bert.BertConfig
  pooling: str
  normalize: bool
  max_length: int
  lower_case: bool
  prompt: str
  files: tuple[pathlib.Path, ...]

  def weights(self) -> pathlib.Path:
    """Returns the path of the weights."""
    return self.path / 'model.safetensors'

  def tokenizer(self) -> tokenizers.Tokenizer:
    """Reads the tokenizer, set to cut at `max_length` and not to pad.

    Raises:
      InputError: not a tokenizer, or one with more pieces than the encoder.
    """
    path = self.path / 'tokenizer.json'
    try:
      tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # The library raises bare Exception.
      raise InputError(
          f'The tokenizer cannot be read: {error}.',
          where=path,
          expected='a tokenizer.json of the library tokenizers',
          fix='Download the encoder again.',
      ) from error
    size = tokenizer.get_vocab_size()
    if size > self.config.vocab_size:
      raise InputError(
          f'The tokenizer has {size} pieces.',
          where=path,
          expected=f'at most {self.config.vocab_size} (vocab_size of '
          'config.json)',
          fix='Use the tokenizer and the weights of one and the same encoder.',
      )
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=self.max_length)
    return tokenizer


def read(directory: str | os.PathLike[str]) -> SentenceFolder:
  """Reads all of a folder but its weights.

  Args:
    directory: `modules.json`, the transformer's files at the path it names,
      and the pooling's `config.json`.

  Returns:
    The encoder's description.

  Raises:
    InputError: a file is missing or broken, or the encoder is of a kind that
      this project does not compute.
  """
  root = pathlib.Path(directory)
  modules = _modules(root)
  transformer = root / modules['Transformer']
  _check_files(transformer)
  pooling_path = root / modules['Pooling'] / 'config.json'
  config = _bert_config(transformer / 'config.json')
  settings = _read_json(transformer / 'sentence_bert_config.json', {})
  prompt, prompt_path = _default_prompt(root)
  files = [root / _MODULES, pooling_path]
  files += [transformer / name for name in _REQUIRED + _OPTIONAL[:2]]
  files += [prompt_path]
  pooling = _pooling(pooling_path, bool(prompt))
  return SentenceFolder(
      path=transformer,
      config=config,
      pooling=pooling,
      normalize='Normalize' in modules,
      max_length=_max_length(transformer, settings, config),
      lower_case=bool(settings.get('do_lower_case', False)),
      prompt=prompt,
      files=tuple(dict.fromkeys(file for file in files if file.is_file())),
  )


def _read_json(path: pathlib.Path, default: Any = None) -> Any:
  """Reads a JSON file; `default` if there is none and it is not None."""
  if default is not None and not path.exists():
    return default
  try:
    return json.loads(path.read_text(encoding='utf-8'))
  except (OSError, ValueError) as error:
    raise InputError(
        f'A file of the text encoder cannot be read: {error}.',
        where=path,
        expected='a JSON file as sentence-transformers writes it',
        fix='Give the folder of a sentence-transformers encoder.',
    ) from error


def _modules(root: pathlib.Path) -> dict[str, str]:
  """Returns each module's folder by its kind; refuses other kinds."""
  path = root / _MODULES
  found = {}
  try:
    for module in _read_json(path):
      found[module['type'].rsplit('.', 1)[-1]] = module['path']
  except (KeyError, TypeError, AttributeError) as error:
    raise InputError(
        'The list of modules is not as sentence-transformers writes it.',
        where=path,
        expected='a list of objects with "type" and "path"',
        fix='Download the encoder again.',
    ) from error
  kinds = list(found)
  if kinds not in (
      ['Transformer', 'Pooling'],
      ['Transformer', 'Pooling', 'Normalize'],
  ):
    raise InputError(
        f'The encoder is made of {", ".join(kinds) or "nothing"}.',
        where=path,
        expected='Transformer, Pooling and, optionally, Normalize',
        fix=_OTHER_ENCODER,
    )
  return found


def _check_files(transformer: pathlib.Path) -> None:
  for name in _REQUIRED:
    if not (transformer / name).is_file():
      raise InputError(
          f'The text encoder has no file {name}.',
          where=transformer,
          expected=f'a folder with {", ".join(_REQUIRED)}',
          fix='Download the encoder again; weights must be in the safetensors '
          'format.',
      )


def _bert_config(path: pathlib.Path) -> bert.BertConfig:
  """Reads the sizes and refuses what `bert.BertEncoder` does not compute."""
  values = _read_json(path)
  computed = {
      'model_type': ('bert',),
      'hidden_act': tuple(bert.ACTIVATIONS),
      'position_embedding_type': ('absolute',),
  }
  defaults = {'hidden_act': 'gelu', 'position_embedding_type': 'absolute'}
  for name, choices in computed.items():
    value = values.get(name, defaults.get(name))
    if value not in choices:
      raise InputError(
          f'{name} is {value!r}.',
          where=f'{path}, {name}',
          expected=' or '.join(repr(choice) for choice in choices),
          fix=_OTHER_ENCODER,
      )
  fields = {field.name: field for field in dataclasses.fields(bert.BertConfig)}
  try:
    config = bert.BertConfig(
        **{name: values[name] for name in fields if name in values}
    )
  except TypeError as error:
    raise InputError(
        f'A size of the encoder is missing: {error}.',
        where=path,
        expected=f'the fields {", ".join(fields)}',
        fix='Download the encoder again.',
    ) from error
  if config.hidden_size % config.num_attention_heads:
    raise InputError(
        f'hidden_size {config.hidden_size} is no multiple of '
        f'num_attention_heads {config.num_attention_heads}.',
        where=path,
        expected='heads of equal width',
        fix='Download the encoder again.',
    )
  return config


def _max_length(
    transformer: pathlib.Path,
    settings: Mapping[str, Any],
    config: bert.BertConfig,
) -> int:
  """Returns the length at which texts are cut."""
  length = settings.get('max_seq_length')
  if length is None:
    tokenizer = _read_json(transformer / 'tokenizer_config.json', {})
    length = tokenizer.get('model_max_length', config.max_position_embeddings)
    length = int(min(length, config.max_position_embeddings))
  if not 2 < length <= config.max_position_embeddings:
    raise InputError(
        f'max_seq_length is {length}.',
        where=transformer / 'sentence_bert_config.json',
        expected='more than 2 (for [CLS] and [SEP]), and at most '
        f'{config.max_position_embeddings} (max_position_embeddings)',
        fix='Correct the number.',
    )
  return length


def _default_prompt(root: pathlib.Path) -> tuple[str, pathlib.Path]:
  """Returns the prompt that every text gets, and the file that says so."""
  path = root / 'config_sentence_transformers.json'
  settings = _read_json(path, {})
  name = settings.get('default_prompt_name')
  if name is None:
    return '', path
  prompts = settings.get('prompts') or {}
  if name not in prompts:
    raise InputError(
        f'The default prompt {name!r} is not among the prompts.',
        where=f'{path}, default_prompt_name',
        expected=f'one of {sorted(prompts)}',
        fix='Correct the name or remove it.',
    )
  return prompts[name], path


def _pooling(path: pathlib.Path, has_prompt: bool) -> str:
  """Returns how a text's vectors become one."""
  values = _read_json(path)
  modes = [mode for name, mode in _POOLINGS.items() if values.get(name) is True]
  if 'pooling_mode' in values:  # Since version 6 of sentence-transformers.
    modes = values['pooling_mode']
    modes = [modes] if isinstance(modes, str) else modes
  if len(modes) != 1 or modes[0] not in ('cls', 'mean'):
    raise InputError(
        f'The pooling is {" + ".join(map(str, modes)) or "not named"}.',
        where=path,
        expected='mean or cls, one of them',
        fix=_OTHER_ENCODER,
    )
  if has_prompt and not values.get('include_prompt', True):
    raise InputError(
        'The pooling leaves out the tokens of the prompt.',
        where=f'{path}, include_prompt',
        expected='include_prompt true, or no default prompt',
        fix=_OTHER_ENCODER,
    )
  return modes[0]

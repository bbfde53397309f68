# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Models as JSON values: how a checkpoint says what network it is of."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

from plum_jax.artifacts.errors import InputError
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.networks.config import ExpertsConfig
from plum_jax.networks.config import GemmaConfig
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig

GenerativeModel = DecoderOnlyModel | EncoderDecoderModel
_KINDS: dict[str, Any] = {
    'decoder_only': DecoderOnlyModel,
    'encoder_decoder': EncoderDecoderModel,
}
# Networks by kind of model and name; a T5's goes without saying.
_T5, _GEMMA = 't5', 'gemma'
_CONFIGS: dict[tuple[str, str], Any] = {
    ('decoder_only', _T5): TransformerConfig,
    ('decoder_only', _GEMMA): GemmaConfig,
    ('encoder_decoder', _T5): T5Config,
}


def kind(model: GenerativeModel) -> str:
  """Returns `decoder_only` or `encoder_decoder`."""
  for name, model_class in _KINDS.items():
    if isinstance(model, model_class):
      return name
  raise TypeError(f'{type(model).__name__} is no generative model.')


def to_json(model: GenerativeModel) -> dict[str, Any]:
  """Returns the model's hyper-parameters as JSON values.

  >>> model = DecoderOnlyModel(TransformerConfig(vocab_size=128))
  >>> from_json(to_json(model)) == model
  True
  """
  values = dataclasses.asdict(model)
  activations = values['config']['mlp_activations']
  values['config']['mlp_activations'] = list(activations)
  # A dense network is described as before there were experts.
  if values['config'].get('experts', '') is None:
    del values['config']['experts']
  if isinstance(model.config, GemmaConfig):
    values['network'] = _GEMMA
  return {'kind': kind(model), **values}


def from_json(values: Mapping[str, Any]) -> GenerativeModel:
  """Returns the model that `to_json` described.

  Raises:
    InputError: the values describe no model of this version.
  """
  try:
    values = dict(values)
    if values.get('loss_tokens') is not None:
      values['loss_tokens'] = tuple(values['loss_tokens'])
    name = values.pop('kind')
    model_class = _KINDS[name]
    config_class = _CONFIGS[name, values.pop('network', _T5)]
    config = dict(values.pop('config'))
    config['mlp_activations'] = tuple(config['mlp_activations'])
    if 'experts' in config:
      config['experts'] = ExpertsConfig(**config['experts'])
    return model_class(config=config_class(**config), **values)
  except (KeyError, TypeError, ValueError) as error:
    raise InputError(
        f'The description of the model cannot be read: {error!r}.',
        where='model',
        expected=f'hyper-parameters of one of {", ".join(_KINDS)}',
        fix='Use the version of plum_jax that wrote it, or train again.',
    ) from error

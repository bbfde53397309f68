# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A generator's first parameters, out of a public or an own checkpoint."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import logging
import pathlib
from typing import Any

import jax
import jax.numpy as jnp

from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.catalog import Catalog
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.models.saved import GenerativeModel
from plum_jax.networks.config import NetworkConfig
from plum_jax.networks.config import T5Config
from plum_jax.pretrained import finding
from plum_jax.pretrained import loading
from plum_jax.pretrained import network_shape
from plum_jax.pretrained import new_rows
from plum_jax.pretrained import vocabulary_match
from plum_jax.pretrained.checkpoint import Checkpoint
from plum_jax.pretrained.item_text import ItemText
from plum_jax.semantic_ids import build as semantic_ids
from plum_jax.semantic_ids import sid_table
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.vocabulary import layout

_LOGGER = logging.getLogger('plum_jax')


@dataclasses.dataclass(frozen=True)
class InitialParameters:
  """What training starts from.

  Attributes:
    path: a checkpoint (see `pretrained.finding.find`); random parameters if
      empty.
    sid_rows: `auto`, `keep`, `mean_noise` or `item_text`: what becomes of the
      rows of SID tokens; see `pretrained.vocabulary_match.choose`.
    noise_scale: see `pretrained.new_rows.MeanNoise`.
  """

  path: str = ''
  sid_rows: str = vocabulary_match.AUTO
  noise_scale: float = 1.0


RANDOM = InitialParameters()


class Source:
  """A checkpoint to start from, or none; looked at, not read."""

  def __init__(self, initial: InitialParameters):
    """Looks at the checkpoint.

    Args:
      initial: which, and what becomes of it.

    Raises:
      InputError: there is no checkpoint of a known form.
    """
    self._initial = initial
    self._checkpoint = finding.find(initial.path) if initial.path else None

  def describe(self) -> dict[str, Any] | None:
    """Returns what a manifest compares: contents' hash, settings."""
    if self._checkpoint is None:
      return None
    return {
        'sid_rows': self._initial.sid_rows,
        'noise_scale': self._initial.noise_scale,
        'form': self._checkpoint.form,
        'content_hash': self._checkpoint.content_hash(),
    }

  def inputs(self, folders: RunDirectory) -> dict[str, pathlib.Path]:
    """Returns what rows are made from beside the checkpoint, by role."""
    if self._checkpoint and self._initial.sid_rows == new_rows.ITEM_TEXT:
      return {'catalog': folders.catalog}
    return {}

  def reader(
      self, folders: RunDirectory, model: GenerativeModel, seed: int
  ) -> Callable[[Any], Any] | None:
    """Returns what `training.loop.train` takes as `initial_params`.

    Args:
      folders: with `vocabulary/`, and for `item_text` with `catalog/` and
        `semantic_ids/`.
      model: the generator.
      seed: of random rows.

    Returns:
      A function of the parameters' shapes; None for random parameters.

    Raises:
      InputError: the checkpoint is of another network or vocabulary. Said here,
        before anything is compiled.
    """
    checkpoint = self._checkpoint
    if checkpoint is None:
      return None
    vocabulary = _vocabulary(folders)
    vocabulary_match.check_start(vocabulary, model.config)
    chosen = vocabulary_match.choose(
        checkpoint, vocabulary, model.config.vocab_size, self._initial.sid_rows
    )
    keeps = chosen == vocabulary_match.KEEP
    loading.check(
        checkpoint, _shapes(model), config=model.config, grows=not keeps
    )

    def read(shapes):
      growth = None
      if not keeps:
        make = _new_rows(chosen, self._initial, folders, vocabulary)
        growth = loading.Growth(vocabulary.num_text, make, seed)
      params = loading.load(
          checkpoint, shapes, config=model.config, growth=growth
      )
      _log(checkpoint, shapes, model.config.vocab_size, growth, chosen)
      return params

    return read


def _shapes(model: GenerativeModel) -> Any:
  """Returns the shapes of a model's parameters."""
  tokens = jax.ShapeDtypeStruct((1, 2), jnp.int32)
  batch = {'encoder_input_tokens': tokens, 'decoder_input_tokens': tokens}
  return jax.eval_shape(
      lambda key: model.init(key, batch)['params'], jax.random.key(0)
  )


def _new_rows(
    chosen: str,
    initial: InitialParameters,
    folders: RunDirectory,
    vocabulary: vocabulary_match.Vocabulary,
) -> new_rows.NewRows:
  noise = new_rows.MeanNoise(initial.noise_scale)
  if chosen != new_rows.ITEM_TEXT:
    return noise
  return new_rows.FromItemText(
      _item_text(folders, vocabulary), vocabulary.num_text, noise
  )


def _log(
    checkpoint: Checkpoint,
    shapes: Any,
    num_rows: int,
    growth: loading.Growth | None,
    chosen: str,
) -> None:
  rows = 'all rows kept'
  if growth is not None:
    kept, made = growth.num_kept, num_rows - growth.num_kept
    rows = f'{kept:,} rows kept, {made:,} made by {chosen}'
  _LOGGER.info(
      'train: starts from %d parameters of %s; %s',
      len(trees.to_flat(shapes)),
      checkpoint.path,
      rows,
  )


def _vocabulary(folders: RunDirectory) -> vocabulary_match.Vocabulary:
  directory = folders.vocabulary
  return vocabulary_match.Vocabulary(
      layout=layout.VocabularyLayout.load(directory),
      model=(directory / layout.MODEL_FILE).read_bytes(),
      content_hash=manifests.content_hash(directory),
      path=str(directory),
  )


def _item_text(
    folders: RunDirectory, vocabulary: vocabulary_match.Vocabulary
) -> ItemText:
  table = sid_table.load(folders.semantic_ids / semantic_ids.TABLE_FILE)
  return ItemText.encode(
      Catalog.load(folders.catalog).titles,
      vocabulary.model,
      table.full_codes,
      table.level_sizes,
  )


def encoder_decoder(
    path: str, vocab_size: int, dropout_rate: float, dtype: str = 'float32'
) -> EncoderDecoderModel:
  """Returns a generator with a checkpoint's sizes and a vocabulary's rows.

  Args:
    path: the checkpoint; see `pretrained.finding.find`.
    vocab_size: rows of the table of embeddings, SID tokens included.
    dropout_rate: of training.
    dtype: of activations.

  Raises:
    InputError: there is no checkpoint of an encoder-decoder.
  """
  config = _config(path, vocab_size, dropout_rate, dtype)
  if not isinstance(config, T5Config):
    raise _other_kind(path, 'decoder-only', 'an encoder-decoder')
  return EncoderDecoderModel(config)


def decoder_only(
    path: str, vocab_size: int, dropout_rate: float, dtype: str = 'float32'
) -> DecoderOnlyModel:
  """Returns a generator like `encoder_decoder`, with a decoder alone."""
  config = _config(path, vocab_size, dropout_rate, dtype)
  if isinstance(config, T5Config):
    raise _other_kind(path, 'an encoder-decoder', 'decoder-only')
  return DecoderOnlyModel(config)


def _config(
    path: str, vocab_size: int, dropout_rate: float, dtype: str
) -> NetworkConfig:
  found = finding.find(path)
  config = found.config or network_shape.network_config(
      found.arrays, found.path
  )
  return dataclasses.replace(
      config, vocab_size=vocab_size, dropout_rate=dropout_rate, dtype=dtype
  )


def _other_kind(path: str, found: str, expected: str) -> InputError:
  return InputError(
      f'The checkpoint is {found}.',
      where=path,
      expected=expected,
      fix='Include the other one of gin/models/initial_*.gin.',
  )

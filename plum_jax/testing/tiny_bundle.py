# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A bundle with a random generator, for tests of whatever serves one."""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
from typing import Any

import jax
import numpy as np
import pyarrow as pa

from plum_jax.artifacts import atomic
from plum_jax.artifacts import manifest
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.models.saved import GenerativeModel
from plum_jax.networks.config import T5Config
from plum_jax.networks.config import TransformerConfig
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids import tokenizer
from plum_jax.serving import bundle
from plum_jax.serving.bundle import SearchSettings
from plum_jax.serving.parts import Parts
from plum_jax.serving.parts import TOKENIZER_FOLDER
from plum_jax.serving.prompt_format import DECODER_ONLY
from plum_jax.serving.prompt_format import PromptFormat
from plum_jax.vocabulary import layout
from plum_jax.vocabulary.layout import VocabularyLayout

_TEXT_PIECES = 60
_MAX_ITEMS = 6
_SIZES = {
    'emb_dim': 16,
    'num_heads': 2,
    'head_dim': 8,
    'mlp_dim': 32,
    'dropout_rate': 0.0,
}


def write(
    directory: str | os.PathLike[str],
    *,
    num_items: int = 24,
    codebook_sizes: tuple[int, ...] = (4, 8),
    kind: str = DECODER_ONLY,
    search: SearchSettings | None = None,
    seed: int = 0,
) -> None:
  """Writes a bundle whose generator has learned nothing.

  Items are `i0`, `i1` and so on; they keep their Semantic IDs whatever their
  number. With another seed the same items have other Semantic IDs, and other
  recommendations.

  Args:
    directory: the folder to appear; an older one is replaced.
    num_items: number of items; no more than 16 may get the same codes.
    codebook_sizes: codes per level, before the disambiguation code.
    kind: `decoder_only` or `encoder_decoder`.
    search: how items are searched for; by default with 10 beams.
    seed: of the Semantic IDs and the parameters.
  """
  with tempfile.TemporaryDirectory() as folder:
    sources = _write_parts(
        pathlib.Path(folder), num_items, codebook_sizes, seed
    )
    table = sid_table.load(sources.table)
    model = _model(
        kind, VocabularyLayout.load(sources.vocabulary).padded_vocab_size
    )
    titles = [f'Film number {item}' for item in range(num_items)]
    with atomic.write_directory(directory) as temporary:
      bundle.write(
          temporary,
          sources,
          items=pa.table({'item_id': table.item_ids, 'title': titles}),
          model=model,
          params=_params(model, seed),
          prompt=PromptFormat(
              kind, _MAX_ITEMS * len(table.level_sizes), _MAX_ITEMS
          ),
          search=search or SearchSettings(beam_size=10),
      )


def _model(kind: str, vocab_size: int) -> GenerativeModel:
  if kind == DECODER_ONLY:
    return DecoderOnlyModel(
        TransformerConfig(vocab_size=vocab_size, num_layers=1, **_SIZES)
    )
  return EncoderDecoderModel(
      T5Config(
          vocab_size=vocab_size,
          num_encoder_layers=1,
          num_decoder_layers=1,
          **_SIZES,
      )
  )


def _params(model: GenerativeModel, seed: int) -> dict[str, Any]:
  """Draws parameters in NumPy: nothing is compiled."""
  tokens = jax.ShapeDtypeStruct((1, 2), np.int32)
  names = ('encoder_input_tokens', 'decoder_input_tokens')
  shapes = jax.eval_shape(
      model.init, jax.random.key(0), dict.fromkeys(names, tokens)
  )['params']
  rng = np.random.default_rng(seed)

  def draw(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
    if len(leaf.shape) == 1:  # Scales of norms.
      return np.ones(leaf.shape, np.float32)
    # So large that items are told apart.
    return rng.normal(0, 0.5, leaf.shape).astype(np.float32)

  return jax.tree.map(draw, shapes)


def _write_parts(
    root: pathlib.Path,
    num_items: int,
    codebook_sizes: tuple[int, ...],
    seed: int,
) -> Parts:
  """Writes all parts but the generator's parameters."""
  parts = Parts(
      semantic_ids=root / 'semantic_ids',
      vocabulary=root / 'vocabulary',
      generator=root / 'training',
      items=root / 'items.parquet',
      item_encoder=root / 'item_embeddings',
  )
  tokenizer_folder = parts.semantic_ids / TOKENIZER_FOLDER
  for folder in (
      tokenizer_folder,
      parts.vocabulary,
      parts.generator,
      parts.item_encoder,
  ):
    folder.mkdir(parents=True)
  (tokenizer_folder / 'config.json').write_text(json.dumps({'seed': seed}))
  # Item by item, so that those that are there keep theirs as others come.
  rng, sizes = np.random.default_rng(seed), np.array([codebook_sizes])
  table = sid_table.make(
      [f'i{item}' for item in range(num_items)],
      (rng.random((num_items, len(codebook_sizes))) * sizes).astype(np.int32),
      codebook_sizes=codebook_sizes,
      tokenizer_hash=tokenizer.tokenizer_hash(tokenizer_folder),
      disambiguation_size=16,
  )
  table.save(parts.table)
  encoder = _finish('item_embeddings', parts.item_encoder, {})
  _finish(
      'semantic_ids', parts.semantic_ids, {'item_embeddings': encoder.outputs}
  )
  table_hash = manifest.content_hash(parts.table)
  VocabularyLayout(_TEXT_PIECES, 0, table.level_sizes, (), table_hash).save(
      parts.vocabulary
  )
  (parts.vocabulary / layout.MODEL_FILE).write_bytes(b'')
  _finish('vocabulary', parts.vocabulary, {})
  _finish(
      'training',
      parts.generator,
      {
          'semantic_ids': manifest.content_hash(parts.semantic_ids),
          'vocabulary': manifest.content_hash(parts.vocabulary),
      },
  )
  return parts


def _finish(
    stage: str, directory: pathlib.Path, inputs: dict[str, str]
) -> manifest.Manifest:
  return manifest.Manifest(stage, inputs, {}).save(directory)

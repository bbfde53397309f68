# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Whether a checkpoint's rows are those of a vocabulary."""

from __future__ import annotations

import dataclasses
from typing import Any

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from plum_jax.artifacts.errors import InputError
from plum_jax.networks.config import GemmaConfig
from plum_jax.networks.config import NetworkConfig
from plum_jax.pretrained import new_rows
from plum_jax.pretrained.checkpoint import Checkpoint
from plum_jax.vocabulary import sid_tokens
from plum_jax.vocabulary.layout import VocabularyLayout

AUTO, KEEP = 'auto', 'keep'
# The class is made at import, where type checkers do not see it.
_ModelProto: Any = getattr(sentencepiece_model_pb2, 'ModelProto')  # noqa: B009


@dataclasses.dataclass(frozen=True)
class Vocabulary:
  """The vocabulary of a run.

  Attributes:
    layout: which ids are what.
    model: its SentencePiece model, serialized.
    content_hash: of its folder.
    path: its folder, for messages.
  """

  layout: VocabularyLayout
  model: bytes
  content_hash: str
  path: str

  @property
  def num_text(self) -> int:
    """Text pieces and sentinels: the rows that a public model has, too."""
    return self.layout.sid_first_id


def choose(
    checkpoint: Checkpoint, vocabulary: Vocabulary, num_rows: int, asked: str
) -> str:
  """Decides what becomes of the rows of SID tokens.

  Args:
    checkpoint: the checkpoint.
    vocabulary: the vocabulary of the model to be trained.
    num_rows: rows of its table.
    asked: `keep`: the checkpoint has rows for this very vocabulary; a name of
      `new_rows.INITIALIZERS`: it has text rows, and others are made so; or
      `auto`: `keep` if it has all rows, else `mean_noise`.

  Returns:
    `keep` or a name of `new_rows.INITIALIZERS`.

  Raises:
    InputError: the checkpoint's text pieces are others than the vocabulary's.
  """
  if asked not in (AUTO, KEEP, *new_rows.INITIALIZERS):
    raise new_rows.unknown_initializer(asked)
  same = _is_same(checkpoint, vocabulary)
  if same is None and asked != KEEP:
    same = _judge_by_rows(checkpoint, vocabulary, num_rows, asked)
  if asked == AUTO:
    asked = KEEP if same else new_rows.MEAN_NOISE
  if asked == KEEP and (same is False or checkpoint.num_rows != num_rows):
    raise InputError(
        f'The checkpoint has {checkpoint.num_rows:,} rows, of another '
        'vocabulary.',
        where=checkpoint.path,
        expected=f'{num_rows:,} rows, for {vocabulary.path}',
        fix='Set INITIAL_SID_ROWS to auto, mean_noise or item_text.',
    )
  if checkpoint.num_rows < vocabulary.num_text:
    raise _wrong_text(
        f'The checkpoint has {checkpoint.num_rows:,} rows.',
        checkpoint,
        vocabulary,
    )
  return asked


def check_start(vocabulary: Vocabulary, config: NetworkConfig) -> None:
  """Refuses a network that begins texts with another token than their model.

  Args:
    vocabulary: the vocabulary of the model to be trained.
    config: its hyper-parameters.

  Raises:
    InputError: a Gemma's `bos_id` is not the vocabulary's.
  """
  if not isinstance(config, GemmaConfig):
    return
  processor = sentencepiece.SentencePieceProcessor()
  processor.LoadFromSerializedProto(vocabulary.model)
  if processor.bos_id() != config.bos_id:
    raise InputError(
        f'The network begins texts with token {config.bos_id}, the vocabulary '
        f'with {processor.bos_id()}.',
        where=f'{vocabulary.path}, bos_id',
        expected='one beginning-of-sequence token',
        fix="Give the checkpoint's own SentencePiece model as "
        'SENTENCEPIECE_MODEL and make the vocabulary anew.',
    )


def _is_same(checkpoint: Checkpoint, vocabulary: Vocabulary) -> bool | None:
  """Whether it is the same vocabulary; None if nothing but rows can tell.

  Raises:
    InputError: its text pieces are others.
  """
  if checkpoint.vocabulary_hash == vocabulary.content_hash:
    return True
  if checkpoint.sentencepiece is None:
    if checkpoint.vocabulary_hash is None:
      return None
    raise InputError(
        'The checkpoint was trained with another vocabulary, which is not in '
        'its run directory any more.',
        where=checkpoint.path,
        expected=f'content hash {vocabulary.content_hash}, got '
        f'{checkpoint.vocabulary_hash}',
        fix='Use a checkpoint of this vocabulary, or bring the other back.',
    )
  theirs, ours = _pieces(checkpoint.sentencepiece), _pieces(vocabulary.model)
  num_common = min(len(theirs), vocabulary.num_text)
  different = next((i for i in range(num_common) if theirs[i] != ours[i]), None)
  if different is not None:
    raise _wrong_text(
        f'Piece {different:,} of the checkpoint is {theirs[different][0]!r}, '
        f'that of the vocabulary {ours[different][0]!r}.',
        checkpoint,
        vocabulary,
    )
  if num_common < vocabulary.layout.base_size:
    raise _wrong_text(
        f'The checkpoint has {num_common:,} pieces.', checkpoint, vocabulary
    )
  return theirs == ours


def _judge_by_rows(
    checkpoint: Checkpoint, vocabulary: Vocabulary, num_rows: int, asked: str
) -> bool:
  """Tells text rows alone from all rows by their number.

  Returns:
    Whether there are rows for all tokens.
  """
  multiple = sid_tokens.SIZE_MULTIPLE
  text = vocabulary.num_text
  of_text = checkpoint.num_rows in (text, -(-text // multiple) * multiple)
  of_all = checkpoint.num_rows == num_rows
  if not of_text and not of_all:
    raise _wrong_text(
        f'The checkpoint has {checkpoint.num_rows:,} rows.',
        checkpoint,
        vocabulary,
    )
  if of_text and of_all and asked == AUTO:
    raise InputError(
        f'The checkpoint has {num_rows:,} rows, which fits the text pieces and '
        'the whole vocabulary.',
        where=checkpoint.path,
        expected='to be told which',
        fix='Set INITIAL_SID_ROWS to keep, if it has been trained on this '
        'vocabulary, else to mean_noise or item_text.',
    )
  return of_all


def _pieces(model: bytes) -> list[tuple[str, float]]:
  return [(p.piece, p.score) for p in _ModelProto.FromString(model).pieces]


def _wrong_text(
    what: str, checkpoint: Checkpoint, vocabulary: Vocabulary
) -> InputError:
  layout = vocabulary.layout
  return InputError(
      f'{what} Its text is cut into other pieces than that of this run.',
      where=checkpoint.path,
      expected=f'{layout.base_size:,} text pieces and {layout.extra_ids} '
      f'sentinels, those of {vocabulary.path}, padded to a multiple of '
      f'{sid_tokens.SIZE_MULTIPLE}',
      fix="Give the checkpoint's own SentencePiece model as "
      'SENTENCEPIECE_MODEL and make the vocabulary anew.',
  )

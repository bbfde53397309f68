# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""SentencePiece models as bytes: one trained on text, one extended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import io
import os
import pathlib
import string
from typing import Any

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from plum_jax.artifacts.errors import InputError
from plum_jax.vocabulary import sid_tokens

# The class is made at import, where type checkers do not see it.
_ModelProto: Any = getattr(sentencepiece_model_pb2, 'ModelProto')  # noqa: B009
_PRINTABLE = string.ascii_letters + string.digits + string.punctuation
# SentencePiece leaves out longer sentences; a description is one sentence.
_MAX_SENTENCE_BYTES = 65_536


def train(sentences: Iterable[str], vocab_size: int) -> bytes:
  """Trains a unigram model with T5's conventions.

  Padding is 0, end of sequence 1, unknown 2, and there is no beginning of
  sequence, as in T5 (arXiv 1910.10683, section 2.1.1 and its published model).
  All printable ASCII characters are pieces, so that prompts can be written
  whatever the catalog's language: our choice. One thread, no shuffling: the
  same sentences give the same bytes.

  Args:
    sentences: text, one sentence or field each.
    vocab_size: the most pieces to make; a small corpus gives fewer.

  Returns:
    A serialized `ModelProto`.

  Raises:
    InputError: there is no text, or `vocab_size` leaves no room for its
      characters.
  """
  written = io.BytesIO()
  try:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        model_type='unigram',
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        required_chars=_PRINTABLE,
        max_sentence_length=_MAX_SENTENCE_BYTES,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
  except RuntimeError as error:
    raise InputError(
        f'SentencePiece cannot make a text model: {error}',
        where=f'the text of the catalog, text_vocab_size={vocab_size}',
        expected='some text, and room for every character of it',
        fix='Raise text_vocab_size, or give base_model_file.',
    ) from error
  return written.getvalue()


def read(path: str | os.PathLike[str]) -> bytes:
  """Reads a SentencePiece model and checks T5's conventions.

  Raises:
    InputError: the file is missing, is no SentencePiece model, or pads with
      another id than 0.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    raise InputError(
        'The SentencePiece model does not exist.',
        where=path,
        expected='a file such as T5 spiece.model',
        fix='Correct base_model_file, or leave it empty to train one.',
    )
  return checked(path.read_bytes(), path)


def checked(model: bytes, where: object) -> bytes:
  """Returns a serialized model whose conventions are T5's.

  Gemma's keeps to them, too: padding is 0. Its beginning of sequence is the
  network's to place; see `networks.config.GemmaConfig`.

  Args:
    model: the bytes.
    where: the file that they are from, for errors.

  Raises:
    InputError: they are no SentencePiece model, or it pads with another id
      than 0, or has no end of sequence.
  """
  processor = sentencepiece.SentencePieceProcessor()
  try:
    processor.LoadFromSerializedProto(model)
  except RuntimeError as error:
    raise InputError(
        'The file is not a SentencePiece model.',
        where=where,
        expected='a serialized SentencePiece ModelProto',
        fix='Correct base_model_file, or leave it empty to train one.',
    ) from error
  if processor.pad_id() != 0 or processor.eos_id() < 0:
    raise InputError(
        f'The model pads with {processor.pad_id()} and ends sequences with '
        f'{processor.eos_id()}.',
        where=where,
        expected="padding 0 and an end-of-sequence id, T5's conventions",
        fix='Train the model with pad_id=0, eos_id=1, unk_id=2, bos_id=-1.',
    )
  return model


def extend(
    base_model: bytes,
    *,
    extra_ids: int,
    level_sizes: Sequence[int],
    custom_tokens: Sequence[str] = (),
) -> bytes:
  """Adds sentinels, SID tokens and custom tokens after the text pieces.

  They are user-defined pieces: SentencePiece takes them whole out of any text
  before it looks at the rest, so the pieces of the text between them, and
  their numbers, are those of the base model.

  Args:
    base_model: a serialized `ModelProto`.
    extra_ids: number of T5's sentinels, numbered and written as
      `seqio.SentencePieceVocabulary(extra_ids=...)` does.
    level_sizes: number of codes of each level of the SIDs.
    custom_tokens: further pieces, such as `<rating_5>`.

  Returns:
    The extended `ModelProto`, serialized.

  Raises:
    InputError: a custom token has a space, is empty, or is a piece already.
  """
  model = _ModelProto.FromString(base_model)
  added = [f'▁<extra_id_{i}>' for i in reversed(range(extra_ids))]
  for level, size in enumerate(level_sizes, start=1):
    added += [sid_tokens.piece(level, code) for code in range(size)]
  _check_custom_tokens(
      custom_tokens, {piece.piece for piece in model.pieces} | set(added)
  )
  for text in (*added, *custom_tokens):
    model.pieces.add(
        piece=text, score=0.0, type=_ModelProto.SentencePiece.USER_DEFINED
    )
  # The trainer's record of the size, which tools show.
  model.trainer_spec.vocab_size = len(model.pieces)
  return model.SerializeToString(deterministic=True)


def num_pieces(model: bytes) -> int:
  """Returns the number of pieces of a serialized model."""
  return len(_ModelProto.FromString(model).pieces)


def _check_custom_tokens(tokens: Sequence[str], taken: set[str]) -> None:
  """Refuses pieces that SentencePiece could not tell apart."""
  seen = set(taken)
  for token in tokens:
    if not token or any(c.isspace() or c == '▁' for c in token):
      what = f'The custom token {token!r} is empty or has a space.'
    elif token in seen:
      what = f'The custom token {token!r} is in the vocabulary already.'
    else:
      seen.add(token)
      continue
    raise InputError(
        what,
        where='custom_tokens',
        expected='different pieces without spaces, such as <rating_5>',
        fix='Rename the token.',
    )

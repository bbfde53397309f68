# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""SentencePiece over Semantic IDs: frequent runs of codes become one piece.

Better Generalization with Semantic IDs (arXiv 2306.08121), section 4: a
unigram model (arXiv 1804.10959) learns from the Semantic IDs of impressed items
which runs of codes get a row of their own; rare ones fall back to single codes.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import io
import json
import os
import pathlib

import numpy as np
import sentencepiece

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError
from plum_jax.ranking.item_features import NO_PIECE

MODEL_FILE, DESCRIPTION_FILE = 'spm.model', 'spm.json'
# Private-use characters of planes 15 and 16; the last two of a plane are none.
_PLANES = ((0xF0000, 0xFFFFE), (0x100000, 0x10FFFE))
_MAX_CHARACTERS = sum(end - begin for begin, end in _PLANES)
# SentencePiece insists on an unknown piece; it has no row: codes are pieces.
_UNKNOWN = 0


@dataclasses.dataclass(frozen=True)
class SpmModel:
  """A trained model.

  Attributes:
    model: SentencePiece's serialized `ModelProto`.
    codebook_sizes: codes per level of the tokenizer.
    tokenizer_hash: of the tokenizer whose codes it was trained on.
  """

  model: bytes
  codebook_sizes: tuple[int, ...]
  tokenizer_hash: str

  @property
  def num_rows(self) -> int:
    """Number of pieces, each a row of the table."""
    return _processor(self.model).vocab_size() - 1

  def encode(self, codes: np.ndarray) -> np.ndarray:
    """Cuts Semantic IDs into pieces, each distinct one once.

    Args:
      codes: int [num_items, num_levels].

    Returns:
      int64 [num_items, max_pieces], rows of the table, `NO_PIECE` after the
      last.
    """
    distinct, inverse = np.unique(codes, axis=0, return_inverse=True)
    found = _processor(self.model).encode(texts(distinct, self.codebook_sizes))
    lengths = np.array([len(pieces) for pieces in found], np.int64)
    rows = np.full((len(found), int(lengths.max(initial=0))), NO_PIECE)
    filled = np.arange(rows.shape[1])[None, :] < lengths[:, None]
    rows[filled] = np.concatenate([*found, []]).astype(np.int64) - 1
    return rows[inverse.reshape(-1)]

  def save(self, directory: str | os.PathLike[str]) -> None:
    """Writes `spm.model` and `spm.json`, which names the tokenizer."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    description = {
        'codebook_sizes': list(self.codebook_sizes),
        'tokenizer_hash': self.tokenizer_hash,
    }
    with atomic.write_file(directory / MODEL_FILE) as temporary:
      temporary.write_bytes(self.model)
    with atomic.write_file(directory / DESCRIPTION_FILE) as temporary:
      text = json.dumps(description, indent=2)
      temporary.write_text(text + '\n', encoding='utf-8')


def texts(codes: np.ndarray, codebook_sizes: Sequence[int]) -> list[str]:
  """Writes Semantic IDs as texts, one private-use character a code.

  Args:
    codes: int [n, num_levels].
    codebook_sizes: codes per level; each level has characters of its own.

  Returns:
    [n] texts of num_levels characters.

  Raises:
    InputError: there are more codes than private-use characters.

  >>> [hex(ord(c)) for c in texts(np.array([[1, 0]]), (4, 4))[0]]
  ['0xf0001', '0xf0004']
  """
  if sum(codebook_sizes) > _MAX_CHARACTERS:
    raise InputError(
        f'The levels have {sum(codebook_sizes):,} codes together.',
        where='SPM of Semantic IDs',
        expected=f'at most {_MAX_CHARACTERS:,}, a private-use character each',
        fix='Use N-grams, or a tokenizer with fewer codes.',
    )
  starts = np.cumsum([0, *codebook_sizes[:-1]])
  numbers = np.asarray(codes, np.int64) + starts[None, :]
  (first, end), (second, _) = _PLANES
  characters = np.where(
      numbers < end - first, numbers + first, numbers - (end - first) + second
  )
  # numpy's own texts: four bytes a character.
  width = characters.shape[1]
  return (
      np.ascontiguousarray(characters, '<u4').view(f'<U{width}')[:, 0].tolist()
  )


def train(
    codes: np.ndarray,
    counts: np.ndarray,
    *,
    codebook_sizes: Sequence[int],
    tokenizer_hash: str,
    num_rows: int,
) -> SpmModel:
  """Trains a model on the Semantic IDs of impressed items.

  Every code is a piece, also one that no impressed item has, so that an item
  that comes later always has a vector: each code is a sentence of its own,
  with the weight of one impression. Without them SentencePiece drops single
  codes in its first rounds, since all Semantic IDs are pieces of their own
  then, has no way to write an item whose piece it prunes, and ends with pieces
  for items of middling popularity and none for the head. One thread: the same
  input gives the same bytes.

  Args:
    codes: int [num_items, num_levels].
    counts: int [num_items], impressions of the training window; an item weighs
      as much as it was impressed, and those without are not read.
    codebook_sizes: codes per level.
    tokenizer_hash: of the tokenizer that gave the codes.
    num_rows: the vocabulary, and the rows of the table. SentencePiece makes
      fewer if there are fewer frequent runs.

  Returns:
    The model.

  Raises:
    InputError: no item was impressed, or `num_rows` leaves no room for a piece
      a code.
  """
  if num_rows < sum(codebook_sizes):
    raise InputError(
        f'A vocabulary of {num_rows:,} cannot hold every single code.',
        where='SPM of Semantic IDs, num_rows',
        expected=f'at least {sum(codebook_sizes):,}, the codes of all levels',
        fix='Raise the number of rows.',
    )
  seen = np.flatnonzero(counts > 0)
  if not len(seen):
    raise InputError(
        'No item of the training window was impressed.',
        where='SPM of Semantic IDs',
        expected='impressions to learn frequent runs of codes from',
        fix='Split later.',
    )
  distinct, inverse = np.unique(codes[seen], axis=0, return_inverse=True)
  weights = np.bincount(inverse.reshape(-1), counts[seen]).astype(np.int64)
  every_code = np.arange(sum(codebook_sizes))
  alphabet = texts(every_code[:, None], (len(every_code),))
  written = io.BytesIO()
  try:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(
            f'{text}\t{weight}'
            for text, weight in zip(
                [*alphabet, *texts(distinct, codebook_sizes)],
                [*np.ones_like(every_code), *weights],
                strict=True,
            )
        ),
        input_format='tsv',
        model_writer=written,
        model_type='unigram',
        vocab_size=num_rows + 1,
        hard_vocab_limit=False,
        required_chars=''.join(alphabet),
        character_coverage=1.0,
        max_sentencepiece_length=max(len(codebook_sizes), 1),
        normalization_rule_name='identity',
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        split_by_unicode_script=False,
        split_by_whitespace=False,
        split_by_number=False,
        unk_id=_UNKNOWN,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
  except RuntimeError as error:
    raise InputError(
        f'SentencePiece cannot make a model: {error}',
        where=f'SPM of Semantic IDs, num_rows={num_rows}',
        expected='Semantic IDs of impressed items',
        fix='Change the number of rows, or use another feature.',
    ) from error
  return SpmModel(written.getvalue(), tuple(codebook_sizes), tokenizer_hash)


def load(
    directory: str | os.PathLike[str], tokenizer_hash: str | None = None
) -> SpmModel:
  """Reads a model that `SpmModel.save` wrote.

  Args:
    directory: its folder.
    tokenizer_hash: of the tokenizer that it is about to be used with.

  Raises:
    InputError: a file is missing or damaged, or the model was trained on the
      codes of another tokenizer.
  """
  directory = pathlib.Path(directory)
  try:
    model = (directory / MODEL_FILE).read_bytes()
    text = (directory / DESCRIPTION_FILE).read_text(encoding='utf-8')
    described = json.loads(text)
    sizes = tuple(map(int, described['codebook_sizes']))
    found = str(described['tokenizer_hash'])
    _processor(model)
  except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
    raise InputError(
        f'The SPM model cannot be read: {error}',
        where=directory,
        expected=f'{MODEL_FILE} and {DESCRIPTION_FILE}',
        fix='Correct the path, or train the model anew.',
    ) from error
  if tokenizer_hash is not None and found != tokenizer_hash:
    raise InputError(
        'The SPM model was trained on Semantic IDs of another tokenizer.',
        where=f'{directory / DESCRIPTION_FILE}, tokenizer_hash',
        expected=f'{tokenizer_hash}, got {found}',
        fix='Use the SID table that it was trained on, or train it anew.',
    )
  return SpmModel(model, sizes, found)


def _processor(model: bytes) -> sentencepiece.SentencePieceProcessor:
  return sentencepiece.SentencePieceProcessor(model_proto=model)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""`vocabulary.json`: which ids of the vocabulary are what."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError
from plum_jax.vocabulary import sid_tokens

MODEL_FILE = 'vocabulary.model'
LAYOUT_FILE = 'vocabulary.json'


@dataclasses.dataclass(frozen=True)
class VocabularyLayout:
  """The parts of a vocabulary, in the order of their ids.

  Attributes:
    base_size: pieces of the text model, which keep their numbers.
    extra_ids: T5's sentinels after them, the last one first.
    level_sizes: SID tokens of each level after these, levels in order.
    custom_tokens: pieces after these, for numeric features and the like.
    sid_table_hash: content hash of the SID table that the levels are of.

  >>> layout = VocabularyLayout(32_000, 100, (256, 256, 256, 2), ('<new>',), '')
  >>> layout.sid_first_id, layout.vocab_size, layout.padded_vocab_size
  (32100, 32871, 32896)
  >>> layout.custom_first_id
  32870
  """

  base_size: int
  extra_ids: int
  level_sizes: tuple[int, ...]
  custom_tokens: tuple[str, ...]
  sid_table_hash: str

  @property
  def sid_first_id(self) -> int:
    """The id of code 0 of level 1."""
    return self.base_size + self.extra_ids

  @property
  def custom_first_id(self) -> int:
    """The id of the first custom token."""
    return self.sid_first_id + sum(self.level_sizes)

  @property
  def vocab_size(self) -> int:
    """The number of pieces of the SentencePiece file."""
    return self.custom_first_id + len(self.custom_tokens)

  @property
  def padded_vocab_size(self) -> int:
    """The number of rows of an embedding table for this vocabulary."""
    return self.sid_tokens.padded_vocab_size

  @property
  def sid_tokens(self) -> sid_tokens.SidTokens:
    """Where the SID tokens lie."""
    return sid_tokens.SidTokens(
        self.sid_first_id, self.level_sizes, self.vocab_size
    )

  def save(self, directory: str | os.PathLike[str]) -> None:
    """Writes `vocabulary.json`."""
    values = dataclasses.asdict(self) | {
        'sid_first_id': self.sid_first_id,
        'custom_first_id': self.custom_first_id,
        'vocab_size': self.vocab_size,
        'padded_vocab_size': self.padded_vocab_size,
    }
    with atomic.write_file(pathlib.Path(directory) / LAYOUT_FILE) as temporary:
      temporary.write_text(json.dumps(values, indent=2) + '\n', 'utf-8')

  @classmethod
  def load(cls, directory: str | os.PathLike[str]) -> VocabularyLayout:
    """Reads `vocabulary.json`; needs no TensorFlow.

    Raises:
      InputError: the file is missing or is not one that `save` wrote.
    """
    path = pathlib.Path(directory) / LAYOUT_FILE
    try:
      values = json.loads(path.read_text('utf-8'))
      return cls(
          base_size=int(values['base_size']),
          extra_ids=int(values['extra_ids']),
          level_sizes=tuple(int(size) for size in values['level_sizes']),
          custom_tokens=tuple(values['custom_tokens']),
          sid_table_hash=str(values['sid_table_hash']),
      )
    except FileNotFoundError as error:
      raise InputError(
          'The vocabulary does not exist.',
          where=path,
          expected='the folder that the stage vocabulary makes',
          fix='Run the stage vocabulary first, or correct the path.',
      ) from error
    except (KeyError, TypeError, ValueError) as error:
      raise InputError(
          f'The vocabulary cannot be read: {error!r}.',
          where=path,
          expected='the JSON object that the stage vocabulary writes',
          fix='Delete the folder and run the stage vocabulary again.',
      ) from error

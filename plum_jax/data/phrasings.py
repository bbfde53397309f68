# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Sentences with places for Semantic IDs and for texts, as tokens.

    Item {sid} has title: {title}

Words are tokens once and for all; places are filled by rows of tables. There is
no space between a word and the SID after it: it would be a token of its own, as
a SID's pieces are taken out of a text first. What comes out is what
SentencePiece makes of `Item<sid_1_3><sid_2_7> has title: Toy Story`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
import dataclasses
import os
import pathlib
import string

import numpy as np
import sentencepiece

from plum_jax.artifacts.errors import InputError

SID = 'sid'
# Some of a SID's first codes.
SID_PREFIX = 'sid_prefix'


@dataclasses.dataclass(frozen=True, eq=False)
class Phrasing:
  """A sentence in parts.

  Attributes:
    text: as it was written.
    parts: int32 [n], tokens of words; or the name of a place.
  """

  text: str
  parts: tuple[np.ndarray | str, ...]

  @property
  def places(self) -> tuple[str, ...]:
    """The names of the places, in order."""
    return tuple(part for part in self.parts if isinstance(part, str))

  def describe(self) -> str:
    """Returns the text, for the description of a task."""
    return self.text


class Encoder:
  """Encodes the words of phrasings, with one vocabulary."""

  def __init__(self, model_file: str | os.PathLike[str]):
    """Reads the model.

    Args:
      model_file: a SentencePiece model, such as `vocabulary.model`.
    """
    self._model = sentencepiece.SentencePieceProcessor()
    self._model.LoadFromSerializedProto(pathlib.Path(model_file).read_bytes())
    # T5's models put a space before a text, Gemma's do not.
    first = self._model.encode('a', out_type=str)
    self._adds_space = bool(first) and first[0].startswith('▁')

  def words(self, text: str, first: bool = True) -> np.ndarray:
    """Returns the tokens of words, int32 [n].

    Args:
      text: without places.
      first: whether nothing precedes them; else a space does.
    """
    text = text.strip()
    if text and not first and not self._adds_space:
      text = f' {text}'
    return np.asarray(self._model.encode(text, out_type=int), np.int32)

  def phrasing(self, text: str, places: Collection[str]) -> Phrasing:
    """Encodes a sentence.

    Args:
      text: words and `{places}`, which stand apart from words by spaces.
      places: the names that there are.

    Returns:
      Its parts.

    Raises:
      InputError: a place has another name, or the text has none.
    """
    parts: list[np.ndarray | str] = []
    for words, name in _split(text, places):
      tokens = self.words(words, first=not parts)
      is_text = name is not None and name not in (SID, SID_PREFIX)
      if is_text and parts + [tokens] and not self._adds_space:
        # The text is encoded alone, where this model adds no space.
        tokens = np.append(tokens, self._space())
      if tokens.size:
        parts.append(tokens)
      if name is not None:
        parts.append(name)
    return Phrasing(text, tuple(parts))

  def phrasings(
      self, texts: Sequence[str], places: Collection[str]
  ) -> tuple[Phrasing, ...]:
    """Encodes several sentences; see `phrasing`."""
    return tuple(self.phrasing(text, places) for text in texts)

  def _space(self) -> np.ndarray:
    return np.asarray([self._model.piece_to_id('▁')], np.int32)


def _split(text: str, places: Collection[str]) -> list[tuple[str, str | None]]:
  """Splits a sentence into (words, place after them)."""
  try:
    split = [
        (words, name) for words, name, *_ in string.Formatter().parse(text)
    ]
  except ValueError as error:
    raise _unusable(text, str(error), places) from error
  names = [name for _, name in split if name is not None]
  if not names:
    raise _unusable(text, 'there is no place in it', places)
  for name in names:
    if name not in places:
      raise _unusable(text, f'there is no place {{{name}}}', places)
  return split


def _unusable(text: str, what: str, places: Collection[str]) -> InputError:
  return InputError(
      f'The phrasing cannot be used: {what}.',
      where=repr(text),
      expected='words and places out of '
      + ', '.join(f'{{{name}}}' for name in places),
      fix='Correct the phrasing.',
  )

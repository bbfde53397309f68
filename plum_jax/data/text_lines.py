# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""General text: lines of files, cut into pieces that fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import glob
import os
import pathlib
from typing import Any

import seqio
import tensorflow as tf

from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts.errors import InputError
from plum_jax.data import general_text
from plum_jax.data import graph_functions

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor
_GENERAL_TEXT_FOLDER = 'general_text'
# Lines encoded at a time.
_BATCH_SIZE = 64


class TextFiles(seqio.TextLineDataSource):
  """Lines of text files."""

  def __init__(
      self, files: Sequence[str], validation_files: Sequence[str] = ()
  ):
    """Finds the files.

    Args:
      files: names or patterns, of the split `train`.
      validation_files: the same, of the split `validation`.

    Raises:
      InputError: a pattern finds nothing.
    """
    found = {'train': _find(files)}
    if validation_files:
      found['validation'] = _find(validation_files)
    self._found = found
    super().__init__(split_to_filepattern=found)

  def describe(self) -> dict[str, Any]:
    """Returns the hash of each file's content, for a task's description."""
    return {
        split: [manifests.content_hash(file) for file in files]
        for split, files in self._found.items()
    }


def of_run(
    run_directory: str | os.PathLike[str],
    files: Sequence[str] = (),
    validation_files: Sequence[str] = (),
) -> TextFiles:
  """Returns the files that are named, or those of the stage `general_text`.

  Args:
    run_directory: with the artifact `general_text`, if no files are named.
    files: names or patterns, of the split `train`.
    validation_files: the same, of the split `validation`.

  Raises:
    InputError: a file is missing.
  """
  if not files:
    folder = pathlib.Path(run_directory) / _GENERAL_TEXT_FOLDER
    files = [str(folder / general_text.TRAIN_FILE)]
    validation_files = [str(folder / general_text.VALIDATION_FILE)]
  return TextFiles(files, validation_files)


class Encoding:
  """A vocabulary that graph functions encode text with."""

  def __init__(self, vocabulary: seqio.Vocabulary):
    """Takes the vocabulary."""
    self.vocabulary = vocabulary
    self.end = vocabulary.eos_id

  def describe(self) -> str:
    """Says nothing more: a run's manifest names its vocabulary."""
    return 'vocabulary'


def pieces(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int] | None,
    *,
    encoding: Encoding,
) -> tf.data.Dataset:
  """Encodes lines and cuts long ones.

  Args:
    dataset: strings.
    sequence_length: the budget of `targets` in tokens; None is no limit.
    encoding: the vocabulary.

  Returns:
    Examples with `targets` int32 [n]: the tokens of a line and its end; a line
    that does not fit gives several, and the last has the end. Empty lines give
    none.
  """
  length = (sequence_length or {}).get('targets')
  cut = graph_functions.traced(_pieces, encoding=encoding, length=length)
  return (
      dataset.batch(_BATCH_SIZE)
      .map(cut)
      .flat_map(tf.data.Dataset.from_tensor_slices)
  )


def _pieces(
    lines: tf.Tensor, *, encoding: Encoding, length: int | None
) -> dict[str, Any]:
  """Returns the pieces of a batch of lines, stacked."""
  tokens = encoding.vocabulary.encode_tf(lines)
  tokens = tf.ragged.boolean_mask(tokens, tokens.row_lengths() > 0)
  end = tf.fill([tokens.nrows(), 1], encoding.end)
  tokens = tf.concat([tokens, _RaggedTensor.from_tensor(end)], 1)
  if length is None:
    return {'targets': tokens}
  counts = tokens.row_lengths()
  # Where each token lies in its line, in pieces.
  place = tf.ragged.range(counts).values // length
  line = tokens.value_rowids()
  starts = tf.concat(
      [[True], (place[1:] != place[:-1]) | (line[1:] != line[:-1])], 0
  )[: tf.size(place)]
  row = tf.cumsum(tf.cast(starts, tf.int64)) - 1
  return {'targets': _RaggedTensor.from_value_rowids(tokens.values, row)}


def _find(patterns: Sequence[str]) -> list[str]:
  files: list[str] = []
  for pattern in patterns:
    matches = sorted(glob.glob(pattern))
    if not matches:
      raise InputError(
          'There is no such text file.',
          where=pattern,
          expected='a text file, or a pattern that some match',
          fix='Correct the path.',
      )
    files += matches
  if not files:
    raise InputError(
        'No text files are named.',
        where='files',
        expected='at least one text file',
        fix='Name some, or leave the task out.',
    )
  return files

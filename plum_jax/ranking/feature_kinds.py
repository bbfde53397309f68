# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The kinds of item features, from plain values.

Better Generalization with Semantic IDs (arXiv 2306.08121): random hashing and
dense content are its baselines (section 5), N-grams and SPM its features of a
Semantic ID (section 4). Prefixes, and a Semantic ID beside a hashed id, are
our additions.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.ranking import hashing
from plum_jax.ranking import spm
from plum_jax.ranking.item_features import FeatureInputs
from plum_jax.ranking.item_features import ItemFeatures
from plum_jax.ranking.item_features import join_tables
from plum_jax.ranking.item_features import NO_PIECE
from plum_jax.ranking.item_features import Table


@dataclasses.dataclass(frozen=True)
class RandomHashing:
  """Item ids hashed into one table.

  Attributes:
    num_rows: rows of the table.
  """

  num_rows: int

  def build(self, inputs: FeatureInputs) -> ItemFeatures:
    """Gives each item one row.

    Raises:
      InputError: there are no rows.
    """
    _check_rows(self.num_rows, 1)
    rows = hashing.to_rows(
        hashing.hash_texts(inputs.item_ids, inputs.seed), self.num_rows
    )
    return ItemFeatures(
        rows[:, None].astype(np.int32), (Table('hash', self.num_rows),)
    )


@dataclasses.dataclass(frozen=True)
class DenseContent:
  """The content embedding itself, in the place of table rows.

  Attributes:
    depth: factor of the number of the ranker's layers; the paper has 1, 1.5
      and 2.
  """

  depth: float = 1.0

  def build(self, inputs: FeatureInputs) -> ItemFeatures:
    """Reads all modalities side by side, each standardized as a whole.

    Raises:
      InputError: there are no embeddings, or an item that was impressed has
        none.
    """
    if not inputs.embeddings:
      raise InputError(
          'This feature is the content itself, and there are no embeddings.',
          where='the stage ranking',
          expected='the folder item_embeddings/ in the run directory',
          fix='Run the stage item_embeddings first, or use random_hashing.',
      )
    parts, present = [], []
    for modality in inputs.embeddings.values():
      vectors = np.asarray(modality.vectors[0 : modality.num_items], np.float32)
      mean = vectors[modality.present].mean(axis=0, keepdims=True)
      scale = np.sqrt(np.mean(np.square(vectors[modality.present] - mean)))
      standardized = (vectors - mean) / np.maximum(scale, 1e-12)
      parts.append(np.where(modality.present[:, None], standardized, 0.0))
      present.append(modality.present)
    lacking = inputs.impressed & ~np.any(present, axis=0)
    if lacking.any():
      item = inputs.item_ids[int(np.argmax(lacking))].as_py()
      raise InputError(
          f'The item {item!r} was impressed and has no content embedding.',
          where='item_embeddings/',
          expected='an embedding for every item that was impressed',
          fix='Embed it, or use another feature.',
      )
    return ItemFeatures(
        pieces=np.zeros((len(inputs.item_ids), 0), np.int32),
        tables=(),
        content=np.concatenate(parts, axis=1).astype(np.float32),
        depth=self.depth,
    )


@dataclasses.dataclass(frozen=True)
class NGram:
  """Consecutive, non-overlapping groups of N codes, a table each (section 4).

  Attributes:
    n: codes of a group; 1 is the unigram, 2 the bigram. If n does not divide
      the number of levels, the last group is shorter: our choice.
    num_rows: budget of all tables together, shared evenly; a table with more
      combinations of codes than its share is hashed down to it. None for a row
      per combination.
  """

  n: int
  num_rows: int | None = None

  def build(self, inputs: FeatureInputs) -> ItemFeatures:
    """Gives each item a row of each table.

    Raises:
      InputError: there are no Semantic IDs, or fewer rows than tables.
    """
    sizes = inputs.sid_table.codebook_sizes
    groups = [
        range(start, min(start + self.n, len(sizes)))
        for start in range(0, len(sizes), self.n)
    ]
    name = {1: 'unigram', 2: 'bigram'}.get(self.n, f'{self.n}-gram')
    return _grouped(inputs, groups, name, self.num_rows)


@dataclasses.dataclass(frozen=True)
class Prefixes:
  """The first 1, 2, ... codes of the Semantic ID, a table for each depth.

  Attributes:
    num_rows: budget of all tables together; see `NGram`.
  """

  num_rows: int | None = None

  def build(self, inputs: FeatureInputs) -> ItemFeatures:
    """Gives each item a row of each table.

    Raises:
      InputError: there are no Semantic IDs, or fewer rows than tables.
    """
    num_levels = inputs.sid_table.num_levels
    groups = [range(depth) for depth in range(1, num_levels + 1)]
    return _grouped(inputs, groups, 'prefix', self.num_rows)


@dataclasses.dataclass(frozen=True)
class Spm:
  """Pieces of a SentencePiece model, one table (section 4).

  Attributes:
    num_rows: rows of the table, the model's vocabulary.
    model_directory: a trained model to use; see `spm.load`. Empty to train one
      on the items that were impressed in the training window.
  """

  num_rows: int
  model_directory: str = ''

  def model(self, inputs: FeatureInputs) -> spm.SpmModel:
    """Trains the model, or reads it.

    Raises:
      InputError: see `spm.train` and `spm.load`; or the model has more pieces
        than the table has rows.
    """
    table = inputs.sid_table
    if not self.model_directory:
      codes, known = inputs.codes()
      return spm.train(
          codes,
          np.where(known, inputs.num_impressions, 0),
          codebook_sizes=table.codebook_sizes,
          tokenizer_hash=table.tokenizer_hash,
          num_rows=self.num_rows,
      )
    found = spm.load(self.model_directory, table.tokenizer_hash)
    if found.num_rows > self.num_rows:
      raise InputError(
          f'The SPM model has {found.num_rows:,} pieces.',
          where=self.model_directory,
          expected=f'at most {self.num_rows:,}, the rows of the table',
          fix='Raise the number of rows, or train a model of that size.',
      )
    return found

  def build(self, inputs: FeatureInputs) -> ItemFeatures:
    """Gives each item a row for each piece of its Semantic ID.

    Raises:
      InputError: see `model`.
    """
    codes, known = inputs.codes()
    rows = np.where(known[:, None], self.model(inputs).encode(codes), NO_PIECE)
    table = Table('spm', self.num_rows)
    return ItemFeatures(join_tables([rows], [table]), (table,))


@dataclasses.dataclass(frozen=True)
class SidAndId:
  """Bigrams of the Semantic ID and the hashed id, summed.

  Attributes:
    num_rows: half of them are the bigrams' and half the ids'.
  """

  num_rows: int

  def build(self, inputs: FeatureInputs) -> ItemFeatures:
    """Gives each item a row of each table.

    Raises:
      InputError: see `NGram`.
    """
    half = self.num_rows // 2
    both = [
        NGram(2, half).build(inputs),
        RandomHashing(self.num_rows - half).build(inputs),
    ]
    joined = [
        Table(str(number), features.num_rows)
        for number, features in enumerate(both)
    ]
    return ItemFeatures(
        join_tables([features.pieces for features in both], joined),
        tuple(table for features in both for table in features.tables),
    )


ItemFeature = RandomHashing | DenseContent | NGram | Prefixes | Spm | SidAndId
# Those without a number of rows to choose.
FIXED_SIZE = ('dense_1x', 'dense_1.5x', 'dense_2x', 'unigram')
NAMES = (
    'random_hashing',
    *FIXED_SIZE,
    'bigram',
    'spm',
    'prefixes',
    'sid_and_id',
)


def named(name: str, num_rows: int) -> ItemFeature:
  """Returns a feature by its name.

  Args:
    name: one of `NAMES`.
    num_rows: rows of its tables together; those of `FIXED_SIZE` have their
      own number.

  Raises:
    InputError: there is no such feature.

  >>> named('bigram', 64)
  NGram(n=2, num_rows=64)
  """
  made: dict[str, ItemFeature] = {
      'random_hashing': RandomHashing(num_rows),
      'dense_1x': DenseContent(1.0),
      'dense_1.5x': DenseContent(1.5),
      'dense_2x': DenseContent(2.0),
      'unigram': NGram(1),
      'bigram': NGram(2, num_rows),
      'spm': Spm(num_rows),
      'prefixes': Prefixes(num_rows),
      'sid_and_id': SidAndId(num_rows),
  }
  if name not in made:
    raise InputError(
        f'There is no item feature {name!r}.',
        where='features of the ranking model',
        expected=f'one of {", ".join(NAMES)}',
        fix='Correct the name.',
    )
  return made[name]


def _grouped(
    inputs: FeatureInputs,
    groups: Sequence[range],
    name: str,
    num_rows: int | None,
) -> ItemFeatures:
  """Gives groups of levels a table each, of the size that the budget leaves."""
  if num_rows is not None:
    _check_rows(num_rows, len(groups))
  codes, known = inputs.codes()
  sizes = inputs.sid_table.codebook_sizes
  rows, tables = [], []
  for number, levels in enumerate(groups, start=1):
    # Python's integers: eight levels of 2,048 codes are more than 64 bits.
    combinations = 1
    keys = np.zeros(len(codes), np.uint64)
    for level in levels:
      combinations *= sizes[level]
      with np.errstate(over='ignore'):
        keys = keys * np.uint64(sizes[level]) + codes[:, level].astype(
            np.uint64
        )
    share = combinations
    if num_rows is not None:
      share = min(share, num_rows // len(groups))
    if share < combinations:
      if combinations > 2**64:
        keys = _chained(codes[:, levels.start : levels.stop], number)
      keys = hashing.mix(keys, inputs.seed * len(groups) + number)
    found = hashing.to_rows(keys, share)
    rows.append(np.where(known, found, NO_PIECE)[:, None])
    tables.append(Table(f'{name}_{number}', share))
  return ItemFeatures(join_tables(rows, tables), tuple(tables))


def _chained(codes: np.ndarray, salt: int) -> np.ndarray:
  """Hashes rows of codes that are too many to number, uint64 [n]."""
  hashes = np.zeros(len(codes), np.uint64)
  for level in range(codes.shape[1]):
    hashes = hashing.mix(hashes ^ codes[:, level].astype(np.uint64), salt)
  return hashes


def _check_rows(num_rows: int, num_tables: int) -> None:
  if num_rows < num_tables:
    raise InputError(
        f'{num_rows} rows are not enough for {num_tables} tables.',
        where='features of the ranking model, num_rows',
        expected=f'at least {num_tables}',
        fix='Raise the number of rows.',
    )

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How well a language model knows sequences: perplexity, and texts compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
import math

import numpy as np

# (tokens int32 [batch, length]) -> -log p of each, float32 [batch, length].
ScoreFn = Callable[[np.ndarray], np.ndarray]


def batches(num_rows: int, batch_size: int) -> Iterator[np.ndarray]:
  """Yields row numbers in batches of one size; the last row fills up.

  >>> [rows.tolist() for rows in batches(3, 2)]
  [[0, 1], [2, 2]]
  """
  for start in range(0, num_rows, batch_size):
    yield np.minimum(np.arange(start, start + batch_size), num_rows - 1)


def perplexities(
    score: ScoreFn,
    tokens: np.ndarray,
    first: np.ndarray,
    groups: np.ndarray,
    batch_size: int,
) -> dict[int, tuple[float, int]]:
  """Measures the perplexity of groups of tokens.

  exp of the mean of -log p over the tokens of a group.

  Args:
    score: the model.
    tokens: int32 [n, length], padded with 0.
    first: int32 [n], the position of each row's first token that counts.
    groups: int32 [vocab_size], the group of each token of the vocabulary.
    batch_size: rows at a time.

  Returns:
    For each group that occurs, its perplexity and number of tokens.
  """
  num_groups = int(groups.max()) + 1
  sums, counts = np.zeros(num_groups), np.zeros(num_groups, np.int64)
  for rows in batches(len(tokens), batch_size):
    losses = np.asarray(score(tokens[rows]), np.float64)
    # What fills the last batch up counts once.
    is_new = np.append(True, np.diff(rows) > 0)
    part = tokens[rows]
    counted = (part > 0) & is_new[:, None]
    counted &= np.arange(part.shape[1])[None, :] >= first[rows][:, None]
    group = groups[part[counted]]
    sums += np.bincount(group, losses[counted], num_groups)
    counts += np.bincount(group, minlength=num_groups)
  return {
      group: (math.exp(sums[group] / counts[group]), int(counts[group]))
      for group in range(num_groups)
      if counts[group]
  }


def exact_match(found: Sequence[str], wanted: Sequence[str]) -> float:
  """Returns the share of texts that are right, but for case and spaces.

  >>> exact_match(['toy  story', 'Heat'], ['Toy Story', 'Speed'])
  0.5
  """
  pairs = zip(found, wanted, strict=True)
  return float(np.mean([_words(a) == _words(b) for a, b in pairs]))


def word_f1(found: Sequence[str], wanted: Sequence[str]) -> float:
  """Returns the mean F1 of the words of texts, as SQuAD counts them.

  Rajpurkar et al., 2016 (arXiv 1606.05250, section 6.1), articles kept.

  >>> round(word_f1(['drama comedy', ''], ['drama', 'war']), 3)
  0.333
  """
  return float(np.mean([_f1(a, b) for a, b in zip(found, wanted, strict=True)]))


def _words(text: str) -> list[str]:
  return text.lower().replace(',', ' ').split()


def _f1(found: str, wanted: str) -> float:
  a, b = Counter(_words(found)), Counter(_words(wanted))
  common = sum((a & b).values())
  if not common:
    return float(not a and not b)
  return 2 * common / (sum(a.values()) + sum(b.values()))

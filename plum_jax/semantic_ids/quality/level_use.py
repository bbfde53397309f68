# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How well the codebook of each level is used."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import numpy as np

from plum_jax.semantic_ids import metrics_log


@dataclasses.dataclass(frozen=True)
class LevelUse:
  """Use of one level's codes.

  Attributes:
    codebook_size: codes of the level.
    used: codes that at least one item has.
    usage: `used / codebook_size`.
    perplexity: exp of the entropy of the codes over items: how many codes are
      used, in effect.
  """

  codebook_size: int
  used: int
  usage: float
  perplexity: float

  @property
  def dead_codes(self) -> int:
    """Codes that no item has."""
    return self.codebook_size - self.used


def level_use(
    codes: np.ndarray, codebook_sizes: Sequence[int]
) -> list[LevelUse]:
  """Counts the codes of each level.

  Args:
    codes: int [num_items, num_levels].
    codebook_sizes: codes per level.

  Returns:
    One entry a level.

  >>> level_use(np.array([[0], [0], [2]]), (4,))[0].usage
  0.5
  """
  found = []
  for level, size in enumerate(codebook_sizes):
    counts = np.bincount(codes[:, level], minlength=size)
    used = int(np.sum(counts > 0))
    found.append(
        LevelUse(
            codebook_size=size,
            used=used,
            usage=used / size,
            perplexity=float(metrics_log.perplexity(counts)),
        )
    )
  return found

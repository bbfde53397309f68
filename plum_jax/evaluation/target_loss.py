# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How well a generator predicts the SID tokens of held-out targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from plum_jax.evaluation import language

# (params, prompts, token_ids int32 [batch, 1, levels]) -> log-probabilities
# [batch, 1] of the tokens together.
ScoreFn = Callable[[Any, Mapping[str, Any], Any], jax.Array]


def target_loss(
    score: ScoreFn,
    params: Any,
    prompts: Mapping[str, np.ndarray],
    target_tokens: np.ndarray,
    batch_size: int,
) -> float:
  """Returns the mean of -log p of the targets' tokens, in nats a token.

  Over the whole vocabulary, without a constraint, as in training: each token
  given the prompt and the tokens of the target before it.

  Args:
    score: scores one candidate a user; see `models.candidates`.
    params: the generator's parameters.
    prompts: arrays of n rows.
    target_tokens: int32 [n, levels].
    batch_size: rows at a time.
  """
  scored = jax.jit(score)
  total = 0.0
  for rows in language.batches(len(target_tokens), batch_size):
    batch = {name: x[rows] for name, x in prompts.items()}
    found = np.asarray(scored(params, batch, target_tokens[rows][:, None, :]))
    # What fills the last batch up counts once.
    is_new = np.append(True, np.diff(rows) > 0)
    total += float(found[is_new, 0].astype(np.float64).sum())
  return -total / target_tokens.size

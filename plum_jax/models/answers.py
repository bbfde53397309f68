# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Probabilities of a few possible answers, such as the ratings."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.models import generation
from plum_jax.models.candidates import score_candidates


@dataclasses.dataclass(frozen=True)
class Answers:
  """A fixed set of answers.

  Attributes:
    token_ids: the tokens of each answer. No answer may be the beginning of
      another: its probability would hold that of the other. Where one would be,
      as "1" of "10", end all with the end-of-sequence token.

  >>> Answers(((5,), (7, 1))).arrays[1].tolist()
  [[True, False], [True, True]]
  """

  token_ids: tuple[tuple[int, ...], ...]

  def __post_init__(self):
    """Checks the answers.

    Raises:
      ValueError: there is none, or one is empty or the beginning of another.
    """
    if not self.token_ids:
      raise ValueError('There is no answer.')
    for n, answer in enumerate(self.token_ids):
      for m, other in enumerate(self.token_ids):
        if n != m and tuple(other[: len(answer)]) == tuple(answer):
          raise ValueError(
              f'Answer {n}, tokens {list(answer)}, is the beginning of answer '
              f'{m}, tokens {list(other)}: end both with the end-of-sequence '
              'token.'
          )
    if not self.token_ids[0]:
      raise ValueError('Answer 0 is empty.')

  @property
  def arrays(self) -> tuple[np.ndarray, np.ndarray]:
    """Tokens int32 and mask bool, both [answers, length]."""
    lengths = np.array([len(answer) for answer in self.token_ids])
    mask = np.arange(lengths.max())[None, :] < lengths[:, None]
    tokens = np.zeros(mask.shape, np.int32)
    tokens[mask] = np.concatenate(self.token_ids)
    return tokens, mask


def answer_probabilities(
    model: generation.Continuing,
    params: Any,
    prompt: generation.Prompt,
    answers: Answers,
) -> jax.Array:
  """Computes how probable each answer is, given that it is one of them.

  Args:
    model: the generator.
    params: its parameters.
    prompt: what `prefill` returned.
    answers: the answers.

  Returns:
    float32 [batch, answers]; each row sums to 1.
  """
  num_users = prompt.logits.shape[0]
  tokens, mask = (
      jnp.broadcast_to(jnp.asarray(x)[None], (num_users, *x.shape))
      for x in answers.arrays
  )
  scores = score_candidates(model, params, prompt, tokens, mask)
  return jax.nn.softmax(scores, axis=-1)


def expected_value(
    probabilities: jax.Array, values: Sequence[float]
) -> jax.Array:
  """Returns the mean of the answers' values, such as the expected rating.

  It minimises the expected squared error, which the most probable answer does
  not.

  Args:
    probabilities: float32 [batch, answers].
    values: the value of each answer.

  Returns:
    float32 [batch].

  Raises:
    ValueError: there are not as many values as answers.

  >>> expected_value(jnp.array([[0.25, 0.75]]), [1, 5]).tolist()
  [4.0]
  """
  if probabilities.shape[-1] != len(values):
    raise ValueError(
        f'{probabilities.shape[-1]} answers have {len(values)} values.'
    )
  return probabilities @ jnp.asarray(values, jnp.float32)

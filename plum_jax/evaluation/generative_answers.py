# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A trained generator as a scorer of candidates and a predictor of ratings.

Each user's prompt is run through the network once; what follows it, a
candidate's tokens or an answer's, shares its keys and values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.evaluation.protocols import Array
from plum_jax.models import answers as answers_lib
from plum_jax.models import candidates as candidates_lib
from plum_jax.models.answers import Answers
from plum_jax.models.generation import Continuing
from plum_jax.sharding.mesh import batch_sharding
from plum_jax.sharding.mesh import replicated

# What the models' `prefill` reads.
_PROMPT = ('encoder_input_tokens', 'prompt_tokens', 'prompt_lengths')


class GenerativeScorer:
  """Scores candidates by the probability of their tokens after the prompt.

  See `evaluation.protocols.CandidateScorer`. The tokens are Semantic IDs or
  titles with their end; scores are log-probabilities, so that of titles falls
  with their length, as in `decoding.title_search`.
  """

  def __init__(
      self,
      model: Continuing,
      params: Any,
      item_tokens: np.ndarray,
      item_mask: np.ndarray | None = None,
      *,
      mesh: jax.sharding.Mesh | None = None,
  ):
    """Prepares the scoring; nothing is compiled yet.

    Args:
      model: the generator.
      params: its parameters.
      item_tokens: int32 [num_items, length], the tokens that stand for each
        item, from the left.
      item_mask: bool of the same shape, true for real tokens; None if all are.
      mesh: devices over which the users of a batch are spread; parameters are
        whole on each. None uses one device.
    """
    if item_mask is None:
      item_mask = np.ones(item_tokens.shape, bool)
    constants = (params, np.asarray(item_tokens, np.int32), item_mask)

    def score(constants, prompt, candidate_item_ids):
      params, tokens, mask = constants
      return candidates_lib.score_candidates(
          model,
          params,
          model.prefill(params, prompt),
          tokens[candidate_item_ids],
          mask[candidate_item_ids],
      )

    self._score = _OnMesh(score, constants, mesh)

  def score(
      self, batch: Mapping[str, np.ndarray], candidate_item_ids: np.ndarray
  ) -> jax.Array:
    """Scores candidates; see `CandidateScorer.score`."""
    return self._score(_prompt(batch), candidate_item_ids)


class PointwiseScorer:
  """Scores candidates one by one, by the probability of the answer yes.

  See `evaluation.protocols.CandidateScorer`. Each candidate has a prompt of its
  own that asks about it, so this costs as many prompts as there are candidates.
  The score is that of yes among the two answers.
  """

  def __init__(
      self,
      model: Continuing,
      params: Any,
      yes: Sequence[int],
      no: Sequence[int],
      *,
      mesh: jax.sharding.Mesh | None = None,
  ):
    """Prepares the scoring; nothing is compiled yet.

    Args:
      model: the generator.
      params: its parameters.
      yes: the tokens of one answer.
      no: the tokens of the other.
      mesh: see `GenerativeScorer`.
    """
    self._probabilities = _probabilities(
        model, params, Answers((tuple(yes), tuple(no))), mesh
    )

  def score(
      self, batch: Mapping[str, np.ndarray], candidate_item_ids: np.ndarray
  ) -> jax.Array:
    """Scores candidates; see `CandidateScorer.score`.

    Args:
      batch: prompts with one more dimension, `encoder_input_tokens` or
        `prompt_tokens` int32 [batch, num_candidates, length], and with the
        latter `prompt_lengths` int32 [batch, num_candidates].
      candidate_item_ids: int32 [batch, num_candidates].

    Returns:
      float32 [batch, num_candidates].

    Raises:
      ValueError: there is not a prompt for each candidate.
    """
    shape = candidate_item_ids.shape
    prompts = _prompt(batch)
    for name, value in prompts.items():
      if value.shape[:2] != shape:
        raise ValueError(
            f'{name} {value.shape} are not prompts for candidates {shape}.'
        )
    rows = {
        name: value.reshape(-1, *value.shape[2:])
        for name, value in prompts.items()
    }
    return self._probabilities(rows)[:, 0].reshape(shape)


class GenerativeRatingPredictor:
  """Predicts the mean of the ratings' values by the generator's probabilities.

  See `evaluation.protocols.RatingPredictor`.
  """

  def __init__(
      self,
      model: Continuing,
      params: Any,
      answers: Answers,
      values: Sequence[float],
      *,
      mesh: jax.sharding.Mesh | None = None,
  ):
    """Prepares the prediction; nothing is compiled yet.

    Args:
      model: the generator.
      params: its parameters.
      answers: the tokens of each rating.
      values: what each is worth.
      mesh: see `GenerativeScorer`.
    """
    self._values = tuple(values)
    self._probabilities = _probabilities(model, params, answers, mesh)

  def predict(self, batch: Mapping[str, np.ndarray]) -> jax.Array:
    """Predicts ratings; see `RatingPredictor.predict`.

    The batch's prompts ask about the items; their numbers are not read.
    """
    return answers_lib.expected_value(
        self._probabilities(_prompt(batch)), self._values
    )


def _probabilities(
    model: Continuing,
    params: Any,
    answers: Answers,
    mesh: jax.sharding.Mesh | None,
) -> _OnMesh:
  """Makes a function of prompts: float32 [batch, answers]."""
  return _OnMesh(
      lambda params, prompt: answers_lib.answer_probabilities(
          model, params, model.prefill(params, prompt), answers
      ),
      params,
      mesh,
  )


class _OnMesh:
  """A compiled function whose first argument is whole on every device."""

  def __init__(
      self,
      function: Callable[..., jax.Array],
      constants: Any,
      mesh: jax.sharding.Mesh | None,
  ):
    self._mesh = mesh
    if mesh is not None:
      constants = jax.device_put(constants, replicated(mesh))
    self._constants = jax.tree.map(jnp.asarray, constants)
    self._function = jax.jit(function)

  def __call__(self, *arguments: Any) -> jax.Array:
    if self._mesh is not None:
      arguments = jax.device_put(arguments, batch_sharding(self._mesh))
    return self._function(self._constants, *arguments)


def _prompt(batch: Mapping[str, np.ndarray]) -> dict[str, Array]:
  """Keeps what a model reads: its programs see no other features."""
  return {name: batch[name] for name in _PROMPT if name in batch}

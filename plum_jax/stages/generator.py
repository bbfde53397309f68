# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A generator as a recommender of a run's items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from plum_jax.artifacts import processes
from plum_jax.data.evaluation_arrays import evaluation_arrays
from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.decoding.index_building import build_constraint_index
from plum_jax.evaluation.generative import GenerativeRecommender
from plum_jax.models import saved
from plum_jax.models.saved import GenerativeModel
from plum_jax.semantic_ids import build as semantic_ids
from plum_jax.semantic_ids import sid_table
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.vocabulary.layout import VocabularyLayout

_RECALL = 'validation/retrieval/recall@10'
_BATCH_SIZE = 64


class _Feed(Protocol):
  """The part of `train.Feed` that prompts are made with."""

  @property
  def task(self) -> str:
    ...

  @property
  def task_feature_lengths(self) -> Mapping[str, int]:
    ...


def load_index(folders: RunDirectory) -> ConstraintIndex:
  """Builds the constraint index of a run's items.

  Args:
    folders: with `semantic_ids/` and `vocabulary/`.

  Returns:
    The index, over SID tokens of the vocabulary, with item numbers.

  Raises:
    InputError: an artifact is missing.
  """
  table = sid_table.load(folders.semantic_ids / semantic_ids.TABLE_FILE)
  tokens = VocabularyLayout.load(folders.vocabulary).sid_tokens
  return build_constraint_index(tokens.token_ids(table.full_codes))


def make_validation(
    folders: RunDirectory,
    model: GenerativeModel,
    feed: _Feed,
    beam_size: int,
    max_users: int,
) -> Callable[[Any, int], dict[str, float]] | None:
  """Returns a function that measures recall on the split `validation`.

  Args:
    folders: with `semantic_ids/`, `vocabulary/` and `tasks/`.
    model: the generator.
    feed: task and lengths.
    beam_size: beams of the search.
    max_users: how many users are looked at, the first of the split, whose
      order is that of the catalog; 0 for none.

  Returns:
    What `training.loop.train` takes as `evaluate`; it gives
    `validation/retrieval/recall@10`, items of the history left out. None if
    `max_users` is 0.
  """
  if not max_users:
    return None
  arrays = evaluation_arrays(
      feed.task,
      'validation',
      feed.task_feature_lengths,
      saved.kind(model),
      max_examples=max_users,
  )
  targets = arrays.pop('target_item_ids')
  del arrays['user']
  index = load_index(folders)
  recommender = GenerativeRecommender(
      model, params=None, index=index, beam_size=beam_size
  )
  num_users = len(targets)

  def validate(params: Any, step: int) -> dict[str, float]:
    del step
    # The search runs on one device, on a copy of parameters that may lie on
    # many: validation is small.
    trained = recommender.with_params(processes.fetch(params))
    found = []
    for start in range(0, num_users, _BATCH_SIZE):
      rows = np.minimum(np.arange(start, start + _BATCH_SIZE), num_users - 1)
      batch = {name: x[rows] for name, x in arrays.items()}
      found.append(trained.recommend(batch, 10, exclude_history=True).item_ids)
    item_ids = np.concatenate([np.asarray(x) for x in found])[:num_users]
    hits = np.any(item_ids == targets[:, None], axis=1)
    return {_RECALL: float(hits.mean())}

  return validate

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Generative retrieval: the history's SIDs in, the next item's SID out."""

from __future__ import annotations

import functools
import os

from plum_jax.data import preprocessors
from plum_jax.data import registration


def register(
    dataset: str,
    run_directory: str | os.PathLike[str],
    *,
    positions: str = preprocessors.ALL_POSITIONS,
    max_items: int | None = None,
    add_eos: bool = False,
) -> str:
  """Registers `plum_<dataset>_retrieval`, in the place of an older one.

  `inputs` are the SID tokens of the newest items that fit, `targets` those of
  the next item. A SID has a fixed number of tokens, so no end-of-sequence
  token is needed to tell where it ends: our choice.

  Args:
    dataset: names the catalog in the task's name.
    run_directory: with the artifacts `tasks` and `vocabulary`.
    positions: `all`, every item of a training window but the first is a target
      once an epoch; `one`, one of them drawn for every user and epoch.
    max_items: the most items of a history; None for what fits the input.
    add_eos: whether `targets` end with the end-of-sequence token.

  Returns:
    The task's name.

  Raises:
    InputError: an artifact is missing, or they do not belong together.
  """
  if positions not in (preprocessors.ALL_POSITIONS, preprocessors.ONE_POSITION):
    raise registration.wrong_option('positions', positions, ('all', 'one'))
  return registration.add_history_task(
      'retrieval',
      dataset,
      run_directory,
      functools.partial(
          preprocessors.retrieval_examples,
          positions=positions,
          max_items=max_items,
      ),
      {'inputs': False, 'targets': add_eos},
  )

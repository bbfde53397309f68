# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Recall and NDCG as metrics of a SeqIO task, for T5X's evaluation.

T5X hands a task's metrics what the model predicted for each example; the
figures are those of `plum_jax.evaluation.metrics`, from the same items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import os
from typing import Any

import numpy as np
import seqio

from plum_jax.evaluation import metrics
from plum_jax.semantic_ids import build as semantic_ids
from plum_jax.semantic_ids import sid_table
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.vocabulary.layout import VocabularyLayout

NO_ITEM = -1


def with_metrics(
    task: str, run_dir: str | os.PathLike[str], ks: Sequence[int]
) -> str:
  """Registers `<task>_with_metrics`, in the place of an older one.

  Args:
    task: name of a registered task over user histories.
    run_dir: the run directory, with `semantic_ids/` and `vocabulary/`.
    ks: cut-offs.

  Returns:
    The name of the same task with the metrics of retrieval.

  Raises:
    InputError: an artifact is missing.
  """
  folders = RunDirectory(run_dir)
  table = sid_table.load(folders.semantic_ids / semantic_ids.TABLE_FILE)
  tokens = VocabularyLayout.load(folders.vocabulary).sid_tokens
  item_tokens = np.asarray(tokens.token_ids(table.full_codes))

  # SeqIO reads the names of its arguments.
  def metric(targets, predictions, aux_values):
    del predictions  # The best beam alone.
    return retrieval(targets, aux_values, item_tokens=item_tokens, ks=ks)

  name = f'{task}_with_metrics'
  if name in seqio.TaskRegistry.names():
    seqio.TaskRegistry.remove(name)
  seqio.TaskRegistry.add_provider(
      name,
      seqio.TaskRegistry.get(task).replace(
          name=name, postprocess_fn=_target_item, metric_fns=[metric]
      ),
  )
  return name


def retrieval(
    targets: Sequence[Any],
    aux_values: Mapping[str, Any],
    *,
    item_tokens: np.ndarray,
    ks: Sequence[int],
) -> dict[str, float]:
  """Computes the metrics of all examples.

  Args:
    targets: the target's item number of each example.
    aux_values: `scores` [n, beam] and `sid_tokens` int [n, beam, num_levels],
      best first; see `t5x.models`.
    item_tokens: int [num_items, num_levels], the SID tokens of each item.
    ks: cut-offs.

  Returns:
    `retrieval/recall@10` and so on, see `evaluation.metrics`; and
    `retrieval/valid_sid_rate` of all decoded SIDs with a finite score.
  """
  scores = np.asarray(aux_values['scores'])
  decoded = np.asarray(aux_values['sid_tokens'])
  is_found = scores > -np.inf
  item_ids = np.where(is_found, find_items(decoded, item_tokens), NO_ITEM)
  return {
      **metrics.retrieval_metrics(
          item_ids,
          item_ids != NO_ITEM,
          np.asarray(targets, np.int64)[:, None],
          ks=ks,
          num_items=len(item_tokens),
      ),
      'retrieval/valid_sid_rate': metrics.valid_sid_rate(
          decoded[is_found], item_tokens
      ),
  }


def find_items(sid_tokens: np.ndarray, item_tokens: np.ndarray) -> np.ndarray:
  """Looks up which items have SIDs.

  Args:
    sid_tokens: int [..., num_levels].
    item_tokens: int [num_items, num_levels], all different.

  Returns:
    int64 [...], item numbers; `NO_ITEM` for a SID that no item has.

  >>> items = np.array([[4, 8], [5, 9]])
  >>> find_items(np.array([[5, 9], [5, 7]]), items).tolist()
  [1, -1]
  """
  num_levels = item_tokens.shape[1]
  wanted = sid_tokens.reshape(-1, num_levels)
  both = np.concatenate([item_tokens, wanted])
  # Equal rows get one number; tokens alone could overflow a mixed radix.
  _, row = np.unique(both, axis=0, return_inverse=True)
  item_of = np.full(len(both), NO_ITEM)
  item_of[row[: len(item_tokens)]] = np.arange(len(item_tokens))
  return item_of[row[len(item_tokens) :]].reshape(sid_tokens.shape[:-1])


def _target_item(
    target: Any, example: Mapping[str, Any] | None = None, **kwargs: Any
) -> Any:
  """Returns the target's item number; leaves predictions as they are."""
  if not kwargs.get('is_target') or example is None:
    return target
  return int(example['target_item_id'])

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The generator's loss on targets that training has not seen."""

from __future__ import annotations

from collections.abc import Mapping
import json
import pathlib

from plum_jax.artifacts import manifest
from plum_jax.artifacts import stage
from plum_jax.data.evaluation_arrays import evaluation_arrays
from plum_jax.data.task_description import describe
from plum_jax.evaluation.target_loss import target_loss
from plum_jax.models import saved
from plum_jax.models.candidates import score_candidates
from plum_jax.semantic_ids import build as semantic_ids
from plum_jax.semantic_ids import lineage
from plum_jax.semantic_ids import sid_table
from plum_jax.stages import train
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.vocabulary.layout import VocabularyLayout

METRICS_FILE = 'metrics.json'
LOSS = 'generative/evaluation_loss'
_NOT_PROMPTS = ('user', 'target_item_ids', 'history_item_ids')


def run(
    run_dir: str,
    task: str,
    task_feature_lengths: Mapping[str, int],
    split: str,
    batch_size: int,
) -> None:
  """Writes `evaluation_loss/metrics.json`.

  It has `generative/evaluation_loss`, nats a SID token of the targets of a
  split after their users' prompts, and `generative/evaluation_targets`, their
  number. Auxiliary losses are no part of it.

  Args:
    run_dir: the run directory.
    task: the registered task whose prompts the generator continues.
    task_feature_lengths: tokens by task feature.
    split: `validation` or `test`.
    batch_size: users at a time.

  Raises:
    InputError: an artifact is missing or does not belong.
  """
  folders = RunDirectory(run_dir)
  manifest.check_input(folders.training, 'vocabulary', folders.vocabulary)
  lineage.check_input(folders.training, 'semantic_ids', folders.semantic_ids)

  def make(directory: pathlib.Path, work: pathlib.Path) -> None:
    del work
    model, params, _ = train.load(run_dir)
    arrays = evaluation_arrays(
        task, split, task_feature_lengths, saved.kind(model)
    )
    table = sid_table.load(folders.semantic_ids / semantic_ids.TABLE_FILE)
    tokens = VocabularyLayout.load(folders.vocabulary).sid_tokens
    targets = tokens.token_ids(table.full_codes[arrays['target_item_ids']])
    prompts = {
        name: x for name, x in arrays.items() if name not in _NOT_PROMPTS
    }

    def score(params, batch, token_ids):
      prompt = model.prefill(params, batch)
      return score_candidates(model, params, prompt, token_ids)

    metrics = {
        LOSS: target_loss(score, params, prompts, targets, batch_size),
        'generative/evaluation_targets': len(targets),
    }
    text = json.dumps(metrics, indent=2, allow_nan=False)
    (directory / METRICS_FILE).write_text(text + '\n', encoding='utf-8')

  stage.run(
      'evaluation_loss',
      folders.evaluation_loss,
      make,
      inputs={
          'training': folders.training,
          'tasks': folders.tasks,
          'vocabulary': folders.vocabulary,
          'semantic_ids': folders.semantic_ids,
      },
      parameters={
          'task': describe(task),
          'task_feature_lengths': dict(task_feature_lengths),
          'split': split,
          'batch_size': batch_size,
      },
  )

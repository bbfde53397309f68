# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""All stages in order, from raw interactions to a report."""

from plum_jax.launch import catalog
from plum_jax.launch import evaluate
from plum_jax.launch import item_embeddings
from plum_jax.launch import pipeline
from plum_jax.launch import report
from plum_jax.launch import sasrec
from plum_jax.launch import semantic_ids
from plum_jax.launch import tasks
from plum_jax.launch import train
from plum_jax.launch import vocabulary

STAGES = (
    catalog.STAGE,
    item_embeddings.STAGE,
    semantic_ids.STAGE,
    vocabulary.STAGE,
    tasks.STAGE,
    train.STAGE,
    sasrec.STAGE,
    evaluate.STAGE,
    report.STAGE,
)

if __name__ == '__main__':
  pipeline.main(
      STAGES,
      'plum_jax.launch.quickstart',
      'Runs all stages, from raw interactions to a report.',
  )

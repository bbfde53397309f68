# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Serves the TIGER of PyPI's `cornac` to `decode_against_cornac.py`.

Runs in an interpreter that has cornac, torch and transformers, which this
project does not need. Reads JSON lines from standard input and answers each
with one on standard output: first the model's shape (see `_build`), answered by
its Semantic IDs; then any number of requests to recommend (see `_recommend`).

The model is built by cornac's own `fit`, from random item features, with no
epoch of training: weights make no difference to the time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import cornac
from cornac.data import FeatureModality
from cornac.data import SequentialDataset
from cornac.models import TIGER
import numpy as np
import torch
import transformers

_FEATURE_SIZE = 16


def _build(
    *,
    num_threads: int,
    num_items: int,
    num_levels: int,
    codebook_size: int,
    history_length: int,
    beam_size: int,
    seed: int,
    **sizes: int,
) -> tuple[TIGER, dict[str, Any]]:
  """Makes the model.

  Args:
    num_threads: threads of torch.
    num_items: items of the catalog.
    num_levels: levels of the SIDs before cornac's disambiguation code.
    codebook_size: codes of each of these levels.
    history_length: items of the longest history.
    beam_size: beams of the search.
    seed: seed of features and weights.
    **sizes: cornac's names and values for the network's sizes.

  Returns:
    The model, and what it is like: SIDs int [num_items, num_levels + 1], sizes
    of the levels, number of parameters, versions.
  """
  torch.set_num_threads(num_threads)
  names = [str(item) for item in range(num_items)]
  interactions = [
      (str(item // 50), str(item // 50), name, item)
      for item, name in enumerate(names)
  ]
  dataset = SequentialDataset.from_usit(interactions)
  features = np.random.default_rng(seed).normal(size=(num_items, _FEATURE_SIZE))
  dataset.add_modalities(
      item_feature=FeatureModality(
          features=features.astype(np.float32), ids=names
      ).build(id_map=dataset.iid_map)
  )
  model = TIGER(
      tokenizer='rkmeans',
      rqvae_num_levels=num_levels,
      rqvae_codebook_size=codebook_size,
      max_len=history_length,
      n_beams=beam_size,
      n_epochs=0,
      device='cpu',
      seed=seed,
      **sizes,
  ).fit(dataset)
  return model, {
      'sids': model.sid_table.tolist(),
      'level_sizes': model.level_sizes,
      'num_parameters': sum(x.numel() for x in model.model.parameters()),
      'versions': {
          'cornac': cornac.__version__,
          'torch': torch.__version__,
          'transformers': transformers.__version__,
      },
  }


def _recommend(
    model: TIGER, *, histories: list[list[int]], seconds: float, k: int
) -> dict[str, Any]:
  """Recommends for one user after another, the one way that cornac has.

  Args:
    model: the model.
    histories: item numbers of each user's history; begun again at the end.
    seconds: how long to go on; at least one user is served.
    k: items a user.

  Returns:
    Users served, seconds, seconds of cores, and the items of the first
    `len(histories)` users.
  """
  items: list[np.ndarray] = []
  num_users, start = 0, time.perf_counter()
  core_start = time.process_time()
  while True:
    ranked, _ = model.rank(
        0, history_items=histories[num_users % len(histories)], k=k
    )
    if num_users < len(histories):
      items.append(ranked[:k])
    num_users += 1
    taken = time.perf_counter() - start
    if taken >= seconds:
      break
  return {
      'num_users': num_users,
      'seconds': taken,
      'core_seconds': time.process_time() - core_start,
      'items': np.stack(items).tolist(),
  }


def main() -> None:
  """Answers requests until standard input ends."""
  # Libraries print; only answers may go to standard output.
  answers = os.fdopen(os.dup(1), 'w', encoding='utf-8')
  os.dup2(2, 1)
  model, answer = _build(**json.loads(sys.stdin.readline()))
  while True:
    print(json.dumps(answer), file=answers, flush=True)
    line = sys.stdin.readline()
    if not line:
      return
    answer = _recommend(model, **json.loads(line))


if __name__ == '__main__':
  main()

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Fits PyPI's `semantic-id` once for `tokenizers_against_semantic_id.py`.

Runs in an interpreter that has semantic-id and torch, which this project does
not need. Reads one JSON object from standard input and writes one to standard
output (see `_fit`).
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np
import semantic_id
import torch


def _fit(
    *,
    array: str,
    kind: str,
    num_threads: int,
    settings: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
  """Fits an encoder and reconstructs what it was fitted to.

  Args:
    array: path of a float32 array [num_items, dim].
    kind: `RQVAE` or `RQKMeans`, the library's classes.
    num_threads: threads of torch.
    settings: arguments of the class.
    seed: of all that is random.

  Returns:
    Seconds and seconds of cores that the fit took, the share of variance that
    is lost, and versions.
  """
  torch.set_num_threads(num_threads)
  torch.manual_seed(seed)
  # scikit-learn, inside, draws from it.
  np.random.seed(seed)  # noqa: NPY002
  vectors = np.load(array)
  encoder = getattr(semantic_id, kind)(**settings)
  start, core_start = time.perf_counter(), time.process_time()
  encoder.fit(vectors)
  seconds = time.perf_counter() - start
  core_seconds = time.process_time() - core_start
  decoded = np.asarray(encoder.decode(np.asarray(encoder.encode(vectors))))
  lost = np.square(vectors - decoded).sum(axis=1).mean()
  whole = np.square(vectors - vectors.mean(axis=0)).sum(axis=1).mean()
  return {
      'seconds': seconds,
      'core_seconds': core_seconds,
      'error': float(lost / whole),
      'versions': {
          'semantic-id': semantic_id.__version__,
          'torch': torch.__version__,
      },
  }


def main() -> None:
  """Answers one request."""
  # Libraries print; only the answer may go to standard output.
  answers = os.fdopen(os.dup(1), 'w', encoding='utf-8')
  os.dup2(2, 1)
  print(json.dumps(_fit(**json.load(sys.stdin))), file=answers, flush=True)


if __name__ == '__main__':
  main()

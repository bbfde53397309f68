# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Builds the trie of PyPI's `flashrec` for `build_index_against_static.py`.

Runs in an interpreter that has flashrec and torch, which this project does not
need. Reads one JSON object from standard input, {"sids": path of an int32 array
[num_items, levels], "num_codes": codes of a level}, and writes seconds, seconds
of cores and megabytes.
"""

from __future__ import annotations

import json
import sys
import time

from flashrec.search import trie
import numpy as np


def _peak_megabytes() -> float:
  with open('/proc/self/status', encoding='utf-8') as lines:
    [line] = [line for line in lines if line.startswith('VmHWM:')]
  return int(line.split()[1]) / 1024


def _build(sids: str, num_codes: int) -> dict[str, float]:
  codes = np.load(sids)
  # Its levels are ranges of one vocabulary; it takes lists.
  levels = codes.shape[1]
  sequences = (codes + num_codes * np.arange(levels)).tolist()
  before = _peak_megabytes()
  start, core_start = time.perf_counter(), time.process_time()
  made = trie.build_trie_from_sequences(sequences)
  made.finalize_index(token_base=0, vocab_size=num_codes * levels)
  return {
      'seconds': time.perf_counter() - start,
      'core_seconds': time.process_time() - core_start,
      'megabytes': _peak_megabytes() - before,
  }


if __name__ == '__main__':
  print(json.dumps(_build(**json.load(sys.stdin))))

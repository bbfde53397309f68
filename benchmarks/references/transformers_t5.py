# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Trains the T5 of `transformers` for `train_against_transformers.py`.

Runs in an interpreter that has torch and transformers, which this project does
not need. Reads JSON lines from standard input and answers each with one on
standard output: first the shape (see `_Training`), answered by what was made;
then any number of `{"seconds": ...}`, answered by the steps made in that time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import torch
import transformers


class _Training:
  """The model, its optimizer and one batch of random tokens."""

  def __init__(
      self,
      *,
      num_threads: int,
      batch_size: int,
      input_length: int,
      target_length: int,
      learning_rate: float,
      sizes: dict[str, Any],
  ):
    torch.set_num_threads(num_threads)
    torch.manual_seed(0)
    config = transformers.T5Config(decoder_start_token_id=0, **sizes)
    self.model = transformers.T5ForConditionalGeneration(config).train()
    self._optimizer = torch.optim.AdamW(
        self.model.parameters(), lr=learning_rate, fused=True
    )
    vocab_size = config.vocab_size
    self._inputs = torch.randint(2, vocab_size, (batch_size, input_length))
    self._targets = torch.randint(2, vocab_size, (batch_size, target_length))

  def step(self) -> float:
    """Makes a step and returns its loss."""
    loss = self.model(input_ids=self._inputs, labels=self._targets).loss
    self._optimizer.zero_grad()
    loss.backward()
    self._optimizer.step()
    return float(loss.detach())


def main() -> None:
  """Answers requests until standard input ends."""
  # Libraries print; only answers may go to standard output.
  answers = os.fdopen(os.dup(1), 'w', encoding='utf-8')
  os.dup2(2, 1)
  training = _Training(**json.loads(sys.stdin.readline()))
  answer: dict[str, Any] = {
      'num_parameters': sum(x.numel() for x in training.model.parameters()),
      'first_loss': training.step(),
      'versions': {
          'torch': torch.__version__,
          'transformers': transformers.__version__,
      },
  }
  while True:
    print(json.dumps(answer), file=answers, flush=True)
    line = sys.stdin.readline()
    if not line:
      return
    seconds = json.loads(line)['seconds']
    num_steps, start = 0, time.perf_counter()
    core_start = time.process_time()
    while True:
      loss = training.step()
      num_steps += 1
      taken = time.perf_counter() - start
      if taken >= seconds:
        break
    answer = {
        'num_steps': num_steps,
        'seconds': taken,
        'core_seconds': time.process_time() - core_start,
        'loss': loss,
    }


if __name__ == '__main__':
  main()

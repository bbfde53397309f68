# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.training import metric_writers


def test_writer_drops_lines_after_the_checkpoint_and_a_cut_off_one(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  writer = metric_writers.JsonLinesWriter(path)
  for step in (10, 20, 30):
    writer.write_scalars(step, {'train/loss': step / 10})
  with path.open('a') as file:
    file.write('{"step": 40, "tr')
  writer = metric_writers.JsonLinesWriter(path, last_step=20)
  writer.write_scalars(30, {'train/loss': 5})
  assert metric_writers.read(path) == [
      {'step': 10, 'train/loss': 1.0},
      {'step': 20, 'train/loss': 2.0},
      {'step': 30, 'train/loss': 5.0},
  ]


def test_writer_starts_anew_without_a_checkpoint(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  metric_writers.JsonLinesWriter(path).write_scalars(1, {'a': 1})
  metric_writers.JsonLinesWriter(path)
  assert metric_writers.read(path) == []


def test_read_refuses_a_broken_line(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 1}\nrubbish\n')
  with pytest.raises(InputError, match='rubbish') as caught:
    metric_writers.read(path)
  assert caught.value.where == f'{path}, line 2'


def test_writer_names_the_file_when_it_cannot_write(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  writer = metric_writers.JsonLinesWriter(path)
  path.unlink()
  path.mkdir()
  with pytest.raises(InputError) as caught:
    writer.write_scalars(1, {'a': 1})
  assert caught.value.where == str(path)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import jax
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.launch import application
from plum_jax.launch import pipeline
from plum_jax.launch import several_processes
from plum_jax.launch.several_processes import Job


def test_flags_are_taken_out_of_the_command_line():
  job, rest = several_processes.parse(
      [
          '--gin_file=a.gin',
          '--coordinator_address=host:12',
          '--num_processes=4',
          '--process_id=0',
      ]
  )
  assert job == Job('host:12', 4, 0)
  assert rest == ['--gin_file=a.gin']
  assert several_processes.parse(['--gin_file=a.gin'])[0] is None


def test_half_of_the_flags_is_refused():
  with pytest.raises(InputError, match='Only some of the flags'):
    several_processes.parse(['--process_id=0', '--num_processes=2'])


def test_only_training_may_run_in_several_processes():
  launchers = pipeline.launchers()
  assert [s.name for s in launchers.values() if s.several_processes] == [
      'train'
  ]


def test_another_stage_in_several_processes_is_refused_before_they_meet(
    greeting, tree, capsys
):
  (tree / 'leaf.gin').write_text('', encoding='utf-8')
  with pytest.raises(SystemExit) as caught:
    application.main(greeting, ['--gin_file=leaf.gin', '--distributed'])
  assert caught.value.code == application.INPUT_ERROR
  assert 'The stage greeting runs in one process' in capsys.readouterr().err
  assert not jax.distributed.is_initialized()

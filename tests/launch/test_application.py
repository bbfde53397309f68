# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How launchers end, what they print, and what they leave behind."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.launch import application
from plum_jax.launch import run_lock

_TESTDATA = pathlib.Path(__file__).parent / 'testdata'
_ROOT = pathlib.Path(__file__).parents[2]


def _status(stage, tree, *arguments: str) -> int:
  with pytest.raises(SystemExit) as end:
    application.main(stage, [f'--gin_search_paths={tree}', *arguments])
  return end.value.code


def test_main_with_experiment_writes_artifact_and_config(tree, greeting):
  arguments = ['--gin_file=gin/experiments/loud.gin', '--gin.RUN_DIR=run']
  assert _status(greeting, tree, *arguments) == 0
  text = (tree / 'run' / 'greeting' / 'greeting.txt').read_text()
  assert text == 'hello!!' * 3
  config = (tree / 'run' / 'config' / 'greeting.gin').read_text()
  assert 'TRAIN_STEPS = 3' in config
  assert 'CAPITALS' not in config


def test_main_with_its_own_config_finds_artifact_up_to_date(tree, greeting):
  assert _status(greeting, tree, '--gin.RUN_DIR=run', '--gin.WORD=hey') == 0
  made = (tree / 'run' / 'greeting' / manifest.FILE_NAME).stat().st_mtime_ns
  assert _status(greeting, tree, '--gin_file=run/config/greeting.gin') == 0
  again = (tree / 'run' / 'greeting' / manifest.FILE_NAME).stat().st_mtime_ns
  assert again == made


def test_main_with_misspelt_macro_ends_with_2_and_writes_nothing(
    tree, greeting, capsys
):
  assert _status(greeting, tree, '--gin.RUN_DIR=run', '--gin.WROD=hey') == 2
  error = capsys.readouterr().err
  assert error.startswith('Error: There is no macro WROD')
  assert 'expected: WORD' in error
  assert 'Traceback' not in error
  assert not (tree / 'run').exists()


@pytest.mark.parametrize(
    ('word', 'status', 'message'),
    [
        ('forbidden', 2, 'Error: bad word\n  where:    word'),
        ('full', 2, 'Error: The disk is full.'),
        ('tensorstore', 2, 'Error: The disk is full.'),
        ('interrupt', 130, 'Interrupted'),
    ],
)
def test_main_with_failing_stage_says_why_without_traceback(
    tree, greeting, capsys, word, status, message
):
  assert _status(greeting, tree, '--gin.RUN_DIR=run', '--gin.WORD=ok') == 0
  flags = ['--gin.RUN_DIR=run', f'--gin.WORD={word}']
  assert _status(greeting, tree, *flags) == status
  error = capsys.readouterr().err
  assert message in error
  assert 'Traceback' not in error
  assert 'configurable' not in error
  text = (tree / 'run' / 'greeting' / 'greeting.txt').read_text()
  assert text == 'ok!' * 2


def test_main_with_bug_in_stage_keeps_the_error_as_it_was(tree, greeting):
  with pytest.raises(KeyError) as error:
    application.main(greeting, ['--gin.WORD=bug', f'--gin_search_paths={tree}'])
  assert type(error.value) is KeyError
  assert str(error.value) == "'a bug'"


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        ('--gin.WORD', 'The flag has no value'),
        ('--gin_file=gin/experiments/laud.gin', 'does not exist'),
        ('--gin.RUN_DIR=3', 'wrong type'),
        ("--gin.RUN_DIR=''", 'RUN_DIR is no folder'),
    ],
)
def test_main_with_bad_argument_ends_with_2(
    tree, greeting, capsys, argument, message
):
  assert _status(greeting, tree, argument) == 2
  assert message in capsys.readouterr().err


def test_main_with_unknown_flag_ends_with_2(tree, greeting, capsys):
  assert _status(greeting, tree, '--gin-file=x') == 2
  assert '--gin-file=x' in capsys.readouterr().err


def test_help_names_inputs_outputs_and_macros_with_values(tree, copy, capsys):
  assert _status(copy, tree, '--help', '--gin.CAPITALS=True') == 0
  text = capsys.readouterr().out
  assert 'reads:  greeting/' in text
  assert 'writes: copy/' in text
  assert "RUN_DIR = 'runs/greeting'  # the folder of the run" in text
  assert 'CAPITALS = True' in text
  assert 'WORD' not in text


def test_run_stages_configures_each_by_its_own_base_file(tree, greeting, copy):
  with pytest.raises(SystemExit) as end:
    application.run_stages(
        [greeting, copy],
        'greeting_launcher',
        'Both.',
        [
            f'--gin_search_paths={tree}',
            '--gin_file=gin/experiments/loud.gin',
            '--gin.RUN_DIR=run',
            '--gin.copy.capitals=False',
            "--gin.write.word='abc'",
        ],
    )
  assert end.value.code == 0
  assert (tree / 'run' / 'copy' / 'copy.txt').read_text() == 'abc!!' * 3
  assert (tree / 'run' / 'config' / 'greeting.gin').exists()
  assert (tree / 'run' / 'config' / 'copy.gin').exists()


def test_run_stages_with_mistake_in_last_stage_starts_none(
    tree, greeting, copy
):
  with pytest.raises(SystemExit) as end:
    application.run_stages(
        [greeting, copy],
        'greeting_launcher',
        'Both.',
        [
            f'--gin_search_paths={tree}',
            '--gin.RUN_DIR=run',
            '--gin.copy.capitals=1',
        ],
    )
  assert end.value.code == 2
  assert not (tree / 'run').exists()


def test_claim_removes_leftovers_only_under_the_lock(tmp_path):
  leftover = tmp_path / '.partial-greeting-1'
  leftover.mkdir()
  with run_lock.hold(tmp_path):
    with (
        pytest.raises(InputError, match='Another launch') as error,
        application.claim(tmp_path),
    ):
      pass
    assert f'process {os.getpid()}' in str(error.value)
    assert leftover.exists()
  with application.claim(tmp_path):
    assert not leftover.exists()


def test_second_launch_is_refused_until_the_first_is_killed(tree):
  command = [
      sys.executable,
      '-m',
      'greeting_launcher',
      f'--gin_search_paths={tree}',
      '--gin.RUN_DIR=run',
  ]
  environment = {**os.environ, 'PYTHONPATH': f'{_ROOT}:{_TESTDATA}'}
  with subprocess.Popen(
      [*command, '--gin.WORD=slow'], cwd=tree, env=environment
  ) as first:
    deadline = time.monotonic() + 60
    while not (tree / 'run' / 'begun').exists():
      assert time.monotonic() < deadline
      assert first.poll() is None
      time.sleep(0.05)
    refused = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith('Error: Another launch is writing')
    assert f'process {first.pid} ' in refused.stderr
    assert not (tree / 'run' / 'greeting').exists()
    first.send_signal(signal.SIGKILL)
  done = subprocess.run(
      command, cwd=tree, env=environment, capture_output=True, text=True
  )
  assert done.returncode == 0
  assert [line.split(' ', 1)[1] for line in done.stderr.splitlines()] == [
      'greeting: started (run/greeting)',
      'greeting: finished in 0:00',
  ]


def test_help_into_closed_pipe_ends_without_words(tree):
  environment = {**os.environ, 'PYTHONPATH': f'{_ROOT}:{_TESTDATA}'}
  read, write = os.pipe()
  os.close(read)
  done = subprocess.run(
      [
          sys.executable,
          '-um',
          'greeting_launcher',
          f'--gin_search_paths={tree}',
          '--help',
      ],
      cwd=tree,
      env=environment,
      stdout=write,
      stderr=subprocess.PIPE,
      text=True,
  )
  os.close(write)
  assert done.returncode == application.BROKEN_PIPE
  assert done.stderr == ''

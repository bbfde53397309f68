# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The launchers that take a bundle, as programs."""

import json
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from plum_jax.launch import export_program
from plum_jax.launch import recommend
from plum_jax.launch import run_lock
from plum_jax.launch import serve
from plum_jax.testing import tiny_bundle
from tests.serving import running_service

_BLOCKED = """
import sys

class Blocker:
  def find_spec(self, name, path=None, target=None):
    if name.partition('.')[0] in ('tensorflow', 'seqio', 'optax', 'orbax'):
      raise AssertionError(name + ' is not needed')

sys.meta_path.insert(0, Blocker())
from plum_jax.launch import serve
serve.main(sys.argv[1:])
"""
_ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def bundle_path(tmp_path_factory):
  path = tmp_path_factory.mktemp('bundles') / 'bundle'
  tiny_bundle.write(path)
  return path


def test_service_starts_answers_and_ends_without_tensorflow(bundle_path):
  with socket.create_server(('127.0.0.1', 0)) as listening:
    port = listening.getsockname()[1]
  process = subprocess.Popen(
      [
          sys.executable,
          '-c',
          _BLOCKED,
          f'--bundle={bundle_path}',
          f'--port={port}',
          '--batch_sizes=2',
      ],
      cwd=_ROOT,
      stderr=subprocess.PIPE,
      text=True,
  )
  try:
    assert process.stderr is not None
    log = ''
    while 'serve: bundle' not in log:
      line = process.stderr.readline()
      assert line, log
      log += line
    status, answer = 0, {}
    while not status and process.poll() is None:
      try:
        status, answer = running_service.recommend(port, history=['i1'], k=3)
      except ConnectionError:
        continue
    assert status == 200
    assert len(answer['items']) == 3
  finally:
    process.terminate()
    _, errors = process.communicate(timeout=60)
  assert errors == ''
  # uvicorn ends by the signal that it was asked to end with.
  assert process.returncode == -signal.SIGTERM


def test_recommendations_are_written_for_files(bundle_path, tmp_path, capsys):
  (tmp_path / 'a.jsonl').write_text('{"history": ["i1", "i2"]}\n')
  (tmp_path / 'allow.txt').write_text('i4\ni5\n\n')
  arguments = [
      f'--bundle={bundle_path}',
      f'--input={tmp_path}/*.jsonl',
      f'--output={tmp_path}/out',
      f'--allow={tmp_path}/allow.txt',
      '--k=3',
      '--batch_size=1',
      '--format=parquet',
  ]
  with pytest.raises(SystemExit) as caught:
    recommend.main(arguments)
  assert caught.value.code == 0
  assert (tmp_path / 'out' / 'a.parquet').exists()
  with run_lock.hold(tmp_path / 'out'), pytest.raises(SystemExit) as caught:
    recommend.main(arguments)
  assert caught.value.code == 2
  assert '--output=' in capsys.readouterr().err
  with pytest.raises(SystemExit) as caught:
    recommend.main([*arguments, '--k=2'])
  assert caught.value.code == 2
  assert 'something else' in capsys.readouterr().err


def test_program_is_exported(bundle_path, tmp_path):
  with pytest.raises(SystemExit) as caught:
    export_program.main(
        [
            f'--bundle={bundle_path}',
            f'--output={tmp_path}/export',
            '--batch_size=1',
        ]
    )
  assert caught.value.code == 0
  values = json.loads((tmp_path / 'export' / 'export.json').read_text())
  assert values['platforms'] == ['cpu']


@pytest.mark.parametrize(
    ('launcher', 'arguments', 'named'),
    [
        (serve, ['--bundle=nowhere'], 'nowhere'),
        (serve, ['--bundle=nowhere', '--batch_sizes=0'], '--batch_sizes=0'),
        (recommend, ['--bundle=nowhere', '--input=a', '--output=b'], 'nowhere'),
        (export_program, ['--bundle=nowhere', '--output=b'], 'nowhere'),
    ],
)
def test_what_cannot_be_used_is_refused_without_a_traceback(
    launcher, arguments, named, capsys, tmp_path, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(SystemExit) as caught:
    launcher.main(arguments)
  assert caught.value.code == 2
  error = capsys.readouterr().err
  assert error.startswith('Error: ')
  assert named in error
  assert not list(tmp_path.iterdir())

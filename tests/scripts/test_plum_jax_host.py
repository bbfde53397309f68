# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import pathlib
import socket
import time

import pytest

from tests.scripts.conftest import SCRIPTS


@pytest.fixture
def host(shell):
  (shell.folder / 'home' / 'plum_jax').mkdir(parents=True)
  return lambda *words: shell(str(SCRIPTS / 'plum_jax_host.sh'), *words)


@pytest.fixture
def files(shell) -> pathlib.Path:
  return shell.folder / 'home' / 'plum_jax_host' / socket.gethostname()


def test_a_started_command_outlives_start_and_gets_its_words(host, shell):
  words = ["('a b',)", '$HOME', '']
  result = host('start', 'sh', '-c', 'printf "<%s>" "$@"', 'sh', *words)
  assert result.returncode == 0, result.stderr
  followed = host('follow')
  assert followed.returncode == 0
  assert followed.stdout.startswith("<('a b',)><$HOME><>")
  assert 'ended with exit status 0' in followed.stdout


def test_follow_exits_as_the_run_did(host):
  host('start', 'sh', '-c', 'sleep 0.5; echo broken >&2; exit 3')
  followed = host('follow')
  assert followed.returncode == 3
  assert 'broken' in followed.stdout


def test_follow_without_a_run_fails(host):
  assert host('follow').returncode == 1


def test_a_second_start_is_refused_until_the_first_is_stopped(host, files):
  assert host('start', 'sleep', '300').returncode == 0
  refused = host('start', 'sleep', '300')
  assert refused.returncode == 3
  assert 'a run is going on' in refused.stderr
  begun = time.monotonic()
  assert 'stopped' in host('stop').stdout
  assert time.monotonic() - begun < 30
  # 128 + SIGTERM: the command was reached, and its end written down.
  assert (files / 'status').read_text() == '143\n'
  assert 'nothing is running' in host('stop').stdout
  assert host('start', 'true').returncode == 0
  host('follow')


def test_a_process_number_that_another_process_has_is_no_run(host, files):
  files.mkdir(parents=True)
  (files / 'pid').write_text('1\n')
  assert 'nothing is running' in host('stop').stdout


@pytest.mark.parametrize(
    'words',
    [
        (),
        ('start',),
        ('install', 'tpu'),
        ('usage',),
        ('stop', 'now'),
        ('rm', '-r', 'a'),
    ],
)
def test_wrong_arguments_print_how_it_is_used(host, words):
  result = host(*words)
  assert result.returncode == 2
  assert result.stderr.startswith('Usage:')


def test_install_brings_the_locked_jax_and_replaces_files(host, shell, clone):
  home = shell.folder / 'home'
  uv = home / '.local' / 'bin' / 'uv'
  uv.parent.mkdir(parents=True)
  uv.write_text('#!/bin/sh\necho "uv $*" >> "$HOME/uv_calls"\n')
  uv.chmod(0o755)
  archive = str(shell.folder / 'plum_jax.tar.gz')
  pack = ['git', '-C', str(clone), 'archive', f'--output={archive}', 'HEAD']
  commit = ['git', '-C', str(clone), '-c', 'user.name=a', '-c', 'user.email=a']
  assert shell(*pack).returncode == 0
  assert host('install', 'tpu', archive).returncode == 0
  (home / 'plum_jax' / 'runs').mkdir()
  shell('git', '-C', str(clone), 'mv', 'requirements.lock', 'old.lock')
  (clone / 'requirements.lock').write_text('jaxlib==1\njax==0.11.0 \\\n')
  shell('git', '-C', str(clone), 'rm', '-q', '-f', 'old.lock')
  (clone / 'new').write_text('new')
  shell('git', '-C', str(clone), 'add', '.')
  assert shell(*commit, 'commit', '-q', '-m', 'b').returncode == 0
  assert shell(*pack).returncode == 0
  (home / 'plum_jax' / 'stale').write_text('')
  with open(home / 'plum_jax' / '.unpacked', 'a', encoding='utf-8') as list_:
    list_.write('stale\n')
  result = host('install', 'cuda13', archive)
  assert result.returncode == 0, result.stderr
  names = {path.name for path in (home / 'plum_jax').iterdir()}
  assert names == {
      *('requirements.lock', 'new', 'runs', '.unpacked', '.install.lock')
  }
  calls = (home / 'uv_calls').read_text()
  assert 'jax[tpu]==0.10.2' in calls
  assert 'jax[cuda13]==0.11.0' in calls
  assert '--require-hashes -r requirements.lock' in calls

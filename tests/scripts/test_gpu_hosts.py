# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import shlex
import tarfile

import pytest

from tests.scripts.conftest import remote_command

SSH = ['ssh', '-o', 'BatchMode=yes']
FLAGS = [
    '--gin_file=gin/a b.gin',
    '--gin.RUN_DIR=/mnt/plum_jax/mine',
    "--gin.RECOMMENDERS=('generative',)",
]


def commands(result):
  assert result.returncode == 0, result.stderr
  return [shlex.split(line) for line in result.stdout.splitlines()]


def test_run_gives_each_host_its_process_and_all_the_first_ones_address(
    gpu_hosts, shell
):
  words = ['run', '--hosts=me@a,b,c', '--port=99', '--', *FLAGS]
  dry = gpu_hosts(*words[:1], '--dry-run', *words[1:])
  assert shell.calls() == []
  assert gpu_hosts(*words).returncode == 0
  calls = shell.calls()
  assert calls == commands(dry)
  assert [call[:4] for call in calls] == [
      [*SSH, 'me@a'],
      [*SSH, 'b'],
      [*SSH, 'c'],
  ]
  for index, call in enumerate(calls):
    echoed = shell('sh', '-c', f'printf "%s\\0" {remote_command(call)}')
    assert echoed.stdout.split('\0')[:-1] == [
        *('bash', 'plum_jax_host.sh', 'start', '.venv/bin/python', '-m'),
        *('plum_jax.launch.train', '--coordinator_address=a:99'),
        *('--num_processes=3', f'--process_id={index}', *FLAGS),
    ]


def test_run_on_one_host_is_one_process_without_coordinator(gpu_hosts, shell):
  flags = ['--gin.RUN_DIR=runs/mine']
  assert gpu_hosts('run', '--hosts=a', '--', *flags).returncode == 0
  (call,) = shell.calls()
  assert remote_command(call) == (
      'bash plum_jax_host.sh start .venv/bin/python -m plum_jax.launch.train '
      '--gin.RUN_DIR=runs/mine'
  )


def test_run_takes_the_coordinator_that_is_given(gpu_hosts):
  result = gpu_hosts(
      'run', '--hosts=a,b', '--coordinator=10.0.0.1', '--dry-run', '--', *FLAGS
  )
  for call in commands(result):
    assert '--coordinator_address=10.0.0.1:8476' in call[-1]


def test_run_stops_at_the_first_host_that_fails(gpu_hosts, shell):
  shell.answer('BatchMode=yes b', status=3)
  result = gpu_hosts('run', '--hosts=a,b,c', '--', *FLAGS)
  assert result.returncode == 1
  assert 'ended with exit status 3: ssh -o BatchMode=yes b' in result.stderr
  assert [call[3] for call in shell.calls()] == ['a', 'b']


def test_install_copies_what_is_committed_to_all_hosts(gpu_hosts, shell, clone):
  (shell.folder / 'hosts').write_text('# ours\na\n\n  me@b # the other\nc')
  words = ['install', f'--repository={clone}', '--hosts_file=hosts']
  dry = commands(gpu_hosts(*words, '--dry-run'))
  result = gpu_hosts(*words)
  assert result.returncode == 0, result.stderr
  calls = shell.calls()
  assert sorted(calls) == sorted(dry[1:])
  assert dry[0][:4] == ['git', '-C', str(clone), 'archive']
  for host in ('a', 'me@b', 'c'):
    copy, install = (call for call in calls if host in (call[3], call[-1][:-1]))
    with tarfile.open(copy[-3]) as archive:
      assert archive.getnames() == ['requirements.lock']
    assert install == [
        *SSH,
        host,
        'bash plum_jax_host.sh install cuda13 plum_jax.tar.gz',
    ]


def test_install_names_the_hosts_where_it_failed(gpu_hosts, shell, clone):
  shell.answer('BatchMode=yes b', stderr='no disk', status=1)
  shell.answer('scp', 'd:', status=1)
  result = gpu_hosts('install', '--hosts=a,b,c,d', f'--repository={clone}')
  assert result.returncode == 1
  assert 'b: no disk' in result.stdout
  assert 'install failed on b d.' in result.stderr
  assert [*SSH, 'c'] in [call[:4] for call in shell.calls()]


@pytest.mark.parametrize(
    ('words', 'hosts', 'command'),
    [
        (('follow', '--hosts=a,b'), ['a'], 'follow'),
        (('follow', '--hosts=a,b', '--host=b'), ['b'], 'follow'),
        (('stop', '--hosts=a,b'), ['a', 'b'], 'stop'),
    ],
)
def test_follow_and_stop_ask_hosts(gpu_hosts, shell, words, hosts, command):
  assert gpu_hosts(*words).returncode == 0
  assert sorted(shell.calls()) == [
      [*SSH, host, f'bash plum_jax_host.sh {command}'] for host in hosts
  ]


def test_follow_fails_as_the_run_did(gpu_hosts, shell):
  shell.answer('follow', status=4)
  assert gpu_hosts('follow', '--hosts=a').returncode != 0


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        ((), 'there is no subcommand'),
        (('create', '--hosts=a'), 'no subcommand create'),
        (('run', '--', *FLAGS), 'needs --hosts='),
        (('run', '--hosts='), 'has no value'),
        (('run', '--hosts=-oProxyCommand=x,b'), 'is no host'),
        (('stop', '--hosts_file=missing'), 'cannot be read'),
        (('stop', '--hosts=a', '--worker=1'), 'does not take --worker=1'),
        (('stop', '--hosts=a', '--', 'b'), 'nothing after --'),
        (
            ('run', '--hosts=a,b', '--', '--gin.RUN_DIR=runs/mine'),
            'is relative',
        ),
    ],
)
def test_wrong_arguments_are_refused_before_any_call(
    gpu_hosts, shell, words, expected
):
  result = gpu_hosts(*words)
  assert result.returncode == 2
  assert expected in ' '.join(result.stderr.split())
  assert shell.calls() == []

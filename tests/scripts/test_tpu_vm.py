# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import shlex
import tarfile

import pytest

from tests.scripts.conftest import remote_command

ZONE = '--zone=us-central1-a'
TPUS = ['gcloud', 'compute', 'tpus']
DESCRIBE = [*TPUS, 'tpu-vm', 'describe', 'mine', '--format=value(state)', ZONE]
DESCRIBE_REQUEST = [
    *TPUS,
    'queued-resources',
    'describe',
    'mine',
    '--format=value(state.state)',
    ZONE,
]
CREATE = [
    *TPUS,
    'tpu-vm',
    'create',
    'mine',
    '--version=v2-alpha-tpuv5-lite',
    '--accelerator-type=v5litepod-16',
    '--spot',
    ZONE,
]
CREATE_REQUEST = [
    *TPUS,
    'queued-resources',
    'create',
    'mine',
    '--node-id=mine',
    '--runtime-version=v2-alpha-tpuv5-lite',
    '--accelerator-type=v5litepod-16',
    '--spot',
    ZONE,
]
DELETE = [*TPUS, 'tpu-vm', 'delete', 'mine', '--quiet', ZONE]
DELETE_REQUEST = [
    *TPUS,
    'queued-resources',
    'delete',
    'mine',
    '--force',
    '--quiet',
    ZONE,
]
LAUNCHER_FLAGS = [
    '--gin_file=gin/a b.gin',
    '--gin.RUN_DIR=/mnt/plum_jax/mine',
    "--gin.RECOMMENDERS=('generative',)",
    '--gin.NOTE="a $HOME \\ `b` & é\n*"',
]
START = [
    *('bash', 'plum_jax_host.sh', 'start', '.venv/bin/python', '-m'),
    *('plum_jax.launch.train', '--distributed', *LAUNCHER_FLAGS),
]


def printed(result):
  """Reads the commands of a dry run as a shell does."""
  assert result.returncode == 0, result.stderr
  lines = result.stdout.replace('\n#', '\n# #').splitlines(keepends=True)
  text = ''.join(line for line in lines if not line.startswith('#'))
  calls, line = [], ''
  for piece in text.splitlines(keepends=True):
    line += piece
    try:
      calls.append(shlex.split(line))
      line = ''
    except ValueError:  # A line end within quotes.
      continue
  return calls


def prepared(tpu_vm, shell, clone, *create_flags):
  """Creates, installs and runs; forgets the calls."""
  shell.answer('queued-resources', 'describe', stdout='ACTIVE\n', once=True)
  shell.answer('tpu-vm describe', stdout='READY\n', once=True)
  for words in (
      ('create', 'mine', ZONE, '--accelerator_type=v5litepod-16', '--spot')
      + create_flags,
      ('install', 'mine', f'--repository={clone}', '--mount=10.0.0.2:/a b'),
      ('run', 'mine', '--', *LAUNCHER_FLAGS),
  ):
    result = tpu_vm(*words)
    assert result.returncode == 0, result.stderr
  shell.rules.clear()
  return shell.calls()


@pytest.mark.parametrize(
    ('flags', 'expected'),
    [
        ((), [CREATE, DESCRIBE]),
        (('--queued',), [CREATE_REQUEST, DESCRIBE_REQUEST, DESCRIBE]),
        (('--queued', '--async'), [CREATE_REQUEST]),
    ],
)
def test_create_calls_gcloud_as_its_dry_run_prints(
    tpu_vm, shell, flags, expected
):
  shell.answer('queued-resources', 'describe', stdout='ACTIVE\n')
  shell.answer('tpu-vm describe', stdout='READY\n')
  words = ['create', 'mine', ZONE, '--accelerator_type=v5litepod-16', '--spot']
  dry = tpu_vm(*words, *flags, '--dry-run')
  assert shell.calls() == []
  assert not (shell.folder / 'state').exists()
  assert tpu_vm(*words, *flags).returncode == 0
  assert shell.calls() == expected
  assert printed(dry) == expected


@pytest.mark.parametrize(
    ('accelerator', 'runtime'),
    [
        ('v4-8', 'tpu-ubuntu2204-base'),
        ('v5p-8', 'v2-alpha-tpuv5'),
        ('v6e-16', 'v2-alpha-tpuv6e'),
    ],
)
def test_create_finds_the_runtime_of_an_accelerator(
    tpu_vm, accelerator, runtime
):
  result = tpu_vm(
      'create', 'a', ZONE, f'--accelerator_type={accelerator}', '--dry-run'
  )
  assert f'--version={runtime}' in printed(result)[0]


def test_create_waits_through_the_states_of_a_request(tpu_vm, shell):
  for state in ('WAITING_FOR_RESOURCES', 'PROVISIONING', 'ACTIVE', 'ACTIVE'):
    shell.answer('resources', 'describe', stdout=f'{state}\n', once=True)
  shell.answer('tpu-vm describe', stdout='CREATING\n', once=True)
  shell.answer('tpu-vm describe', stdout='READY\n', once=True)
  result = tpu_vm(
      *('create', 'mine', ZONE, '--accelerator_type=v5litepod-16'),
      *('--queued', '--poll_seconds=0'),
  )
  assert result.returncode == 0, result.stderr
  assert result.stderr.split() == [
      *('mine:', 'WAITING_FOR_RESOURCES', 'mine:', 'PROVISIONING'),
      *('mine:', 'CREATING'),
  ]
  assert len(shell.calls()) == 7


def test_create_fails_when_the_request_fails(tpu_vm, shell):
  shell.answer('resources', 'describe', stdout='FAILED\n')
  result = tpu_vm(
      'create', 'mine', ZONE, '--accelerator_type=v6e-8', '--queued'
  )
  assert result.returncode == 1
  assert 'its state is FAILED' in result.stderr


def test_install_copies_what_is_committed(tpu_vm, shell, clone):
  (clone / 'later').write_text('not committed')
  words = ['install', 'mine', ZONE, f'--repository={clone}']
  words.append('--mount=10.0.0.2:/a b')
  dry = printed(tpu_vm(*words, '--dry-run'))
  result = tpu_vm(*words)
  assert result.returncode == 0, result.stderr
  assert 'not committed stay here' in result.stderr
  copy, install = shell.calls()
  assert dry[0][:4] == ['git', '-C', str(clone), 'archive']
  assert dry[1:] == [copy, install]
  with tarfile.open(copy[5]) as archive:
    assert archive.getnames() == ['requirements.lock']
  assert copy[6].endswith('plum_jax/scripts/plum_jax_host.sh')
  assert copy[7:] == ['mine:', '--worker=all', ZONE]
  assert shlex.split(remote_command(install)) == [
      *('bash', 'plum_jax_host.sh', 'install', 'tpu', 'plum_jax.tar.gz'),
      '10.0.0.2:/a b',
  ]


def test_run_keeps_words_through_dry_run_gcloud_and_the_workers_shell(
    tpu_vm, shell
):
  words = ['run', 'mine', ZONE, '--', *LAUNCHER_FLAGS]
  dry = tpu_vm(words[0], words[1], '--dry-run', *words[2:])
  assert shell('bash', '-c', dry.stdout).returncode == 0
  (by_dry_run,) = shell.calls()
  assert tpu_vm(*words).returncode == 0
  (call,) = shell.calls()
  assert call == by_dry_run
  assert call[:7] == [*TPUS, 'tpu-vm', 'ssh', 'mine', '--worker=all']
  echoed = shell('sh', '-c', f'printf "%s\\0" {remote_command(call)}')
  assert echoed.stdout.split('\0')[:-1] == START


@pytest.mark.parametrize(
    ('run_dir', 'words'),
    [
        ((), 'there is no --gin.RUN_DIR'),
        (('--gin.RUN_DIR=gs://b/mine',), 'not objects of a bucket'),
        (("--gin.RUN_DIR='gs://b/mine'",), 'not objects of a bucket'),
        (('--gin.RUN_DIR=runs/mine',), 'is relative'),
    ],
)
def test_run_refuses_a_run_directory_that_workers_do_not_share(
    tpu_vm, shell, run_dir, words
):
  result = tpu_vm('run', 'mine', ZONE, '--', '--gin_file=a.gin', *run_dir)
  assert result.returncode == 2
  assert words in ' '.join(result.stderr.split())
  assert shell.calls() == []


@pytest.mark.parametrize(
    ('words', 'worker', 'command'),
    [
        (('follow', 'mine'), '0', 'follow'),
        (('follow', 'mine', '--worker=all'), 'all', 'follow'),
        (('stop', 'mine'), 'all', 'stop'),
    ],
)
def test_follow_and_stop_ask_workers(tpu_vm, shell, words, worker, command):
  assert tpu_vm(*words, ZONE, '--project=p').returncode == 0
  assert shell.calls() == [
      [
          *(*TPUS, 'tpu-vm', 'ssh', 'mine', f'--worker={worker}'),
          *(f'--command=bash plum_jax_host.sh {command}', ZONE, '--project=p'),
      ]
  ]


@pytest.mark.parametrize('state', ['PREEMPTED', 'TERMINATED'])
def test_resume_after_a_preemption_creates_installs_and_runs_the_same(
    tpu_vm, shell, clone, state
):
  before = prepared(tpu_vm, shell, clone)
  shell.answer('tpu-vm describe', stdout=f'{state}\n', once=True)
  shell.answer('tpu-vm describe', stdout='READY\n')
  result = tpu_vm('resume', 'mine')
  assert result.returncode == 0, result.stderr
  calls = shell.calls()
  assert calls[:4] == [DESCRIBE, DELETE, CREATE, DESCRIBE]
  assert calls[4:] == before[-3:]
  assert shlex.split(remote_command(calls[-1])) == START


@pytest.mark.parametrize('state', ['SUSPENDED', 'FAILED'])
def test_resume_of_a_request_asks_for_another(tpu_vm, shell, clone, state):
  before = prepared(tpu_vm, shell, clone, '--queued')
  shell.answer('resources', 'describe', stdout=f'{state}\n', once=True)
  shell.answer('resources', 'describe', stdout='ACTIVE\n')
  shell.answer('tpu-vm describe', stdout='READY\n')
  assert tpu_vm('resume', 'mine').returncode == 0
  calls = shell.calls()
  assert calls[:3] == [DESCRIBE_REQUEST, DELETE_REQUEST, CREATE_REQUEST]
  assert calls[3:5] == [DESCRIBE_REQUEST, DESCRIBE]
  assert calls[5:] == before[-3:]


def test_resume_after_the_tpu_vm_is_gone_does_not_delete(tpu_vm, shell, clone):
  prepared(tpu_vm, shell, clone)
  shell.answer('describe', stderr='ERROR: NOT_FOUND: x', status=1, once=True)
  shell.answer('describe', stdout='READY\n')
  assert tpu_vm('resume', 'mine').returncode == 0
  assert shell.calls()[:3] == [DESCRIBE, CREATE, DESCRIBE]


def test_resume_of_a_tpu_vm_that_is_there_only_installs_and_runs(
    tpu_vm, shell, clone
):
  before = prepared(tpu_vm, shell, clone)
  shell.answer('describe', stdout='READY\n')
  assert tpu_vm('resume', 'mine').returncode == 0
  assert shell.calls() == [DESCRIBE, *before[-3:]]


def test_resume_dry_run_prints_what_a_preemption_takes(tpu_vm, shell, clone):
  before = prepared(tpu_vm, shell, clone)
  calls = printed(tpu_vm('resume', 'mine', '--dry-run'))
  assert shell.calls() == []
  assert calls[:3] == [DESCRIBE, DELETE, CREATE]
  assert calls[3] == DESCRIBE
  # The archive is made by git, which is no recorder.
  assert calls[4][0] == 'git'
  assert calls[5:] == before[-3:]


def test_resume_changes_nothing_when_the_state_cannot_be_told(
    tpu_vm, shell, clone
):
  prepared(tpu_vm, shell, clone)
  shell.answer('describe', stderr='no permission', status=1)
  result = tpu_vm('resume', 'mine')
  assert result.returncode == 1
  assert 'no permission' in result.stderr
  assert shell.calls() == [DESCRIBE]


def test_resume_waits_for_nothing_while_a_tpu_vm_is_being_deleted(
    tpu_vm, shell, clone
):
  prepared(tpu_vm, shell, clone)
  shell.answer('describe', stdout='DELETING\n')
  assert tpu_vm('resume', 'mine').returncode == 1
  assert shell.calls() == [DESCRIBE]


@pytest.mark.parametrize('failing', ['delete', 'create', 'scp', 'ssh'])
def test_a_failing_call_ends_resume(tpu_vm, shell, clone, failing):
  prepared(tpu_vm, shell, clone)
  shell.answer('describe', stdout='PREEMPTED\n', once=True)
  shell.answer('describe', stdout='READY\n')
  shell.answer(f'tpu-vm {failing}', stderr='quota', status=7)
  result = tpu_vm('resume', 'mine')
  assert result.returncode == 1
  assert 'ended with exit status 7: gcloud compute tpus' in result.stderr
  assert failing in shell.calls()[-1]


def test_delete_forgets_what_was_kept(tpu_vm, shell, clone):
  prepared(tpu_vm, shell, clone, '--queued')
  assert printed(tpu_vm('delete', 'mine', '--dry-run')) == [DELETE_REQUEST]
  assert tpu_vm('delete', 'mine').returncode == 0
  assert shell.calls() == [DELETE_REQUEST]
  assert tpu_vm('resume', 'mine', ZONE).returncode == 2


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        ((), 'there is no subcommand'),
        (('start', 'a'), 'no subcommand start'),
        (('create',), 'comes the name'),
        (('create', 'A b', ZONE), "not 'A b'"),
        (('create', 'a', ZONE), 'needs --accelerator_type'),
        (('create', 'a', '--accelerator_type=v6e-8'), 'needs --zone'),
        (('create', 'a', ZONE, '--accelerator_type=x-1'), 'no runtime is'),
        (('create', 'a', ZONE, '--accelerator_type='), 'has no value'),
        (('create', 'a', ZONE, '--spott'), 'does not take --spott'),
        (
            ('create', 'a', ZONE, '--accelerator_type=v6e-8', '--async'),
            '--async goes',
        ),
        (('follow', 'a', ZONE, '--', 'b'), 'nothing after --'),
        (('install', 'a', ZONE, '--worker=1'), 'does not take --worker=1'),
        (('resume', 'a', ZONE), 'nothing to resume'),
    ],
)
def test_wrong_arguments_are_refused_before_any_call(
    tpu_vm, shell, words, expected
):
  result = tpu_vm(*words)
  assert result.returncode == 2
  assert expected in ' '.join(result.stderr.split())
  assert shell.calls() == []


def test_install_from_a_folder_that_is_no_clone_is_refused(
    tpu_vm, shell, tmp_path
):
  result = tpu_vm('install', 'a', ZONE, f'--repository={tmp_path}')
  assert result.returncode == 2
  assert '--repository=FOLDER' in result.stderr
  assert shell.calls() == []

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Scripts run with recorders in the place of gcloud, ssh and scp."""

from collections.abc import Callable, Sequence
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import pytest

SCRIPTS = pathlib.Path(__file__).parents[2] / 'plum_jax' / 'scripts'

# Writes its arguments down; answers with the first unused rule that fits.
_RECORDER = """#!{python} -IS
import fcntl, json, os, pathlib, sys
folder = pathlib.Path({folder!r})
words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
with open(folder / 'lock', 'w') as lock:
  fcntl.flock(lock, fcntl.LOCK_EX)
  with open(folder / 'calls', 'a') as calls:
    calls.write(json.dumps(words) + '\\n')
  rules = json.loads((folder / 'rules').read_text())
  for index, rule in enumerate(rules):
    if all(word in ' '.join(words) for word in rule['when']):
      if rule['once']:
        del rules[index]
        (folder / 'rules').write_text(json.dumps(rules))
      break
  else:
    rule = dict(stdout='', stderr='', status=0)
print(rule['stdout'], end='')
print(rule['stderr'], end='', file=sys.stderr)
sys.exit(rule['status'])
"""


@dataclasses.dataclass
class Shell:
  """Runs commands; knows what the recorders were called with."""

  folder: pathlib.Path
  environment: dict[str, str]
  rules: list[dict] = dataclasses.field(default_factory=list)

  def answer(self, *when, stdout='', stderr='', status=0, once=False) -> None:
    self.rules.append(
        {
            'when': when,
            'stdout': stdout,
            'stderr': stderr,
            'status': status,
            'once': once,
        }
    )

  def __call__(self, *command: str) -> subprocess.CompletedProcess[str]:
    (self.folder / 'rules').write_text(json.dumps(self.rules))
    return subprocess.run(
        command,
        env=self.environment,
        cwd=self.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

  def calls(self) -> list[list[str]]:
    """Returns the recorders' calls so far, and forgets them."""
    path = self.folder / 'calls'
    if not path.exists():
      return []
    calls = [json.loads(line) for line in path.read_text().splitlines()]
    path.unlink()
    return calls


@pytest.fixture
def shell(tmp_path) -> Shell:
  programs = tmp_path / 'programs'
  programs.mkdir()
  for name in ('gcloud', 'ssh', 'scp'):
    path = programs / name
    path.write_text(
        _RECORDER.format(python=sys.executable, folder=str(tmp_path))
    )
    path.chmod(0o755)
  return Shell(
      tmp_path,
      {
          **os.environ,
          'PATH': f'{programs}:{os.environ["PATH"]}',
          'HOME': str(tmp_path / 'home'),
          'XDG_STATE_HOME': str(tmp_path / 'state'),
      },
  )


@pytest.fixture
def clone(tmp_path) -> pathlib.Path:
  """A repository with one commit."""
  path = tmp_path / 'a clone'
  path.mkdir()
  (path / 'requirements.lock').write_text('jax==0.10.2\n')
  name = ['-c', 'user.name=a', '-c', 'user.email=a@example.org']
  for command in (
      ['init', '-q'],
      ['add', '.'],
      [*name, 'commit', '-q', '-m', 'a'],
  ):
    subprocess.run(['git', '-C', path, *command], check=True)
  return path


Script = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tpu_vm(shell) -> Script:
  return lambda *words: shell(str(SCRIPTS / 'tpu_vm.sh'), *words)


@pytest.fixture
def gpu_hosts(shell) -> Script:
  return lambda *words: shell(str(SCRIPTS / 'gpu_hosts.sh'), *words)


def remote_command(call: Sequence[str]) -> str:
  """Returns the text that the shell of the other host gets."""
  flags = [word for word in call if word.startswith('--command=')]
  return flags[0].removeprefix('--command=') if flags else call[-1]

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Artifacts of other runs: taken over where they match, and only there."""

import errno
import os

import pytest

from plum_jax.artifacts import reuse
from plum_jax.artifacts import stage


class _Builder:
  """Writes two files, and counts how often."""

  def __init__(self):
    self.calls = 0

  def __call__(self, directory, work):
    self.calls += 1
    (work / 'progress').touch()
    (directory / 'result.txt').write_text('result')
    (directory / 'deep').mkdir()
    (directory / 'deep' / 'part.txt').write_text('part')


def _run(run_dir, build, parameters=None, seed=None):
  return stage.run(
      'copy',
      run_dir / 'copy',
      build,
      inputs={},
      parameters=parameters or {'a': 1},
      seed=seed,
  )


def test_run_takes_a_matching_artifact_over_by_links(tmp_path):
  build = _Builder()
  made = _run(tmp_path / 'a', build)
  with reuse.from_runs([tmp_path / 'none', tmp_path / 'a', tmp_path / 'b']):
    assert _run(tmp_path / 'b', build) == made
  assert build.calls == 1
  for name in ('result.txt', 'deep/part.txt', 'manifest.json'):
    first, second = (tmp_path / run / 'copy' / name for run in 'ab')
    assert first.samefile(second)


@pytest.mark.parametrize('change', [{'parameters': {'a': 2}}, {'seed': 1}])
def test_run_makes_what_no_other_run_has(tmp_path, change):
  build = _Builder()
  _run(tmp_path / 'a', build)
  with reuse.from_runs([tmp_path / 'a']):
    _run(tmp_path / 'b', build, **change)
  assert build.calls == 2


def test_run_looks_elsewhere_only_within_the_block(tmp_path):
  build = _Builder()
  _run(tmp_path / 'a', build)
  with reuse.from_runs([tmp_path / 'a']):
    pass
  _run(tmp_path / 'b', build)
  assert build.calls == 2


def test_making_an_artifact_anew_leaves_runs_that_share_it_alone(tmp_path):
  build = _Builder()
  _run(tmp_path / 'a', build)
  with reuse.from_runs([tmp_path / 'a']):
    _run(tmp_path / 'b', build)

  def other(directory, work):
    del work
    (directory / 'result.txt').write_text('other')

  _run(tmp_path / 'a', other, parameters={'a': 2})
  assert (tmp_path / 'a' / 'copy' / 'result.txt').read_text() == 'other'
  assert (tmp_path / 'b' / 'copy' / 'result.txt').read_text() == 'result'
  _run(tmp_path / 'b', build)
  assert build.calls == 1


def test_run_does_not_take_over_what_is_damaged(tmp_path, caplog):
  build = _Builder()
  _run(tmp_path / 'a', build)
  (tmp_path / 'a' / 'copy' / 'result.txt').write_text('resu')
  with reuse.from_runs([tmp_path / 'a']):
    _run(tmp_path / 'b', build)
  assert build.calls == 2
  assert (tmp_path / 'b' / 'copy' / 'result.txt').read_text() == 'result'
  assert 'not as it was made' in caplog.text


def test_run_copies_where_the_file_system_has_no_links(tmp_path, monkeypatch):
  build = _Builder()
  _run(tmp_path / 'a', build)

  def refuse(source, target):
    raise OSError(errno.EXDEV, 'Invalid cross-device link')

  monkeypatch.setattr(os, 'link', refuse)
  with reuse.from_runs([tmp_path / 'a']):
    _run(tmp_path / 'b', build)
  assert build.calls == 1
  second = tmp_path / 'b' / 'copy' / 'result.txt'
  assert second.read_text() == 'result'
  assert not second.samefile(tmp_path / 'a' / 'copy' / 'result.txt')


def test_run_that_takes_over_replaces_the_old_and_its_unfinished_work(tmp_path):
  build = _Builder()
  _run(tmp_path / 'a', build)
  _run(tmp_path / 'b', build, parameters={'a': 2})

  def killed(directory, work):
    (work / 'progress').touch()
    raise RuntimeError('killed')

  with pytest.raises(RuntimeError):
    _run(tmp_path / 'b', killed)
  with reuse.from_runs([tmp_path / 'a']):
    _run(tmp_path / 'b', build)
  assert build.calls == 2
  assert not list((tmp_path / 'b' / 'work').iterdir())

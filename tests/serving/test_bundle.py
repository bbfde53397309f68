# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Bundles: what is read, and what is refused."""

import json
import os
import shutil
import subprocess
import sys
import textwrap

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.decoding.strategies import DiverseBeamSearch
from plum_jax.decoding.strategies import Sampling
from plum_jax.serving import bundle
from plum_jax.serving import bundle_manifest
from plum_jax.serving.bundle import SearchSettings
from plum_jax.testing import tiny_bundle


@pytest.fixture
def copy(bundle_path, tmp_path):
  return shutil.copytree(bundle_path, tmp_path / 'bundle')


def _change(directory, change):
  """Changes the values of `bundle.json`."""
  path = directory / bundle_manifest.FILE_NAME
  values = json.loads(path.read_text())
  change(values)
  path.write_text(json.dumps(values))


def _rehash(directory):
  """Makes `bundle.json` agree with the files, as one who forges it would."""

  def change(values):
    for name in values['files']:
      values['files'][name] = manifest.hash_file(directory / name)

  _change(directory, change)


def test_bundle_has_all_items_with_titles_and_tokens(tiny):
  assert tiny.table.num_items == 24
  assert tiny.titles[3].as_py() == 'Film number 3'
  assert tiny.item_tokens.shape == (24, 3)
  assert tiny.search.beam_size == 10
  assert len(tiny.version) == 12


def test_bundle_of_an_encoder_decoder_keeps_its_settings(tmp_path):
  search = SearchSettings(7, False, DiverseBeamSearch(2, 0.25))
  tiny_bundle.write(tmp_path / 'b', kind='encoder_decoder', search=search)
  found = bundle.load(tmp_path / 'b')
  assert found.search == search
  assert found.prompt.kind == 'encoder_decoder'


def test_same_content_has_the_same_version(bundle_path, tmp_path, tiny):
  tiny_bundle.write(tmp_path / 'same')
  tiny_bundle.write(tmp_path / 'other', seed=1)
  assert bundle.load(tmp_path / 'same').version == tiny.version
  assert bundle.load(tmp_path / 'other').version != tiny.version


def test_bundle_of_a_network_that_was_read_is_not_traced_again(
    bundle_path, tiny, monkeypatch
):
  # JAX keeps a little of every trace, which a service that swaps would pile up.
  def trace(*_):
    raise AssertionError('The network is traced again.')

  assert tiny.model == bundle.load(bundle_path).model
  monkeypatch.setattr('jax.eval_shape', trace)
  bundle.load(bundle_path)


def test_who_may_read_one_file_may_read_all(bundle_path):
  files = [path for path in bundle_path.rglob('*') if path.is_file()]
  modes = {path.stat().st_mode for path in files}
  assert modes == {(bundle_path / bundle_manifest.FILE_NAME).stat().st_mode}


def test_sampling_cannot_be_served():
  with pytest.raises(InputError, match='Sampling cannot be served'):
    bundle.check_strategy(Sampling())


def test_bundle_is_read_without_tensorflow_and_training(bundle_path):
  code = f"""
      import sys
      from plum_jax.serving import bundle, engine
      bundle.load({str(bundle_path)!r})
      wrong = [
          name for name in sys.modules
          if name.partition('.')[0] in (
              'tensorflow', 'seqio', 'gin', 'optax', 'orbax', 'clu', 'tasks')
          or name.startswith(('plum_jax.training', 'plum_jax.data'))
      ]
      assert not wrong, wrong
      """
  done = subprocess.run(
      [sys.executable, '-c', textwrap.dedent(code)],
      capture_output=True,
      text=True,
  )
  assert done.returncode == 0, done.stderr


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_changed_byte_is_noticed(bundle_path, tmp_path, data):
  directory = tmp_path / 'changed'
  if not directory.exists():
    shutil.copytree(bundle_path, directory)
  names = sorted(
      path.relative_to(directory).as_posix()
      for path in directory.rglob('*')
      if path.is_file() and path.stat().st_size
  )
  path = directory / data.draw(st.sampled_from(names))
  whole = path.read_bytes()
  position = data.draw(st.integers(0, len(whole) - 1))
  changed = bytearray(whole)
  changed[position] ^= data.draw(st.integers(1, 255))
  version = bundle_manifest.version(bundle_manifest.verify(directory))
  path.write_bytes(changed)
  try:
    if path.name == bundle_manifest.FILE_NAME:
      # What it says is either refused or another bundle, but for the versions.
      before, after = json.loads(whole), None
      try:
        after = bundle_manifest.verify(directory)
      except InputError:
        return
      if {**before, 'versions': 0} != {**after, 'versions': 0}:
        assert bundle_manifest.version(after) != version
    else:
      with pytest.raises(InputError, match='not the one that was bundled'):
        bundle.load(directory)
  finally:
    path.write_bytes(whole)


@pytest.mark.parametrize(
    'name',
    ['../secret', '/etc/passwd', 'a/../../b', 'a//b', './a', '', 'a\\b', 'c:d'],
)
def test_names_that_lead_out_of_the_folder_are_refused(copy, name):
  (copy.parent / 'secret').write_text('x')
  _change(copy, lambda values: values['files'].update({name: '0' * 64}))
  with pytest.raises(InputError, match='no name of a file'):
    bundle.load(copy)


def test_links_are_refused(copy, bundle_path):
  target = copy / 'items.parquet'
  target.unlink()
  target.symlink_to(bundle_path / 'items.parquet')
  with pytest.raises(InputError, match='link'):
    bundle.load(copy)
  target.unlink()
  shutil.copyfile(bundle_path / 'items.parquet', target)
  shutil.rmtree(copy / 'vocabulary')
  (copy / 'vocabulary').symlink_to(bundle_path / 'vocabulary')
  with pytest.raises(InputError, match='link'):
    bundle.load(copy)


def test_missing_and_unlisted_files_are_refused(copy):
  (copy / 'generator' / 'further.txt').write_text('x')
  with pytest.raises(InputError, match='not listed'):
    bundle.load(copy)
  (copy / 'generator' / 'further.txt').unlink()
  (copy / 'generator' / 'model.json').unlink()
  with pytest.raises(InputError, match=r'model\.json.* is missing'):
    bundle.load(copy)


@pytest.mark.parametrize(
    'text', ['', '[]', '{}', '{"format": 2, "files": {}}', '[' * 100_000]
)
def test_what_is_no_manifest_is_refused(copy, text):
  (copy / bundle_manifest.FILE_NAME).write_text(text)
  with pytest.raises(InputError, match='cannot be read'):
    bundle.load(copy)


@pytest.mark.parametrize(
    ('part', 'named'),
    [
        ('semantic_ids', ('vocabulary.json', 'sid_table.parquet')),
        ('vocabulary', ('vocabulary.json', 'sid_table.parquet')),
        ('generator', ('generator', 'semantic_ids')),
        ('semantic_ids/sid_table.parquet', ('sid_table.parquet', 'tokenizer')),
        ('semantic_ids/tokenizer', ('sid_table.parquet', 'tokenizer')),
        ('item_encoder', ('item_encoder', 'semantic_ids')),
    ],
)
def test_part_of_another_bundle_is_refused_and_both_are_named(
    copy, tmp_path, part, named
):
  """Even if someone has made the hashes agree."""
  tiny_bundle.write(tmp_path / 'other', seed=1)
  if part == 'item_encoder':
    path = copy / part / manifest.FILE_NAME
    path.write_text(path.read_text().replace('"outputs": "', '"outputs": "0'))
  else:
    source, target = tmp_path / 'other' / part, copy / part
    if target.is_dir():
      shutil.rmtree(target)
      shutil.copytree(source, target)
    else:
      shutil.copyfile(source, target)
  _rehash(copy)
  with pytest.raises(InputError) as caught:
    bundle.load(copy)
  for name in named:
    assert name in str(caught.value)


def test_items_in_another_order_are_refused(copy, tmp_path):
  tiny_bundle.write(tmp_path / 'other', num_items=23)
  shutil.copyfile(tmp_path / 'other' / 'items.parquet', copy / 'items.parquet')
  _rehash(copy)
  with pytest.raises(InputError, match='of other items'):
    bundle.load(copy)


def test_parameters_of_another_network_are_refused(copy, tmp_path):
  tiny_bundle.write(tmp_path / 'other', kind='encoder_decoder')
  name = os.path.join('generator', 'parameters.safetensors')
  shutil.copyfile(tmp_path / 'other' / name, copy / name)
  _rehash(copy)
  with pytest.raises(InputError, match='holds other parameters'):
    bundle.load(copy)


def test_bundle_that_is_replaced_while_it_is_read_is_read_again(
    copy, tmp_path, monkeypatch
):
  real, seeds = bundle_manifest.verify, iter((1, 2))

  def replace(directory):
    values = real(directory)
    seed = next(seeds, None)
    if seed is not None:
      tiny_bundle.write(copy, seed=seed)
    return values

  monkeypatch.setattr(bundle_manifest, 'verify', replace)
  found = bundle.load(copy)
  monkeypatch.setattr(bundle_manifest, 'verify', real)
  tiny_bundle.write(tmp_path / 'second', seed=2)
  expected = bundle.load(tmp_path / 'second')
  assert found.version == expected.version
  assert found.generator_hash == expected.generator_hash
  np.testing.assert_array_equal(found.item_tokens, expected.item_tokens)


def test_bundle_that_never_stands_still_is_refused(copy, monkeypatch):
  real = bundle_manifest.verify

  def replace(directory):
    tiny_bundle.write(copy)
    return real(directory)

  monkeypatch.setattr(bundle_manifest, 'verify', replace)
  with pytest.raises(InputError, match='faster than it can be read'):
    bundle.load(copy)


def test_nothing_is_left_of_a_bundle_that_cannot_be_written(
    tmp_path, monkeypatch
):
  def fail(*args, **kwargs):
    raise OSError('no room')

  monkeypatch.setattr(bundle_manifest, 'write', fail)
  with pytest.raises(OSError, match='no room'):
    tiny_bundle.write(tmp_path / 'b')
  assert not list(tmp_path.iterdir())

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage: items to arrays on disk."""

import json

import jax
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import build
from plum_jax.item_embeddings import encoder as encoders
from plum_jax.item_embeddings import partial_array
from plum_jax.item_embeddings import store
from plum_jax.item_embeddings.modalities import FileModality
from plum_jax.item_embeddings.modalities import TextModality
from plum_jax.sharding import mesh as meshes


@pytest.fixture
def run(tmp_path, tiny_bert):
  """Runs the stage on one device, with the tiny encoder for texts."""

  def run(catalog, modalities=None, **values):
    modalities = modalities or [TextModality(encoder=str(tiny_bert.path))]
    values.setdefault('mesh', meshes.make_mesh(devices=jax.devices()[:1]))
    directory = tmp_path / 'run' / 'item_embeddings'
    build.build(
        directory, catalog_directory=catalog, modalities=modalities, **values
    )
    return directory

  return run


def test_build_embeds_the_text_of_each_item(run, write_items, tiny_bert):
  catalog = write_items(['red nail', '', 'opera'], brand=['a', None, None])
  embeddings = store.load(run(catalog))
  assert list(embeddings) == ['text']
  text = embeddings['text']
  assert (text.num_items, text.dim) == (3, 16)
  assert text.vectors.dtype == np.float32
  np.testing.assert_array_equal(text.present, [True, False, True])
  encoder = encoders.TextEncoder(tiny_bert.path)
  expected = encoder.encode(['title: red nail. brand: a', 'title: opera'])
  np.testing.assert_allclose(
      text.vectors[np.array([0, 2])], expected, rtol=0, atol=2e-6
  )
  np.testing.assert_array_equal(text.vectors[1:2], np.zeros((1, 16)))


def test_build_keeps_several_modalities_in_their_order(
    run, write_items, tiny_bert, tmp_path
):
  np.save(tmp_path / 'image.npy', np.eye(2, dtype=np.float32))
  modalities = [
      TextModality('title', template='{title}', encoder=str(tiny_bert.path)),
      FileModality('image', str(tmp_path / 'image.npy')),
      TextModality('brand', fields=('brand',), encoder=str(tiny_bert.path)),
  ]
  catalog = write_items(['red', 'nail'], brand=['a', 'b'])
  directory = run(catalog, modalities)
  assert list(store.load(directory)) == ['title', 'image', 'brand']
  some = store.load(directory, ['brand', 'image'])
  assert list(some) == ['brand', 'image']
  np.testing.assert_array_equal(some['image'].vectors, np.eye(2))
  assert sorted(path.name for path in directory.iterdir()) == [
      *('brand.npy', 'brand.present.npy', 'image.npy', 'image.present.npy'),
      *('manifest.json', 'title.npy', 'title.present.npy'),
  ]


def test_build_takes_its_own_output_back_as_files(run, write_items, tmp_path):
  catalog = write_items(['red', '', 'nail'])
  first = store.load(run(catalog))['text']
  copy = tmp_path / 'copy'
  copy.mkdir()
  np.save(copy / 'x.npy', first.vectors)
  np.save(copy / 'x.present.npy', first.present)
  again = store.load(run(catalog, [FileModality('x', str(copy / 'x.npy'))]))
  np.testing.assert_array_equal(again['x'].vectors, first.vectors)
  np.testing.assert_array_equal(again['x'].present, first.present)


class _Killed(Exception):
  pass


def test_build_goes_on_with_the_chunk_it_was_killed_at(
    run, write_items, tiny_bert, monkeypatch
):
  monkeypatch.setattr(build, '_MIN_CHUNK', 4)
  titles = [f'red nail {"abcdefgh"[n % 8]}' for n in range(60)]
  titles[17] = ''
  catalog = write_items(titles, row_group_size=7)
  append = partial_array.PartialArray.append
  written = []

  def append_twice(array, vectors, present):
    if len(written) == 2:
      raise _Killed
    written.append(len(present))
    append(array, vectors, present)

  monkeypatch.setattr(partial_array.PartialArray, 'append', append_twice)
  with pytest.raises(_Killed):
    run(catalog, batch_tokens=1)
  monkeypatch.setattr(partial_array.PartialArray, 'append', append)
  read = []
  tokenize = encoders.TextEncoder.tokenize

  def counting_tokenize(encoder, texts):
    read.extend(texts)
    return tokenize(encoder, texts)

  monkeypatch.setattr(encoders.TextEncoder, 'tokenize', counting_tokenize)
  # Chunks of another size than before go on as well.
  resumed = store.load(run(catalog, batch_tokens=2048))['text']
  assert 0 < sum(written) < 60
  present = [title != '' for title in titles]
  assert len(read) == sum(present[sum(written) :])
  np.testing.assert_array_equal(resumed.present, present)
  encoder = encoders.TextEncoder(tiny_bert.path)
  expected = encoder.encode([f'title: {title}' for title in titles if title])
  np.testing.assert_allclose(
      resumed.vectors[np.array(present)], expected, rtol=0, atol=2e-6
  )


def test_build_is_skipped_when_only_the_devices_changed(run, write_items):
  catalog = write_items(['red', 'nail'])
  directory = run(catalog)
  before = (directory / 'manifest.json').stat().st_mtime_ns
  run(catalog, mesh=meshes.make_mesh(), batch_tokens=7)
  assert (directory / 'manifest.json').stat().st_mtime_ns == before


def test_build_is_repeated_when_the_encoder_changed(
    run, write_items, tiny_bert
):
  catalog = write_items(['red', 'nail'])
  first = np.array(store.load(run(catalog))['text'].vectors)
  tiny_bert.edit('config.json', hidden_act='relu')
  second = store.load(run(catalog))['text'].vectors
  assert np.abs(first - second).max() > 1e-3


def test_build_reports_progress_in_items(run, write_items, caplog):
  with caplog.at_level('INFO', 'plum_jax'):
    run(write_items(['red', '', 'nail']))
  lines = [r.message for r in caplog.records if '3/3 items' in r.message]
  assert len(lines) == 1
  assert lines[0].startswith('item_embeddings text: ')


def test_build_keeps_the_old_artifact_when_a_new_one_cannot_be_made(
    run, write_items, tmp_path
):
  catalog = write_items(['red', 'nail'])
  directory = run(catalog)
  before = sorted((p.name, p.read_bytes()) for p in directory.iterdir())
  array = np.ones((2, 3), np.float32)
  array[1, 2] = np.nan
  np.save(tmp_path / 'bad.npy', array)
  with pytest.raises(InputError, match="item 'i1'"):
    run(catalog, [FileModality('bad', str(tmp_path / 'bad.npy'))])
  after = sorted((p.name, p.read_bytes()) for p in directory.iterdir())
  assert after == before


def test_build_refuses_a_wrong_template_before_any_work(
    run, write_items, tiny_bert, monkeypatch
):
  def fail(*args, **values):
    raise AssertionError('an encoder was loaded')

  monkeypatch.setattr(encoders, 'TextEncoder', fail)
  right = TextModality('right', encoder=str(tiny_bert.path))
  wrong = TextModality(
      'wrong', template='{colour}', encoder=str(tiny_bert.path)
  )
  with pytest.raises(InputError, match='colour'):
    run(write_items(['red']), [right, wrong])


def test_build_refuses_a_modality_that_no_item_has(run, write_items):
  with pytest.raises(InputError, match='No item has the modality text'):
    run(write_items(['', '']))


@pytest.mark.parametrize(
    ('modalities', 'word'),
    [
        ([], 'No modality'),
        ([TextModality('a/b')], "'a/b'"),
        ([TextModality('a'), TextModality('a')], "'a'"),
        ([TextModality(fields=('title',), template='{title}')], 'template'),
        ([TextModality(encoder='no-such-encoder')], 'all-MiniLM-L6-v2'),
        ([FileModality('x', 'no-such-file.npy')], 'no-such-file.npy'),
    ],
)
def test_build_refuses_a_wrong_configuration(
    tmp_path, write_items, modalities, word
):
  with pytest.raises(InputError) as caught:
    build.build(
        tmp_path / 'run' / 'item_embeddings',
        catalog_directory=write_items(['red']),
        modalities=modalities,
    )
  assert word in str(caught.value)
  assert not (tmp_path / 'run' / 'item_embeddings').exists()


def test_load_refuses_what_the_stage_did_not_finish(tmp_path):
  with pytest.raises(InputError, match='never finished'):
    store.load(tmp_path)


def test_load_names_the_modalities_when_one_is_unknown(run, write_items):
  directory = run(write_items(['red']))
  with pytest.raises(InputError, match="'image'") as caught:
    store.load(directory, ['image'])
  assert 'text' in str(caught.value)


def test_load_refuses_arrays_that_do_not_fit(run, write_items):
  directory = run(write_items(['red']))
  np.save(directory / 'text.npy', np.zeros((2, 3), np.float32))
  with pytest.raises(InputError, match='do not fit'):
    store.load(directory)
  (directory / 'text.npy').unlink()
  with pytest.raises(InputError, match='cannot be read'):
    store.load(directory)


def test_the_manifest_says_what_was_configured(run, write_items):
  directory = run(write_items(['red']))
  made = json.loads((directory / 'manifest.json').read_text())
  assert made['parameters']['modalities'][0]['name'] == 'text'
  assert set(made['inputs']) >= {'items', 'text/encoder/model.safetensors'}

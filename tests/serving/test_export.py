# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The search as StableHLO: the same items after it was written and read."""

import json

import jax
import numpy as np
import pytest

from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.serving import engine as engines
from plum_jax.serving import export
from plum_jax.serving.prompt_format import Histories


@pytest.fixture(scope='module')
def directory(tiny, tmp_path_factory):
  path = tmp_path_factory.mktemp('exports') / 'export'
  export.write(
      path, tiny, batch_size=4, max_excluded=32, platforms=('cpu', 'tpu')
  )
  return path


def test_exported_program_finds_the_same_items(tiny, directory, service_engine):
  users = [[1, 2], [5], [], [7, 8, 9, 10, 11, 12, 13]]
  histories = Histories(
      np.concatenate(users).astype(np.int64), np.cumsum([0, *map(len, users)])
  )
  expected = service_engine.start(
      histories, [np.array(user, np.int64) for user in users], engines.EXCLUDED
  ).fetch()
  read = export.load(directory)
  found = jax.jit(read.call)(
      trees.to_flat(tiny.params),
      read.index,
      tiny.prompt.features(histories, tiny.item_tokens),
      histories.newest(32),
  )
  np.testing.assert_array_equal(found['item_ids'], expected.item_ids)
  np.testing.assert_allclose(found['scores'], expected.scores, rtol=1e-6)
  assert np.asarray(found['valid']).all()


def test_manifest_lists_arguments_and_what_they_come_from(tiny, directory):
  values = json.loads((directory / export.MANIFEST).read_text())
  assert values['bundle'] == tiny.version
  assert values['generator'] == tiny.generator_hash
  assert values['platforms'] == ['cpu', 'tpu']
  assert list(values['arguments']) == ['params', 'index', 'features', 'history']
  assert values['arguments']['history'] == {'shape': [4, 32], 'dtype': 'int32'}
  assert set(values['arguments']['params']) == set(trees.to_flat(tiny.params))
  # The weights are no part of the program.
  weights = sum(x.nbytes for x in jax.tree.leaves(tiny.params))
  assert weights > 20_000
  with open(directory / export.PROGRAM, 'rb') as file:
    program = file.read()
  largest = max(jax.tree.leaves(tiny.params), key=lambda x: x.nbytes)
  assert largest.tobytes()[:256] not in program


def test_changed_export_is_refused(tiny, directory, tmp_path):
  for name in (export.PROGRAM, export.INDEX, export.MANIFEST):
    copy = tmp_path / name
    copy.mkdir()
    for path in directory.iterdir():
      whole = path.read_bytes()
      (copy / path.name).write_bytes(whole if path.name != name else whole[:-9])
    with pytest.raises(InputError, match='cannot be read'):
      export.load(copy)


def test_what_cannot_be_exported_is_refused(tiny, tmp_path):
  with pytest.raises(InputError, match='abacus'):
    export.write(
        tmp_path / 'e',
        tiny,
        batch_size=4,
        max_excluded=1,
        platforms=('abacus',),
    )
  assert not (tmp_path / 'e').exists()

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The launcher hands its flags on, and Beam's behind them."""

import sys
import types

import pytest

from plum_jax import semantic_ids
from plum_jax.launch import assign_with_beam

_FLAGS = [
    '--tokenizer=run/tokenizer',
    '--item_embeddings=run/item_embeddings',
    '--catalog=run/catalog',
    '--output=sid_table.parquet',
]


def _status(*argv):
  with pytest.raises(SystemExit) as caught:
    assign_with_beam.main(argv)
  return caught.value.code


def test_flags_before_and_after_the_dashes_reach_the_pipeline(monkeypatch):
  calls = []

  module = types.SimpleNamespace(
      make_table=lambda output, **values: calls.append((output, values))
  )
  name = 'plum_jax.semantic_ids.beam_assign'
  monkeypatch.setitem(sys.modules, name, module)
  monkeypatch.setattr(semantic_ids, 'beam_assign', module, raising=False)
  flags = [*_FLAGS, '--disambiguation_size=32', '--', '--runner=X', '--y=1']
  assert _status(*flags) == 0
  assert calls == [
      (
          'sid_table.parquet',
          {
              'tokenizer_directory': 'run/tokenizer',
              'embeddings_directory': 'run/item_embeddings',
              'catalog_directory': 'run/catalog',
              'collisions': 'disambiguation',
              'disambiguation_size': 32,
              'pipeline_flags': ['--runner=X', '--y=1'],
          },
      )
  ]


def test_flag_that_is_missing_or_unknown_is_refused(capsys):
  assert _status(*_FLAGS[1:]) == 2
  assert '--tokenizer' in capsys.readouterr().err
  assert _status(*_FLAGS, '--runner=X') == 2
  assert '--runner=X' in capsys.readouterr().err


def test_missing_extra_is_named_with_its_cure(monkeypatch, capsys):
  # As if neither had been imported, and Beam were not installed.
  monkeypatch.setitem(sys.modules, 'apache_beam', None)
  monkeypatch.delitem(
      sys.modules, 'plum_jax.semantic_ids.beam_assign', raising=False
  )
  monkeypatch.delattr(semantic_ids, 'beam_assign', raising=False)
  assert _status(*_FLAGS) == 2
  assert "pip install 'plum-jax[beam]'" in capsys.readouterr().err

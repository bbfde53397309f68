# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Each mistake in a folder gin/ is found."""

import pytest

from plum_jax.launch.config import tree as gin_tree

_STAGES = {'greeting': 'greeting_stages.write', 'copy': 'greeting_stages.copy'}


def _append(text: str):
  def change(path):
    path.write_text(path.read_text() + text)

  return change


def _replace(old: str, new: str):
  def change(path):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))

  return change


def test_check_without_mistakes_finds_none(tree):
  assert gin_tree.check(tree, _STAGES, t5x=False) == []


@pytest.mark.parametrize(
    ('file', 'change', 'what'),
    [
        ('experiments/loud.gin', _append('\n' * 30), 'has 38 lines'),
        ('experiments/loud.gin', _replace('# Metric', '# Gain'), 'Metric:'),
        ('experiments/loud.gin', _replace('loud.gin\n#', 'x.gin\n#'), 'lacks'),
        ('experiments/loud.gin', _replace('TRAIN', 'TRIAN'), 'TRIAN_STEPS'),
        ('experiments/loud.gin', _append("CAPITALS = 'a'"), 'second time'),
        ('models/loud.gin', _replace("'!!'", '2'), 'wrong type: 2'),
        ('models/loud.gin', _replace('mark', 'mrak'), "parameter 'mrak'"),
        ('runs/defaults.gin', _append('\nUNUSED = 1'), 'uses the macro UNUSED'),
        ('runs/copy.gin', _append('\nWORD = 1'), 'two defaults'),
        ('catalogs/shop.gin', _append('UNUSED = 1'), 'uses the macro UNUSED'),
        ('catalogs/shop.gin', _append("TRAIN_STEPS = 'a'"), 'wrong type'),
        ('t5x/finetune.gin', _replace('%WORD', '%WORD WORD'), 'not gin'),
        ('t5x/finetune.gin', _append("\nt5x.train.word = 'b'"), 'second time'),
    ],
)
def test_check_with_mistake_finds_it(tree, file, change, what):
  (tree / 'gin' / 'catalogs').mkdir()
  (tree / 'gin' / 'catalogs' / 'shop.gin').write_text("WORD = 'shop'\n")
  (tree / 'gin' / 't5x').mkdir()
  (tree / 'gin' / 't5x' / 'finetune.gin').write_text(
      'from __gin__ import dynamic_registration\n'
      'from not_installed import t5x\n'
      't5x.train.word = %WORD\n'
  )
  assert gin_tree.check(tree, _STAGES, t5x=False) == []
  change(tree / 'gin' / file)
  found = gin_tree.check(tree, _STAGES, t5x=False)
  assert any(what in error.what for error in found), found


def test_check_with_parameter_that_no_stage_uses_finds_it(tree):
  leaf = tree / 'gin' / 'experiments' / 'loud.gin'
  _replace(
      'include',
      'from __gin__ import dynamic_registration\n'
      'import dataclasses\n'
      'include',
  )(leaf)
  _append('dataclasses.field.default = 1\n')(leaf)
  [error] = gin_tree.check(tree, _STAGES, t5x=False)
  assert 'No stage uses dataclasses.field' in error.what

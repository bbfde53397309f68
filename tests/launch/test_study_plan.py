# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a study's command line means, and what it must not say."""

import pathlib

import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.launch import study_plan


@pytest.fixture
def parse(tree, greeting):
  """Reads a command line with two experiments, `loud` and `quiet`."""
  experiments = tree / 'gin' / 'experiments'
  (experiments / 'quiet.gin').write_text('TRAIN_STEPS = 1\n')

  def parse_flags(*flags, files='loud,quiet'):
    paths = ','.join(f'gin/experiments/{name}.gin' for name in files.split(','))
    return study_plan.parse(
        [f'--gin_search_paths={tree}', f'--experiments={paths}', *flags],
        [greeting],
    )

  return parse_flags


def test_parse_plans_each_experiment_with_each_seed(parse):
  study = parse('--seeds=3,1', '--gin.RUN_DIR=runs/x', '--gin.WORD=hey')
  assert study.directory == pathlib.Path('runs/x')
  assert [(run.experiment, run.seed) for run in study.runs] == [
      ('loud', 3),
      ('quiet', 3),
      ('loud', 1),
      ('quiet', 1),
  ]
  run = study.runs[-1]
  assert run.directory == pathlib.Path('runs/x/quiet/seed_1')
  assert run.arguments.gin_files == ['gin/experiments/quiet.gin']
  assert run.arguments.bindings == [
      'RUN_DIR=runs/x',
      'WORD=hey',
      "RUN_DIR='runs/x/quiet/seed_1'",
      'SEED=1',
  ]
  assert study.folders == ['greeting']


def test_parse_puts_files_for_all_behind_each_experiment(parse, tree):
  (tree / 'all.gin').write_text("RUN_DIR = 'runs/all'\n")
  study = parse('--gin_file=all.gin')
  assert study.directory == pathlib.Path('runs/all')
  assert {run.seed for run in study.runs} == {0, 1, 2}
  for run in study.runs:
    assert run.arguments.gin_files[1:] == ['all.gin']


@pytest.mark.parametrize(
    ('flags', 'what', 'expected'),
    [
        (['--seeds=0,1,0'], '0 comes twice', 'once'),
        (['--seeds=0,a'], "'a' is no seed", 'whole numbers'),
        (['--seeds=0,-1'], "'-1' is no seed", 'at least 0'),
        (['--seeds=0,'], 'A name is missing', '--seeds=0,1,2'),
        (['--seeds='], 'Nothing is named', '--seeds=0,1,2'),
        (['--metrics=a,a'], 'a comes twice', 'once'),
        (['--stages=catlog'], "no stage 'catlog'", 'catalog'),
        (['--reuse=runs/none'], 'no such run', 'run directory'),
        (['--gin.SEED=3'], 'gives each run its seed', '--seeds'),
        (['--experiments='], 'A name is missing', 'gin/experiments'),
        (['--experiments=x/loud.gin'], 'loud comes twice', 'its file'),
        (['--gin_file=gin/models/lood.gin'], 'does not exist', 'loud.gin'),
    ],
)
def test_parse_with_mistake_says_what_is_right(parse, flags, what, expected):
  with pytest.raises(InputError, match=what) as error:
    parse(*flags)
  assert expected in error.value.expected


def test_parse_with_folders_that_differ_names_them(parse, tree):
  (tree / 'gin' / 'experiments' / 'own.gin').write_text("RUN_DIR = 'runs/own'")
  with pytest.raises(InputError, match='runs/own in .*own.gin') as error:
    parse(files='loud,own')
  assert '--gin.RUN_DIR=' in error.value.fix
  assert parse('--gin.RUN_DIR=x', files='loud,own').directory.name == 'x'


def test_parse_without_experiments_says_how_to_name_them(tree, greeting):
  with pytest.raises(InputError, match='Nothing is named') as error:
    study_plan.parse([f'--gin_search_paths={tree}'], [greeting])
  assert error.value.expected.startswith('--experiments=')


def test_help_names_the_flags_and_the_stages_macros(tree, greeting, capsys):
  with pytest.raises(SystemExit) as end:
    study_plan.parse([f'--gin_search_paths={tree}', '--help'], [greeting])
  assert end.value.code == 0
  text = capsys.readouterr().out
  assert '--experiments=FILE,FILE' in text
  assert 'generative/retrieval/recall@10' in text
  assert "WORD = 'hello'" in text

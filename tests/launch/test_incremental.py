# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Two days of real stages on a tiny catalog, interrupted and gone on with."""

import csv
import json
import pathlib
import re

import gin
import pytest

from plum_jax.artifacts import manifest
from plum_jax.artifacts.errors import InputError
from plum_jax.launch import application
from plum_jax.launch import incremental
from plum_jax.launch import incremental_plan
from plum_jax.reports import incremental_results
from plum_jax.semantic_ids import sid_table
from plum_jax.testing import tiny_catalog

_ENCODER = (
    pathlib.Path(__file__).parents[1]
    / 'item_embeddings'
    / 'testdata'
    / 'tiny_bert'
)
_METRIC = 'generative/retrieval/recall@5'
_LEAF = """
from __gin__ import dynamic_registration

from plum_jax.catalog.sources import files
from plum_jax.catalog.sources import up_to_day
from plum_jax.item_embeddings import modalities
from plum_jax.models import decoder_only
from plum_jax.networks import config
from plum_jax.stages import vocabulary
from tasks import retrieval

RUN_DIR = '{run_dir}'
SOURCE = @up_to_day.UpToDay()
MODALITIES = [@modalities.TextModality()]
CODEBOOK_SIZES = (8, 8)
SID_HIDDEN_SIZES = (8,)
SID_LATENT_SIZE = 4
SID_EPOCHS = 1
SID_BATCH_SIZE = 16
TEXT_VOCAB_SIZE = 110
MIXTURE_OR_TASK_NAME = @retrieval.register()
TASK_FEATURE_LENGTHS = {{'inputs': 12, 'targets': 3}}
MODEL = @decoder_only.DecoderOnlyModel()
CONVERTER = 'prefix'
BATCH_SIZE = 8
TRAIN_STEPS = 4
WARMUP_STEPS = 1
BEST_METRIC = None
MAX_VALIDATION_USERS = 0
RECOMMENDERS = ('generative',)
BEAM_SIZE = 5
CUTOFFS = (5,)
EVALUATION_BATCH_SIZE = 8

up_to_day.UpToDay.source = @files.Files()
files.Files:
  items = '{source}/items.csv'
  interactions = '{source}/interactions.csv'
  item_columns = @files.ItemColumns()
  interaction_columns = @files.InteractionColumns()
modalities.TextModality.encoder = '{encoder}'
decoder_only.DecoderOnlyModel.config = @config.TransformerConfig()
config.TransformerConfig:
  vocab_size = @vocabulary.padded_vocab_size()
  emb_dim = 8
  num_layers = 1
  num_heads = 1
  head_dim = 8
  mlp_dim = 8
vocabulary.padded_vocab_size.run_dir = %RUN_DIR
retrieval.register.dataset = 'tiny_days'
retrieval.register.run_directory = %RUN_DIR
"""
# Interactions are one a user and day, from 2001-09-09 on.
_DAYS = ('--first_day=2001-09-11', '--days=1', f'--metrics={_METRIC}')


@pytest.fixture(scope='module')
def leaf(tmp_path_factory):
  folder = tmp_path_factory.mktemp('leaf')
  tiny_catalog.write(folder, num_users=6, num_items=40, history_length=6)
  # Words that the encoder knows.
  items = folder / 'items.csv'
  items.write_text(
      re.sub(
          r'Film number (\d+)',
          lambda m: ' '.join('abcdefgh'[int(x)] for x in f'{int(m[1]):02o}'),
          items.read_text(),
      )
  )
  path = folder / 'leaf.gin'
  path.write_text(
      _LEAF.format(run_dir=folder / 'days', source=folder, encoder=_ENCODER),
      encoding='utf-8',
  )
  yield path
  gin.clear_config()


def _status(leaf, *flags):
  with pytest.raises(SystemExit) as end:
    incremental.main([f'--gin_file={leaf}', *_DAYS, *flags])
  return end.value.code


def _sids(run):
  table = sid_table.load(run / 'semantic_ids' / 'sid_table.parquet')
  sids = map(tuple, table.full_codes.tolist())
  return dict(zip(table.item_ids.to_pylist(), sids, strict=True))


def test_second_day_goes_on_from_the_first_and_gives_new_items_sids(
    leaf, monkeypatch
):
  directory = leaf.parent / 'days'
  interrupted = []

  def call(stage, config, run_dir):
    if (run_dir.name, stage.name) == ('day_1', 'train') and not interrupted:
      interrupted.append(True)
      raise KeyboardInterrupt
    original(stage, config, run_dir)

  original = application.call
  monkeypatch.setattr(application, 'call', call)
  assert _status(leaf, '--later.TRAIN_STEPS=2') == application.INTERRUPTED
  assert not (directory / 'incremental.html').exists()
  assert _status(leaf, '--later.TRAIN_STEPS=2') == 0

  first, second = directory / 'day_0', directory / 'day_1'
  old, new = _sids(first), _sids(second)
  assert len(new) > len(old)
  assert old.items() <= new.items()
  for name in ('vocabulary', 'semantic_ids/tokenizer/parameters.safetensors'):
    assert manifest.content_hash(first / name) == manifest.content_hash(
        second / name
    )
  made = manifest.load(second / 'training')
  parameters, notes = made.parameters, made.notes
  assert notes == {'initial_checkpoint': str(first / 'training')}
  assert parameters['config']['num_steps'] == 2
  assert (
      'initial_checkpoint' not in manifest.load(first / 'training').parameters
  )
  assert manifest.load(second / 'tasks').parameters['split_options'] == {
      'last_train_day': '2001-09-12',
      'test_days': 1,
      'train_days': 1,
  }

  with open(directory / 'incremental.csv', newline='') as file:
    rows = list(csv.DictReader(file))
  assert [row['evaluation_day'] for row in rows] == ['2001-09-12', '2001-09-13']
  assert rows[1]['num_new_items'] == str(len(new) - len(old))
  for folder, column in (('', _METRIC), ('frozen', f'frozen/{_METRIC}')):
    path = second / folder / 'evaluation' / 'metrics.json'
    assert float(rows[1][column]) == json.loads(path.read_text())[_METRIC]
  # The generator of day 0 was asked the same, and stayed as it was.
  frozen = manifest.load(second / 'frozen' / 'evaluation').inputs
  assert frozen['training'] == manifest.content_hash(first / 'training')
  assert frozen['tasks'] == manifest.content_hash(second / 'tasks')
  page = (directory / 'incremental.html').read_text()
  assert 'frozen at day 0' in page

  before = (directory / 'incremental.json').read_bytes()
  trained = manifest.content_hash(second / 'training')
  assert _status(leaf, '--later.TRAIN_STEPS=2') == 0
  assert (directory / 'incremental.json').read_bytes() == before
  assert manifest.content_hash(second / 'training') == trained


@pytest.mark.parametrize(
    ('flags', 'what'),
    [
        (['--days=5'], 'There is no first day'),
        (['--days=5', '--first_day=11.9.2001'], "'11.9.2001' is no day"),
        (['--days=0', '--first_day=2001-09-11'], "'0' is no number of days"),
        (['--first_day=2001-09-11'], 'A number is missing'),
        (
            ['--days=1', '--first_day=2001-09-11', '--later.TRAIN_STEPS'],
            'flag has no value',
        ),
        (
            [
                '--days=1',
                '--first_day=2001-09-11',
                "--gin.SPLIT_OPTIONS={'test_days': 2}",
            ],
            'test_days is that of each day',
        ),
    ],
)
def test_days_that_cannot_be_are_refused(leaf, flags, what):
  with pytest.raises(InputError, match=what):
    incremental_plan.parse([f'--gin_file={leaf}', *flags])


def test_days_of_several_calendar_days_follow_each_other(leaf):
  plan = incremental_plan.parse(
      [
          f'--gin_file={leaf}',
          '--first_day=2001-09-30',
          '--days=2',
          '--day_length=7',
          "--gin.SPLIT_OPTIONS={'min_history': 3}",
      ]
  )
  assert [(day.train_day, day.evaluation_day) for day in plan.days] == [
      ('2001-09-30', '2001-10-07'),
      ('2001-10-07', '2001-10-14'),
      ('2001-10-14', '2001-10-21'),
  ]
  names = [[stage.name for stage in day.stages] for day in plan.days]
  assert 'semantic_ids' in names[0]
  assert 'semantic_ids' not in names[1]
  assert (
      "SPLIT_OPTIONS={'min_history': 3, 'last_train_day': '2001-10-14', "
      "'test_days': 7, 'train_days': 7}"
  ) in plan.days[2].arguments.bindings


def test_unknown_metric_is_refused_and_those_recorded_are_named():
  day = incremental_results.DayResult(0, '', '', 1, 0, {_METRIC: 0.5})
  incremental_results.check_metrics([_METRIC], day)
  with pytest.raises(InputError, match="do not record 'recal'") as caught:
    incremental_results.check_metrics(['recal'], day)
  assert _METRIC in caught.value.expected

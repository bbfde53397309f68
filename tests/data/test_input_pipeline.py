# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.data.input_pipeline import SeqioBatches
from tasks import histories
from tasks import retrieval
from tests.data.tiny_run import build_run


def _batches(task, *, batch_size=8, seed=0, **kwargs):
  arguments = {
      'sequence_length': {'targets': 30},
      'converter': 'decoder_only',
      'pack': True,
  } | kwargs
  return SeqioBatches(
      task,
      'train',
      batch_size=batch_size,
      seed=seed,
      **arguments,
  )


def _assert_equal(found, expected):
  assert set(found) == set(expected)
  for name, array in expected.items():
    assert found[name].dtype == array.dtype
    np.testing.assert_array_equal(found[name], array)


@pytest.fixture(scope='module')
def task(run_directory):
  return histories.register('pipeline', run_directory, max_items=10)


def test_batches_have_fixed_shapes_and_t5xs_names(task):
  batches = _batches(task)
  known = batches.shapes()
  found = {n: (a.shape, a.dtype) for n, a in next(batches).items()}
  assert known == found
  assert {n: (s, d.name) for n, (s, d) in found.items()} == dict.fromkeys(
      [
          'decoder_input_tokens',
          'decoder_target_tokens',
          'decoder_loss_weights',
          'decoder_segment_ids',
          'decoder_positions',
      ],
      ((8, 30), 'int32'),
  )


def test_seed_decides_batches_and_epochs_differ(task):
  rows = [
      [
          chunk['decoder_target_tokens']
          for chunk in _batches(task, seed=s).epoch()
      ]
      for s in (0, 0, 1)
  ]
  first, again, other = (np.concatenate(chunks) for chunks in rows)
  np.testing.assert_array_equal(first, again)
  assert first.shape != other.shape or (first != other).any()
  batches = _batches(task)
  epochs = [
      np.concatenate(
          [chunk['decoder_target_tokens'] for chunk in batches.epoch()]
      )
      for _ in range(2)
  ]
  np.testing.assert_array_equal(epochs[0], first)
  assert epochs[1].shape != first.shape or (epochs[1] != first).any()


def test_every_epoch_has_every_interaction_once(task, run_directory):
  batches = _batches(task)
  tokens = [
      np.sort(
          np.concatenate(
              [c['decoder_target_tokens'].ravel() for c in batches.epoch()]
          )
      )
      for _ in range(2)
  ]
  num_tokens = [np.count_nonzero(t) for t in tokens]
  assert num_tokens[0] == num_tokens[1] > 0
  np.testing.assert_array_equal(
      tokens[0][-num_tokens[0] :], tokens[1][-num_tokens[1] :]
  )


@pytest.mark.parametrize('stop', [0, 5])
def test_restored_position_gives_the_same_batches(task, stop):
  batches = _batches(task)
  for _ in range(stop):
    next(batches)
  state = json.loads(json.dumps(batches.state()))
  expected = []
  while batches.state()['epoch'] == 0:  # Over the end of an epoch.
    expected.append(next(batches))
  resumed = _batches(task)
  next(resumed)
  resumed.restore(state)
  for batch in expected:
    _assert_equal(next(resumed), batch)
  assert resumed.state() == batches.state()


def test_restored_position_holds_for_another_batch_size(task):
  small = _batches(task, batch_size=3)
  expected = [next(small) for _ in range(5)]
  state = small.state()
  large = _batches(task, batch_size=15)
  rows = next(large)
  _assert_equal(
      rows, {n: np.concatenate([b[n] for b in expected]) for n in rows}
  )
  assert large.state() == state


def test_restore_refuses_a_position_in_other_data(task):
  state = _batches(task, seed=1).state()
  with pytest.raises(InputError, match='other data'):
    _batches(task, seed=0).restore(state)


@pytest.mark.parametrize('num_shards', [3, 4])
def test_shards_share_the_data(run_directory, num_shards):
  # The training records are in three files: four shards split examples.
  task = retrieval.register('pipeline', run_directory)
  lengths = {'inputs': 120, 'targets': 3}

  def rows(shard_index, num_shards):
    batches = _batches(
        task,
        converter='encoder_decoder',
        pack=False,
        sequence_length=lengths,
        shard_index=shard_index,
        num_shards=num_shards,
    )
    chunks = list(batches.epoch())
    both = [
        np.concatenate([c[n] for c in chunks])
        for n in ('encoder_input_tokens', 'decoder_target_tokens')
    ]
    return [tuple(row) for row in np.concatenate(both, axis=1).tolist()]

  shards = [rows(i, num_shards) for i in range(num_shards)]
  assert all(shards)
  assert sorted(sum(shards, [])) == sorted(rows(0, 1))


def test_data_without_a_row_are_refused(tmp_path):
  run = build_run(tmp_path, [[0], [1]])
  task = retrieval.register('pipeline', run)
  batches = _batches(
      task,
      converter='encoder_decoder',
      sequence_length={'inputs': 9, 'targets': 3},
  )
  with pytest.raises(InputError, match='no training row'):
    next(batches)


def test_unknown_names_are_refused(task):
  with pytest.raises(InputError, match='No task or mixture'):
    _batches('plum_missing')
  with pytest.raises(InputError, match='no split'):
    SeqioBatches(task, 'day_3', {'targets': 3}, 1, 0, 'decoder_only', True)

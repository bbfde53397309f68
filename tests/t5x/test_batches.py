# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import types

import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.t5x import batches
from plum_jax.t5x import feature_converters
from tasks import retrieval


def _config(run_directory, **changes):
  values = {
      'mixture_or_task_name': retrieval.register('t5x_batches', run_directory),
      'task_feature_lengths': {'inputs': 12, 'targets': 3},
      'split': 'train',
      'batch_size': 8,
      'seed': 3,
      'use_cached': False,
      'pack': True,
  }
  return types.SimpleNamespace(**{**values, **changes})


def _open(run_directory, shard=(0, 1), **changes):
  converters = feature_converters.for_run(
      run_directory, 'encoder_decoder', False
  )
  config = _config(run_directory, **changes)
  return batches.get_dataset(config, *shard, converters)


def _equal(one, other):
  return one.keys() == other.keys() and all(
      np.array_equal(one[name], other[name]) for name in one
  )


def test_batches_go_on_from_a_saved_position(run_directory, tmp_path):
  whole = _open(run_directory)
  assert whole.element_spec['encoder_input_tokens'].shape == (8, 12)
  first = [next(whole) for _ in range(12)]
  whole.reset()
  for batch in first[:5]:
    assert _equal(next(whole), batch)
  whole.save(tmp_path / 'position')
  resumed = _open(run_directory)
  resumed.restore(tmp_path / 'position')
  for batch in first[5:]:
    assert _equal(next(resumed), batch)


def test_position_in_other_data_is_refused(run_directory, tmp_path):
  _open(run_directory).save(tmp_path / 'position')
  with pytest.raises(InputError, match='other data'):
    _open(run_directory, seed=4).restore(tmp_path / 'position')


@pytest.mark.parametrize(
    ('shard', 'changes', 'field'),
    [
        ((0, 1), {'seed': None}, 'seed'),
        ((0, 1), {'use_cached': True}, 'use_cached'),
        ((0, 3), {}, 'batch_size'),
    ],
)
def test_what_batches_cannot_do_is_refused(
    run_directory, shard, changes, field
):
  with pytest.raises(InputError, match=f'DatasetConfig.{field}'):
    _open(run_directory, shard, **changes)

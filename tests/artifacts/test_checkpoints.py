# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import errno
import os
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts.errors import InputError
from plum_jax.sharding import mesh as meshes

P = jax.sharding.PartitionSpec


class _Moments(NamedTuple):
  count: jax.Array
  mean: dict[str, jax.Array]


def _state(value=0.0):
  kernel = jnp.arange(32.0).reshape(8, 4) + value
  return {
      'params': {'kernel': kernel, 'scale': jnp.full(4, value, jnp.bfloat16)},
      'moments': (_Moments(jnp.int32(7), {'kernel': kernel * 2}), ()),
  }


def _assert_equal(found, expected):
  assert jax.tree.structure(found) == jax.tree.structure(expected)
  jax.tree.map(np.testing.assert_array_equal, found, expected)
  dtypes = [leaf.dtype for leaf in jax.tree.leaves(found)]
  assert dtypes == [leaf.dtype for leaf in jax.tree.leaves(expected)]


@pytest.mark.parametrize('asynchronous', [True, False])
def test_restore_returns_what_was_saved(tmp_path, asynchronous):
  with checkpoints.Checkpoints(tmp_path, asynchronous=asynchronous) as saved:
    saved.save(3, _state(1.5), {'position': [1, {'a': None}]})
  with checkpoints.Checkpoints(tmp_path) as saved:
    restored = saved.restore(jax.eval_shape(_state))
    assert saved.restore_metadata() == {'position': [1, {'a': None}]}
  assert restored.step == 3
  assert restored.metadata == {'position': [1, {'a': None}]}
  _assert_equal(restored.state, _state(1.5))


def test_save_keeps_the_last_ones(tmp_path):
  with checkpoints.Checkpoints(tmp_path, keep=2) as saved:
    for step in (10, 20, 100):
      saved.save(step, _state(step))
    saved.wait()
    assert saved.steps() == [20, 100]
    assert saved.latest_step() == 100
    restored = saved.restore(_state(), step=20)
  _assert_equal(restored.state, _state(20))
  assert sorted(os.listdir(tmp_path)) == ['100', '20']


def test_save_does_nothing_when_the_step_is_there(tmp_path):
  with checkpoints.Checkpoints(tmp_path) as saved:
    saved.save(1, _state(1))
    saved.save(1, _state(2))
    _assert_equal(saved.restore(_state()).state, _state(1))


def test_save_has_copied_when_it_returns(tmp_path):
  step = jax.jit(lambda x: x + 1, donate_argnums=0)
  x = jax.device_put(
      jnp.zeros((512, 512)), meshes.batch_sharding(meshes.make_mesh())
  )
  with checkpoints.Checkpoints(tmp_path, keep=9) as saved:
    for number in range(1, 6):
      x = step(x)
      saved.save(number, {'x': x})
      for _ in range(10):
        x = step(x)
    for number in range(1, 6):
      restored = saved.restore({'x': x}, step=number).state['x']
      np.testing.assert_array_equal(restored, 11.0 * (number - 1) + 1)


@pytest.mark.parametrize('spec', [P('data'), P(None, 'tensor'), P()])
def test_restore_places_arrays_on_another_mesh(tmp_path, spec):
  saving = jax.sharding.NamedSharding(
      meshes.make_mesh(data=4, tensor=2), P('data', 'tensor')
  )
  array = jax.device_put(jnp.arange(32.0).reshape(8, 4), saving)
  with checkpoints.Checkpoints(tmp_path) as saved:
    saved.save(1, {'x': array})
    mesh = meshes.make_mesh(data=2, tensor=2, devices=jax.devices()[4:])
    sharding = jax.sharding.NamedSharding(mesh, spec)
    target = {'x': jax.ShapeDtypeStruct((8, 4), jnp.float32, sharding=sharding)}
    restored = saved.restore(target).state['x']
  assert restored.sharding == sharding
  np.testing.assert_array_equal(restored, array)


def _change(state, name):
  if name == 'shape':
    state['params']['kernel'] = jnp.zeros((8, 5))
  elif name == 'dtype':
    state['params']['kernel'] = jnp.zeros((8, 4), jnp.bfloat16)
  elif name == 'missing':
    state['params']['bias'] = jnp.zeros(4)
  elif name == 'extra':
    del state['params']['scale']
  return state


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('shape', r'params/kernel has shape \(8, 4\), wanted \(8, 5\)'),
        ('dtype', 'params/kernel is float32, wanted bfloat16'),
        ('missing', 'params/bias is not in it'),
        ('extra', 'params/scale is too much'),
    ],
)
def test_restore_names_the_parameters_that_differ(tmp_path, name, message):
  with checkpoints.Checkpoints(tmp_path) as saved:
    saved.save(1, _state())
    saved.wait()
    with pytest.raises(InputError, match=message):
      saved.restore(_change(_state(), name))


@pytest.mark.parametrize('step', [None, 4])
def test_restore_refuses_a_missing_checkpoint(tmp_path, step):
  with checkpoints.Checkpoints(tmp_path) as saved:
    assert saved.latest_step() is None
    with pytest.raises(InputError, match='There is no checkpoint'):
      saved.restore(_state(), step)


def test_restore_refuses_a_damaged_checkpoint(tmp_path):
  with checkpoints.Checkpoints(tmp_path) as saved:
    saved.save(1, _state())
  data = [p for p in tmp_path.rglob('d/*') if p.is_file()]
  assert data
  for file in data:
    file.write_bytes(b'')
  with (
      checkpoints.Checkpoints(tmp_path) as saved,
      pytest.raises(InputError, match='cannot be read'),
  ):
    saved.restore(_state())


def test_opening_removes_what_is_half_written(tmp_path):
  with checkpoints.Checkpoints(tmp_path) as saved:
    saved.save(1, _state(1))
  # What a kill leaves while Orbax writes step 2, and while step 0 is deleted.
  os.rename(tmp_path / '1', tmp_path / '2.orbax-checkpoint-tmp')
  (tmp_path / '.deleted' / '0').mkdir(parents=True)
  with checkpoints.Checkpoints(tmp_path) as saved:
    assert saved.steps() == []
    saved.save(2, _state(2))
  assert os.listdir(tmp_path) == ['2']


def test_save_keeps_earlier_checkpoints_when_the_disk_is_full(
    tmp_path, monkeypatch
):
  saved = checkpoints.Checkpoints(tmp_path)
  saved.save(1, _state(1), {'position': 1})
  saved.wait()

  def full(self, target):
    raise OSError(errno.ENOSPC, 'No space left on device', str(target))

  with monkeypatch.context() as patch:
    patch.setattr(pathlib.Path, 'rename', full)
    patch.setattr(os, 'rename', full)
    patch.setattr(os, 'replace', full)
    saved.save(2, _state(2))
    with pytest.raises(InputError, match='The disk is full'):
      saved.close()
  with checkpoints.Checkpoints(tmp_path) as saved:
    assert saved.steps() == [1]
    restored = saved.restore(_state())
  _assert_equal(restored.state, _state(1))


def test_load_params_returns_nested_dictionaries_without_a_target(tmp_path):
  params = {'layers': [{'w': jnp.ones(2)}, {'w': jnp.zeros(3, jnp.int32)}]}
  checkpoints.save_params(tmp_path / 'params', params, {'width': 2})
  found, config = checkpoints.load_params(tmp_path / 'params')
  expected = {'layers': {'0': params['layers'][0], '1': params['layers'][1]}}
  _assert_equal(found, expected)
  assert config == {'width': 2}


def test_load_params_places_and_casts_like_the_target(tmp_path):
  sharding = meshes.batch_sharding(meshes.make_mesh())
  target = {'w': jax.ShapeDtypeStruct((8, 2), jnp.bfloat16, sharding=sharding)}
  checkpoints.save_params(tmp_path / 'params', {'w': jnp.full((8, 2), 0.3)})
  params, _ = checkpoints.load_params(tmp_path / 'params', target)
  assert params['w'].sharding == sharding
  np.testing.assert_array_equal(
      params['w'], jnp.full((8, 2), 0.3, jnp.bfloat16)
  )


def test_load_params_refuses_other_parameters(tmp_path):
  checkpoints.save_params(tmp_path / 'params', {'w': jnp.ones(2)})
  with pytest.raises(InputError, match='v is not in it; w is too much'):
    checkpoints.load_params(tmp_path / 'params', {'v': jnp.ones(2)})


def test_load_params_refuses_a_missing_folder(tmp_path):
  with pytest.raises(InputError, match='no saved parameters'):
    checkpoints.load_params(tmp_path / 'params')


def test_save_params_refuses_an_existing_folder(tmp_path):
  with pytest.raises(InputError, match='exists already'):
    checkpoints.save_params(tmp_path, {'w': jnp.ones(2)})

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Training states by T5X's names and by ours, there and back; without T5X."""

import json
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.networks.config import TransformerConfig
from plum_jax.pretrained import t5x_training
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.stages import export_t5x
from plum_jax.testing import tiny_model
from plum_jax.training import loop
from plum_jax.training import optimizers
from plum_jax.training import schedules
from plum_jax.training import state as states
from plum_jax.training.config import TrainConfig
from plum_jax.training.optimizers import Adafactor
from plum_jax.training.optimizers import AdamW

_NAMES = pathlib.Path(__file__).parent / 'testdata' / 'state_names.json'
# As in testdata/make_state_names.py, which imports T5X.
_OPTIMIZERS = {
    'adafactor': Adafactor(min_factored_size=8, max_gradient_norm=1.0),
    'adafactor_plain': Adafactor(momentum=0.9, weight_decay=0.1),
    'adamw': AdamW(max_gradient_norm=1.0, weight_decay=0.1),
    'adamw_plain': AdamW(),
}
_SIZES = {
    'vocab_size': 32,
    'emb_dim': 8,
    'num_layers': 1,
    'num_heads': 2,
    'head_dim': 4,
    'mlp_dim': 16,
}
_STEP, _NUM_STEPS = 10, 20


@pytest.mark.parametrize('name', _OPTIMIZERS)
def test_names_and_shapes_are_those_that_t5x_saves(name):
  model = DecoderOnlyModel(TransformerConfig(**_SIZES))
  tokens = jax.ShapeDtypeStruct((2, 4), jnp.int32)
  batch = {
      'decoder_input_tokens': tokens,
      'decoder_target_tokens': tokens,
      'decoder_loss_weights': jax.ShapeDtypeStruct((2, 4), jnp.float32),
  }
  optimizer = optimizers.make_optimizer(_OPTIMIZERS[name])
  variables = jax.eval_shape(lambda: model.init(jax.random.key(0), batch))
  state = jax.eval_shape(
      lambda params: states.init_state(model, optimizer, batch, params),
      variables['params'],
  )
  found = {
      theirs: f'{leaf.dtype} {list(leaf.shape)}'
      for ours, leaf in trees.to_flat(state).items()
      if (theirs := t5x_training.to_t5x(ours))
  }
  assert found == json.loads(_NAMES.read_text(encoding='utf-8'))[name]


class _Batches(tiny_model.TinyBatches):
  """With the position that `SharedBatches` of one shard has."""

  def state(self):
    return {'shards': [super().state()]}

  def restore(self, state):
    super().restore(state['shards'][0])


def _train(work, *, num_steps=_NUM_STEPS, sizes=None, **kw):
  devices = jax.devices() if sizes else jax.devices()[:1]
  return loop.train(
      tiny_model.TinyModel(dropout_rate=0.1),
      _Batches(),
      TrainConfig(
          num_steps=num_steps,
          optimizer=Adafactor(
              schedules.Cosine(0.1, num_steps=_NUM_STEPS, warmup_steps=2),
              min_factored_size=16,
              max_gradient_norm=1.0,
          ),
          log_every=5,
          checkpoint_every=5,
      ),
      mesh=meshes.make_mesh(**(sizes or {}), devices=devices),
      rules=axis_rules.preset(),
      work_directory=work,
      **kw,
  )


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
  """T5X's MODEL_DIR with a training of ours, stopped at step 10."""
  folder = tmp_path_factory.mktemp('exported')
  _train(folder / 'run' / 'work' / 'training-0', num_steps=_STEP)
  export_t5x.run(str(folder / 'run'), str(folder / 'model'))
  return folder / 'model'


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  """State and lines of metrics of a training that was not stopped."""
  work = tmp_path_factory.mktemp('whole')
  state = jax.device_get(_train(work))
  return state, (work / loop.METRICS).read_bytes().splitlines()


def test_training_goes_on_from_t5x_form_as_if_it_had_not_stopped(
    exported, whole, tmp_path
):
  found = t5x_training.find(str(exported))
  assert found.step == _STEP
  state = jax.device_get(_train(tmp_path, continuation=found))
  jax.tree.map(np.testing.assert_array_equal, state, whole[0])
  lines = (tmp_path / loop.METRICS).read_bytes().splitlines()
  assert lines == whole[1][2:]


def test_training_goes_on_from_t5x_form_on_a_mesh(exported, whole, tmp_path):
  found = t5x_training.find(str(exported))
  sizes = {'data': 2, 'fsdp': 2, 'tensor': 2}
  _train(tmp_path, continuation=found, sizes=sizes)
  lines = (tmp_path / loop.METRICS).read_bytes().splitlines()
  for line, expected in zip(lines, whole[1][2:], strict=True):
    # Sums over devices round otherwise.
    assert json.loads(line) == pytest.approx(json.loads(expected), rel=1e-4)


def test_own_checkpoint_wins_over_the_one_to_continue(exported, tmp_path):
  found = t5x_training.find(str(exported / f'checkpoint_{_STEP}'))
  _train(tmp_path, num_steps=15, continuation=found)

  class Unread:
    step, position = found.step, found.position

    def read(self, wanted):
      raise AssertionError(wanted)

  assert int(_train(tmp_path, num_steps=17, continuation=Unread()).step) == 17


def test_written_form_is_t5x_own(exported):
  folder = exported / f'checkpoint_{_STEP}'
  assert {path.name for path in folder.iterdir()} >= {'state', 'dataset'}
  position = json.loads(
      (folder / 'dataset' / 'train_ds-000-of-001').read_text()
  )
  assert position == {'number': _STEP}
  arrays = checkpoints.load_state_arrays(
      folder,
      {
          'state/step': jax.ShapeDtypeStruct((), np.int32),
          'target/scale': jax.ShapeDtypeStruct((16,), np.float32),
      },
  )
  assert arrays['state/step'] == _STEP


def test_what_cannot_be_continued_is_refused(exported, tmp_path):
  found = t5x_training.find(str(exported))
  with pytest.raises(InputError, match='has done 10 steps'):
    _train(tmp_path / 'a', num_steps=_STEP, continuation=found)
  with pytest.raises(InputError, match='no checkpoint to continue'):
    t5x_training.find(str(tmp_path / 'nothing'))
  folder = tmp_path / f'checkpoint_{_STEP}'
  shutil.copytree(exported / folder.name, folder)
  shutil.rmtree(folder / 'dataset')
  with pytest.raises(InputError, match='which batch comes next'):
    t5x_training.find(str(folder))
  wanted = {'params/scale': jax.ShapeDtypeStruct((17,), np.float32)}
  with pytest.raises(InputError, match='other parameters'):
    found.read(wanted)


def test_export_refuses_what_t5x_would_not_go_on_from(exported, tmp_path):
  run = exported.parent / 'run'
  with pytest.raises(InputError, match='go on from checkpoint_10'):
    export_t5x.run(str(run), str(exported))
  with pytest.raises(InputError, match='not one unfinished training'):
    export_t5x.run(str(tmp_path), str(tmp_path / 'model'))
  folder = run / 'work' / 'training-0' / loop.CHECKPOINTS
  export_t5x.run(str(tmp_path), str(tmp_path / 'model'), str(folder))
  assert (tmp_path / 'model' / f'checkpoint_{_STEP}').is_dir()
  with checkpoints.Checkpoints(tmp_path / 'sharded') as saved:
    metadata = {'position': {'shards': [{}, {}]}, 'seed': 0}
    saved.save(1, {'step': jnp.int32(1)}, metadata)
  with pytest.raises(InputError, match='2 shards'):
    export_t5x.run(str(run), str(tmp_path / 'b'), str(tmp_path / 'sharded'))

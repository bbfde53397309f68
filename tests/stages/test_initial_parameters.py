# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Training that starts from a checkpoint, and what is given back of it."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.artifacts import manifest
from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.models.lora import Lora
from plum_jax.networks.config import T5Config
from plum_jax.pretrained import hugging_face_writer
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids.build import TABLE_FILE
from plum_jax.sharding.mesh import make_mesh
from plum_jax.stages import catalog
from plum_jax.stages import export_hugging_face
from plum_jax.stages import initial_parameters
from plum_jax.stages import tasks
from plum_jax.stages import train
from plum_jax.stages import vocabulary
from plum_jax.stages.initial_parameters import InitialParameters
from plum_jax.stages.initial_parameters import Source
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.testing import tiny_catalog
from plum_jax.training.config import TrainConfig
from plum_jax.training.optimizers import AdamW
from plum_jax.training.schedules import Constant
from plum_jax.vocabulary import text_model
from plum_jax.vocabulary.layout import VocabularyLayout
from tasks import retrieval

_EMBEDDING = 'token_embedder/embedding'
_LOGITS = 'decoder/logits_dense/kernel'
_CONFIG = T5Config(
    vocab_size=256,
    emb_dim=8,
    num_heads=2,
    head_dim=4,
    mlp_dim=12,
    mlp_activations=('gelu', 'linear'),
    dropout_rate=0.0,
    num_encoder_layers=1,
    num_decoder_layers=1,
)
_TEXT = [f'Film number {i}' for i in range(24)]


@pytest.fixture(scope='module')
def public(tmp_path_factory):
  """A language model that knows text alone, as others publish it."""
  folder = tmp_path_factory.mktemp('public')
  base = text_model.train(_TEXT, 130)
  rows = -(-(text_model.num_pieces(base) + 100) // 128) * 128
  config = dataclasses.replace(_CONFIG, vocab_size=rows)
  tokens = jnp.zeros((1, 2), jnp.int32)
  params = EncoderDecoderModel(config).network.init(
      jax.random.key(7), tokens, tokens, tokens, enable_dropout=False
  )['params']
  hugging_face_writer.write(folder, params, config, base)
  return folder, trees.to_flat(params)


@pytest.fixture(scope='module')
def prepared(public, tmp_path_factory):
  """A run directory with all stages before training."""
  run_dir = tmp_path_factory.mktemp('run')
  source_dir = tmp_path_factory.mktemp('source')
  catalog.run(str(run_dir), tiny_catalog.write(source_dir))
  codes = np.random.default_rng(0).integers(0, 64, (24, 2))
  (run_dir / 'semantic_ids').mkdir()
  sid_table.make(
      [f'i{item}' for item in range(24)],
      codes,
      codebook_sizes=(64, 64),
      tokenizer_hash='',
  ).save(run_dir / 'semantic_ids' / TABLE_FILE)
  vocabulary.run(str(run_dir), str(public[0] / 'spiece.model'), 0)
  tasks.run(str(run_dir), 'leave_one_out', {}, 0)
  return run_dir


def _model(run_dir, config=_CONFIG):
  rows = vocabulary.padded_vocab_size(str(run_dir))
  return EncoderDecoderModel(dataclasses.replace(config, vocab_size=rows))


def _train(
    run_dir, initial, config=_CONFIG, learning_rate=1e-30, adapters=None
):
  task = retrieval.register('tiny', run_dir)
  train.run(
      str(run_dir),
      _model(run_dir, config),
      train.Feed(task, {'inputs': 24, 'targets': 3}, 'encoder_decoder', 16),
      TrainConfig(
          num_steps=1, optimizer=AdamW(schedule=Constant(learning_rate))
      ),
      make_mesh(devices=jax.devices()[:1]),
      'fsdp_tensor',
      beam_size=1,
      max_validation_users=0,
      initial=initial,
      lora=adapters,
  )
  return trees.to_flat(train.load(str(run_dir))[1])


@pytest.fixture
def run_dir(prepared, tmp_path):
  return shutil.copytree(prepared, tmp_path / 'run')


def _text_rows(params, num_text):
  return params[_EMBEDDING][:num_text], params[_LOGITS][:, :num_text]


def _num_text(run_dir):
  return VocabularyLayout.load(run_dir / 'vocabulary').sid_first_id


def test_training_starts_from_a_public_model(run_dir, public, caplog):
  folder, before = public
  initial = InitialParameters(str(folder), 'item_text')
  with caplog.at_level('INFO', 'plum_jax'):
    after = _train(run_dir, initial)
    # Nothing has changed but the place of the checkpoint: nothing is done.
    moved = shutil.copytree(folder, run_dir.parent / 'moved')
    _train(run_dir, InitialParameters(str(moved), 'item_text'))
  assert any('rows kept' in message for message in caplog.messages)
  assert any('skipped' in message for message in caplog.messages)
  num_text = _num_text(run_dir)
  for found, expected in zip(
      _text_rows(after, num_text), _text_rows(before, num_text), strict=True
  ):
    np.testing.assert_array_equal(found, expected)
  for name in set(before) - {_EMBEDDING, _LOGITS}:
    np.testing.assert_array_equal(after[name], before[name])
  # Titles tell items apart by their numbers alone: rows of codes lie together.
  layout = VocabularyLayout.load(run_dir / 'vocabulary')
  new = after[_EMBEDDING][num_text : layout.vocab_size]
  assert np.isfinite(new).all()
  assert len(np.unique(new, axis=0)) > 64

  made = manifest.load(run_dir / 'training')
  recorded = made.parameters['initial_checkpoint']
  assert made.notes == {'initial_checkpoint': str(folder)}
  assert recorded['sid_rows'] == 'item_text'
  assert len(recorded['content_hash']) == 64


def test_a_changed_checkpoint_is_told_from_the_one_before(public, tmp_path):
  folder = shutil.copytree(public[0], tmp_path / 'public')
  before = Source(InitialParameters(str(folder))).describe()
  assert Source(InitialParameters(str(folder))).describe() == before
  config = json.loads((folder / 'config.json').read_text())
  (folder / 'config.json').write_text(json.dumps(config))
  assert Source(InitialParameters(str(folder))).describe() != before


def test_a_model_of_other_sizes_is_refused_before_training(run_dir, public):
  config = dataclasses.replace(_CONFIG, mlp_dim=16)
  with pytest.raises(InputError, match=r'\[8, 12\].*\[8, 16\]'):
    _train(run_dir, InitialParameters(str(public[0])), config)
  assert not (run_dir / 'training').exists()


def _other_model(folder):
  path = folder / 'other.model'
  path.write_bytes(text_model.train(['books of pages'] * 5, 130))
  return path


def test_another_text_model_is_refused(run_dir, public, tmp_path):
  vocabulary.run(str(run_dir), str(_other_model(tmp_path)), 0)
  tasks.run(str(run_dir), 'leave_one_out', {}, 0)
  with pytest.raises(InputError, match='Piece|pieces|rows'):
    _train(run_dir, InitialParameters(str(public[0])))


def test_what_is_exported_starts_the_next_training(run_dir, public):
  trained = _train(
      run_dir, InitialParameters(str(public[0])), learning_rate=1.0
  )
  export_hugging_face.run(str(run_dir), 'float32')
  assert not np.allclose(
      trained['encoder/layers_0/mlp/wo/kernel'],
      public[1]['encoder/layers_0/mlp/wo/kernel'],
  )
  exported = run_dir.parent / 'exported'
  shutil.move(run_dir / 'hugging_face', exported)
  # All rows fit: none are made anew.
  for path in (exported, run_dir):
    source = Source(InitialParameters(str(path)))
    read = source.reader(RunDirectory(run_dir), _model(run_dir), 0)
    shapes = {
        name: jax.ShapeDtypeStruct(x.shape, x.dtype)
        for name, x in trained.items()
    }
    again = trees.to_flat(read(trees.nest(shapes)))
    jax.tree.map(np.testing.assert_array_equal, again, trained)

  vocabulary.run(str(run_dir), str(_other_model(run_dir.parent)), 0)
  with pytest.raises(InputError, match='another vocabulary'):
    export_hugging_face.run(str(run_dir), 'float32')


def test_adapters_are_added_to_what_training_started_from(run_dir, public):
  folder, before = public
  adapters = Lora(rank=2, modules='.*/mlp/.*')
  after = _train(
      run_dir,
      InitialParameters(str(folder)),
      learning_rate=0.1,
      adapters=adapters,
  )
  assert set(after) == set(before)
  changed = {
      name
      for name, value in after.items()
      if name not in (_EMBEDDING, _LOGITS)
      and not np.array_equal(value, before[name])
  }
  assert changed == {
      f'{part}/layers_0/mlp/{kernel}/kernel'
      for part in ('encoder', 'decoder')
      for kernel in ('wi_0', 'wi_1', 'wo')
  }
  change = after['encoder/layers_0/mlp/wo/kernel']
  change = change - before['encoder/layers_0/mlp/wo/kernel']
  values = np.linalg.svd(change, compute_uv=False)
  assert values[1] > 1e-4
  assert np.all(values[2:] < 1e-6)
  # The tables hold rows that are new, and are trained whole.
  assert not np.array_equal(
      *(x[_EMBEDDING][: _num_text(run_dir)] for x in (after, before))
  )
  assert manifest.load(run_dir / 'training').parameters['lora']['rank'] == 2


def test_adapters_of_random_parameters_are_refused(run_dir):
  with pytest.raises(InputError, match='there is none'):
    _train(run_dir, InitialParameters(), adapters=Lora())
  assert not (run_dir / 'training').exists()


def test_a_model_takes_its_sizes_from_the_checkpoint(public):
  model = initial_parameters.encoder_decoder(str(public[0]), 512, 0.3)
  assert model == EncoderDecoderModel(
      dataclasses.replace(_CONFIG, vocab_size=512, dropout_rate=0.3)
  )
  with pytest.raises(InputError, match='is an encoder-decoder'):
    initial_parameters.decoder_only(str(public[0]), 512, 0.3)

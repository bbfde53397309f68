# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A tiny Gemma 3 as others publish it, trained, resumed and searched."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.data import evaluation_arrays
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.networks.config import GemmaConfig
from plum_jax.pretrained import gemma_names
from plum_jax.semantic_ids import sid_table
from plum_jax.semantic_ids.build import TABLE_FILE
from plum_jax.sharding.mesh import make_mesh
from plum_jax.stages import catalog
from plum_jax.stages import generator
from plum_jax.stages import initial_parameters
from plum_jax.stages import tasks
from plum_jax.stages import train
from plum_jax.stages import vocabulary
from plum_jax.stages.initial_parameters import InitialParameters
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.testing import tiny_catalog
from plum_jax.training.config import TrainConfig
from plum_jax.training.optimizers import AdamW
from plum_jax.training.schedules import Constant
from plum_jax.vocabulary.layout import VocabularyLayout
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary
from tasks import histories

_EMBEDDING = 'decoder/token_embedder/embedding'
_SENTENCES = ['Film number 7\nand  more', '<unused1> the éFilm', ' a  b ']
_VALUES = {
    'model_type': 'gemma3_text',
    'hidden_size': 8,
    'num_attention_heads': 2,
    'num_key_value_heads': 1,
    'head_dim': 4,
    'intermediate_size': 12,
    'num_hidden_layers': 2,
    'sliding_window': 5,
    'sliding_window_pattern': 2,
    'query_pre_attn_scalar': 4,
    'bos_token_id': 2,
}


def _gemma_like_model() -> bytes:
  """A SentencePiece model of Gemma's kind, with pieces of each type."""
  model = sentencepiece_model_pb2.ModelProto()
  kinds = model.SentencePiece
  pieces = [(p, kinds.CONTROL) for p in ('<pad>', '<eos>', '<bos>')]
  pieces += [('<unk>', kinds.UNKNOWN), ('<unused0>', kinds.UNUSED)]
  pieces += [(p, kinds.USER_DEFINED) for p in ('<unused1>', '\n', '▁▁')]
  pieces += [(f'<0x{i:02X}>', kinds.BYTE) for i in range(256)]
  pieces += [(p, kinds.NORMAL) for p in ('il', 'ilm', 'Film', 'er')]
  pieces += [(chr(i), kinds.NORMAL) for i in (*range(97, 123), 70, 0x2581)]
  for rank, (piece, kind) in enumerate(pieces):
    model.pieces.add(piece=piece, score=-float(rank), type=kind)
  model.trainer_spec.model_type = model.trainer_spec.BPE
  model.trainer_spec.byte_fallback = True
  model.trainer_spec.pad_id = 0
  model.trainer_spec.eos_id, model.trainer_spec.bos_id = 1, 2
  model.trainer_spec.eos_piece, model.trainer_spec.bos_piece = '<eos>', '<bos>'
  model.trainer_spec.unk_id = 3
  model.normalizer_spec.add_dummy_prefix = False
  model.normalizer_spec.remove_extra_whitespaces = False
  return model.SerializeToString()


@pytest.fixture(scope='module')
def public(tmp_path_factory):
  """A Hugging Face folder with random weights, and the parameters in it."""
  folder = tmp_path_factory.mktemp('public')
  text = _gemma_like_model()
  (folder / 'tokenizer.model').write_bytes(text)
  values = _VALUES | {'vocab_size': 384}  # Padded.
  (folder / 'config.json').write_text(json.dumps(values))
  config = GemmaConfig(
      vocab_size=384,
      emb_dim=8,
      num_heads=2,
      head_dim=4,
      mlp_dim=12,
      num_layers=2,
      sliding_window=5,
      global_every=2,
      query_pre_attn_scalar=4.0,
  )
  batch = {'decoder_input_tokens': jnp.zeros((1, 2), jnp.int32)}
  made = jax.jit(DecoderOnlyModel(config).init)(jax.random.key(3), batch)
  params = trees.to_flat(made['params'])
  tensors = gemma_names.hugging_face(config)
  safetensors_numpy.save_file(
      {
          tensor.name: np.ascontiguousarray(
              np.asarray(params[name]).T
              if tensor.transposed
              else np.asarray(params[name])
          )
          for name, tensor in tensors.items()
      },
      folder / 'model.safetensors',
  )
  return folder, params


@pytest.fixture(scope='module')
def run_dir(public, tmp_path_factory):
  """A run directory with all stages before training."""
  run_dir = tmp_path_factory.mktemp('run')
  catalog.run(
      str(run_dir), tiny_catalog.write(tmp_path_factory.mktemp('source'))
  )
  codes = np.random.default_rng(0).integers(0, 6, (24, 2))
  (run_dir / 'semantic_ids').mkdir()
  sid_table.make(
      [f'i{item}' for item in range(24)],
      codes,
      codebook_sizes=(6, 6),
      tokenizer_hash='',
      disambiguation_size=8,
  ).save(run_dir / 'semantic_ids' / TABLE_FILE)
  vocabulary.run(str(run_dir), str(public[0]), 0, extra_ids=0)
  tasks.run(str(run_dir), 'leave_one_out', {}, 0)
  return run_dir


def _model(run_dir, public):
  rows = vocabulary.padded_vocab_size(str(run_dir))
  return initial_parameters.decoder_only(str(public[0]), rows, 0.1)


def _train(run_dir, public, make_writer=None):
  train.run(
      str(run_dir),
      _model(run_dir, public),
      train.Feed(
          histories.register('tiny', run_dir, max_items=9),
          {'targets': 27},
          'decoder_only',
          8,
      ),
      TrainConfig(
          num_steps=3,
          log_every=1,
          checkpoint_every=1,
          optimizer=AdamW(schedule=Constant(0.001)),
      ),
      make_mesh(devices=jax.devices()[:1]),
      'fsdp_tensor',
      beam_size=4,
      max_validation_users=0,
      make_writer=make_writer,
      initial=InitialParameters(str(public[0])),
  )
  return trees.to_flat(train.load(str(run_dir))[1])


def test_text_keeps_its_pieces_and_special_ids_are_the_models_own(
    run_dir, public
):
  base = sentencepiece.SentencePieceProcessor(
      model_file=str(public[0] / 'tokenizer.model')
  )
  made = SemanticIdVocabulary(run_dir / 'vocabulary')
  assert made.layout.sid_first_id == base.vocab_size() == made.layout.base_size
  assert (made.pad_id, made.eos_id, made.bos_id, made.unk_id) == (0, 1, 2, 3)
  for text in _SENTENCES:
    expected = base.encode(text)
    assert made.encode(text) == expected
    assert made.encode_tf(text).numpy().tolist() == expected
    assert made.decode(expected) == text
    # SID tokens between them change no piece of the text around them.
    first = made.layout.sid_first_id
    sid = [first + 4, first + 6 + 5]
    mixed = f'{text}<sid_1_4><sid_2_5>{text}'
    assert made.encode(mixed) == [*expected, *sid, *expected]
    assert made.encode_tf(mixed).numpy().tolist() == made.encode(mixed)


class _Killer:
  """A metric writer that fails when a step's metrics are written."""

  def __init__(self, step):
    self._step = step

  def write_scalars(self, step, scalars):
    del scalars
    if step == self._step:
      raise KeyboardInterrupt

  def flush(self):
    pass


@pytest.fixture(scope='module')
def trained(run_dir, public, tmp_path_factory):
  """A run of three steps, none of them interrupted."""
  folder = tmp_path_factory.mktemp('trained') / 'run'
  shutil.copytree(run_dir, folder)
  return folder, _train(folder, public)


def test_training_starts_from_it_and_a_killed_run_ends_the_same(
    run_dir, trained, public, tmp_path
):
  whole, before = trained[1], public[1]
  assert set(whole) == set(before)
  num_text = VocabularyLayout.load(run_dir / 'vocabulary').base_size
  moved = whole[_EMBEDDING][:num_text] - before[_EMBEDDING][:num_text]
  # Three steps of AdamW, each of 0.001 a number.
  assert 0 < np.abs(moved).max() < 0.0031
  cut = shutil.copytree(run_dir, tmp_path / 'cut')
  with pytest.raises(KeyboardInterrupt):
    _train(cut, public, lambda folder: _Killer(3))
  assert not (cut / 'training').exists()
  assert list((cut / 'work').rglob('checkpoint*'))
  again = _train(cut, public)
  jax.tree.map(np.testing.assert_array_equal, again, whole)


def test_its_items_are_valid_and_scored_as_by_the_whole_sequence(trained):
  folder = trained[0]
  model, params, feed = train.load(str(folder))
  prompts = evaluation_arrays.evaluation_arrays(
      feed['task'], 'test', feed['task_feature_lengths'], 'decoder_only'
  )
  prompts = {
      name: prompts[name][:4] for name in ('prompt_tokens', 'prompt_lengths')
  }
  index = generator.load_index(RunDirectory(folder))
  found = jax.jit(model.recommend, static_argnums=3)(params, prompts, index, 4)
  assert np.asarray(found.valid).all()
  table = sid_table.load(folder / 'semantic_ids' / TABLE_FILE)
  tokens = VocabularyLayout.load(folder / 'vocabulary').sid_tokens
  sids = tokens.token_ids(table.full_codes)[np.asarray(found.item_ids)]

  length = prompts['prompt_tokens'].shape[1] + sids.shape[2]
  rows = np.zeros((16, length), np.int32)
  begins = np.repeat(prompts['prompt_lengths'], 4)
  for row, (begin, sid) in enumerate(
      zip(begins, sids.reshape(16, -1), strict=True)
  ):
    rows[row, :begin] = prompts['prompt_tokens'][row // 4, :begin]
    rows[row, begin : begin + len(sid)] = sid
  assert begins.max() > model.config.sliding_window
  log_probs = jax.jit(
      lambda params: jax.nn.log_softmax(
          model.network.apply(
              {'params': params},
              jnp.pad(rows, ((0, 0), (1, 0)))[:, :-1],
              rows,
              enable_dropout=False,
          )
      )
  )(params)
  expected = [
      sum(float(log_probs[row, begin + i, sid[i]]) for i in range(len(sid)))
      for row, (begin, sid) in enumerate(
          zip(begins, sids.reshape(16, -1), strict=True)
      )
  ]
  np.testing.assert_allclose(
      np.asarray(found.scores).ravel(), expected, rtol=1e-4
  )


def test_another_beginning_of_sequence_is_refused(run_dir, public):
  model = _model(run_dir, public)
  model = dataclasses.replace(
      model, config=dataclasses.replace(model.config, bos_id=5)
  )
  source = initial_parameters.Source(InitialParameters(str(public[0])))
  with pytest.raises(InputError, match='with token 5, the vocabulary with 2'):
    source.reader(RunDirectory(run_dir), model, 0)


def test_another_sentencepiece_model_is_refused(run_dir, public, tmp_path):
  folder = shutil.copytree(public[0], tmp_path / 'public')
  changed = (folder / 'tokenizer.model').read_bytes().replace(b'Film', b'Filn')
  (folder / 'tokenizer.model').write_bytes(changed)
  source = initial_parameters.Source(InitialParameters(str(folder)))
  with pytest.raises(InputError, match="'Filn'"):
    source.reader(RunDirectory(run_dir), _model(run_dir, public), 0)


def test_sentinels_that_it_has_no_rows_for_are_refused(
    run_dir, public, tmp_path
):
  folder = shutil.copytree(run_dir, tmp_path / 'run')
  vocabulary.run(str(folder), str(public[0]), 0)
  source = initial_parameters.Source(InitialParameters(str(public[0])))
  with pytest.raises(InputError, match='100 sentinels'):
    source.reader(RunDirectory(folder), _model(folder, public), 0)

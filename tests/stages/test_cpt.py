# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Continued pre-training on a tiny catalog, to its report."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
import seqio

from plum_jax.artifacts.errors import InputError
from plum_jax.data import feature_converters
from plum_jax.data.input_pipeline import SeqioBatches
from plum_jax.item_embeddings.modalities import FileModality
from plum_jax.models import text_generation
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.networks.config import TransformerConfig
from plum_jax.semantic_ids.build import SemanticIdsConfig
from plum_jax.semantic_ids.rqvae import RqvaeConfig
from plum_jax.semantic_ids.train_step import TrainConfig as SidTrainConfig
from plum_jax.sharding.mesh import make_mesh
from plum_jax.stages import catalog
from plum_jax.stages import cpt_report
from plum_jax.stages import evaluate
from plum_jax.stages import general_text
from plum_jax.stages import item_embeddings
from plum_jax.stages import semantic_ids
from plum_jax.stages import tasks as tasks_stage
from plum_jax.stages import train
from plum_jax.stages import vocabulary
from plum_jax.testing import tiny_catalog
from plum_jax.training.config import TrainConfig
from plum_jax.training.optimizers import AdamW
from plum_jax.training.schedules import Constant
from plum_jax.vocabulary.numeric_features import NumericFeature
from tasks import cpt

_LENGTHS = {'targets': 64}


@pytest.fixture(scope='module')
def run_dir(tmp_path_factory):
  root = tmp_path_factory.mktemp('cpt')
  run = str(root / 'run')
  source = tiny_catalog.write(root, num_items=30)
  catalog.run(run, source)
  path = str(root / 'embeddings.npy')
  item_embeddings.run(run, [FileModality('text', path)], 256)
  semantic_ids.run(
      run,
      SemanticIdsConfig(
          tokenizer=RqvaeConfig((4, 4), (16,), 8),
          training=SidTrainConfig(epochs=5, batch_size=8),
      ),
      0,
      'leave_one_out',
      {},
      None,
  )
  text = root / 'text.txt'
  text.write_text('\n'.join(f'The year {n} was good.' for n in range(99)))
  general_text.run(run, [str(text)], 1.0)
  vocabulary.run(
      run,
      '',
      160,
      True,
      [NumericFeature('rating'), NumericFeature('hours_since', 3)],
  )
  tasks_stage.run(run, 'leave_one_out', {}, 0)
  return run


@pytest.fixture(scope='module')
def tasks(run_dir):
  made = {
      'behaviour': cpt.behaviour(
          'tiny', run_dir, numbers=('rating', 'hours_since')
      ),
      'title': cpt.metadata('tiny', run_dir, held_out_share=0.3),
      'title_to_sid': cpt.metadata(
          'tiny', run_dir, kind='text_to_sid', held_out_share=0.3
      ),
      'genre': cpt.metadata(
          'tiny', run_dir, kind='prefix_to_text', field='categories'
      ),
      'text': cpt.text('tiny', run_dir),
  }
  made['mixture'] = cpt.mixture('tiny', list(made.values()), [4, 2, 2, 1, 1])
  return made


@pytest.fixture(scope='module')
def trained(run_dir, tasks):
  first_id, end_id = vocabulary.sid_token_range(run_dir)
  model = DecoderOnlyModel(
      TransformerConfig(
          vocab_size=vocabulary.padded_vocab_size(run_dir),
          num_layers=1,
          emb_dim=16,
          num_heads=2,
          head_dim=8,
          mlp_dim=32,
          dropout_rate=0.0,
          logits_via_embedding=True,
      ),
      loss_tokens=(first_id, end_id),
  )
  train.run(
      run_dir,
      model,
      train.Feed(tasks['mixture'], _LENGTHS, 'decoder_only', 8),
      TrainConfig(
          num_steps=4,
          optimizer=AdamW(Constant(0.01)),
          checkpoint_every=4,
          evaluate_every=4,
      ),
      make_mesh(),
      'fsdp_tensor',
      2,
      4,
      validation_task=tasks['behaviour'],
  )
  return run_dir


def test_behaviour_reads_as_text(run_dir, tasks):
  del run_dir
  batch = next(
      SeqioBatches(
          tasks['behaviour'], 'train', _LENGTHS, 4, 0, 'decoder_only', False
      )
  )
  import seqio

  words = seqio.get_mixture_or_task(tasks['behaviour'])
  text = words.output_features['targets'].vocabulary.decode(
      batch['decoder_target_tokens'][0].tolist()
  )
  assert text.startswith('wh =<sid_1_')
  assert ' Film number ' in text
  assert '<rating_' in text
  assert '<hours_since_' in text
  assert '||<sid_1_' in text


def test_cpt_trains_evaluates_and_reports(trained, tasks):
  evaluate.run(
      trained,
      ['generative'],
      tasks['behaviour'],
      _LENGTHS,
      'test',
      [5],
      4,
      8,
      True,
  )
  cpt_report.run(
      trained,
      tasks['behaviour'],
      [tasks['title'], tasks['title_to_sid']],
      tasks['text'],
      _LENGTHS,
      4,
      16,
      1,
      2,
      0,
  )
  folder = f'{trained}/cpt_report'
  with open(f'{folder}/metrics.json', encoding='utf-8') as file:
    figures = json.load(file)
  assert figures['cpt/text_perplexity'] > 1
  assert figures['cpt/sid_perplexity/level_1'] > 1
  for split in ('train', 'validation'):
    of_items = f'cpt/text_to_sid_title/{split}'
    assert 0 <= figures[f'{of_items}/hit@10'] <= 1
    near, random = (
        figures[f'{of_items}/{name}']
        for name in ('neighbour_cosine@10', 'random_cosine')
    )
    assert near > random
    assert 0 <= figures[f'cpt/sid_to_text_title/{split}/word_f1'] <= 1
  with open(f'{folder}/completions.json', encoding='utf-8') as file:
    completions = json.load(file)
  assert len(completions) == 2
  assert all('Film number' in one['prompt'] for one in completions)
  with open(f'{folder}/report.html', encoding='utf-8') as file:
    assert 'Completions' in file.read()


def test_loss_counts_sid_tokens_alone(trained, tasks):
  model, params, _ = train.load(trained)
  batch = next(
      SeqioBatches(
          tasks['behaviour'], 'train', _LENGTHS, 4, 0, 'decoder_only', False
      )
  )
  _, sums = model.loss_fn(params, batch, None)
  first, end = vocabulary.sid_token_range(trained)
  targets = batch['decoder_target_tokens']
  assert sums['loss'][1] == np.sum((targets >= first) & (targets < end))


@pytest.mark.parametrize('name', ['behaviour', 'mixture'])
def test_packed_rows_have_the_loss_of_their_examples_alone(
    trained, tasks, name
):
  model, params, _ = train.load(trained)
  model = dataclasses.replace(model, loss_tokens=None)
  examples = seqio.get_mixture_or_task(tasks[name]).get_dataset(
      _LENGTHS, 'train', shuffle=False, seed=0
  )
  # Windows of a history are full rows; these are longer.
  lengths, found = {'targets': 160}, {}
  for pack in (False, True):
    converter = feature_converters.make('decoder_only', pack)
    rows = list(converter(examples.take(40), lengths).as_numpy_iterator())
    batch = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    found[pack] = len(rows), model.loss_fn(params, batch, None)[1]['loss']
  (many, alone), (few, packed) = found[False], found[True]
  assert 1 < few < many
  assert packed[1] == alone[1]
  np.testing.assert_allclose(packed[0], alone[0], rtol=1e-5)


def test_greedy_text_is_that_of_full_forward_passes(trained):
  model, params, _ = train.load(trained)
  prompts = np.array([[5, 9, 7, 0], [8, 0, 0, 0]], np.int32)
  lengths = np.array([3, 1], np.int32)
  batch = {'prompt_tokens': prompts, 'prompt_lengths': lengths}
  found = np.asarray(text_generation.greedy(model, params, batch, 5, 1))
  for row, length in enumerate(lengths):
    tokens = prompts[row, :length].tolist()
    for _ in range(5):
      targets = jnp.array([[*tokens, 2]])
      inputs = jnp.pad(targets, ((0, 0), (1, 0)))[:, :-1]
      logits = model.network.apply(
          {'params': params}, inputs, targets, enable_dropout=False
      )
      tokens.append(int(jnp.argmax(logits[0, -1])))
    wanted = tokens[length:]
    if 1 in wanted:
      wanted = wanted[: wanted.index(1)]
    assert [t for t in found[row].tolist() if t] == [t for t in wanted if t]


def test_what_a_run_does_not_have_is_refused(run_dir):
  with pytest.raises(InputError, match="no numeric feature 'height'"):
    cpt.behaviour('tiny', run_dir, numbers=('height',))
  with pytest.raises(InputError, match="kind is 'plot'"):
    cpt.metadata('tiny', run_dir, kind='plot')
  with pytest.raises(InputError, match="no text field 'plot'"):
    cpt.metadata('tiny', run_dir, field='plot')
  with pytest.raises(InputError, match='no place {plot}'):
    cpt.metadata('tiny', run_dir, variants=['{sid}: {plot}'])

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
import shutil

import pyarrow as pa
import pytest
import seqio

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.users import make_users
from plum_jax.data.evaluation_arrays import evaluation_arrays
from plum_jax.data.input_pipeline import SeqioBatches
from plum_jax.data.task_description import describe
from plum_jax.vocabulary.layout import VocabularyLayout
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary
from tasks import histories
from tasks import retrieval
from tests.data.tiny_run import build_run
from tests.data.tiny_run import CODES

# In time order; two items collide in all codes but the last.
_HISTORIES = [[0, 5, 3, 1], [2, 4, 1]]


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  return build_run(tmp_path_factory.mktemp('tasks'), _HISTORIES)


@pytest.fixture
def first_id(run):
  return VocabularyLayout.load(run / 'vocabulary').sid_first_id


def _examples(name, split, lengths, *features):
  dataset = seqio.get_mixture_or_task(name).get_dataset(
      lengths, split=split, shuffle=False, seed=0
  )
  return [
      tuple(example[feature].tolist() for feature in features)
      for example in dataset.as_numpy_iterator()
  ]


def test_retrieval_has_literal_ids(run, first_id):
  name = retrieval.register('literal', run)
  assert name == 'plum_literal_retrieval'
  lengths = {'inputs': 12, 'targets': 3}
  found = _examples(name, 'test', lengths, 'inputs', 'targets', 'user')
  # Levels of 3, 2 and 2 codes.
  a, b, c = first_id, first_id + 3, first_id + 5
  assert found == [
      ([a, b, c, a, b, c + 1, a + 1, b + 1, c], [a, b + 1, c], 0),
      ([a + 1, b, c, a + 2, b, c], [a, b + 1, c], 1),
  ]
  [only] = _examples(name, 'train', lengths, 'inputs', 'targets', 'user')
  assert only == ([a, b, c], [a, b, c + 1], 0)
  vocabulary = (
      seqio.get_mixture_or_task(name).output_features['inputs'].vocabulary
  )
  assert isinstance(vocabulary, SemanticIdVocabulary)
  assert vocabulary.decode(only[1]) == '<sid_1_0><sid_2_0><sid_3_1>'


def test_histories_have_literal_ids(run, first_id):
  name = histories.register('literal', run, max_items=2)
  assert name == 'plum_literal_histories'
  a, b, c = first_id, first_id + 3, first_id + 5
  found = _examples(name, 'train', {'targets': 6}, 'targets', 'user')
  assert sorted(found) == [
      ([a, b, c, a, b, c + 1], 0),
      ([a + 1, b, c], 1),
  ]
  found = _examples(name, 'test', {'targets': 6}, 'targets', 'prompt_length')
  assert found == [
      ([a + 1, b + 1, c, a, b + 1, c], 3),
      ([a + 2, b, c, a, b + 1, c], 3),
  ]


def test_retrieval_ends_targets_if_asked_to(run):
  name = retrieval.register('literal', run, add_eos=True)
  lengths = {'inputs': 3, 'targets': 4}
  [(inputs, targets)] = _examples(name, 'train', lengths, 'inputs', 'targets')
  assert len(inputs) == 3
  assert len(targets) == 4
  assert targets[-1] == 1


def test_registering_again_replaces_the_task(run):
  retrieval.register('literal', run, max_items=1)
  name = retrieval.register('literal', run, max_items=2)
  lengths = {'inputs': 12, 'targets': 3}
  found = _examples(name, 'test', lengths, 'inputs')
  assert [len(inputs) for (inputs,) in found] == [6, 6]


def test_a_run_that_was_made_anew_is_read_anew(tmp_path):
  for num_users in (2, 5):
    shutil.rmtree(tmp_path / 'run', ignore_errors=True)
    build_run(tmp_path / 'run', [[0, 1, 2]] * num_users)
    name = retrieval.register('anew', tmp_path / 'run')
    task = seqio.get_mixture_or_task(name)
    assert task.num_input_examples('test') == num_users
    lengths = {'inputs': 12, 'targets': 3}
    assert len(_examples(name, 'test', lengths, 'user')) == num_users


@pytest.fixture(scope='module')
def rich_run(tmp_path_factory):
  """Users with features, and rewards: the rating, an item's number and 0.5."""
  users = make_users(
      pa.array(['u1', 'u0']),
      texts={'job': pa.array(['writer', None])},
      numbers={'age': pa.array([31, 24], pa.float32())},
  )
  return build_run(
      tmp_path_factory.mktemp('rich'),
      _HISTORIES,
      inputs={'users': users},
      reward='rating',
  )


_FIELDS = {
    'item_fields': ['title'],
    'user_fields': ['age', 'job'],
    'context_fields': ['title'],
}


def test_retrieval_puts_texts_between_sid_tokens(rich_run):
  name = retrieval.register('rich', rich_run, **_FIELDS)
  lengths = {'inputs': 80, 'targets': 3}
  found = _examples(name, 'test', lengths, 'inputs', 'user')
  vocabulary = SemanticIdVocabulary(rich_run / 'vocabulary')
  assert [(vocabulary.decode(inputs), user) for inputs, user in found] == [
      (
          '<sid_1_0><sid_2_0><sid_3_0> Film i0<sid_1_0><sid_2_0><sid_3_1> Film '
          'i5<sid_1_1><sid_2_1><sid_3_0> Film i3 | age 24 | now'
          '<sid_1_1><sid_2_1><sid_3_0> Film i3',
          0,
      ),
      (
          '<sid_1_1><sid_2_0><sid_3_0> Film i2<sid_1_2><sid_2_0><sid_3_0> Film '
          'i4 | age 31, job writer | now<sid_1_2><sid_2_0><sid_3_0> Film i4',
          1,
      ),
  ]
  json.dumps(describe(name))


def test_evaluation_asks_with_the_prompts_of_training(rich_run):
  name = retrieval.register('rich', rich_run, rewards='weight', **_FIELDS)
  lengths = {'inputs': 70, 'targets': 3}
  arrays = evaluation_arrays(name, 'test', lengths, 'decoder_only')
  prompts = _examples(name, 'test', lengths, 'inputs')
  for row, (prompt,) in enumerate(prompts):
    length = arrays['prompt_lengths'][row]
    assert arrays['prompt_tokens'][row, :length].tolist() == prompt
  assert arrays['prompt_tokens'].shape == (2, 70)
  # In training they stand before the label in one sequence.
  batches = SeqioBatches(name, 'train', lengths, 1, 0, 'prefix', True)
  batch = next(batches)
  [(inputs, targets, weight)] = _examples(
      name, 'train', lengths, 'inputs', 'targets', 'loss_weight'
  )
  both = [*inputs, *targets]
  assert batch['decoder_target_tokens'][0, : len(both)].tolist() == both
  # Item 5 is the only label and of the largest reward.
  assert weight == 1.0
  expected = [0.0] * len(inputs) + [1.0] * 3
  assert batch['decoder_loss_weights'][0, : len(both)].tolist() == expected


def test_rewards_given_are_sampled_from_unless_told_otherwise(rich_run, run):
  def options(folder, **kwargs):
    name = retrieval.register('rewards', folder, **kwargs)
    return describe(name)['preprocessors'][1]['options']

  assert options(rich_run)['labels'] == {
      'rewards': 'sample',
      'largest_reward': 5.5,
      'rate': 1.0,
      'max_per_user': None,
  }
  assert options(rich_run, rewards='weight')['labels']['rewards'] == 'weight'
  # Nothing new in the manifests of runs that use none of it.
  for made in (options(rich_run, rewards='ignore'), options(run)):
    assert set(made) == {'positions', 'max_items'}


def test_weighted_task_is_in_no_mixture_with_unweighted_ones(rich_run):
  weighted = retrieval.register('weighted', rich_run, rewards='weight')
  plain = retrieval.register('plain', rich_run, rewards='ignore')
  for tasks in ([weighted, plain], [plain, weighted]):
    with pytest.raises(ValueError, match='output features'):
      seqio.MixtureRegistry.add('mixed_weights', [(t, 1.0) for t in tasks])


def test_retrieval_refuses_options_that_cannot_be(rich_run, run):
  for kwargs, what in (
      ({'rewards': 'both'}, "rewards is 'both'"),
      ({'label_rate': 0.0}, r'label_rate is 0\.0'),
      ({'label_rate': 1.5}, r'label_rate is 1\.5'),
      ({'max_labels_per_user': 0}, 'max_labels_per_user is 0'),
      ({'user_fields': ['height']}, "users by the name 'height'"),
      ({'item_fields': ['brand']}, "no text field 'brand'"),
  ):
    with pytest.raises(InputError, match=what):
      retrieval.register('refused', rich_run, **kwargs)
  with pytest.raises(InputError, match="users by the name 'age'") as caught:
    retrieval.register('refused', run, user_fields=['age'])
  assert 'a catalog with a table of users' in caught.value.expected


def test_texts_of_another_catalog_than_the_histories_are_refused(
    rich_run, tmp_path
):
  other = shutil.copytree(rich_run, tmp_path / 'run')
  retrieval.register('same', other, item_fields=['title'])
  catalog = Catalog.load(other / 'catalog')
  items = catalog.items.take(pa.array([1, 0, 2, 3, 4, 5]))
  dataclasses.replace(catalog, items=items).save(other / 'catalog')
  with pytest.raises(InputError, match='made with another catalog'):
    retrieval.register('other', other, item_fields=['title'])
  retrieval.register('other', other)


def test_tasks_and_vocabulary_of_different_sid_tables_are_refused(tmp_path):
  run = build_run(tmp_path / 'run', _HISTORIES)
  other = build_run(tmp_path / 'other', _HISTORIES, CODES[::-1])
  shutil.rmtree(run / 'tasks')
  shutil.copytree(other / 'tasks', run / 'tasks')
  with pytest.raises(InputError, match='different SID tables'):
    retrieval.register('mixed', run)


def test_register_refuses_what_it_cannot_use(run, tmp_path):
  with pytest.raises(InputError, match='cannot be part of a task name'):
    retrieval.register('movie lens', run)
  with pytest.raises(InputError, match="positions is 'some'"):
    retrieval.register('literal', run, positions='some')
  with pytest.raises(InputError, match='vocabulary does not exist'):
    histories.register('literal', tmp_path)
  shutil.copytree(run / 'vocabulary', tmp_path / 'vocabulary')
  with pytest.raises(InputError, match='user histories do not exist'):
    histories.register('literal', tmp_path)

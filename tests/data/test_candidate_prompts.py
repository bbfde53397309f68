# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.data.candidate_prompts import candidate_prompts
from plum_jax.data.evaluation_arrays import evaluation_arrays
from plum_jax.data.worded_setting import WordedSetting
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary
from tasks import ranking
from tasks import rating
from tests.data.tiny_run import build_run

_CODES = np.array([[i // 4, i // 2 % 2] for i in range(12)])
_CANDIDATES = np.array([[1, 7, 8], [9, 4, 6]], np.int32)
_LENGTHS = {'inputs': 128, 'targets': 16}


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  root = tmp_path_factory.mktemp('run')
  return build_run(root, [[0, 5, 3, 1], [2, 4, 11, 10, 6]], _CODES)


@pytest.fixture(scope='module')
def setting(run):
  return WordedSetting('candidates', run, noun='film', show='title')


@pytest.mark.parametrize('converter', ['encoder_decoder', 'decoder_only'])
def test_each_candidate_is_asked_about_as_the_target_would_be(
    run, setting, converter
):
  task = ranking.pointwise(setting)
  found = candidate_prompts(task, 'test', _LENGTHS, converter, _CANDIDATES)
  plain = evaluation_arrays(task, 'test', _LENGTHS, converter)
  name = 'encoder_input_tokens'
  if converter == 'decoder_only':
    name = 'prompt_tokens'
    assert found['prompt_lengths'].shape == (2, 3)
    for row, place in ((0, 0), (1, 2)):
      length = found['prompt_lengths'][row, place]
      assert length == plain['prompt_lengths'][row]
  assert found['user'].tolist() == [0, 1]
  assert found[name].shape == (2, 3, 128)
  # Items 1 and 6 are the targets.
  np.testing.assert_array_equal(found[name][0, 0], plain[name][0])
  np.testing.assert_array_equal(found[name][1, 2], plain[name][1])
  vocabulary = SemanticIdVocabulary(run / 'vocabulary')
  for user, history in ((0, [0, 5, 3]), (1, [2, 4, 11, 10])):
    for place, item in enumerate(_CANDIDATES[user]):
      text = vocabulary.decode(found[name][user, place].tolist())
      mentioned = [x for x in range(12) if f'Film i{x} ' in text + ' ']
      mentioned += [x for x in range(12) if f'Film i{x},' in text]
      assert set(mentioned) == {*history, item}


def test_other_targets_and_tasks_that_ask_about_none_are_refused(setting):
  arguments = ('test', _LENGTHS, 'encoder_decoder')
  with pytest.raises(InputError, match='2 targets, not 1'):
    candidate_prompts(ranking.pointwise(setting), *arguments, _CANDIDATES[:1])
  with pytest.raises(InputError, match='whatever the candidate is'):
    candidate_prompts(ranking.register(setting), *arguments, _CANDIDATES)


def test_ratings_of_targets_come_with_prompts_that_ask_for_them(setting):
  task = rating.register(setting)
  arrays = evaluation_arrays(task, 'test', _LENGTHS, 'encoder_decoder')
  assert arrays['target_ratings'].dtype == np.float32
  assert arrays['target_ratings'].tolist() == [1.5, 6.5]
  assert arrays['target_item_ids'].tolist() == [1, 6]

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import functools

import numpy as np
import pytest
import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import general_text
from plum_jax.data import item_source
from plum_jax.data import metadata
from plum_jax.data import mixing
from plum_jax.data import text_lines
from plum_jax.data.item_text_tokens import TextTokens
from plum_jax.data.phrasings import Phrasing
from plum_jax.data.task_description import describe

_SIDS = np.array([[10, 20, 30], [11, 21, 30], [12, 22, 30]])
# Item 1 has no text.
_TITLES = TextTokens(np.array([70, 71, 72], np.int32), np.array([0, 2, 2, 3]))


def _phrasing(*parts):
  return Phrasing(
      str(parts),
      tuple(p if isinstance(p, str) else np.array(p, np.int32) for p in parts),
  )


def _run(*variants, items=(0, 1, 2), seed=0):
  made_of = metadata.Sentences(
      [_phrasing(*parts) for parts in variants], _SIDS, {'title': _TITLES}, 1
  )
  dataset = tf.data.Dataset.from_tensor_slices(
      {'item': np.array(items, np.int32)}
  )
  with seqio.map_seed_manager(seed):
    dataset = metadata.sentences(dataset, None, made_of=made_of)
  return list(dataset.as_numpy_iterator())


def test_sentences_have_literal_tokens_and_leave_out_what_has_no_text():
  found = _run(([5, 6], 'sid', [7], 'title'))
  assert [example['targets'].tolist() for example in found] == [
      [5, 6, 10, 20, 30, 7, 70, 71, 1],
      [5, 6, 12, 22, 30, 7, 72, 1],
  ]
  assert [int(example['prompt_length']) for example in found] == [6, 6]
  assert [int(example['target_item_id']) for example in found] == [0, 2]


def test_phrasings_are_drawn_by_the_seed_and_keep_to_their_items():
  variants = [([5], 'title', 'sid'), ([6, 6], 'title', [8], 'sid')]
  items = [0, 2] * 50
  found = _run(*variants, items=items, seed=1)
  again = _run(*variants, items=items, seed=1)
  assert [int(e['target_item_id']) for e in found] == items
  opened = []
  for example, repeated in zip(found, again, strict=True):
    tokens = example['targets'].tolist()
    assert tokens == repeated['targets'].tolist()
    item = int(example['target_item_id'])
    assert tokens[-4:] == [*_SIDS[item], 1]
    assert example['prompt_length'] == len(tokens) - 4
    opened.append(tokens[0])
  assert 20 < opened.count(5) < 80


def test_a_prefix_has_some_of_the_first_codes_never_all():
  found = _run(('sid_prefix', 'title'), items=[0] * 60)
  lengths = {int(example['prompt_length']) for example in found}
  assert lengths == {1, 2}
  for example in found:
    length = int(example['prompt_length'])
    assert example['targets'][:length].tolist() == _SIDS[0][:length].tolist()


def test_held_out_items_are_in_validation_alone_and_stay_there():
  ids = [f'i{n}' for n in range(200)]
  source = item_source.ItemSource(ids, 0.2)
  splits = {
      split: [
          int(example['item'])
          for example in source.get_dataset(split, seed=3).as_numpy_iterator()
      ]
      for split in ('train', 'validation')
  }
  assert sorted(splits['train'] + splits['validation']) == list(range(200))
  assert 20 < len(splits['validation']) < 60
  grown = item_source.ItemSource([*ids, *'abcdefgh'], 0.2)
  later = grown.get_dataset('validation', shuffle=False).as_numpy_iterator()
  kept = [int(e['item']) for e in later if e['item'] < 200]
  assert kept == sorted(splits['validation'])
  parts = [
      [
          int(example['item'])
          for example in source.get_dataset(
              'train', seed=3, shard_info=seqio.ShardInfo(index, 3)
          ).as_numpy_iterator()
      ]
      for index in range(3)
  ]
  assert sorted(sum(parts, [])) == sorted(splits['train'])
  with pytest.raises(InputError, match='All of 200 items'):
    item_source.ItemSource(ids, 1.0)
  with pytest.raises(InputError, match='no share'):
    item_source.ItemSource(ids, 1.5)


class _Letters:
  """A vocabulary of letters: `a` is 3."""

  eos_id = 1

  def encode_tf(self, lines):
    return tf.strings.unicode_decode(lines, 'UTF-8') - 94


def test_lines_are_cut_into_pieces_that_fit_and_the_last_has_the_end():
  lines = tf.data.Dataset.from_tensor_slices(['abcdefg', '', 'ab', 'abc'])
  found = text_lines.pieces(
      lines, {'targets': 4}, encoding=text_lines.Encoding(_Letters())
  )
  assert [x['targets'].tolist() for x in found.as_numpy_iterator()] == [
      [3, 4, 5, 6],
      [7, 8, 9, 1],
      [3, 4, 1],
      [3, 4, 5, 1],
  ]


def test_text_files_that_are_not_there_are_refused(tmp_path):
  with pytest.raises(InputError, match='no such text file'):
    text_lines.TextFiles([str(tmp_path / '*.txt')])
  with pytest.raises(InputError, match='No text files'):
    text_lines.TextFiles([])


def test_general_text_of_files_is_split_once_and_for_all(tmp_path):
  lines = [f'Paragraph number {n} of this text' for n in range(300)]
  (tmp_path / 'a.txt').write_text('\n'.join([*lines, '', *lines]) + '\n')
  general_text.build(tmp_path / 'text', files=[str(tmp_path / 'a.txt')])
  train = (tmp_path / 'text' / 'train.txt').read_text().splitlines()
  held_out = (tmp_path / 'text' / 'validation.txt').read_text().splitlines()
  assert sorted(train + held_out) == sorted(lines)
  assert all(map(general_text.is_validation, held_out))
  assert 0 < len(held_out) < 30
  (tmp_path / 'b.txt').write_bytes(b'\xff\xfe\xff')
  with pytest.raises(InputError, match='no text in UTF-8'):
    general_text.build(tmp_path / 'other', files=[str(tmp_path / 'b.txt')])
  assert not (tmp_path / 'other').exists()


def _rows(split, shuffle_files, seed=None, size=0):
  del split, shuffle_files, seed
  return tf.data.Dataset.from_tensor_slices(
      {'targets': np.full((size, 1), size, np.int32)}
  )


@pytest.fixture
def tasks():
  names = []
  for name, size in (('mix_b', 30), ('mix_a', 4)):
    seqio.TaskRegistry.add(
        name,
        source=seqio.FunctionDataSource(
            functools.partial(_rows, size=size),
            splits=['train'],
        ),
        preprocessors=[],
        output_features={
            'targets': seqio.Feature(seqio.PassThroughVocabulary(99), False)
        },
    )
    names.append(name)
  yield names
  for name in names:
    seqio.TaskRegistry.remove(name)


def test_an_epoch_of_a_mixture_is_a_pass_over_its_first_task(tasks):
  name = mixing.add_mixture('mix', tasks, [0.5, 0.5])
  try:
    dataset = seqio.get_mixture_or_task(name).get_dataset(
        None, split='train', shuffle=False, seed=0, num_epochs=1
    )
    found = [int(x['targets'][0]) for x in dataset.as_numpy_iterator()]
    assert found.count(30) == 30
    assert found.count(4) > 12
    assert describe(name)['tasks']['mix_a']['rate'] == 0.5
  finally:
    seqio.MixtureRegistry.remove(name)


@pytest.mark.parametrize('rates', [[1.0], [1.0, 0.0], []])
def test_rates_that_do_not_fit_their_tasks_are_refused(rates):
  with pytest.raises(InputError, match='cannot be mixed'):
    mixing.add_mixture('mix', ['a', 'b'], rates)

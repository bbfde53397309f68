# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.data import preprocessors
from tests.data import tiny_records


def _lists(examples, *names):
  return [tuple(np.asarray(e[n]).tolist() for n in names) for e in examples]


def _items(tokens):
  assert tokens.reshape(-1, 2)[:, 0].tolist() == [
      t - 100 for t in tokens.reshape(-1, 2)[:, 1]
  ]
  return (tokens[::2] - 1_000).tolist()


def test_retrieval_examples_of_a_training_record_have_literal_tokens():
  examples = tiny_records.run(
      preprocessors.retrieval_examples,
      [(7, [3, 1, 4], tiny_records.TRAINING), (8, [5], tiny_records.TRAINING)],
  )
  names = ('inputs', 'targets', 'user', 'target_item_id', 'history_item_ids')
  assert _lists(examples, *names) == [
      ([1003, 1103], [1001, 1101], 7, 1, []),
      ([1003, 1103, 1001, 1101], [1004, 1104], 7, 4, []),
  ]


def test_retrieval_examples_of_a_target_keep_the_newest_that_fit():
  # 5 tokens hold two items of two.
  examples = tiny_records.run(
      preprocessors.retrieval_examples,
      [(7, [3, 1, 4], 9)],
      {'inputs': 5, 'targets': 2},
  )
  names = ('inputs', 'targets', 'user', 'target_item_id', 'history_item_ids')
  assert _lists(examples, *names) == [
      ([1001, 1101, 1004, 1104], [1009, 1109], 7, 9, [3, 1, 4])
  ]


def test_retrieval_examples_draw_one_position_of_each_user():
  rows = [(u, list(range(10)), tiny_records.TRAINING) for u in range(200)]
  rows.append((200, [1], tiny_records.TRAINING))
  drawn = [
      tiny_records.run(
          preprocessors.retrieval_examples, rows, seed=seed, positions='one'
      )
      for seed in (0, 0, 1)
  ]
  targets = [[e['target_item_id'] for e in examples] for examples in drawn]
  assert targets[0] == targets[1]
  assert targets[0] != targets[2]
  assert [e['user'] for e in drawn[0]] == list(range(200))
  assert set(targets[0]) == set(range(1, 10))
  for example in drawn[0]:
    assert _items(example['inputs']) == list(range(example['target_item_id']))


def test_retrieval_examples_begin_with_the_first_target():
  examples = tiny_records.run(
      preprocessors.retrieval_examples,
      [
          (7, [3, 1, 4, 5], tiny_records.TRAINING),
          (8, [2, 6], tiny_records.TRAINING),
      ],
      first_targets=[2, 0],
  )
  assert _lists(examples, 'inputs', 'target_item_id') == [
      ([1003, 1103, 1001, 1101], 4),
      ([1003, 1103, 1001, 1101, 1004, 1104], 5),
      ([1002, 1102], 6),
  ]


def test_windows_of_training_days_alone_are_refused():
  with pytest.raises(InputError, match='predicted whole'):
    tiny_records.run(
        preprocessors.history_windows,
        [(7, [3, 1], tiny_records.TRAINING)],
        first_targets=[1],
        max_items=2,
    )


def test_history_windows_of_short_histories_are_whole():
  examples = tiny_records.run(
      preprocessors.history_windows,
      [(7, [3, 1], tiny_records.TRAINING), (8, [5], tiny_records.TRAINING)],
      max_items=2,
  )
  names = ('targets', 'user', 'prompt_length', 'history_item_ids')
  assert _lists(examples, *names) == [
      ([1003, 1103, 1001, 1101], 7, 0, []),
      ([1005, 1105], 8, 0, []),
  ]


def test_history_window_of_a_target_ends_with_it():
  examples = tiny_records.run(
      preprocessors.history_windows, [(7, [3, 1, 4], 9)], max_items=3
  )
  names = ('targets', 'prompt_length', 'target_item_id', 'history_item_ids')
  assert _lists(examples, *names) == [
      ([1001, 1101, 1004, 1104, 1009, 1109], 4, 9, [3, 1, 4])
  ]


def test_history_windows_are_cut_at_offsets_that_the_seed_draws():
  rows = [(u, list(range(23)), tiny_records.TRAINING) for u in range(100)]
  cuts = []
  for seed in (0, 0, 1):
    first = {}
    for example in tiny_records.run(
        preprocessors.history_windows,
        rows,
        {'targets': 11},
        seed=seed,
        max_items=9,
    ):
      # 11 tokens hold five items.
      assert 1 <= len(_items(example['targets'])) <= 5
      first.setdefault(example['user'], len(_items(example['targets'])))
    cuts.append(list(first.values()))
  assert cuts[0] == cuts[1]
  assert cuts[0] != cuts[2]
  assert set(cuts[0]) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ('preprocessor', 'lengths', 'kwargs'),
    [
        (preprocessors.retrieval_examples, {'inputs': 1, 'targets': 2}, {}),
        (preprocessors.retrieval_examples, {'inputs': 2, 'targets': 1}, {}),
        (preprocessors.retrieval_examples, None, {'max_items': 0}),
        (preprocessors.history_windows, {'targets': 1}, {'max_items': 2}),
    ],
)
def test_lengths_without_room_for_an_item_are_refused(
    preprocessor, lengths, kwargs
):
  with pytest.raises(InputError, match='no room for one item'):
    tiny_records.run(preprocessor, [(0, [1, 2], 3)], lengths, **kwargs)


# Item t of a history is number t: what comes later is larger.
_USERS = st.lists(
    st.tuples(st.integers(1, 30), st.booleans()), min_size=20, max_size=40
)


def _rising(users):
  return [
      (u, list(range(n)), n if has_target else tiny_records.TRAINING)
      for u, (n, has_target) in enumerate(users)
  ]


@settings(max_examples=5, deadline=None)
@given(
    _USERS,
    st.sampled_from(['all', 'one']),
    st.one_of(st.none(), st.integers(1, 12)),
    st.integers(0, 99),
)
def test_no_input_of_retrieval_holds_its_target_or_what_follows(
    users, positions, max_items, seed
):
  rows = _rising(users)
  examples = tiny_records.run(
      preprocessors.retrieval_examples,
      rows,
      seed=seed,
      positions=positions,
      max_items=max_items,
  )
  seen = {row[0]: [] for row in rows}
  for example in examples:
    target = int(example['target_item_id'])
    assert _items(example['targets']) == [target]
    oldest = max(target - max_items, 0) if max_items else 0
    assert _items(example['inputs']) == list(range(oldest, target))
    seen[example['user']].append(target)
    history = (
        []
        if rows[example['user']][2] == tiny_records.TRAINING
        else range(target)
    )
    assert example['history_item_ids'].tolist() == list(history)
  for user, items, target in rows:
    expected = (
        [target]
        if target != tiny_records.TRAINING
        else list(range(1, len(items)))
    )
    if positions == 'one' and target == tiny_records.TRAINING:
      assert len(seen[user]) == min(len(expected), 1)
      assert set(seen[user]) <= set(expected)
    else:
      assert seen[user] == expected


@settings(max_examples=5, deadline=None)
@given(_USERS, st.integers(1, 12), st.integers(0, 99))
def test_windows_hold_every_interaction_once_and_no_prompt_its_target(
    users, max_items, seed
):
  rows = _rising(users)
  examples = tiny_records.run(
      preprocessors.history_windows, rows, seed=seed, max_items=max_items
  )
  seen = {row[0]: [] for row in rows}
  for example in examples:
    items = _items(example['targets'])
    assert 1 <= len(items) <= max_items
    seen[example['user']] += items
    _, history, target = rows[example['user']]
    prompt = _items(example['targets'][: example['prompt_length']])
    if target == tiny_records.TRAINING:
      assert prompt == []
      assert example['target_item_id'] == -1
      assert example['history_item_ids'].size == 0
    else:
      oldest = max(target - max_items + 1, 0)
      assert prompt == list(range(oldest, target))
      assert items == [*prompt, target]
      assert example['history_item_ids'].tolist() == history
  for user, items, target in rows:
    if target == tiny_records.TRAINING:
      assert seen[user] == items

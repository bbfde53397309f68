# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import collections
import dataclasses

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import splits
from plum_jax.catalog.histories import Histories
from plum_jax.semantic_ids import co_occurrence

_DAY = 86_400
_NUM_ITEMS = 9
_LISTS = st.lists(
    st.lists(st.integers(0, _NUM_ITEMS - 1), min_size=1, max_size=8),
    min_size=1,
    max_size=6,
)


def _histories(lists, num_items=_NUM_ITEMS):
  """Users with the given items, one a day."""
  lengths = [len(items) for items in lists]
  count = sum(lengths)
  return Histories(
      user_ids=np.array([f'u{user}' for user in range(len(lists))]),
      offsets=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
      item_ids=np.concatenate(lists).astype(np.int32),
      times=np.concatenate([np.arange(n) * _DAY for n in lengths]),
      ratings=np.full(count, np.nan, np.float32),
      rewards=np.full(count, np.nan, np.float32),
      first_seen=np.full(num_items, -1),
      time_kind='absolute',
  )


def _all_in_training(histories):
  none = splits.Targets(np.zeros(0, np.int64), np.zeros(0, np.int64))
  return splits.Split(
      histories.offsets[1:], none, none, np.zeros(histories.num_items, bool)
  )


def _chances(lists, item, window):
  """Chance of each draw around an item, by going through all positions."""
  chances = collections.defaultdict(float)
  places = [
      (items, i)
      for items in lists
      for i, other in enumerate(items)
      if other == item and len(items) > 1
  ]
  for items, i in places:
    around = [
        j
        for j in range(len(items))
        if j != i and (window == 0 or abs(i - j) <= window)
    ]
    for j in around:
      chances[items[j]] += 1 / len(places) / len(around)
  return chances


@pytest.mark.parametrize('window', [0, 1, 2])
def test_history_partners_come_as_often_as_they_occur_together(window):
  lists = [[0, 1, 2, 0, 3, 1], [4, 0], [5], [0, 1, 1], [2, 2, 3]]
  histories = _histories(lists)
  partners = co_occurrence.HistoryPartners(
      histories, _all_in_training(histories), window
  )
  draws = 40_000
  for item in (0, 1, 2, 3, 4):
    drawn = partners.sample(
        np.random.default_rng(item), np.full(draws, item, np.int64)
    )
    chances = _chances(lists, item, window)
    itself = chances.pop(item, 0.0)
    # Drawn again up to four times when it was the item itself.
    expected = {-1: itself**5} | {
        other: chance * (1 - itself**5) / (1 - itself)
        for other, chance in chances.items()
    }
    for other in range(-1, _NUM_ITEMS):
      found = np.mean(drawn == other)
      np.testing.assert_allclose(found, expected.get(other, 0.0), atol=0.012)


@settings(max_examples=60, deadline=None)
@given(lists=_LISTS, window=st.integers(0, 3), seed=st.integers(0, 9))
def test_history_partners_are_neighbours_in_one_training_window(
    lists, window, seed
):
  histories = _histories(lists)
  split = splits.leave_one_out(histories)
  windows = [
      histories.item_ids[start:end].tolist()
      for start, end in zip(histories.offsets, split.train_end, strict=False)
  ]
  allowed = {
      item: set(_chances(windows, item, window)) - {item}
      for item in range(_NUM_ITEMS)
  }
  try:
    partners = co_occurrence.HistoryPartners(histories, split, window)
  except InputError:
    assert not any(allowed.values())
    return
  items = np.random.default_rng(seed).integers(0, _NUM_ITEMS, (7, 5))
  drawn = partners.sample(np.random.default_rng(seed), items)
  assert drawn.dtype == np.int32
  assert drawn.shape == items.shape
  for item, partner in zip(
      items.ravel().tolist(), drawn.ravel().tolist(), strict=True
  ):
    if partner == co_occurrence.NONE:
      continue
    assert partner in allowed[item]
  for item in range(_NUM_ITEMS):
    if not allowed[item]:
      assert (drawn[items == item] == co_occurrence.NONE).all()
  again = partners.sample(np.random.default_rng(seed), items)
  np.testing.assert_array_equal(again, drawn)


def _many_histories():
  generator = np.random.default_rng(0)
  lists = [generator.integers(0, 40, n) for n in generator.integers(1, 12, 30)]
  return _histories(lists, num_items=60)


_SPLITS = [
    ('leave_one_out', {}),
    ('by_time', {'validation_days': 2, 'test_days': 2}),
]


@pytest.mark.parametrize(('name', 'options'), _SPLITS)
def test_history_partners_know_nothing_of_validation_and_test(name, options):
  histories = _many_histories()
  split = splits.make_split(histories, name, options)
  held_out = np.flatnonzero(~split.train_mask(histories))
  assert len(held_out) > 20
  generator = np.random.default_rng(1)
  shuffled, foreign = histories.item_ids.copy(), histories.item_ids.copy()
  shuffled[held_out] = shuffled[generator.permutation(held_out)]
  # Items that no one has in training: a pair with one of them is a leak.
  foreign[held_out] = generator.integers(40, 60, len(held_out))
  items = generator.integers(0, 60, (50, 64))
  drawn = []
  for item_ids in (histories.item_ids, shuffled, foreign):
    changed = dataclasses.replace(histories, item_ids=item_ids)
    partners = co_occurrence.HistoryPartners(
        changed, splits.make_split(changed, name, options), window=3
    )
    drawn.append(partners.sample(np.random.default_rng(2), items))
  np.testing.assert_array_equal(drawn[0], drawn[1])
  np.testing.assert_array_equal(drawn[0], drawn[2])
  assert drawn[0].max() < 40
  assert (drawn[0][items >= 40] == co_occurrence.NONE).all()


def test_history_partners_refuse_windows_in_which_nothing_is_together():
  # Three each: leave-one-out keeps one of them. The last user repeats an item.
  histories = _histories([[0, 1, 2], [3, 4, 5], [6, 6, 6, 7, 8]])
  with pytest.raises(InputError, match='No two items occur together') as caught:
    co_occurrence.HistoryPartners(histories, splits.leave_one_out(histories))
  assert 'contrastive_weight = 0' in caught.value.fix


def test_window_refuses_negative_numbers():
  with pytest.raises(InputError, match='^window = -1'):
    co_occurrence.CoOccurrence(window=-1)


_ITEM_IDS = pa.array([f'i{item}' for item in range(5)])


def _write(path, **columns):
  table = pa.table(columns)
  if path.suffix == '.parquet':
    pq.write_table(table, path)
    return path
  separator = {'.csv': ',', '.tsv': '\t'}[path.suffix]
  rows = [table.column_names, *zip(*table.to_pydict().values(), strict=True)]
  path.write_text(''.join(separator.join(map(str, row)) + '\n' for row in rows))
  return path


@pytest.mark.parametrize('suffix', ['.parquet', '.csv', '.tsv'])
def test_pair_partners_come_by_weight_in_both_directions(tmp_path, suffix):
  path = _write(
      tmp_path / f'pairs{suffix}',
      item_id=['i0', 'i0', 'i3'],
      partner_id=['i1', 'i2', 'i2'],
      weight=[3.0, 1.0, 2.0],
  )
  partners = co_occurrence.PairPartners.load(path, _ITEM_IDS)
  items = np.tile(np.arange(5), (20_000, 1))
  drawn = partners.sample(np.random.default_rng(0), items)
  assert drawn.dtype == np.int32
  assert drawn.shape == items.shape
  assert (drawn[:, 1] == 0).all()
  assert (drawn[:, 3] == 2).all()
  assert (drawn[:, 4] == co_occurrence.NONE).all()
  assert set(drawn[:, 0]) == {1, 2}
  assert set(drawn[:, 2]) == {0, 3}
  np.testing.assert_allclose(np.mean(drawn[:, 0] == 1), 0.75, atol=0.015)
  np.testing.assert_allclose(np.mean(drawn[:, 2] == 3), 2 / 3, atol=0.015)
  again = partners.sample(np.random.default_rng(0), items)
  np.testing.assert_array_equal(again, drawn)


def test_pair_partners_without_weights_count_alike(tmp_path):
  path = _write(
      tmp_path / 'pairs.csv', item_id=['i0', 'i0'], partner_id=['i1', 'i2']
  )
  partners = co_occurrence.PairPartners.load(path, _ITEM_IDS)
  drawn = partners.sample(np.random.default_rng(0), np.zeros(20_000, int))
  np.testing.assert_allclose(np.mean(drawn == 1), 0.5, atol=0.015)


@pytest.mark.parametrize(
    ('columns', 'what', 'where'),
    [
        (
            {'item_id': ['i0', 'i9'], 'partner_id': ['i1', 'i2']},
            "'i9' is not in the catalog",
            'row 2, column item_id',
        ),
        (
            {'item_id': ['i0', 'i1'], 'partner_id': ['i1', None]},
            'None is not in the catalog',
            'row 2, column partner_id',
        ),
        (
            {'item_id': ['i0', 'i3'], 'partner_id': ['i1', 'i3']},
            "'i3' is named as its own partner",
            'row 2',
        ),
        (
            {'item_id': ['i0'], 'partner_id': ['i1'], 'weight': [0.0]},
            'weight of a pair is 0.0',
            'row 1, column weight',
        ),
        (
            {'item_id': ['i0'], 'partner_id': ['i1'], 'weight': [None]},
            'weight of a pair is None',
            'row 1, column weight',
        ),
        (
            {'item_id': ['i0'], 'partner_id': ['i1'], 'weight': ['much']},
            'column weight has the type string',
            'column weight',
        ),
        (
            {'item_id': pa.array([], 'string'), 'partner_id': []},
            'list of partners is empty',
            'pairs.parquet',
        ),
        (
            {'item_id': ['i0'], 'other': ['i1']},
            'partner_id is missing',
            'pairs',
        ),
    ],
)
def test_pair_partners_refuse_rows_without_meaning(
    tmp_path, columns, what, where
):
  path = _write(tmp_path / 'pairs.parquet', **columns)
  with pytest.raises(InputError, match=what) as caught:
    co_occurrence.PairPartners.load(path, _ITEM_IDS)
  assert where in caught.value.where
  assert 'pairs.parquet' in caught.value.where


def test_pair_partners_refuse_files_of_another_form(tmp_path):
  with pytest.raises(InputError, match='does not exist'):
    co_occurrence.PairPartners.load(tmp_path / 'pairs.csv', _ITEM_IDS)
  (tmp_path / 'pairs.txt').write_text('item_id partner_id\n')
  with pytest.raises(InputError, match='form of the file is not known'):
    co_occurrence.PairPartners.load(tmp_path / 'pairs.txt', _ITEM_IDS)
  (tmp_path / 'pairs.parquet').write_text('item_id,partner_id\n')
  with pytest.raises(InputError, match='cannot be read'):
    co_occurrence.PairPartners.load(tmp_path / 'pairs.parquet', _ITEM_IDS)

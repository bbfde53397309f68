# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import collisions
from plum_jax.semantic_ids import extend
from plum_jax.semantic_ids import sid_table

_SIZES = (3, 12)
_ITEMS = 12  # Never more than the last level can tell apart.


def _distances():
  """Of every item to every code, with ties."""
  return np.random.default_rng(0).integers(0, 6, (_ITEMS, _SIZES[-1]))


def _catalog(numbers):
  """Ids, codes and choices of items by number, in any order."""
  numbers = np.array(numbers, int)
  distances = _distances()[numbers].reshape(-1, _SIZES[-1])
  codes = np.stack([numbers % 2, distances.argmin(axis=1)], axis=1)

  def next_codes(rows, blocked):
    masked = np.where(blocked, np.inf, distances[rows])
    return np.argmin(masked, axis=1)[:, None]

  return [f'i{number}' for number in numbers], codes, next_codes


def _make(numbers, kind, **changes):
  ids, codes, next_codes = _catalog(numbers)
  if kind == collisions.NEAREST_FREE:
    changes['next_codes'] = next_codes
  else:
    changes.setdefault('disambiguation_size', 16)
  return sid_table.make(
      ids, codes, codebook_sizes=_SIZES, tokenizer_hash='h', **changes
  )


def _extend(table, numbers):
  ids, codes, next_codes = _catalog(numbers)
  return extend.extend(table, ids, codes, next_codes=next_codes)


def _rows(table):
  return {
      item: (tuple(full), tuple(natural))
      for item, full, natural in zip(
          table.item_ids.to_pylist(),
          table.full_codes.tolist(),
          table.tokenizer_codes.tolist(),
          strict=True,
      )
  }


_KINDS = pytest.mark.parametrize('kind', collisions.KINDS)


@_KINDS
@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(st.permutations(range(_ITEMS)), st.data())
def test_extend_by_later_items_equals_a_table_of_all(kind, numbers, data):
  cuts = sorted(
      data.draw(st.lists(st.integers(0, _ITEMS), min_size=1, max_size=3))
  )
  table = _make(numbers[: cuts[0]], kind)
  for cut in (*cuts[1:], _ITEMS):
    table = _extend(table, numbers[:cut])
  assert _rows(table) == _rows(_make(numbers, kind))
  assert table.version == 1 + len(set(cuts[1:] + [_ITEMS]) - {cuts[0]})
  assert table.item_ids.to_pylist() == [f'i{number}' for number in numbers]


@_KINDS
@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    st.permutations(range(_ITEMS)),
    st.integers(0, _ITEMS),
    st.permutations(range(_ITEMS)),
    st.integers(0, _ITEMS),
)
def test_extend_keeps_the_sids_of_all_items_that_stay(
    kind, old, num_old, new, num_new
):
  table = _make(old[:num_old], kind)
  before = _rows(table)
  grown = _extend(table, new[:num_new])
  after = _rows(grown)
  assert grown.item_ids.to_pylist() == [f'i{n}' for n in new[:num_new]]
  assert len({full for full, _ in after.values()}) == num_new
  for item in before.keys() & after.keys():
    assert after[item] == before[item]
  assert grown.level_sizes == table.level_sizes
  assert grown.tokenizer_hash == table.tokenizer_hash
  # As if the new ones had come, in their order, after those that stayed.
  stayed = [n for n in old[:num_old] if n in new[:num_new]]
  added = [n for n in new[:num_new] if n not in stayed]
  first = _extend(table, stayed)
  assert _rows(_extend(first, stayed + added)) == after


@_KINDS
def test_extend_by_nothing_gives_the_table_itself(kind):
  table = _make([3, 1, 2], kind)
  assert _extend(table, [3, 1, 2]) is table
  reordered = _extend(table, [1, 2, 3])
  assert reordered.version == 2
  assert _rows(reordered) == _rows(table)


@_KINDS
def test_extend_does_not_look_at_new_codes_of_old_items(kind):
  table = _make([3, 1, 2], kind)
  ids, codes, next_codes = _catalog([5, 1, 2, 3])
  moved = codes.copy()
  moved[1:] = 2, 7
  first = extend.extend(table, ids, codes, next_codes=next_codes)
  second = extend.extend(table, ids, moved, next_codes=next_codes)
  assert _rows(first) == _rows(second)
  assert _rows(first)['i3'] == _rows(table)['i3']


def test_extend_gives_sids_of_removed_items_to_new_ones_and_counts(caplog):
  codes = np.array([[1, 0]] * 3)
  table = sid_table.make(
      list('abc'), codes, codebook_sizes=(2, 2), tokenizer_hash=''
  )
  with caplog.at_level('INFO', 'plum_jax'):
    grown = extend.extend(table, list('dcbe'), np.array([[1, 0]] * 4))
  assert grown.disambiguation.tolist() == [0, 2, 1, 3]
  assert '2 items kept, 2 new, 1 removed' in caplog.text


def test_extend_refuses_more_items_than_disambiguation_codes():
  table = sid_table.make(
      list('ab'),
      np.array([[1, 0], [1, 0]]),
      codebook_sizes=(2, 2),
      tokenizer_hash='',
      disambiguation_size=2,
  )
  with pytest.raises(InputError, match='3 items have the same') as caught:
    extend.extend(table, list('abc'), np.array([[1, 0]] * 3))
  assert "item 'c'" in str(caught.value)
  assert '(1, 0)' in str(caught.value)


@pytest.mark.parametrize(
    ('ids', 'codes', 'message'),
    [
        (['i3', 'i1', 'i3'], [[0, 0]] * 3, "'i3' is in rows 0 and 2"),
        (['i3', 'i9'], [[0, 0], [3, 0]], 'The code 3 of level 1'),
        (['i3', ''], [[0, 0], [0, 0]], 'row 1 is empty'),
        (['i3', 'i9'], [[0], [0]], 'codes of shape'),
        (['i3', 'i9'], [[0, 0]] * 3, '2 item ids do not go with'),
    ],
)
@_KINDS
def test_extend_refuses_what_is_no_catalog(kind, ids, codes, message):
  with pytest.raises(InputError, match=message):
    extend.extend(
        _make([3, 1], kind),
        ids,
        np.array(codes),
        next_codes=lambda rows, blocked: np.argmin(blocked, axis=1)[:, None],
    )

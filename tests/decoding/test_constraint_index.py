# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.decoding import constraint_index
from plum_jax.decoding import index_building
from plum_jax.decoding import index_shapes


def _run(run, node):
  first, end = run
  return range(int(first[node]), int(end[node]))


def _walk(index, depth=0, nodes=None, prefix=()):
  """Yields (SID, item number) by following the lists as a reader would."""
  level = index.levels[depth]
  every = jnp.arange(level.num_nodes)
  tokens = index.tokens(level, every)
  runs = index.children(level, every)
  for node in range(level.num_nodes) if nodes is None else nodes:
    sid = (*prefix, int(tokens[node]))
    children = _run(runs, node)
    assert len(children) <= level.max_children
    if depth + 1 < index.num_levels:
      yield from _walk(index, depth + 1, children, sid)
    else:
      for rank in children:
        yield sid, int(index.items(jnp.asarray(rank)))


def _check_rows(index):
  """Rows say the same as runs of children and their tokens."""
  above = None
  for level in index.levels:
    if level.rows is not None:
      num_parents = 1 if above is None else above.num_nodes
      found = np.asarray(index.row(level.rows, jnp.arange(num_parents)))
      expected = np.full_like(found, constraint_index.NO_NODE)
      tokens = np.asarray(index.tokens(level, jnp.arange(level.num_nodes)))
      for parent in range(num_parents):
        children = range(level.num_nodes)
        if above is not None:
          children = _run(
              index.children(above, jnp.arange(num_parents)), parent
          )
        for child in children:
          expected[parent, tokens[child] - level.rows.first_token] = child
      np.testing.assert_array_equal(found, expected)
    above = level


@pytest.mark.parametrize(
    ('num_items', 'num_levels', 'num_codes'),
    [(1, 1, 1), (1, 3, 5), (40, 3, 4), (200, 4, 9), (7, 1, 7)],
)
def test_index_holds_every_sid_once(num_items, num_levels, num_codes):
  rng = np.random.default_rng(num_items)
  sids = np.stack(
      np.unravel_index(
          rng.permutation(num_codes**num_levels)[:num_items],
          (num_codes,) * num_levels,
      ),
      axis=1,
  )
  index = index_building.build_constraint_index(sids)
  assert sorted(_walk(index)) == sorted(
      (tuple(sid.tolist()), item) for item, sid in enumerate(sids)
  )
  every = jnp.arange(num_items)
  np.testing.assert_array_equal(index.items(index.ranks_of_items(every)), every)
  for level in index.levels:
    low, high = index.ranks(level, jnp.arange(level.num_nodes))
    assert int(low[0]) == 0
    assert int(high[-1]) == num_items
    np.testing.assert_array_equal(low[1:], high[:-1])
  _check_rows(index)


def test_index_has_rows_where_most_tokens_lead_on():
  sids = np.stack(np.meshgrid(np.arange(6), np.arange(5)), -1).reshape(-1, 2)
  full = index_building.build_constraint_index(sids[:-1] + 7)
  assert [level.rows is not None for level in full.levels] == [True, True]
  assert full.levels[0].rows.first_token == 7
  sparse = index_building.build_constraint_index(sids[::7] * 9)
  assert [level.rows for level in sparse.levels] == [None, None]


def test_described_index_is_at_least_as_large_as_one_that_is_built():
  rng = np.random.default_rng(0)
  sids = np.unique(rng.integers(0, 8, (300, 3)), axis=0)
  built = index_building.build_constraint_index(sids)
  described = index_shapes.describe([8, 8, 8], len(sids))
  assert described.table.shape[0] >= built.table.shape[0]
  for found, most in zip(built.levels, described.levels, strict=True):
    assert found.num_nodes <= most.num_nodes
    assert found.max_children <= most.max_children
    assert most.rows is not None or found.rows is None
  assert described.num_items == built.num_items


def test_index_refuses_two_items_with_one_sid_and_names_them():
  sids = np.array([[1, 2], [3, 4], [1, 2]])
  with pytest.raises(ValueError, match=r'0 \(a\) and 2 \(c\)'):
    index_building.build_constraint_index(sids, item_names=['a', 'b', 'c'])


@pytest.mark.parametrize(
    'sids', [np.zeros((0, 3), int), np.zeros(3, int), np.array([[1, -1]])]
)
def test_index_refuses_what_is_no_table_of_sids(sids):
  with pytest.raises(ValueError, match='token'):
    index_building.build_constraint_index(sids)


def test_sorted_ranks_drops_padding_and_repetitions():
  index = index_building.build_constraint_index(
      np.array([[5, 9], [4, 8], [5, 8]])
  )
  ranks = constraint_index.sorted_ranks(
      index, jnp.array([[0, -1, 0, 1], [-1, -1, -1, -1]])
  )
  # Item 1 has rank 0, item 2 rank 1, item 0 rank 2; 3 is padding.
  assert ranks.tolist() == [[0, 2, 3, 3], [3, 3, 3, 3]]
  counts = constraint_index.count_excluded(
      ranks[0], jnp.array([0, 1, 0]), jnp.array([1, 2, 3])
  )
  assert counts.tolist() == [1, 0, 2]


def test_item_tokens_are_those_of_the_catalog():
  sids = np.array([[5, 9], [4, 8], [5, 8]])
  index = index_building.build_constraint_index(sids)
  found = constraint_index.item_tokens(
      index, jnp.array([2, constraint_index.NO_ITEM, 0])
  )
  assert found.tolist() == [[5, 8], [0, 0], [5, 9]]


def test_index_of_a_part_knows_the_numbers_of_the_whole_catalog():
  sids = np.array([[5, 9], [4, 8], [5, 8]])
  index = index_building.build_constraint_index(
      sids, item_ids=np.array([7, 2, 4]), num_item_ids=9
  )
  assert index.items(jnp.arange(3)).tolist() == [2, 4, 7]
  ranks = index.ranks_of_items(jnp.arange(9))
  assert ranks.tolist() == [3, 3, 0, 3, 1, 3, 3, 2, 3]


def test_indexes_with_room_have_one_shape_while_the_catalog_grows():
  rng = np.random.default_rng(0)
  sids = np.stack(np.unravel_index(rng.permutation(216), (6,) * 3), axis=1)
  found = [
      index_building.build_constraint_index(sids[:num_items], with_room=True)
      for num_items in (100, 101, 110, 120)
  ]
  assert all(one.levels == found[0].levels for one in found)
  assert {one.table.shape for one in found} == {found[0].table.shape}
  assert {one.num_items for one in found} == {128}
  assert sorted(np.asarray(found[3].items(jnp.arange(128)))) == [
      *[constraint_index.NO_ITEM] * 8,
      *range(120),
  ]

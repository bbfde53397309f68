# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import jax.numpy as jnp
import numpy as np
import pytest

from plum_jax.decoding import constraint_index


def _walk(index, depth=0, nodes=None, prefix=()):
  """Yields (SID, item number) by following the arrays as a reader would."""
  level = index.levels[depth]
  nodes = range(level.num_nodes) if nodes is None else nodes
  for node in nodes:
    sid = (*prefix, int(level.token_ids[node]))
    children = range(
        int(level.first_children[node]), int(level.first_children[node + 1])
    )
    assert len(children) <= level.max_children
    if depth + 1 < index.num_levels:
      yield from _walk(index, depth + 1, children, sid)
    else:
      for rank in children:
        yield sid, int(index.item_ids[rank])


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
  index = constraint_index.build_constraint_index(sids)
  assert sorted(_walk(index)) == sorted(
      (tuple(sid.tolist()), item) for item, sid in enumerate(sids)
  )
  np.testing.assert_array_equal(
      index.item_ids[index.item_ranks], np.arange(num_items)
  )
  for level in index.levels:
    assert int(level.first_ranks[-1]) == num_items


def test_index_refuses_two_items_with_one_sid_and_names_them():
  sids = np.array([[1, 2], [3, 4], [1, 2]])
  with pytest.raises(ValueError, match=r'0 \(a\) and 2 \(c\)'):
    constraint_index.build_constraint_index(sids, item_names=['a', 'b', 'c'])


@pytest.mark.parametrize(
    'sids', [np.zeros((0, 3), int), np.zeros(3, int), np.array([[1, -1]])]
)
def test_index_refuses_what_is_no_table_of_sids(sids):
  with pytest.raises(ValueError, match='token'):
    constraint_index.build_constraint_index(sids)


def test_sorted_ranks_drops_padding_and_repetitions():
  index = constraint_index.build_constraint_index(
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

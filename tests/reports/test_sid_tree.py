# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The tree of Semantic IDs against a brute force."""

import collections

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pyarrow as pa

from plum_jax.reports import sid_tree
from plum_jax.reports import sid_words


def make_nodes(codes, categories=None, **kwargs):
  codes = np.asarray(codes)
  full = np.concatenate([codes, np.arange(len(codes))[:, None]], axis=1)
  categories = [[] for _ in codes] if categories is None else categories
  return sid_tree.make_nodes(
      codes,
      full,
      [f'title {n}' for n in range(len(codes))],
      pa.array(categories, pa.list_(pa.list_(pa.string()))),
      np.arange(len(codes)),
      **kwargs,
  )


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 20),
    st.integers(0, 12),
)
@settings(max_examples=80, deadline=None)
def test_tree_equals_brute_force(codes, max_branches, max_items):
  nodes = make_nodes(codes, max_branches=max_branches, max_items=max_items)
  members = collections.defaultdict(list)
  for item, sid in enumerate(codes):
    for level in range(4):
      members[sid[:level]].append(item)
  branches = {node.codes: node for node in nodes if node.item is None}
  # Every branch has several items; the largest are kept, and their parents.
  wanted = [p for p in members if len(members[p]) > 1 or not p]
  sizes = sorted((len(members[p]) for p in wanted), reverse=True)
  found = sorted((node.num_items for node in branches.values()), reverse=True)
  assert found == sizes[:max_branches]
  for prefix, node in branches.items():
    assert node.num_items == len(members[prefix])
    assert not prefix or prefix[:-1] in branches
    # Later items are more popular here.
    popular = sorted(members[prefix], reverse=True)[:5]
    assert node.titles == tuple(f'title {item}' for item in popular)
  items = {node.item: node for node in nodes if node.item is not None}
  for item in sorted(range(len(codes)), reverse=True)[:max_items]:
    prefixes = [codes[item][:level] for level in range(4)]
    parent = max((p for p in prefixes if p in wanted), key=len)
    assert (item in items) == (parent in branches)
    if item in items:
      assert items[item].codes == parent
      assert items[item].sid == (*codes[item], item)


def test_branches_are_named_by_the_categories_that_set_them_apart():
  nodes = make_nodes(
      [[0], [0], [1], [1]],
      [
          [['Film', 'Drama'], ['Film', 'Crime']],
          [['Film', 'Drama'], ['Film', 'Crime']],
          [['Film', 'Drama'], ['Film', 'Comedy']],
          [['Film', 'Drama'], []],
      ],
  )
  kinds = {node.codes: node.categories for node in nodes if node.item is None}
  assert kinds == {(): (), (0,): ('Crime',), (1,): ('Comedy', 'Drama')}


def test_figure_is_a_tree_whose_values_fit():
  rng = np.random.default_rng(0)
  nodes = make_nodes(
      rng.integers(4, size=(200, 3)), max_branches=30, max_items=50
  )
  data = sid_tree.tree_figure(nodes).data[0]
  values = dict(zip(data.ids, data.values, strict=True))
  more = [name for name in values if name.startswith('more-')]
  assert more
  assert len(values) == len(nodes) + len(more)
  below = collections.Counter()
  for name, parent in zip(data.ids, data.parents, strict=True):
    assert (parent == '') == (name == 'all')
    below[parent] += values[name]
  # Items that are left out are counted, so that every box is full.
  for parent, total in below.items():
    assert parent == '' or total == values[parent]


def test_long_titles_are_shortened_and_escaped():
  node = sid_tree.Node((0,), 1, ('<i>' + 'word ' * 40,), item=0, sid=(0, 0))
  root = sid_tree.Node((), 1, node.titles)
  label = sid_tree.tree_figure([root, node]).data[0].labels[1]
  assert label.startswith('&lt;i&gt;word')
  assert len(label) < 100


def test_branches_carry_their_words_in_hover_and_box():
  titles = ['<i>nail</i> polish'] * 8 + ['hair spray'] * 8
  codes = np.repeat([[0, 0], [1, 0]], 8, axis=0)
  categories = pa.array([[]] * 16, pa.list_(pa.list_(pa.string())))
  nodes = sid_tree.make_nodes(
      codes,
      codes,
      titles,
      categories,
      np.arange(16),
      words=sid_words.item_words(pa.array(titles), categories),
  )
  words = {node.codes: node.words for node in nodes if node.item is None}
  assert words[(0,)] == ('nail', 'polish')
  assert words[(1,)] == ('hair', 'spray')
  assert words[()] == ()
  data = sid_tree.tree_figure(nodes).data[0]
  branch = data.ids.index('all-0')
  assert 'nail, polish' in data.text[branch]
  assert 'words: <b>nail, polish</b>' in data.customdata[branch]


def test_many_first_codes_get_short_labels_and_full_hovers():
  codes = np.repeat(np.arange(70), 2)[:, None]
  nodes = make_nodes(codes, [[['Film', 'Long name of it']]] * 140)
  data = sid_tree.tree_figure(nodes).data[0]
  labels = dict(zip(data.ids, data.labels, strict=True))
  hovers = dict(zip(data.ids, data.customdata, strict=True))
  assert labels['all-3'] == '<b>3</b>'
  assert 'title 7' in hovers['all-3']
  assert 'title 7' in labels['item-7']

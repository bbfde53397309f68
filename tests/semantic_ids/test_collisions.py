# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import hypothesis
from hypothesis import strategies as st
import jax
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import collisions
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import rqvae_tokenizer
from plum_jax.sharding import mesh as meshes

_SIZE = 5


@st.composite
def _catalogs(draw):
  """Codes [n, 2] and distances [n, 5] with ties; groups of up to 5 items."""
  groups = draw(
      st.lists(st.integers(0, 3), max_size=16).filter(
          lambda groups: all(groups.count(g) <= _SIZE for g in groups)
      )
  )
  row = st.lists(st.integers(0, 3), min_size=_SIZE, max_size=_SIZE)
  size = len(groups)
  distances = draw(st.lists(row, min_size=size, max_size=size))
  distances = np.array(distances, np.float32).reshape(-1, _SIZE)
  natural = distances.argmin(axis=1)
  return np.stack([np.array(groups, int), natural], axis=1), distances


def _next_codes(distances, most):
  def next_codes(rows, blocked):
    assert np.all(np.diff(rows) > 0)
    order = np.argsort(
        np.where(blocked, np.inf, distances[rows]), axis=1, kind='stable'
    )
    order[np.take_along_axis(blocked, order, axis=1)] = -1
    return order[:, :most]

  return next_codes


def _one_after_another(codes, distances):
  taken, found = set(), []
  for (group, _), row in zip(codes.tolist(), distances, strict=True):
    free = (c for c in np.argsort(row, kind='stable').tolist())
    code = next(c for c in free if (group, c) not in taken)
    taken.add((group, code))
    found.append(code)
  return found


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(_catalogs(), st.sampled_from([1, 2, _SIZE]))
def test_nearest_free_equals_taking_codes_one_after_another(catalog, most):
  codes, distances = catalog
  found = collisions.nearest_free(codes, _SIZE, _next_codes(distances, most))
  assert found.tolist() == _one_after_another(codes, distances)
  assert found.dtype == np.int32


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(_catalogs(), st.data())
def test_nearest_free_of_the_first_items_does_not_depend_on_later_ones(
    catalog, data
):
  codes, distances = catalog
  count = data.draw(st.integers(0, len(codes)))
  next_codes = _next_codes(distances, 2)
  whole = collisions.nearest_free(codes, _SIZE, next_codes)
  first = collisions.nearest_free(codes[:count], _SIZE, next_codes)
  assert whole[:count].tolist() == first.tolist()
  # Those that have their codes keep them when the rest is added.
  extended = codes.copy()
  extended[:count, -1] = first
  again = collisions.nearest_free(extended, _SIZE, next_codes)
  assert again.tolist() == whole.tolist()


def test_nearest_free_refuses_more_items_than_codes():
  codes = np.array([[0, 0]] * 2 + [[1, 0]] * 3)
  with pytest.raises(InputError, match='3 items share') as caught:
    collisions.nearest_free(codes, 2, _next_codes(np.zeros((5, 2)), 2))
  assert '(1,)' in str(caught.value)
  assert 'at most 2 items' in str(caught.value)
  assert "'disambiguation'" in str(caught.value)


def test_nearest_free_fills_a_whole_level_with_equal_items(monkeypatch):
  monkeypatch.setattr(assign, 'CHUNK_ITEMS', 7)
  distances = np.tile(np.arange(100.0)[::-1], (100, 1))
  codes = np.tile([2, 99], (100, 1))
  found = collisions.nearest_free(codes, 100, _next_codes(distances, 32))
  assert found.tolist() == list(range(99, -1, -1))


def test_nearest_free_of_a_single_level_takes_all_items_as_one_group():
  distances = np.array([[0.0, 2.0, 1.0]] * 3)
  codes = np.zeros((3, 1), int)
  found = collisions.nearest_free(codes, 3, _next_codes(distances, 1))
  assert found.tolist() == [0, 2, 1]


def _tokenizer():
  sizes = (('text', 6),)
  module = rqvae.Rqvae(rqvae.RqvaeConfig((2, 64), (8,), 4), sizes)
  generator = np.random.default_rng(0)
  variables = jax.tree.map(
      lambda leaf: generator.normal(size=leaf.shape).astype(np.float32),
      rqvae_tokenizer.variable_shapes(module),
  )
  return rqvae_tokenizer.RqvaeTokenizer(module, variables)


@pytest.mark.parametrize('on_mesh', [False, True])
def test_choices_of_a_tokenizer_give_each_item_the_nearest_free_code(on_mesh):
  mesh = meshes.make_mesh() if on_mesh else None
  tokenizer = _tokenizer()
  generator = np.random.default_rng(1)
  rows = generator.normal(size=(40, 6)).astype(np.float32)
  rows[20:] = rows[generator.integers(0, 20, 20)]
  embeddings = inputs.from_array(rows)
  codes = assign.assign(tokenizer, embeddings).codes
  found = collisions.nearest_free(
      codes, 64, collisions.choices_of(tokenizer, embeddings, mesh=mesh)
  )
  distances = np.asarray(
      tokenizer.last_level_distances(*embeddings.rows(slice(None)))
  )
  assert found.tolist() == _one_after_another(codes, distances)


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(
    st.lists(st.integers(0, 2), max_size=14),
    st.dictionaries(
        st.tuples(st.integers(0, 2), st.integers(0, 6)), st.none(), max_size=8
    ),
)
def test_disambiguation_codes_are_the_lowest_that_are_free(new, kept):
  old = [group for group, _ in kept]
  taken = {(group, code) for group, code in kept}
  expected = [code for _, code in kept]
  for group in new:
    code = next(c for c in range(100) if (group, c) not in taken)
    taken.add((group, code))
    expected.append(code)
  codes = np.array(old + new, int)[:, None]
  found = collisions.disambiguation_codes(codes, expected[: len(old)])
  assert found.tolist() == expected

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Each warning comes when something is wrong, and not otherwise."""

import dataclasses
import pathlib
import re

import pytest

from plum_jax.semantic_ids.quality import warning_rules
from plum_jax.semantic_ids.quality.category_purity import Purity
from plum_jax.semantic_ids.quality.collision_groups import Collisions
from plum_jax.semantic_ids.quality.comparison import Comparison
from plum_jax.semantic_ids.quality.comparison import Level
from plum_jax.semantic_ids.quality.comparison import Prefix
from plum_jax.semantic_ids.quality.comparison import TableQuality
from plum_jax.semantic_ids.quality.comparison import WorstCollision
from plum_jax.semantic_ids.quality.duplicates import Duplicates
from plum_jax.semantic_ids.quality.level_use import LevelUse
from plum_jax.semantic_ids.quality.neighbours import CoOccurrence
from plum_jax.semantic_ids.quality.prefixes import SubtreeSizes

_ITEMS = 10_000


def _level(error, size=256, used=256, perplexity=240.0):
  return Level(LevelUse(size, used, used / size, perplexity), error)


def _prefix(length, cosine, pairs=1_000, share=0.8, by_chance=0.3, lift=10.0):
  return Prefix(
      length=length,
      subtrees=SubtreeSizes(100, 1.0, 1.0, 10, pairs),
      cosines={'text': cosine},
      purity={'general': Purity(share, by_chance, _ITEMS)},
      co_occurrence=CoOccurrence(0.01 * lift, 0.01, lift),
  )


def _table(**changes):
  """A table of which nothing is wrong, with changes."""
  values = {
      'name': 'mine',
      'source': 'runs/mine/semantic_ids',
      'codebook_sizes_known': True,
      'num_ignored': 0,
      'num_moved': 500,
      'collisions': Collisions(0.97, 0.95, 300, 600, 16, ((2, 300),)),
      'worst_collisions': (WorstCollision((1, 2, 3), (4, 5), 2, 1),),
      'levels': (_level(0.6), _level(0.5), _level(0.45)),
      'prefixes': tuple(
          _prefix(length, cosine)
          for length, cosine in enumerate((0.3, 0.5, 0.7, 0.9))
      ),
  }
  return TableQuality(**(values | changes))


def _comparison(distinct=9_900, pairs=100_000):
  return Comparison(
      num_items=_ITEMS,
      num_neighbour_pairs=pairs,
      equal_embeddings=Duplicates(distinct, _ITEMS - distinct + 1, 2),
      equal_texts=Duplicates(distinct, _ITEMS - distinct, 2),
      tables=(_table(),),
      stability=(),
  )


def _found(table, comparison=None):
  return warning_rules.of_table(comparison or _comparison(), table)


def _only(table, kind, comparison=None):
  (warning,) = _found(table, comparison)
  assert warning.kind == kind
  for switch in warning.switches:
    assert switch in warning.advice
  return warning


def _replaced(entries, index, new):
  return (*entries[:index], new, *entries[index + 1 :])


def test_nothing_is_said_of_a_good_table():
  assert _found(_table()) == []
  assert warning_rules.of_catalog(_comparison()) == []


def test_equal_embeddings_are_the_catalogs_fault():
  comparison = _comparison(distinct=9_000)
  (warning,) = warning_rules.of_catalog(comparison)
  assert warning.kind == 'duplicates'
  assert '1,001 of 10,000' in warning.finding
  assert '90.0%' in warning.finding
  assert 'SID_MODALITIES' in warning.switches
  # What no tokenizer could do is no tokenizer's fault.
  collisions = Collisions(0.895, 0.85, 500, 1_000, 4, ((2, 500),))
  assert _found(_table(collisions=collisions), comparison) == []
  unknown = dataclasses.replace(comparison, equal_embeddings=None)
  assert warning_rules.of_catalog(unknown) == []


@pytest.mark.parametrize(
    ('distinct', 'uniqueness'), [(9_900, 0.94), (9_000, 0.88)]
)
def test_low_uniqueness_is_the_tokenizers_where_more_was_possible(
    distinct, uniqueness
):
  collisions = Collisions(uniqueness, 0.8, 500, 1_100, 4, ((2, 500),))
  warning = _only(
      _table(collisions=collisions), 'uniqueness', _comparison(distinct)
  )
  assert f'{uniqueness:.1%}' in warning.finding
  assert '1,100 items' in warning.finding
  assert f'{distinct / _ITEMS:.1%}' in warning.finding
  assert 'CODEBOOK_SIZES' in warning.switches
  assert 'SID_COLLISIONS' in warning.switches


def test_uniqueness_is_judged_without_embeddings_too():
  comparison = dataclasses.replace(_comparison(), equal_embeddings=None)
  collisions = Collisions(0.94, 0.9, 300, 600, 4, ((2, 300),))
  _only(_table(collisions=collisions), 'uniqueness', comparison)


def test_large_collision_group_says_what_could_be_told_apart():
  collisions = Collisions(0.97, 0.95, 300, 600, 17, ((2, 300),))
  warning = _only(_table(collisions=collisions), 'largest_collision_group')
  assert '17 items' in warning.finding
  assert '2 different embeddings and 1 different texts' in warning.finding


def test_many_moved_items_call_for_more_codes():
  warning = _only(_table(num_moved=501), 'moved_items')
  assert '501 items (5.0%)' in warning.finding


@pytest.mark.parametrize(
    ('size', 'used', 'warns'),
    [
        (256, 243, True),  # 94.9 %
        (256, 244, False),
        (2_048, 1_638, True),  # 79.98 %
        (2_048, 1_639, False),
    ],
)
def test_low_usage_depends_on_the_size_of_the_codebook(size, used, warns):
  level = _level(0.5, size, used, perplexity=used * 0.9)
  table = _table(levels=_replaced(_table().levels, 1, level))
  if not warns:
    assert _found(table) == []
    return
  warning = _only(table, 'usage')
  assert 'Level 2' in warning.finding
  assert f'{size - used:,} are dead' in warning.finding
  assert warning.switches == ('SID_DEAD_CODE_STEPS', 'CODEBOOK_SIZES')


def test_usage_names_a_catalog_that_is_too_small():
  level = _level(0.6, 8_192, 6_000, 5_900.0)
  table = _table(levels=_replaced(_table().levels, 0, level))
  comparison = _comparison()
  assert 'only 10,000 items' in _only(table, 'usage', comparison).finding


@pytest.mark.parametrize(
    ('perplexity', 'warns'), [(127.0, True), (129.0, False)]
)
def test_perplexity_far_below_usage_is_noticed(perplexity, warns):
  level = _level(0.6, perplexity=perplexity)
  table = _table(levels=_replaced(_table().levels, 0, level))
  if warns:
    assert '127.0' in _only(table, 'perplexity').finding
  else:
    assert _found(table) == []


@pytest.mark.parametrize(('cosine', 'warns'), [(0.39, True), (0.41, False)])
def test_cosine_that_hardly_leaves_that_of_random_pairs_is_flat(cosine, warns):
  prefixes = tuple(
      _prefix(length, value)
      for length, value in enumerate((0.3, 0.35, 0.38, cosine))
  )
  if warns:
    warning = _only(_table(prefixes=prefixes), 'flat_cosine')
    assert 'text' in warning.finding
    assert 'SID_MODALITIES' in warning.switches
  else:
    assert _found(_table(prefixes=prefixes)) == []


@pytest.mark.parametrize(
    ('third', 'pairs', 'warns'),
    [(0.7, 30, True), (0.71, 30, False), (0.5, 29, False), (None, 30, False)],
)
def test_cosine_must_rise_with_every_code(third, pairs, warns):
  last = _prefix(3, third, pairs)
  table = _table(prefixes=_replaced(_table().prefixes, 3, last))
  if warns:
    warning = _only(table, 'cosine_not_rising')
    assert 'Level 3' in warning.advice
    assert 'SID_PROGRESSIVE_MASKING' in warning.switches
  else:
    assert _found(table) == []


@pytest.mark.parametrize(('error', 'warns'), [(0.4951, True), (0.4949, False)])
def test_level_that_reconstructs_no_better_is_superfluous(error, warns):
  table = _table(levels=_replaced(_table().levels, 2, _level(error)))
  if warns:
    warning = _only(table, 'reconstruction')
    assert 'Level 3' in warning.finding
  else:
    assert _found(table) == []


def test_reconstruction_of_a_table_without_tokenizer_is_not_judged():
  assert _found(_table(levels=(_level(None),) * 3)) == []


@pytest.mark.parametrize(('share', 'warns'), [(0.36, True), (0.38, False)])
def test_first_code_must_say_more_of_the_category_than_chance(share, warns):
  first = _prefix(1, 0.5, share=share)
  table = _table(prefixes=_replaced(_table().prefixes, 1, first))
  if warns:
    assert '36.0%' in _only(table, 'purity').finding
  else:
    assert _found(table) == []


def test_purity_is_not_judged_without_categories():
  first = dataclasses.replace(_prefix(1, 0.5), purity={})
  assert _found(_table(prefixes=_replaced(_table().prefixes, 1, first))) == []


@pytest.mark.parametrize(
    ('lift', 'pairs', 'warns'),
    [(1.9, 1_000, True), (2.1, 1_000, False), (1.9, 999, False)],
)
def test_neighbours_must_share_their_first_code_more_often(lift, pairs, warns):
  first = _prefix(1, 0.5, lift=lift)
  table = _table(prefixes=_replaced(_table().prefixes, 1, first))
  comparison = _comparison(pairs=pairs)
  if warns:
    warning = _only(table, 'co_occurrence', comparison)
    assert '1.9 times' in warning.finding
    assert warning.switches == ('SID_CONTRASTIVE_WEIGHT',)
  else:
    assert _found(table, comparison) == []


def test_every_switch_that_is_named_is_a_macro():
  root = pathlib.Path(__file__).parents[3]
  source = pathlib.Path(warning_rules.__file__).read_text(encoding='utf-8')
  named = set(re.findall(r"'([A-Z]+(?:_[A-Z]+)*)',?\s*[,)\n]", source))
  assert {'CODEBOOK_SIZES', 'SID_MODALITIES', 'MODALITIES'} <= named
  defined = set()
  for name in ('semantic_ids', 'item_embeddings'):
    text = (root / 'gin' / 'runs' / f'{name}.gin').read_text(encoding='utf-8')
    defined |= set(re.findall(r'^([A-Z_]+) =', text, re.MULTILINE))
  assert named <= defined

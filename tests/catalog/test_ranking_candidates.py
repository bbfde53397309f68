# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import hypothesis
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import ranking_candidates
from plum_jax.catalog import splits
from plum_jax.catalog.histories import Histories
from plum_jax.catalog.ranking_candidates import draw_ranking_candidates
from plum_jax.catalog.ranking_candidates import POPULARITY
from plum_jax.catalog.ranking_candidates import UNIFORM
from plum_jax.catalog.splits import Targets


def _histories(lengths, num_items, rng, weights=None) -> Histories:
  """Makes histories of such lengths whose items are drawn."""
  offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
  item_ids = rng.choice(num_items, offsets[-1], p=weights).astype(np.int32)
  missing = np.full(offsets[-1], np.nan, np.float32)
  return Histories(
      user_ids=np.array([f'u{n}' for n in range(len(lengths))], object),
      offsets=offsets,
      item_ids=item_ids,
      times=np.arange(offsets[-1]),
      ratings=missing,
      rewards=missing,
      first_seen=np.full(num_items, -1),
      time_kind='relative',
  )


@hypothesis.given(
    st.lists(st.integers(1, 12), min_size=1, max_size=9),
    st.integers(1, 30),
    st.sampled_from([UNIFORM, POPULARITY]),
    st.integers(0, 5),
)
def test_rows_hold_the_target_and_items_that_the_user_never_saw(
    lengths, num_negatives, sampling, seed
):
  # Just enough items, or nearly: the catalog is searched as a whole too.
  num_items = 12 + num_negatives + seed
  histories = _histories(lengths, num_items, np.random.default_rng(seed))
  split = splits.leave_one_out(histories)
  drawn = draw_ranking_candidates(
      histories,
      split,
      split.test,
      num_negatives=num_negatives,
      sampling=sampling,
      seed=seed,
  )
  assert drawn.item_ids.dtype == drawn.place.dtype == np.int32
  assert drawn.item_ids.shape == (len(split.test), num_negatives + 1)
  for row, user in enumerate(split.test.user):
    start, stop = histories.offsets[user : user + 2]
    seen = set(histories.item_ids[start:stop].tolist())
    items = drawn.item_ids[row].tolist()
    assert len(set(items)) == len(items)
    target = histories.item_ids[split.test.position[row]]
    assert items.pop(drawn.place[row]) == target
    assert not seen & set(items)
    assert all(0 <= item < num_items for item in items)


@pytest.mark.parametrize('sampling', [UNIFORM, POPULARITY])
def test_a_selection_of_targets_has_the_same_candidates(sampling, monkeypatch):
  rng = np.random.default_rng(0)
  histories = _histories(rng.integers(3, 60, 40), 160, rng)
  split = splits.leave_one_out(histories)
  options = {'num_negatives': 99, 'sampling': sampling, 'seed': 7}
  whole = draw_ranking_candidates(histories, split, split.test, **options)
  rows = np.array([3, 8, 9, 31])
  some = Targets(split.test.user[rows], split.test.position[rows])
  # Parts of one row make no difference either.
  monkeypatch.setattr(ranking_candidates, '_MAX_CELLS', 1)
  part = draw_ranking_candidates(histories, split, some, **options)
  np.testing.assert_array_equal(part.item_ids, whole.item_ids[rows])
  np.testing.assert_array_equal(part.place, whole.place[rows])
  other = draw_ranking_candidates(
      histories, split, split.test, **(options | {'seed': 8})
  )
  assert np.mean(other.item_ids == whole.item_ids) < 0.1
  validation = draw_ranking_candidates(
      histories, split, split.validation, **options
  )
  assert np.mean(validation.item_ids == whole.item_ids) < 0.1


@pytest.mark.parametrize(
    ('num_items', 'num_negatives'),
    [(12, 2), (8, 4)],
    ids=['by_rejection', 'from_the_whole_catalog'],
)
@pytest.mark.parametrize('sampling', [UNIFORM, POPULARITY])
def test_draws_have_the_probabilities_of_drawing_one_after_another(
    num_items, num_negatives, sampling, monkeypatch
):
  if num_items == 8:
    monkeypatch.setattr(ranking_candidates, '_ROUNDS', (1,))
  rng = np.random.default_rng(1)
  num_users = 6_000
  popularity = np.arange(1, num_items + 1) ** 2.0
  popularity /= popularity.sum()
  histories = _histories([3] * num_users, num_items, rng, popularity)
  # All users have the same history, so that the same items are left.
  histories.item_ids[:] = np.tile([0, 1, 2], num_users)
  split = splits.leave_one_out(histories)
  # Popularity that differs between items that no one of them interacted with.
  extra = rng.choice(num_items, 400, p=popularity).astype(np.int32)
  everyone = np.concatenate([histories.item_ids, extra])
  counts = np.bincount(extra, minlength=num_items)
  histories = Histories(
      **{
          **vars(histories),
          'user_ids': np.append(histories.user_ids, 'heavy'),
          'offsets': np.append(histories.offsets, len(everyone)),
          'item_ids': everyone,
          'times': np.arange(len(everyone)),
      }
  )
  trained = np.concatenate([split.train_end, [len(everyone)]])
  split = splits.Split(
      trained, split.validation, split.test, np.zeros(num_items, bool)
  )
  drawn = draw_ranking_candidates(
      histories,
      split,
      split.test,
      num_negatives=num_negatives,
      sampling=sampling,
  )
  weights = 1.0 + counts if sampling == POPULARITY else np.ones(num_items)
  weights[:3] = 0  # what everyone has seen
  expected = np.zeros(num_items)
  _add_inclusion(weights, num_negatives, 1.0, expected)
  negatives = drawn.item_ids[drawn.item_ids != 2]
  assert len(negatives) == num_users * num_negatives
  found = np.bincount(negatives, minlength=num_items) / num_users
  # Four standard deviations of a share of that many users.
  np.testing.assert_allclose(
      found, expected, atol=4 * np.sqrt(0.25 / num_users)
  )
  places = np.bincount(drawn.place, minlength=num_negatives + 1) / num_users
  np.testing.assert_allclose(
      places, 1 / (num_negatives + 1), atol=4 * np.sqrt(0.25 / num_users)
  )


def _add_inclusion(weights, draws_left, probability, inclusion):
  """Adds the probability of each item to be among successive draws."""
  if not draws_left:
    return
  total = weights.sum()
  for item in np.flatnonzero(weights):
    share = probability * weights[item] / total
    inclusion[item] += share
    rest = weights.copy()
    rest[item] = 0
    _add_inclusion(rest, draws_left - 1, share, inclusion)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'num_negatives': 9}, 'only 7 of 10 items are left'),
        ({'num_negatives': 0}, '0 negatives'),
        ({'seed': -1}, 'seed -1'),
        ({'sampling': 'hard'}, "called 'hard'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
  histories = _histories([3, 3], 10, np.random.default_rng(0))
  histories.item_ids[:] = [1, 2, 3, 4, 4, 5]
  split = splits.leave_one_out(histories)
  with pytest.raises(InputError, match=message):
    draw_ranking_candidates(histories, split, split.test, **options)

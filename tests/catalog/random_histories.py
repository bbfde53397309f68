# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Random histories for property tests."""

from hypothesis import strategies as st
import numpy as np
import pyarrow as pa

from plum_jax.catalog import histories
from plum_jax.catalog import tables

NUM_ITEMS = 6


@st.composite
def rows(draw):
  """Draws (user, item, time) rows with many equal times."""
  return draw(
      st.lists(
          st.tuples(
              st.integers(0, 4),
              st.integers(0, NUM_ITEMS - 1),
              # Whole quarters of days: the borders of days are hit often.
              st.integers(0, 24).map(lambda quarter: quarter * 21_600),
          ),
          min_size=1,
          max_size=40,
      )
  )


def make(rows, time_kind='absolute', first_seen=None):
  """Makes histories of (user, item, time) rows; the reward is the row."""
  users, items, times = zip(*rows, strict=True)
  numbers = range(NUM_ITEMS)
  item_table = tables.make_items(
      pa.array([f'i{number}' for number in numbers]),
      pa.array([''] * NUM_ITEMS),
      first_seen=None if first_seen is None else pa.array(first_seen),
  )
  interactions = tables.make_interactions(
      pa.array([f'u{user}' for user in users]),
      pa.array([f'i{item}' for item in items]),
      pa.array(times),
      rewards=pa.array(np.arange(len(rows), dtype=np.float32)),
      time_kind=time_kind,
  )
  return histories.make_histories(item_table, interactions)

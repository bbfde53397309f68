# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pyarrow as pa
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.sources.up_to_day import UpToDay
from plum_jax.catalog.users import make_users

_DAY = 86_400


@dataclasses.dataclass(frozen=True)
class _Source:
  """Item c was announced on day 0, d is seen on day 2, e never."""

  time_kind: str = 'absolute'
  name: str = 'five'

  def inputs(self):
    return {}

  def parameters(self):
    return {'source': 'five'}

  def read(self):
    return tables.Tables(
        tables.make_items(
            pa.array(['a', 'd', 'b', 'c', 'e']),
            pa.array(['A', 'D', 'B', 'C', 'E']),
            first_seen=pa.array([None, None, 5 * _DAY, 10, None], pa.int64()),
        ),
        tables.make_interactions(
            pa.array(['u', 'v', 'u', 'v']),
            pa.array(['a', 'd', 'b', 'a']),
            pa.array([0, 2 * _DAY, 2 * _DAY - 1, 3 * _DAY]),
            time_kind=self.time_kind,
        ),
        make_users(pa.array(['u', 'w'])),
    )


@pytest.mark.parametrize(
    ('last_day', 'items', 'num_interactions'),
    [
        ('1970-01-01', ['a', 'c'], 1),
        # Item b is chosen before the time that its table says.
        ('1970-01-02', ['a', 'b', 'c'], 2),
        ('1970-01-03', ['a', 'd', 'b', 'c'], 3),
        ('1970-01-09', ['a', 'd', 'b', 'c'], 4),
        ('', ['a', 'd', 'b', 'c', 'e'], 4),
    ],
)
def test_catalog_has_what_had_been_seen_by_the_day(
    last_day, items, num_interactions
):
  catalog = Catalog(*UpToDay(_Source(), last_day).read())
  assert catalog.item_ids == items
  assert catalog.num_interactions == num_interactions
  assert catalog.time_kind == 'absolute'
  assert catalog.users.num_rows == 2


def test_day_is_part_of_the_name_and_of_the_parameters():
  source = UpToDay(_Source(), '1970-01-02')
  assert source.name == 'five-to-1970-01-02'
  assert source.parameters() != UpToDay(_Source(), '1970-01-03').parameters()


def test_days_that_cannot_be_are_refused():
  with pytest.raises(InputError, match='day cannot be read'):
    UpToDay(_Source(), '2.1.1970')
  with pytest.raises(InputError, match='no interactions up to this day') as e:
    UpToDay(_Source(), '1969-12-31').read()
  assert '1970-01-01' in e.value.expected
  with pytest.raises(InputError, match='times are relative'):
    UpToDay(_Source('relative'), '1970-01-02').read()

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import splits
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.sources.sequence_files import SequenceFiles

_ITEMS = """\
{"item_id": "a", "title": "A", "brand": "X", "categories": [["p", "q"]]}
{"item_id": "b", "categories": []}
{"item_id": "c", "brand": "Y", "title": "C é"}
"""
_SEQUENCES = 'u2\tb c a\t0 10 0\nu1\tc c\t0 5\nu3\ta\t0\n'


def _write(folder, items=_ITEMS, sequences=_SEQUENCES):
  (folder / 'items.jsonl').write_text(items, encoding='utf-8')
  (folder / 'sequences.tsv').write_text(sequences, encoding='utf-8')
  return SequenceFiles(str(folder))


def test_read_keeps_the_order_in_the_line(tmp_path):
  catalog = Catalog(*_write(tmp_path).read())
  assert catalog.items.to_pylist()[1:] == [
      {
          'item_id': 'b',
          'title': '',
          'categories': [],
          'first_seen': None,
          'brand': None,
      },
      {
          'item_id': 'c',
          'title': 'C é',
          'categories': [],
          'first_seen': None,
          'brand': 'Y',
      },
  ]
  assert catalog.time_kind == 'relative'
  histories = catalog.histories
  assert histories.user_ids.tolist() == ['u2', 'u1', 'u3']
  assert histories.offsets.tolist() == [0, 3, 5, 6]
  assert histories.item_ids.tolist() == [1, 2, 0, 2, 2, 0]
  assert histories.times.tolist() == [0, 10, 10, 0, 5, 0]
  with pytest.raises(InputError, match='relative'):
    splits.by_time(histories)


@pytest.mark.parametrize(
    ('sequences', 'what', 'where'),
    [
        ('u1\ta\t0\nu2\t\t\n', 'history is empty', 'line 2'),
        ('u1\ta\t0\nu2\t \t0\n', 'history is empty', 'line 2'),
        ('u1\ta b\t0\n', 'not as many gaps', 'line 1'),
        ('u1\ta b\t0 -5\n', "gap '-5'", 'line 1'),
        ('u1\ta\t0\nu2\ta b\t0 x\n', "gap 'x'", 'line 2'),
        ('u1\ta\t0\nu2\ta\t0\nu1\tb\t0\n', "'u1' has more than", 'line 3'),
        ('u1\ta\n', 'Expected 3 columns, got 1|got 2', 'sequences.tsv'),
        ('', 'cannot be read: Empty CSV', 'sequences.tsv'),
        ('u1\ta  b\t0 0 0\n', 'item_id is empty', 'row 2'),
        ('u1\ta d\t0 0\n', "'d' is not in the catalog", 'row 2'),
    ],
)
def test_bad_sequences_are_refused(tmp_path, sequences, what, where):
  source = _write(tmp_path, sequences=sequences)
  with pytest.raises(InputError, match=what) as caught:
    Catalog(*source.read())
  assert where in caught.value.where


@pytest.mark.parametrize(
    ('items', 'what'),
    [
        ('{"item_id": "a"}\n{"item_id": 5}\n', 'cannot be read: JSON parse'),
        ('{"item_id": "a"', 'cannot be read: JSON parse'),
        ('{"title": "a"}\n', 'missing in column item_id'),
        ('{"item_id": "a", "brand": ["x"]}\n', 'brand has the type list'),
        ('{"item_id": "a"}\n' * 2, "'a' occurs 2 times"),
        ('', 'cannot be read: Empty JSON'),
    ],
)
def test_bad_items_are_refused(tmp_path, items, what):
  source = _write(tmp_path, items=items)
  with pytest.raises(InputError, match=what):
    Catalog(*source.read())


def test_missing_folder_is_refused(tmp_path):
  with pytest.raises(InputError, match='does not exist'):
    SequenceFiles(str(tmp_path / 'none')).inputs()


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ('name', 'counts', 'titles', 'brands'),
    [
        ('beauty', (22_363, 12_101, 198_502), 12_101, 7_455),
        ('sports', (35_598, 18_357, 296_337), 0, 11_017),
    ],
)
def test_amazon2014_sets_have_their_known_counts(
    shared_data, name, counts, titles, brands
):
  folder = shared_data / f'amazon2014_{name}'
  catalog = Catalog(*SequenceFiles(str(folder)).read())
  histories = catalog.histories
  assert (
      histories.num_users,
      catalog.num_items,
      catalog.num_interactions,
  ) == counts
  assert sum(map(bool, catalog.titles)) == titles
  assert len(catalog.items['brand'].drop_null()) == brands
  # 5-core: every user and every item has at least five interactions.
  assert histories.lengths.min() == 5
  assert np.bincount(histories.item_ids).min() == 5
  # Lines and runs are the same, in the same order.
  with open(folder / 'sequences.tsv', encoding='utf-8') as file:
    lines = [line.split('\t')[1] for line in file]
  ids = catalog.items['item_id'].to_numpy()
  assert ' '.join(ids[histories.item_ids]) == ' '.join(lines)
  split = splits.leave_one_out(histories)
  assert len(split.test) == len(split.validation) == histories.num_users

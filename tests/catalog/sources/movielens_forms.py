# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes the same films and ratings in each form of MovieLens."""

GENRES = [
    'unknown',
    'Action',
    'Adventure',
    'Animation',
    "Children's",
    'Comedy',
    'Crime',
    'Documentary',
    'Drama',
    'Fantasy',
    'Film-Noir',
    'Horror',
    'Musical',
    'Mystery',
    'Romance',
    'Sci-Fi',
    'Thriller',
    'War',
    'Western',
]

# The oddities of the 100k set: no year, accents, an article behind, blanks, a
# note behind the year, another title in parentheses.
FILMS = [
    ('1', 'Toy Story (1995)', "Animation Children's Comedy"),
    ('12', 'Usual Suspects, The (1995)', 'Crime Thriller'),
    ('11', 'Seven (Se7en) (1995)', 'Crime Thriller'),
    ('267', 'unknown', 'unknown'),
    ('543', 'Misérables, Les (1995)', 'Drama Musical'),
    ('1373', 'Good Morning (1971)', 'unknown'),
    ('1412', 'Land Before Time III (1995) (V)', "Animation Children's"),
    ('1633', 'Á köldum klaka (Cold Fever) (1994)', 'Comedy Drama'),
    ('1502', 'Naked in New York  (1994)', 'Comedy Romance'),
    ('1682', 'Scream of "Stone" (Schrei aus Stein) (1991)', 'Drama'),
]
RATINGS = [
    ('196', '543', '3', '881250949'),
    ('22', '1', '5', '878887116'),
    ('196', '267', '1', '881250949'),
    ('196', '12', '4', '881250948'),
    ('22', '1633', '2', '878887117'),
]


def write_publisher(folder, films=tuple(FILMS), ratings=tuple(RATINGS)):
  """Writes `u.data`, `u.item` (latin-1) and `u.genre`."""
  folder.mkdir(exist_ok=True)
  lines = []
  for item_id, title, genres in films:
    flags = [str(int(genre in genres.split())) for genre in GENRES]
    date = '' if title == 'unknown' else '01-Jan-1995'
    url = f'http://us.imdb.com/M/title-exact?{item_id}'
    lines.append('|'.join([item_id, title, date, '', url, *flags]))
  _write(folder / 'u.item', lines, 'latin1')
  genres = [f'{genre}|{number}' for number, genre in enumerate(GENRES)]
  _write(folder / 'u.genre', [*genres, ''], 'ascii')
  _write(folder / 'u.data', ['\t'.join(row) for row in ratings], 'ascii')
  return folder


def write_recbole(folder, films=tuple(FILMS), ratings=tuple(RATINGS)):
  """Writes `ml-100k.inter` and `ml-100k.item`, as RecBole converts them."""
  folder.mkdir(exist_ok=True)
  lines = [
      'item_id:token\tmovie_title:token_seq\trelease_year:token\t'
      'class:token_seq'
  ]
  for item_id, title, genres in films:
    bare, _, year = title.rpartition(' (')
    if not bare:
      bare = year = 'unkonwn'
    lines.append('\t'.join([item_id, bare.strip(), year.rstrip(')'), genres]))
  _write(folder / 'ml-100k.item', lines, 'utf-8')
  header = 'user_id:token\titem_id:token\trating:float\ttimestamp:float'
  _write(
      folder / 'ml-100k.inter',
      [header, *('\t'.join(row) for row in ratings)],
      'ascii',
  )
  return folder


def write_double_colons(folder, encoding):
  """Writes `ratings.dat` and `movies.dat`."""
  folder.mkdir(exist_ok=True)
  _write(
      folder / 'movies.dat',
      [f'{i}::{title}::{g.replace(" ", "|")}' for i, title, g in FILMS],
      encoding,
  )
  _write(folder / 'ratings.dat', ['::'.join(row) for row in RATINGS], 'ascii')
  return folder


def write_commas(folder):
  """Writes `ratings.csv` and `movies.csv`."""
  folder.mkdir(exist_ok=True)
  lines = ['movieId,title,genres']
  for item_id, title, genres in FILMS:
    if ',' in title or '"' in title:
      title = '"' + title.replace('"', '""') + '"'
    genres = genres.replace(' ', '|')
    if genres == 'unknown':
      genres = '(no genres listed)'
    lines.append(f'{item_id},{title},{genres}')
  _write(folder / 'movies.csv', lines, 'utf-8')
  header = 'userId,movieId,rating,timestamp'
  _write(folder / 'ratings.csv', [header, *map(','.join, RATINGS)], 'ascii')
  return folder


def _write(path, lines, encoding):
  path.write_bytes(('\n'.join(lines) + '\n').encode(encoding))

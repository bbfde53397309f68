# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A catalog of a few items, for tests of whatever reads one."""

from __future__ import annotations

import csv
import os
import pathlib

import numpy as np

from plum_jax.catalog.sources.files import Files
from plum_jax.catalog.sources.files import InteractionColumns
from plum_jax.catalog.sources.files import ItemColumns

_GENRES = ('drama', 'comedy', 'western', 'horror')
_DAY = 86_400


def write(
    directory: str | os.PathLike[str],
    *,
    num_users: int = 32,
    num_items: int = 24,
    history_length: int = 9,
    dim: int = 16,
    seed: int = 0,
) -> Files:
  """Writes `items.csv`, `interactions.csv` and `embeddings.npy`.

  Items come in four genres; a user goes through the items of one genre after
  another in their order, with a surprise now and then, one a day.

  Args:
    directory: an existing folder.
    num_users: number of users.
    num_items: number of items.
    history_length: interactions a user.
    dim: width of the embeddings, which lie near their genre's centre.
    seed: of all that is random.

  Returns:
    The source that reads the two tables.
  """
  directory = pathlib.Path(directory)
  rng = np.random.default_rng(seed)
  genre = np.arange(num_items) * len(_GENRES) // num_items
  with open(directory / 'items.csv', 'w', newline='', encoding='utf-8') as file:
    rows = csv.writer(file)
    rows.writerow(['item_id', 'title', 'genres'])
    for item in range(num_items):
      rows.writerow([f'i{item}', f'Film number {item}', _GENRES[genre[item]]])
  start = rng.integers(0, num_items, num_users)
  steps = start[:, None] + np.arange(history_length)[None, :]
  surprise = rng.random(steps.shape) < 0.1
  random_items = rng.integers(0, num_items, steps.shape)
  items = np.where(surprise, random_items, steps % num_items)
  path = directory / 'interactions.csv'
  with open(path, 'w', newline='', encoding='utf-8') as file:
    rows = csv.writer(file)
    rows.writerow(['user_id', 'item_id', 'time', 'rating'])
    for user in range(num_users):
      for step in range(history_length):
        time = 1_000_000_000 + step * _DAY + user
        rating = int(rng.integers(1, 6))
        rows.writerow([f'u{user}', f'i{items[user, step]}', time, rating])
  centres = rng.normal(size=(len(_GENRES), dim))
  noise = rng.normal(size=(num_items, dim))
  np.save(
      directory / 'embeddings.npy',
      (2 * centres[genre] + noise).astype(np.float32),
  )
  return Files(
      items=str(directory / 'items.csv'),
      interactions=str(path),
      item_columns=ItemColumns(categories='genres'),
      interaction_columns=InteractionColumns(rating='rating'),
      data_name='tiny',
  )

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A tiny encoder's folder that tests may edit, and small catalogs."""

import json
import pathlib
import shutil

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq
import pytest

TESTDATA = pathlib.Path(__file__).parent / 'testdata'


class EncoderFolder:
  """A copy of tiny_bert/."""

  def __init__(self, path):
    self.path = path

  def edit(self, name, **values):
    """Changes fields of one of the JSON files; None removes a field."""
    old = json.loads((self.path / name).read_text(encoding='utf-8'))
    new = {**old, **values}
    new = {key: value for key, value in new.items() if value is not None}
    (self.path / name).write_text(json.dumps(new), encoding='utf-8')


@pytest.fixture
def tiny_bert(tmp_path):
  path = tmp_path / 'tiny_bert'
  shutil.copytree(TESTDATA / 'tiny_bert', path)
  return EncoderFolder(path)


@pytest.fixture(scope='session')
def tiny_bert_golden():
  """The texts and, for each variant, the reference library's vectors."""
  with np.load(TESTDATA / 'tiny_bert_golden.npz') as golden:
    return {**golden, 'texts': golden['texts'].tolist()}


@pytest.fixture(scope='session')
def minilm_golden():
  with np.load(TESTDATA / 'minilm_golden.npz') as golden:
    return golden['texts'].tolist(), golden['vectors']


@pytest.fixture
def write_items(tmp_path):
  """Writes items.parquet from columns; returns the catalog's folder."""

  def write(titles, row_group_size=None, **columns):
    folder = tmp_path / 'catalog'
    folder.mkdir(exist_ok=True)
    table = {'item_id': [f'i{n}' for n in range(len(titles))], 'title': titles}
    table = {**table, **columns}
    pq.write_table(
        pa.table({k: pa.array(v) for k, v in table.items()}),
        folder / 'items.parquet',
        row_group_size=row_group_size,
    )
    return folder

  return write

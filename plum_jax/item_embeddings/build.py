# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The stage `item_embeddings`: content of items to vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import dataclasses
import os
import pathlib
from typing import Any

import jax
import numpy as np
from pyarrow import parquet as pq

from plum_jax.artifacts import manifest
from plum_jax.artifacts import progress as progress_lines
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import encoder as encoders
from plum_jax.item_embeddings import given_embeddings
from plum_jax.item_embeddings import item_texts
from plum_jax.item_embeddings import items as item_files
from plum_jax.item_embeddings import modalities as kinds
from plum_jax.item_embeddings import partial_array
from plum_jax.item_embeddings import published
from plum_jax.item_embeddings import sentence_folder
from plum_jax.item_embeddings import shards
from plum_jax.sharding import axis_rules

_STAGE = 'item_embeddings'
_MIN_CHUNK = 4096


@dataclasses.dataclass(frozen=True)
class _Devices:
  """Where and how texts are encoded; changes no vector."""

  mesh: jax.sharding.Mesh | None
  rules: axis_rules.AxisRules | None
  batch_tokens: int


def build(
    directory: str | os.PathLike[str],
    *,
    catalog_directory: str | os.PathLike[str],
    modalities: Sequence[kinds.Modality] = (kinds.TextModality(),),
    mesh: jax.sharding.Mesh | None = None,
    rules: axis_rules.AxisRules | None = None,
    batch_tokens: int = 2048,
    cache_dir: str | os.PathLike[str] | None = None,
) -> manifest.Manifest:
  """Makes `<modality>.npy` and `<modality>.present.npy` for each modality.

  Items are read, embedded and written chunk by chunk; a killed run goes on
  with the chunk it was at.

  Args:
    directory: the artifact's folder.
    catalog_directory: the artifact of the stage `catalog`.
    modalities: what is embedded, and how.
    mesh: the devices, all that JAX has if None; see `encoder.TextEncoder`.
    rules: axis rules for the encoder's parameters, whole on each device if
      None.
    batch_tokens: tokens per device and step.
    cache_dir: where published encoders are kept; see `artifacts.download`.

  Returns:
    The artifact's manifest.

  Raises:
    InputError: a modality that is wrong in itself or does not fit the items; a
      message names the file, row or field.
  """
  kinds.check(modalities)
  item_files.open_items(catalog_directory)
  inputs: dict[str, str | os.PathLike[str]] = {
      'items': pathlib.Path(catalog_directory) / item_files.FILE_NAME
  }
  parameters = []
  for modality in modalities:
    inputs.update(_inputs(modality))
    parameters.append(_parameters(modality))
  devices = _Devices(mesh, rules, batch_tokens)

  def make(temporary: pathlib.Path, work: pathlib.Path) -> None:
    file = item_files.open_items(catalog_directory)
    # Wrong templates show before the first of hours of work.
    makers = {
        modality.name: item_texts.text_maker(
            modality, file.schema_arrow, inputs['items']
        )
        for modality in modalities
        if isinstance(modality, kinds.TextModality)
    }
    arrays = []
    for modality in modalities:
      if isinstance(modality, kinds.TextModality):
        folder = published.folder(modality.encoder, cache_dir)
        maker = makers[modality.name]
        array = _embed(modality, maker, file, folder, devices, work)
      else:
        array = _copy(modality, file, work)
      _check_any(array, modality)
      arrays.append(array)
    for array in arrays:
      array.publish(temporary)

  return stage.run(
      _STAGE,
      directory,
      make,
      inputs=inputs,
      parameters={'modalities': parameters},
  )


def _inputs(modality: kinds.Modality) -> dict[str, str | os.PathLike[str]]:
  """Returns the files that decide a modality's vectors, by their roles."""
  if isinstance(modality, kinds.FileModality):
    found: dict[str, str | os.PathLike[str]] = {}
    paths = shards.find(modality.path)
    single = paths == [pathlib.Path(modality.path)]
    for path in paths:
      shard = '' if single else f'/{path.name}'
      found[f'{modality.name}/vectors{shard}'] = path
      marks = given_embeddings.present_path(path)
      if path.suffix == '.npy' and marks.exists():
        found[f'{modality.name}/present{shard}'] = marks
    return found
  if modality.encoder in published.ENCODERS:
    return {}  # Its checksums are parameters; a finished run needs no cache.
  root = published.folder(modality.encoder)
  return {
      f'{modality.name}/encoder/{path.relative_to(root).as_posix()}': path
      for path in sentence_folder.read(root).files
  }


def _parameters(modality: kinds.Modality) -> dict[str, Any]:
  """Returns what is configured, as JSON values; of files the content counts."""
  values = dataclasses.asdict(modality)
  if isinstance(modality, kinds.FileModality):
    return {
        **values,
        'kind': 'file',
        'path': shards.find(modality.path)[0].suffix,
    }
  values['fields'] = list(modality.fields)
  known = published.ENCODERS.get(modality.encoder)
  values['encoder'] = dict(known.sha256) if known else 'folder'
  return {**values, 'kind': 'text'}


def _progress(
    modality: kinds.Modality, file: pq.ParquetFile, start: int
) -> progress_lines.Progress:
  return progress_lines.Progress(
      f'{_STAGE} {modality.name}',
      file.metadata.num_rows,
      'items',
      start=start,
  )


def _embed(
    modality: kinds.TextModality,
    maker: item_texts.TextMaker,
    file: pq.ParquetFile,
    folder: pathlib.Path,
    devices: _Devices,
    work: pathlib.Path,
) -> partial_array.PartialArray:
  """Embeds the texts of all items, from where an earlier run was killed."""
  encoder = encoders.TextEncoder(folder, **vars(devices))
  array = partial_array.PartialArray(
      work, modality.name, file.metadata.num_rows, encoder.dim
  )
  num_rows = max(_MIN_CHUNK, encoder.items_in_flight)
  chunks = item_files.read_chunks(file, maker.fields, num_rows, array.done)
  waiting: list[np.ndarray] = []  # `present` of chunks that are being encoded.

  def texts() -> Iterator[list[str]]:
    for chunk in chunks:
      column = maker.texts(chunk)
      waiting.append(column.is_valid().to_numpy(zero_copy_only=False))
      yield column.drop_null().to_pylist()

  progress = _progress(modality, file, array.done)
  last = file.metadata.num_rows - 1  # The end is reported when it is written.

  def report(num_done: int) -> None:
    progress.update(min(array.done + num_done, last))

  for encoded in encoder.encode_chunks(texts(), report):
    present = waiting.pop(0)
    vectors = np.zeros((len(present), encoder.dim), np.float32)
    vectors[present] = encoded
    array.append(vectors, present)
  progress.update(array.done)
  return array


def _copy(
    modality: kinds.FileModality, file: pq.ParquetFile, work: pathlib.Path
) -> partial_array.PartialArray:
  """Copies given vectors into item order; starts anew after a kill."""
  num_items = file.metadata.num_rows
  array = partial_array.PartialArray(
      work, modality.name, num_items, given_embeddings.dim(modality)
  )
  if array.done == num_items:
    return array
  progress = _progress(modality, file, 0)
  num_read = 0
  item_ids = file.read(columns=['item_id']).column(0)
  for rows in given_embeddings.read(modality, item_ids, array.vectors.shape[1]):
    array.write(rows.items, rows.vectors, rows.present)
    num_read += len(rows.items)
    progress.update(min(num_read, num_items - 1))
  array.finish(num_items)
  progress.update(num_items)
  return array


def _check_any(
    array: partial_array.PartialArray, modality: kinds.Modality
) -> None:
  """Refuses a modality that no item has."""
  if not array.present.any():
    raise InputError(
        f'No item has the modality {modality.name}.',
        where=f'modality {modality.name}',
        expected='content for at least one item',
        fix='Check the fields of the text, or the file of embeddings.',
    )

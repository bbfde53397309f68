# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Saves a SeqIO task's training rows as arrays."""

from __future__ import annotations

from collections.abc import Mapping
import os
import pathlib

import numpy as np

from plum_jax.artifacts import atomic
from plum_jax.artifacts import manifest as manifests
from plum_jax.data.input_pipeline import SeqioBatches


def save_arrays(
    task: str,
    split: str,
    sequence_length: Mapping[str, int],
    directory: str | os.PathLike[str],
    *,
    converter: str,
    pack: bool,
    seed: int,
    num_epochs: int = 1,
    inputs: Mapping[str, str | os.PathLike[str]] | None = None,
) -> manifests.Manifest:
  """Writes one `.npy` file per feature, for `arrays.ArrayBatches`.

  All rows are held in memory before they are written.

  Args:
    task: name of a registered task or mixture.
    split: such as `train`.
    sequence_length: tokens by task feature.
    directory: the folder to appear, in the place of an older one.
    converter: see `feature_converters.make`.
    pack: whether to pack several examples into a row.
    seed: of all that is random.
    num_epochs: how many passes to save: several of them hold other windows
      and other packings of the same histories.
    inputs: the artifacts that the task reads, by role, for the manifest.

  Returns:
    The manifest of the folder.

  Raises:
    InputError: see `SeqioBatches`; or an input is missing.
  """
  batches = SeqioBatches(
      task, split, sequence_length, 1_024, seed, converter, pack
  )
  chunks = [chunk for _ in range(num_epochs) for chunk in batches.epoch()]
  with atomic.write_directory(directory) as temporary:
    for name in chunks[0]:
      rows = np.concatenate([chunk[name] for chunk in chunks])
      np.save(pathlib.Path(temporary) / f'{name}.npy', rows)
    return manifests.Manifest(
        stage='arrays',
        inputs={
            role: manifests.content_hash(path)
            for role, path in (inputs or {}).items()
        },
        parameters={
            'task': task,
            'split': split,
            'sequence_length': dict(sequence_length),
            'converter': converter,
            'pack': pack,
            'num_epochs': num_epochs,
        },
        seed=seed,
    ).save(temporary)

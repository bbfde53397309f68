# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A trained generator as a folder for `transformers`."""

from __future__ import annotations

import pathlib

from plum_jax.artifacts import manifest
from plum_jax.artifacts import stage
from plum_jax.pretrained import hugging_face_writer
from plum_jax.stages import train
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.vocabulary import layout


def run(run_dir: str, dtype: str) -> None:
  """Writes `hugging_face/` from `training/` and `vocabulary/`.

  Args:
    run_dir: the run directory.
    dtype: of the weights; see `pretrained.hugging_face_writer.write`.

  Raises:
    InputError: an artifact is missing or was made with another one than that
      in the run directory; the generator is decoder-only.
  """
  folders = RunDirectory(run_dir)
  inputs = {
      'training': folders.training,
      'vocabulary': folders.vocabulary,
      'semantic_ids': folders.semantic_ids,
  }
  for role in ('vocabulary', 'semantic_ids'):
    manifest.check_input(folders.training, role, inputs[role])

  def make(directory: pathlib.Path, work: pathlib.Path) -> None:
    del work
    model, params, _ = train.load(run_dir)
    hugging_face_writer.write(
        directory,
        params,
        model.config,
        (folders.vocabulary / layout.MODEL_FILE).read_bytes(),
        dtype=dtype,
    )

  stage.run(
      'hugging_face',
      folders.hugging_face,
      make,
      inputs=inputs,
      parameters={'dtype': dtype},
  )

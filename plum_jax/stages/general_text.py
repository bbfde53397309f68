# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Text for a language model to learn, or not to forget."""

from __future__ import annotations

from collections.abc import Sequence

from plum_jax.data import general_text
from plum_jax.stages.run_directory import RunDirectory


def run(run_dir: str, files: Sequence[str], max_megabytes: float) -> None:
  """Writes `general_text/`.

  Args:
    run_dir: the run directory.
    files: text files, a paragraph a line; if there are none, the documentation
      of the installed Python packages.
    max_megabytes: the most text to take.

  Raises:
    InputError: see `data.general_text.build`.
  """
  general_text.build(
      RunDirectory(run_dir).general_text,
      files=files,
      max_megabytes=max_megabytes,
  )

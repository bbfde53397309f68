# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What the stage asks of a source."""

from __future__ import annotations

from collections.abc import Mapping
import pathlib
from typing import Any, Protocol

from plum_jax.catalog.tables import Tables


class Source(Protocol):
  """A publisher's format, as a frozen dataclass of plain values."""

  @property
  def name(self) -> str:
    """Names the data in logs and messages, such as `movielens-100k`."""
    ...

  def inputs(self) -> Mapping[str, pathlib.Path]:
    """Finds the local files that `read` will read, by role.

    A changed file makes the stage run again. Empty where the data is
    downloaded: `parameters` then holds what it is checked against.

    Raises:
      InputError: a file is missing.
    """
    ...

  def parameters(self) -> Mapping[str, Any]:
    """Everything else that the tables depend on, as JSON values."""
    ...

  def read(self) -> Tables:
    """Reads the tables, after downloading what is not on this machine.

    Raises:
      InputError: the data cannot be reached or read.
    """
    ...

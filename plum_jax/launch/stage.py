# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a launcher must know of a stage."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Stage:
  """A stage as it is launched.

  Attributes:
    name: names the base file `gin/runs/<name>.gin`, which binds all parameters
      of `function`, and the launcher `plum_jax.launch.<name>`.
    function: what runs, as `package.module.function`. A string, so that
      misspelt names are found, and `--help` is printed, before TensorFlow or
      JAX are imported.
    description: one sentence for `--help`.
    reads: what it reads, below the run directory.
    writes: what it leaves there.
    several_processes: whether several processes can run it together.
  """

  name: str
  function: str
  description: str
  reads: tuple[str, ...]
  writes: tuple[str, ...]
  several_processes: bool = False

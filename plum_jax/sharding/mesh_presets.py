# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Mesh shapes and axis rules that go together, for slices of any size.

`gin/hardware/<name>.gin` holds the same values for experiments. They name no
chip: which of them suits one follows from its memory and links, and
`plum_jax.launch.compile_for_tpu` says it for TPUs.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

CompilerOptions = Mapping[str, bool | int | float | str]

# Products wait for their parameters to be gathered whole. Otherwise XLA cuts
# each into a loop that overlaps with the collective (windowed einsum, arXiv
# 2105.04663, section 3.5), and passes over the activations once a piece:
# docs/tpu.md has what that costs. The number is the size in MiB from which it
# does so.
_WHOLE_PRODUCTS = {'xla_jf_spmd_threshold_for_windowed_einsum_mib': 1000000}


@dataclasses.dataclass(frozen=True)
class MeshPreset:
  """A mesh and its axis rules; see `sharding.mesh` and `sharding.axis_rules`.

  Attributes:
    data: copies of the parameters; -1 for what the others leave.
    fsdp: pieces that parameters are cut into, gathered where they are used.
    tensor: devices that share the work on one example.
    axis_rules: name of the preset of axis rules.
    tpu_compiler_options: for the training step; see `training.step`.
  """

  data: int
  fsdp: int
  tensor: int
  axis_rules: str = 'fsdp_tensor'
  tpu_compiler_options: CompilerOptions = dataclasses.field(
      default_factory=dict
  )


PRESETS: Mapping[str, MeshPreset] = {
    'data': MeshPreset(data=-1, fsdp=1, tensor=1),
    'fsdp': MeshPreset(
        data=1, fsdp=-1, tensor=1, tpu_compiler_options=_WHOLE_PRODUCTS
    ),
    'tensor': MeshPreset(data=1, fsdp=1, tensor=-1),
    'fsdp_tensor': MeshPreset(data=1, fsdp=-1, tensor=4),
}

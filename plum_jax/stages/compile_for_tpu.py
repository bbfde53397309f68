# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A generator's programs, compiled for a TPU slice that need not be here."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import json
import time
from typing import Any

import jax

from plum_jax.artifacts import atomic
from plum_jax.artifacts.errors import InputError
from plum_jax.hardware import collectives
from plum_jax.hardware import program_costs
from plum_jax.hardware import roofline
from plum_jax.hardware import topologies
from plum_jax.models.lora import Lora
from plum_jax.models.saved import GenerativeModel
from plum_jax.sharding import axis_rules
from plum_jax.sharding.mesh import make_mesh
from plum_jax.sharding.mesh_presets import MeshPreset
from plum_jax.sharding.mesh_presets import PRESETS
from plum_jax.stages.generator_programs import chosen
from plum_jax.stages.generator_programs import GeneratorPrograms
from plum_jax.stages.generator_programs import Serving
from plum_jax.training.config import TrainConfig

_DAY = 86_400  # Seconds.


def run(
    topology: str,
    program: str,
    report: str,
    model: GenerativeModel,
    converter: str,
    task_feature_lengths: Mapping[str, int],
    batch_size: int,
    config: TrainConfig,
    mesh: MeshPreset,
    serving: Serving,
    training_tokens: float = 0.0,
    lora: Lora | None = None,
) -> None:
  """Prints what an experiment's programs cost on each chip of a slice.

  Where a program does not fit, the presets of `sharding.mesh_presets` are
  compiled too, to say which of them does.

  Args:
    topology: the slice, such as `v5e:4x4`.
    program: `train`, `prefill`, `decode` or `all`.
    report: a JSON file to write the figures to; empty for none.
    model: network and loss.
    converter: see `data.feature_converters.make`.
    task_feature_lengths: tokens by task feature.
    batch_size: rows of a training batch, over all chips.
    config: how it is trained.
    mesh: mesh and axis rules.
    serving: what is searched, for how many users.
    training_tokens: positions of all training rows, for which days are
      reckoned; 0 for none.
    lora: adapters that are trained in the place of all parameters.

  Raises:
    InputError: there is no TPU compiler, no such slice or program, or model,
      mesh and rules do not fit each other.
  """
  slice_ = topologies.parse(topology)
  programs = GeneratorPrograms(
      model, converter, task_feature_lengths, batch_size, config, serving, lora
  )
  names = chosen(program)
  devices = topologies.devices(slice_)
  print(
      f'{topology}: {slice_.num_chips} chips, {len(devices)} devices; '
      f'{programs.num_params():,} parameters'
  )
  found = []
  for name in names:
    entry = _compile(programs, name, slice_, devices, mesh)
    found.append(entry)
    print(_text(entry, slice_))
    if name == 'train' and training_tokens and 'roofline_seconds' in entry:
      step_tokens = programs.tokens_per_step()
      entry['training'] = _training(entry, training_tokens, step_tokens)
      print(_training_text(entry['training'], slice_))
    if not entry['fits']:
      others = _try_presets(programs, name, slice_, devices, mesh)
      entry['presets'] = others
      for preset, fits in others.items():
        print(f'    preset {preset}: {fits}')
  if report:
    values = {
        'topology': topology,
        'num_chips': slice_.num_chips,
        'num_devices': len(devices),
        'chip': dataclasses.asdict(slice_.chip),
        'num_params': programs.num_params(),
        'programs': found,
    }
    with atomic.write_file(report) as path:
      path.write_text(json.dumps(values, indent=2) + '\n', encoding='utf-8')


def _compile(
    programs: GeneratorPrograms,
    name: str,
    slice_: topologies.Topology,
    devices: list[Any],
    preset: MeshPreset,
) -> dict[str, Any]:
  """Compiles a program and returns its figures as JSON values."""
  mesh = make_mesh(preset.data, preset.fsdp, preset.tensor, devices)
  begun = time.monotonic()
  lowered = programs.lower(
      name,
      mesh,
      axis_rules.preset(preset.axis_rules),
      preset.tpu_compiler_options,
  )
  try:
    costs = program_costs.compile_program(lowered)
  except jax.errors.JaxRuntimeError as error:
    if 'compile option' not in str(error) and 'into flag' not in str(error):
      raise
    raise InputError(
        str(error).partition(': ')[2],
        where=f'TPU_COMPILER_OPTIONS = {dict(preset.tpu_compiler_options)}',
        expected='options that the TPU compiler knows, with values of theirs',
        fix='Correct the option or remove it.',
    ) from error
  devices_per_chip = len(devices) // slice_.num_chips
  hbm_bytes = slice_.chip.hbm_bytes // devices_per_chip
  entry: dict[str, Any] = {
      'program': name,
      'mesh': dict(mesh.shape),
      'axis_rules': preset.axis_rules,
      'tpu_compiler_options': dict(preset.tpu_compiler_options)
      if name == 'train'
      else {},
      'compile_seconds': round(time.monotonic() - begun, 1),
      'hbm_bytes_of_device': hbm_bytes,
  }
  if isinstance(costs, program_costs.DoesNotFit):
    return entry | {'fits': False, **dataclasses.asdict(costs)}
  bounds = roofline.roofline(
      costs,
      slice_,
      devices_per_chip=devices_per_chip,
      model_flops=programs.model_flops(name),
  )
  return entry | {
      'fits': costs.total_bytes <= hbm_bytes,
      'needed_bytes': costs.total_bytes,
      **{
          field.name: getattr(costs, field.name)
          for field in dataclasses.fields(costs)
          if field.name != 'collectives'
      },
      'collectives': {
          kind: {
              'times': times,
              'received_bytes': received,
              'largest_result_bytes': largest,
          }
          for kind, times, received, largest in collectives.totals(
              list(costs.collectives)
          )
      },
      'largest_arrays': _largest(costs),
      'roofline_seconds': {
          'compute': bounds.compute,
          'hbm': bounds.hbm,
          'ici': bounds.ici,
      },
      'bound': bounds.bound,
      'model_flops': bounds.model_flops,
      'utilisation': bounds.utilisation,
  }


def _training(
    entry: Mapping[str, Any], tokens: float, step_tokens: int
) -> dict[str, float]:
  """Returns what a whole training takes where each step takes its least time.

  Args:
    entry: of the training step.
    tokens: of the whole training.
    step_tokens: of a step.
  """
  seconds = max(entry['roofline_seconds'].values())
  steps = tokens / step_tokens
  return {
      'tokens': tokens,
      'tokens_per_step': step_tokens,
      'steps': steps,
      'model_flops': steps * entry['model_flops'],
      'days': steps * seconds / _DAY,
      'tokens_in_seven_days': 7 * _DAY / seconds * step_tokens,
  }


def _training_text(found: Mapping[str, float], slice_: Any) -> str:
  return (
      f'  training    {found["tokens"]:.4g} tokens are {found["steps"]:,.0f} '
      f'steps and {found["model_flops"]:.3g} FLOPs of the model: at least '
      f'{found["days"]:.3g} days on {slice_.num_chips} chips; seven days are '
      f'at most {found["tokens_in_seven_days"]:.3g} tokens'
  )


def _largest(costs: program_costs.ProgramCosts) -> dict[str, str]:
  """Returns the largest array of each kind of collective that gives any."""
  largest: dict[str, tuple[int, str]] = {}
  for one in costs.collectives:
    if one.shapes:
      size = (one.result_bytes, one.shapes[0])
      largest[one.kind] = max(largest.get(one.kind, (0, '')), size)
  return {kind: shape for kind, (_, shape) in largest.items()}


def _try_presets(
    programs: GeneratorPrograms,
    name: str,
    slice_: topologies.Topology,
    devices: list[Any],
    tried: MeshPreset,
) -> dict[str, str]:
  """Says of each preset whether a program fits with it."""
  found = {}
  for preset_name, preset in PRESETS.items():
    if preset == tried:
      continue
    try:
      entry = _compile(programs, name, slice_, devices, preset)
    except InputError as error:
      found[preset_name] = f'cannot be: {error.what}'
      continue
    needed = _gigabytes(entry['needed_bytes'])
    found[preset_name] = f'{_verdict(entry)}, needs {needed}'
  return found


def _verdict(entry: Mapping[str, Any]) -> str:
  return 'fits' if entry['fits'] else 'DOES NOT FIT'


def _gigabytes(num_bytes: int | None) -> str:
  return 'unknown' if num_bytes is None else f'{num_bytes / 1e9:.4g} GB'


def _text(entry: Mapping[str, Any], slice_: topologies.Topology) -> str:
  """Writes a program's figures for people."""
  mesh = ', '.join(f'{axis} {size}' for axis, size in entry['mesh'].items())
  available = _gigabytes(entry['hbm_bytes_of_device'])
  lines = [
      '',
      f'{entry["program"]}: {_verdict(entry)} ({mesh}; rules '
      f'{entry["axis_rules"]}; compiled in {entry["compile_seconds"]} s)',
      f'  HBM         {_gigabytes(entry["needed_bytes"])} of {available} a '
      'device',
  ]
  if 'argument_bytes' not in entry:
    return '\n'.join(lines)
  lines += [
      f'    arguments {_gigabytes(entry["argument_bytes"])}, results '
      f'{_gigabytes(entry["output_bytes"])} of which in their place '
      f'{_gigabytes(entry["aliased_bytes"])}, temporaries '
      f'{_gigabytes(entry["temporary_bytes"])}, code '
      f'{_gigabytes(entry["code_bytes"])}',
      f'  work        {entry["matrix_flops"] / 1e12:.4g} TFLOP in matrix '
      f'products, {_gigabytes(entry["hbm_bytes"])} of HBM traffic',
  ]
  for kind, totals in entry['collectives'].items():
    largest = entry['largest_arrays'].get(kind, 'none')
    lines.append(
        f'  {kind:18} {totals["times"]:5} times, receives '
        f'{_gigabytes(totals["received_bytes"])}, largest array {largest}'
    )
  times = entry['roofline_seconds']
  lines.append(
      '  least time  '
      + ', '.join(f'{name} {1e3 * s:.3g} ms' for name, s in times.items())
      + f': bound by {entry["bound"]}'
  )
  lines.append(
      f'  model       {entry["model_flops"] / 1e12:.4g} TFLOP on '
      f'{slice_.num_chips} chips: at most {entry["utilisation"]:.1%} of peak'
  )
  if entry['loops_without_count']:
    lines.append(
        '  counted once, since it is not known how often they run: '
        + ', '.join(entry['loops_without_count'])
    )
  return '\n'.join(lines)

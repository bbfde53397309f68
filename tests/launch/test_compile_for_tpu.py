# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Small generators are compiled for TPU slices, without data or vocabulary.

In processes of their own, which ask for no TPU and leave this one's environment
alone. Where the TPU compiler is missing the tests fail: `make tpu-compiler`.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[2]
_EXPERIMENTS = _ROOT / 'gin' / 'experiments'
_SMALL = (
    '--vocab_size=640',
    '--gin.MESH_DATA=1',
    '--gin.MESH_FSDP=2',
    '--gin.MESH_TENSOR=2',
    '--gin.TPU_USERS=8',
    '--gin.TPU_NUM_ITEMS=1000',
    '--gin.TPU_LEVEL_SIZES=(64, 64)',
    '--gin.BATCH_SIZE=8',
)


def _compile(tmp_path, experiment, *flags):
  """Runs the launcher in an empty folder; returns how it ended."""
  report = tmp_path / 'costs.json'
  environment = os.environ | {
      # The compiler spends little time on speed: tests ask for none.
      'JAX_EXEC_TIME_OPTIMIZATION_EFFORT': '-1.0',
  }
  # What the other tests compile with is for CPUs; the costs are a user's.
  environment.pop('XLA_FLAGS', None)
  environment.pop('JAX_DISABLE_MOST_OPTIMIZATIONS', None)
  done = subprocess.run(
      [
          sys.executable,
          '-m',
          'plum_jax.launch.compile_for_tpu',
          f'--gin_file={_EXPERIMENTS / experiment}',
          f'--gin_search_paths={_ROOT}',
          f'--json={report}',
          *flags,
      ],
      cwd=tmp_path,
      env=environment,
      capture_output=True,
      text=True,
      check=False,
  )
  found = json.loads(report.read_text()) if report.exists() else None
  return done, found


@pytest.mark.parametrize(
    ('experiment', 'topology', 'layers'),
    [
        (
            'ml100k_tiger.gin',
            'v5e:2x2',
            ('T5Config.num_encoder_layers=1', 'T5Config.num_decoder_layers=1'),
        ),
        (
            'ml100k_quickstart.gin',
            'v6e:2x2',
            ('TransformerConfig.num_layers=1',),
        ),
    ],
)
def test_all_programs_compile_and_fit_without_run_directory(
    tmp_path, experiment, topology, layers
):
  flags = [f'--gin.{layer}' for layer in layers]
  done, found = _compile(
      tmp_path,
      experiment,
      f'--gin_file={_ROOT / "gin" / "hardware" / "fsdp.gin"}',
      f'--topology={topology}',
      *_SMALL,
      *flags,
  )
  assert done.returncode == 0, done.stderr
  assert found is not None
  assert found['num_devices'] == 4
  assert sorted(path.name for path in tmp_path.iterdir()) == ['costs.json']
  programs = {one['program']: one for one in found['programs']}
  assert list(programs) == ['train', 'prefill', 'decode']
  for name, one in programs.items():
    assert one['fits']
    assert one['tpu_compiler_options'] == (
        {'xla_jf_spmd_threshold_for_windowed_einsum_mib': 1000000}
        if name == 'train'
        else {}
    )
    assert not one['loops_without_count']
    assert one['matrix_flops'] > 0
    assert 0 < one['utilisation'] < 1
    # Parameters are gathered one at a time; the table is the largest.
    gathered = one['collectives']['all-gather']['largest_result_bytes']
    assert gathered <= 640 * 64 * 4, name
  train = programs['train']
  # Without rematerialisation chips compute what the model asks for, but for
  # the biases of relative positions.
  work = train['matrix_flops'] * found['num_chips']
  assert 1 <= work / train['model_flops'] < 1.1
  # The state is donated: results take its place.
  assert train['aliased_bytes'] > 0.9 * train['output_bytes']
  assert 'all-reduce' in train['collectives']  # Along the tensor axis.


def test_v4_chip_is_one_device_with_all_its_memory(tmp_path):
  done, found = _compile(
      tmp_path,
      'ml100k_quickstart.gin',
      '--topology=v4:2x2x1',
      '--program=prefill',
      *_SMALL,
      '--gin.TransformerConfig.num_layers=1',
  )
  assert done.returncode == 0, done.stderr
  assert found is not None
  assert (found['num_chips'], found['num_devices']) == (4, 4)
  assert '32 GB a device' in done.stdout


def test_experts_compile_cut_over_chips_and_days_are_reckoned(tmp_path):
  done, found = _compile(
      tmp_path,
      'ml100k_quickstart.gin',
      f'--gin_file={_ROOT / "gin" / "models" / "decoder_only_moe_tiny.gin"}',
      '--topology=v5e:2x2',
      '--program=train',
      '--training_tokens=1.2e9',
      *_SMALL,
      '--gin.TransformerConfig.num_layers=1',
  )
  assert done.returncode == 0, done.stderr
  assert found is not None
  [train] = found['programs']
  assert train['fits']
  assert not train['loops_without_count']
  # Experts compute empty places, too: a quarter more than tokens ask for.
  work = train['matrix_flops'] * found['num_chips'] / train['model_flops']
  assert 1 < work < 1.25
  training = train['training']
  assert training['tokens_per_step'] == 8 * 150
  assert training['steps'] == pytest.approx(1e6)
  least = max(train['roofline_seconds'].values())
  assert training['days'] == pytest.approx(1e6 * least / 86_400)
  assert training['tokens_in_seven_days'] == pytest.approx(
      7 / training['days'] * 1.2e9
  )
  assert 'days on 4 chips' in done.stdout


@pytest.mark.parametrize(
    ('options', 'what'),
    [
        ("{'xla_no_such_option': 1}", "option: 'xla_no_such_option'"),
        (
            "{'xla_jf_spmd_threshold_for_windowed_einsum_mib': 'much'}",
            "parse 'much'",
        ),
    ],
)
def test_options_of_the_training_step_reach_the_compiler(
    tmp_path, options, what
):
  done, found = _compile(
      tmp_path,
      'ml100k_tiger.gin',
      '--topology=v5e:2x2',
      '--program=train',
      *_SMALL,
      '--gin.T5Config.num_encoder_layers=1',
      '--gin.T5Config.num_decoder_layers=1',
      f'--gin.TPU_COMPILER_OPTIONS={options}',
  )
  assert done.returncode == 2, done.stderr
  assert what in done.stderr
  assert 'TPU_COMPILER_OPTIONS' in done.stderr
  assert 'Traceback' not in done.stderr
  assert found is None


@pytest.mark.parametrize(
    ('flags', 'what'),
    [
        (('--topology=v5e:3x3', '--vocab_size=640'), 'refuses the topology'),
        (('--vocab_size=640',), "'' is no topology"),
        (('--topology=v5e:2x2', '--program=serve'), 'no program'),
        (('--topology=v5e:2x2',), 'vocabulary'),
        (('--topology',), 'has no value'),
    ],
)
def test_mistake_in_flags_is_refused(tmp_path, flags, what):
  if '--program=serve' in flags:
    flags = (*flags, '--vocab_size=640')
  done, found = _compile(tmp_path, 'ml100k_tiger.gin', *flags)
  assert done.returncode == 2, done.stderr
  assert what in done.stderr
  assert 'Traceback' not in done.stderr
  assert found is None

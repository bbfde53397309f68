# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The gin files of the stage semantic_ids, as its function gets them."""

import pathlib

import gin
import pytest

from plum_jax.launch.config import loading
from plum_jax.semantic_ids import build
from plum_jax.semantic_ids.co_occurrence import CoOccurrence
from plum_jax.semantic_ids.rqvae import RqvaeConfig

_ROOT = pathlib.Path(__file__).parents[2]
_OTHER_STAGES = ("MIXTURE_OR_TASK_NAME='none'", 'TASK_FEATURE_LENGTHS={}')


@pytest.fixture
def configure(monkeypatch, tmp_path):
  """Gives what the stage hands to the package, by gin file and bindings."""

  def options(*files, bindings=()):
    got = {}
    monkeypatch.setattr(
        build, 'build', lambda folder, **options: got.update(options)
    )
    arguments = loading.Arguments(
        files,
        [*_OTHER_STAGES, f"RUN_DIR='{tmp_path}'", *bindings],
        [str(_ROOT)],
    )
    stage = 'plum_jax.stages.semantic_ids.run'
    loading.load('semantic_ids', stage, arguments).activate()()
    return got

  yield options
  gin.clear_config()


def test_base_file_is_the_tokenizer_of_tiger_on_the_mesh(configure):
  options = configure()
  assert options['config'].tokenizer == RqvaeConfig()
  assert not options['config'].tokenizer.contrastive
  assert options['config'].co_occurrence == CoOccurrence()
  assert options['config'].modalities is None
  assert options['mesh'].shape == {'data': 8, 'fsdp': 1, 'tensor': 1}


def test_v2_file_is_the_tokenizer_of_plum(configure):
  options = configure(
      'gin/models/semantic_ids_v2.gin',
      bindings=[
          "SID_MODALITIES=('text', 'metadata')",
          "SPLIT='by_time'",
          "SPLIT_OPTIONS={'test_days': 2}",
          'SID_CO_OCCURRENCE_WINDOW=7',
      ],
  )
  config = options['config']
  assert config.tokenizer.codebook_sizes == (2048, 1024, 512, 256, 128)
  assert config.tokenizer.progressive_masking
  assert config.tokenizer.contrastive
  assert config.co_occurrence == CoOccurrence(window=7)
  assert config.modalities == ('text', 'metadata')
  assert options['split'] == 'by_time'
  assert options['split_options'] == {'test_days': 2}


def test_ranking_file_is_the_tokenizer_of_the_ranking_paper(configure):
  config = configure('gin/models/semantic_ids_ranking.gin')['config']
  assert config.tokenizer.codebook_sizes == (2048,) * 8
  assert config.tokenizer.hidden_sizes == (256,)
  assert config.training.dead_code_steps == 1
  assert not config.tokenizer.progressive_masking
  assert not config.tokenizer.contrastive


def test_one_switch_changes_the_sizes_of_a_smaller_catalog(configure):
  config = configure(
      'gin/models/semantic_ids_v2.gin',
      bindings=[
          'codebooks.multi_resolution.first_size=256',
          'codebooks.multi_resolution.num_levels=3',
      ],
  )['config']
  assert config.tokenizer.codebook_sizes == (256, 128, 64)

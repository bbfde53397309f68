# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Stages are found by the names of their launchers."""

import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.launch import pipeline


def test_launchers_are_named_like_their_modules():
  for name, stage in pipeline.launchers().items():
    assert stage.name == name
    assert stage.description
    assert stage.writes


def test_named_stages_with_misspelt_stage_names_those_that_exist():
  with pytest.raises(InputError, match="no stage 'not_a_stage'"):
    pipeline.named_stages("not_a_stage")

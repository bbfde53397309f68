# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Encoders by name or path; the real weights against the reference."""

import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.item_embeddings import encoder as encoders
from plum_jax.item_embeddings import published


def test_folder_gives_a_local_path_back(tmp_path):
  assert published.folder(str(tmp_path)) == tmp_path


def test_folder_names_the_published_encoders_when_there_is_none(tmp_path):
  with pytest.raises(InputError, match='no text encoder') as caught:
    published.folder(str(tmp_path / 'absent'))
  assert 'all-MiniLM-L6-v2' in str(caught.value)


@pytest.mark.network
def test_minilm_equals_the_reference_library(minilm_golden):
  texts, golden = minilm_golden
  encoder = encoders.TextEncoder(published.folder('all-MiniLM-L6-v2'))
  vectors = encoder.encode(texts)
  cosines = np.sum(vectors * golden, axis=1)
  np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
  assert cosines.min() >= 0.99999
  np.testing.assert_allclose(vectors, golden, rtol=0, atol=2e-6)

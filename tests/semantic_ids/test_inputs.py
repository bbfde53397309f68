# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.semantic_ids import inputs


def test_check_and_measure_equals_numpy_over_the_items_present(monkeypatch):
  monkeypatch.setattr(inputs, '_CHUNK_VALUES', 21)
  generator = np.random.default_rng(0)
  # Far from the origin: a naive sum of squares would lose the variance.
  text = (generator.normal(size=(40, 3)) + 1e4).astype(np.float32)
  image = generator.normal(size=(40, 2)).astype(np.float32)
  has_image = np.arange(40) % 3 == 1
  image[~has_image] = np.nan
  measured = inputs.check_and_measure(
      inputs.TokenizerInputs(
          {'text': text, 'image': image},
          {'text': np.ones(40, bool), 'image': has_image},
      )
  )
  for name, array in (('text', text), ('image', image[has_image])):
    exact = array.astype(np.float64)
    mean = exact.mean(axis=0)
    variance = np.square(exact - mean).sum(axis=1).mean()
    np.testing.assert_allclose(measured[name].mean, mean, rtol=1e-6)
    np.testing.assert_allclose(measured[name].scale, variance**-0.5, rtol=1e-5)


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_check_and_measure_names_the_row_that_is_not_finite(value):
  array = np.arange(12.0).reshape(6, 2)
  array[4, 1] = value
  with pytest.raises(InputError, match='not finite') as caught:
    inputs.check_and_measure(inputs.from_array(array))
  assert 'text, row 4' in str(caught.value)


def test_check_and_measure_refuses_embeddings_that_are_all_the_same():
  array = np.full((5, 3), 0.1, np.float32)
  array[2] += 1e-8
  with pytest.raises(InputError, match='same embedding'):
    inputs.check_and_measure(inputs.from_array(array))


def test_check_and_measure_refuses_an_item_without_any_modality():
  arrays = {'a': np.eye(3), 'b': np.eye(3)}
  present = {
      'a': np.array([True, False, True]),
      'b': np.array([True, False, False]),
  }
  with pytest.raises(InputError, match='1 items have no embedding') as caught:
    inputs.check_and_measure(inputs.TokenizerInputs(arrays, present))
  assert 'row 1' in str(caught.value)


def test_inputs_refuse_modalities_of_different_numbers_of_items():
  with pytest.raises(InputError, match='different numbers of items'):
    inputs.TokenizerInputs(
        {'a': np.eye(3), 'b': np.eye(4)},
        {'a': np.ones(3, bool), 'b': np.ones(4, bool)},
    )

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import expression

_NAN = float('nan')
_COLUMNS = {
    'rating': np.array([1, 5, 4, _NAN], np.float32),
    'watch_ratio': np.array([0.5, 0.0, _NAN, 1.0], np.float32),
    'time': np.array([10, 20, 30, 40]),
}


def _evaluate(text, columns=None):
  columns = _COLUMNS if columns is None else columns
  return expression.evaluate(text, columns, 'REWARD')


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('1', [1, 1, 1, 1]),
        ('rating >= 4', [0, 1, 1, _NAN]),
        ('0.2 + 0.8 * (rating - 1) / 4', [0.2, 1, 0.8, _NAN]),
        ('1 < rating <= 4', [0, 0, 1, _NAN]),
        ('rating == 5 or watch_ratio > 0.2', [1, 1, _NAN, _NAN]),
        ('rating > 1 and time < 30', [0, 1, 0, _NAN]),
        ('fill(rating, 2) != 2', [1, 1, 1, 0]),
        ('min(rating, 4, 3)', [1, 3, 3, _NAN]),
        ('max(-rating, -2)', [-1, -2, -2, _NAN]),
        ('clip(rating, 2, 4)', [2, 4, 4, _NAN]),
        ('exp(log(rating)) ** 2', [1, 25, 16, _NAN]),
        ('+time / 10 - 1', [0, 1, 2, 3]),
        ('log(watch_ratio)', [np.log(0.5), -np.inf, _NAN, 0]),
        ('10 ** 10 ** 10', [np.inf] * 4),
        (' rating\n', [1, 5, 4, _NAN]),
    ],
)
def test_expression_has_the_values_worked_out_by_hand(text, expected):
  found = _evaluate(text)
  assert found.dtype == np.float64
  np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ('text', 'part'),
    [
        ('ratng >= 4', "no column 'ratng'"),
        ('rating.sum()', "'rating.sum()' is not allowed"),
        ('1 + __import__("os").getcwd()', 'is not allowed'),
        ('rating if time else 1', "'rating if time else 1' is not allowed"),
        ('2 * rating[0]', "'rating[0]' is not allowed"),
        ('rating in (4, 5)', "'rating in (4, 5)' is not allowed"),
        ('not rating', "'not rating' is not allowed"),
        ('rating // 2', "'rating // 2' is not allowed"),
        ('"high"', "'high'\" is not allowed"),
        ('True', "'True' is not allowed"),
        ('lambda: 1', "'lambda: 1' is not allowed"),
        ('max(*rating)', "'max(*rating)' is not allowed"),
        ('log(rating, 2)', 'log takes 1'),
        ('max(rating)', 'max takes 2 or more'),
        ('clip(rating, low=1, high=2)', 'is not allowed'),
        ('rating >=', 'cannot be read'),
        ('', 'cannot be read'),
        ('(' * 500 + '1' + ')' * 500, 'cannot be read'),
    ],
)
def test_whatever_else_is_refused_and_named(text, part):
  with pytest.raises(InputError) as caught:
    _evaluate(text)
  assert part in caught.value.what
  assert caught.value.where.startswith('REWARD=')
  assert 'rating, watch_ratio, time' in caught.value.expected


_NUMBERS = st.floats(-4, 4).map(lambda x: round(x, 2))
_TEXTS = st.recursive(
    st.one_of(_NUMBERS.map(lambda x: f'({x})'), st.sampled_from(['a', 'b'])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from('+-*'), inner).map(
            lambda parts: f'({" ".join(parts)})'
        ),
        st.tuples(st.sampled_from(['min', 'max']), inner, inner).map(
            lambda parts: f'{parts[0]}({parts[1]}, {parts[2]})'
        ),
        st.tuples(inner, st.sampled_from(['<', '>=', '==']), inner).map(
            lambda parts: f'(1.0 * ({" ".join(parts)}))'
        ),
    ),
    max_leaves=12,
)


@given(_TEXTS, st.lists(st.tuples(_NUMBERS, _NUMBERS), min_size=1, max_size=4))
def test_expression_equals_pythons_own_evaluation_row_by_row(text, rows):
  a, b = (np.array(column) for column in zip(*rows, strict=True))
  found = _evaluate(text, {'a': a, 'b': b})
  expected = [
      eval(text, {'min': min, 'max': max}, {'a': x, 'b': y}) for x, y in rows
  ]
  np.testing.assert_allclose(found, expected)

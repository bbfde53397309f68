# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""gin's values against annotations."""

from collections.abc import Callable, Mapping, Sequence
import os
from typing import Annotated, Any, Literal, Protocol, TypeVar

import pytest

from plum_jax.launch.config import value_types


class _Base:
  pass


class _Derived(_Base):
  pass


class _Contract(Protocol):

  def run(self) -> None:
    ...


@pytest.mark.parametrize(
    ('value', 'annotation', 'fits'),
    [
        (1, int, True),
        ('1', int, False),
        (1.0, int, False),
        (True, int, False),
        (1, bool, False),
        (True, bool, True),
        (True, float, False),
        (1, float, True),
        ('a', str, True),
        (b'a', str, False),
        ('a', str | os.PathLike, True),
        (3, str | os.PathLike, False),
        (None, int, False),
        (None, None, True),
        (None, int | None, True),
        ('a', Literal['a', 'b'], True),
        ('c', Literal['a', 'b'], False),
        (True, Literal[1], False),
        ([1, 2], list[int], True),
        ([1, 'a'], list[int], False),
        ((1, 2), list[int], False),
        ([1, 2], tuple[int, ...], False),
        ((1, 2), tuple[int, ...], True),
        ((1, 'a'), tuple[int, str], True),
        ((1,), tuple[int, str], False),
        ((), tuple[int, ...], True),
        ([1], Sequence[int], True),
        ('ab', Sequence[str], False),
        ({'a': 1}, Mapping[str, int], True),
        ({'a': 'b'}, Mapping[str, int], False),
        ({1: 1}, dict[str, int], False),
        ({}, dict, True),
        ([1], Mapping[str, int], False),
        (1, Annotated[int, 'steps'], True),
        (1, Any, True),
        (1, TypeVar('T'), True),
        (1, _Base, False),
        (1, _Contract, True),
        (int, Callable[..., int], True),
        (value_types.Produced(_Derived), _Base, True),
        (value_types.Produced(_Base), _Derived, False),
        (value_types.Produced(_Base), _Derived | _Base, True),
        (value_types.Produced(_Base), _Contract, True),
        (value_types.Produced(Any), int, True),
        (value_types.Produced(int), str, False),
        (value_types.Produced(list[int]), list[int], True),
    ],
)
def test_fits(value, annotation, fits):
  assert value_types.fits(value, annotation) is fits


@pytest.mark.parametrize(
    ('default', 'value', 'fits'),
    [
        (10, '10', False),
        (10, 11, True),
        (0.1, 1, True),
        (1, 0.1, False),
        ('a', 'b', True),
        ((1, 2), [3], True),
        ((1, 2), ['3'], False),
        ([], ['3'], True),
        ({'inputs': 64}, {'targets': 8}, True),
        ({'inputs': 64}, {'targets': '8'}, False),
        (None, 'anything', True),
        ((1, 'a'), (2.0,), True),
    ],
)
def test_of_default(default, value, fits):
  kind = value_types.of_default(default)
  assert value_types.fits(value, kind) is fits

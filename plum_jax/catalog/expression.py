# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Expressions of columns, such as `0.2 + 0.8 * (rating - 1) / 4`.

A small part of Python's notation, read by Python's own parser and evaluated on
whole columns at once: numbers, names of columns, `+ - * / **`, comparisons
(also chained), `and`, `or`, and the functions `min`, `max`, `log`, `exp`,
`clip(x, low, high)` and `fill(x, value)`, which puts a value where there is
none. A comparison is 1 or 0. What is made from a missing value is missing, so
that a missing rating is never taken for a low one.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
import functools
from typing import Any

import numpy as np

from plum_jax.artifacts.errors import InputError

_OPERATORS: Mapping[type, Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.USub: np.negative,
    ast.UAdd: np.positive,
}
_COMPARISONS: Mapping[type, Callable[..., Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
# Function, and the numbers of arguments that it takes.
_FUNCTIONS: Mapping[str, tuple[Callable[..., Any], range]] = {
    'min': (lambda *x: functools.reduce(np.minimum, x), range(2, 100)),
    'max': (lambda *x: functools.reduce(np.maximum, x), range(2, 100)),
    'log': (np.log, range(1, 2)),
    'exp': (np.exp, range(1, 2)),
    'clip': (np.clip, range(3, 4)),
    'fill': (lambda x, value: np.where(np.isnan(x), value, x), range(2, 3)),
}
_EXPECTED = (
    'numbers, columns, + - * / **, comparisons, and, or, and the functions '
    + ', '.join(_FUNCTIONS)
)


def evaluate(
    text: str, columns: Mapping[str, np.ndarray], where: str
) -> np.ndarray:
  """Evaluates an expression on columns.

  Args:
    text: the expression.
    columns: numbers [n] by name, NaN where missing.
    where: what the expression is for, for messages.

  Returns:
    float64 [n]: NaN where a value that it needs is missing.

  Raises:
    InputError: the text is no such expression; it names the part that is not.

  >>> columns = {'rating': np.array([5.0, 3.0, np.nan])}
  >>> evaluate('rating >= 4', columns, 'REWARD').tolist()
  [1.0, 0.0, nan]
  >>> evaluate('fill(rating, 1) / 5', columns, 'REWARD').tolist()
  [1.0, 0.6, 0.2]
  """
  evaluator = _Evaluator(text, columns, where)
  try:
    tree = ast.parse(text.strip(), mode='eval')
  except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
    raise evaluator.refuse(f'It cannot be read: {error}.') from error
  # Infinities and NaN are for the caller to judge.
  with np.errstate(all='ignore'):
    values = evaluator.value(tree.body)
  num_rows = len(next(iter(columns.values())))
  return np.array(np.broadcast_to(values, num_rows))


class _Evaluator:
  """Evaluates the nodes of one expression."""

  def __init__(self, text: str, columns: Mapping[str, np.ndarray], where: str):
    self._text = text
    self._columns = columns
    self._where = where

  def refuse(self, what: str) -> InputError:
    """Says what is wrong with the expression."""
    return InputError(
        what,
        where=f'{self._where}={self._text!r}',
        expected=f'{_EXPECTED}; the columns are {", ".join(self._columns)}',
        fix='Correct the expression.',
    )

  def value(self, node: ast.AST) -> np.ndarray:
    """Returns float64, [n] or a scalar."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
      return np.asarray(node.value, np.float64)
    if isinstance(node, ast.Name):
      return self._column(node.id)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
      operator = _OPERATORS[type(node.op)]
      return operator(self.value(node.left), self.value(node.right))
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
      return _OPERATORS[type(node.op)](self.value(node.operand))
    if isinstance(node, ast.Compare):
      return self._comparison(node)
    if isinstance(node, ast.BoolOp):
      combine = (
          np.logical_and if isinstance(node.op, ast.And) else np.logical_or
      )
      values = [self.value(one) for one in node.values]
      return _known(functools.reduce(combine, values), *values)
    if isinstance(node, ast.Call):
      return self._call(node)
    raise self._refuse_part(node)

  def _column(self, name: str) -> np.ndarray:
    if name not in self._columns:
      raise self.refuse(f'There is no column {name!r}.')
    return np.asarray(self._columns[name], np.float64)

  def _comparison(self, node: ast.Compare) -> np.ndarray:
    if any(type(operator) not in _COMPARISONS for operator in node.ops):
      raise self._refuse_part(node)
    values = [self.value(one) for one in (node.left, *node.comparators)]
    holds = [
        _COMPARISONS[type(operator)](left, right)
        for operator, left, right in zip(
            node.ops, values[:-1], values[1:], strict=True
        )
    ]
    return _known(functools.reduce(np.logical_and, holds), *values)

  def _call(self, node: ast.Call) -> np.ndarray:
    name = node.func.id if isinstance(node.func, ast.Name) else ''
    starred = any(isinstance(one, ast.Starred) for one in node.args)
    if name not in _FUNCTIONS or node.keywords or starred:
      raise self._refuse_part(node)
    function, counts = _FUNCTIONS[name]
    if len(node.args) not in counts:
      raise self.refuse(
          f'{ast.unparse(node)!r} has {len(node.args)} arguments; {name} takes '
          f'{counts[0] if len(counts) == 1 else f"{counts[0]} or more"}.'
      )
    return function(*(self.value(one) for one in node.args))

  def _refuse_part(self, node: ast.AST) -> InputError:
    return self.refuse(f'{ast.unparse(node)!r} is not allowed.')


def _known(holds: np.ndarray, *values: np.ndarray) -> np.ndarray:
  """Returns 1 or 0, NaN where one of the values is missing."""
  missing = functools.reduce(np.logical_or, (np.isnan(x) for x in values))
  return np.where(missing, np.nan, np.asarray(holds, np.float64))

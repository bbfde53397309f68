# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a request asks for: read from JSON, and refused where it is wrong."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

SKIP, ERROR = 'skip', 'error'
_FIELDS = ('history', 'k', 'allow', 'deny', 'exclude_history', 'unknown_items')


@dataclasses.dataclass(frozen=True)
class Limits:
  """What a request may be.

  Attributes:
    max_body_bytes: of the JSON text.
    max_history: items of a history.
    max_list: items of `allow`, and of `deny`.
    max_id_length: characters of an item id.
  """

  max_body_bytes: int = 1 << 18
  max_history: int = 512
  max_list: int = 512
  max_id_length: int = 256


class RequestError(Exception):
  """A request that gets no recommendations.

  Attributes:
    status: of HTTP.
    what: what is wrong, in one sentence.
  """

  def __init__(self, status: int, what: str):
    super().__init__(what)
    self.status, self.what = status, what


@dataclasses.dataclass(frozen=True)
class Query:
  """A request for recommendations.

  Attributes:
    history: item ids, oldest first.
    k: how many items; None for as many as the bundle gives.
    allow: the only items that may be returned; None for all.
    deny: items that must not be returned.
    exclude_history: whether items of the history are left out; None for what
      the bundle says.
    unknown_items: what becomes of item ids that the bundle does not have:
      `skip`, they are left out and named in the answer; or `error`.
  """

  history: tuple[str, ...]
  k: int | None = None
  allow: tuple[str, ...] | None = None
  deny: tuple[str, ...] = ()
  exclude_history: bool | None = None
  unknown_items: str = SKIP


def parse(body: bytes, limits: Limits) -> Query:
  """Reads a request.

  Args:
    body: JSON: an object with `history`, and perhaps the other fields of
      `Query`.
    limits: what it may be.

  Returns:
    The request.

  Raises:
    RequestError: 400 or 413; it says which field is wrong.

  >>> parse(b'{"history": ["a", "b"], "k": 3}', Limits()).history
  ('a', 'b')
  """
  if len(body) > limits.max_body_bytes:
    raise RequestError(
        413, f'The request has more than {limits.max_body_bytes} bytes.'
    )
  try:
    values = json.loads(body.decode('utf-8'))
  except (ValueError, RecursionError) as error:
    raise RequestError(400, f'The request is no JSON: {error}.') from error
  if not isinstance(values, dict):
    raise RequestError(400, 'The request is no JSON object.')
  for name in values:
    if name not in _FIELDS:
      raise RequestError(
          400, f'There is no field {name[:80]!r}, but {", ".join(_FIELDS)}.'
      )
  if 'history' not in values:
    raise RequestError(400, 'The field history is missing.')
  k = values.get('k')
  # True is an int to Python.
  if k is not None and (type(k) is not int or k < 1):
    raise RequestError(400, 'k is no whole number of at least 1.')
  exclude = values.get('exclude_history')
  if exclude is not None and not isinstance(exclude, bool):
    raise RequestError(400, 'exclude_history is neither true nor false.')
  unknown = values.get('unknown_items', SKIP)
  if unknown not in (SKIP, ERROR):
    raise RequestError(400, f'unknown_items is neither {SKIP} nor {ERROR}.')
  allow = values.get('allow')
  size, length = limits.max_list, limits.max_id_length
  return Query(
      _ids('history', values['history'], limits.max_history, length),
      k,
      None if allow is None else _ids('allow', allow, size, length),
      _ids('deny', values.get('deny') or [], size, length),
      exclude,
      unknown,
  )


def _ids(
    name: str, values: Any, max_items: int, max_length: int
) -> tuple[str, ...]:
  """Checks a list of item ids."""
  if not isinstance(values, list):
    raise RequestError(400, f'{name} is no list of item ids.')
  if len(values) > max_items:
    raise RequestError(
        413, f'{name} has {len(values)} items, at most {max_items} are allowed.'
    )
  for position, value in enumerate(values):
    if not isinstance(value, str) or not value:
      raise RequestError(400, f'{name}[{position}] is no item id.')
    if len(value) > max_length:
      raise RequestError(
          400, f'{name}[{position}] has more than {max_length} characters.'
      )
    if not value.isascii():
      try:
        value.encode('utf-8')
      except UnicodeEncodeError as error:
        raise RequestError(
            400, f'{name}[{position}] has half a surrogate pair.'
        ) from error
  return tuple(values)

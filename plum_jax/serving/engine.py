# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The compiled search over a bundle: histories in, items out.

All programs are compiled beforehand, one for each batch size and each way of
restricting items. What comes at run time is padded to their shapes, or refused;
nothing is compiled while a request waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.decoding.beam_search import BeamSearchResult
from plum_jax.decoding.constraint_index import ConstraintIndex
from plum_jax.decoding.index_building import build_constraint_index
from plum_jax.models import generation
from plum_jax.models import saved
from plum_jax.models.saved import GenerativeModel
from plum_jax.serving.bundle import Bundle
from plum_jax.serving.bundle import SearchSettings
from plum_jax.serving.prompt_format import Histories

EXCLUDED, ALLOWED = 'excluded', 'allowed'


@dataclasses.dataclass(frozen=True)
class EngineConfig:
  """The shapes that are compiled.

  Attributes:
    batch_sizes: users of a batch; a batch is padded to the next larger one.
    max_excluded: items of a user that can be left out, the history's too.
    max_allowed: items of a user's list of allowed ones; 0 compiles no program
      for such lists.
    room_to_grow: whether programs are compiled for more items than there are,
      so that they serve later bundles too; see `build_constraint_index`.
  """

  batch_sizes: tuple[int, ...] = (1, 8)
  max_excluded: int = 1024
  max_allowed: int = 1024
  room_to_grow: bool = False

  def __post_init__(self):
    """Checks the values.

    Raises:
      ValueError: there is no batch size, or a number is too small.
    """
    if not self.batch_sizes or min(self.batch_sizes) < 1:
      raise ValueError(f'batch_sizes must be 1 or more: {self.batch_sizes}.')
    if self.max_excluded < 1 or self.max_allowed < 0:
      raise ValueError('max_excluded must be 1 or more, max_allowed 0 or more.')

  @property
  def max_batch(self) -> int:
    """The most users of a batch."""
    return max(self.batch_sizes)


@dataclasses.dataclass(frozen=True)
class Results:
  """What was found for each user, best first.

  Attributes:
    item_ids: int32 [num_users, beam_size], item numbers; -1 where not valid.
    scores: float32 [num_users, beam_size], log-probabilities of the SIDs.
    valid: bool [num_users, beam_size], false where no further item was found.
  """

  item_ids: np.ndarray
  scores: np.ndarray
  valid: np.ndarray


@dataclasses.dataclass(frozen=True)
class Pending:
  """A search that may still be running on the device."""

  result: BeamSearchResult
  num_users: int

  def fetch(self) -> Results:
    """Waits for the search and brings its results to the host."""
    item_ids, scores, valid = jax.device_get(
        (self.result.item_ids, self.result.scores, self.result.valid)
    )
    users = slice(0, self.num_users)
    return Results(item_ids[users], scores[users], valid[users])


def search(
    model: GenerativeModel,
    settings: SearchSettings,
    params: Any,
    index: ConstraintIndex,
    features: Mapping[str, jax.Array],
    excluded: jax.Array | None = None,
    allowed: jax.Array | None = None,
) -> BeamSearchResult:
  """Runs prompts through the network and searches for items.

  Args:
    model: the generator.
    settings: of the search.
    params: the generator's parameters.
    index: the valid SIDs.
    features: prompts; see `PromptFormat.features`.
    excluded: int32 [batch, n], item numbers left out, padded with -1.
    allowed: int32 [batch, n], the only item numbers that may be returned.

  Returns:
    As many items as there are beams.
  """
  # Both models are; their parameters differ in type only.
  continuing = cast(generation.Continuing, model)
  prompt = continuing.prefill(params, features)
  return generation.search(
      continuing.continuation(params, prompt),
      index,
      settings.beam_size,
      excluded,
      settings.strategy,
      allowed_item_ids=allowed,
  )


class Engine:
  """A bundle on the device, with its programs."""

  def __init__(
      self,
      bundle: Bundle,
      config: EngineConfig,
      previous: Engine | None = None,
      candidates: np.ndarray | None = None,
  ):
    """Puts the bundle on the device and compiles all programs.

    Args:
      bundle: what is served.
      config: the shapes.
      previous: an engine that is being replaced. Parameters of the same
        generator, and programs of the same shapes, are taken over.
      candidates: int [n], the only item numbers that are ever returned, each
        once; None for all.
    """
    self.bundle, self.config = bundle, config
    self._index = _build_index(
        bundle.item_tokens, candidates, config.room_to_grow
    )
    if previous is not None and (
        previous.bundle.generator_hash == bundle.generator_hash
        and saved.to_json(previous.bundle.model) == saved.to_json(bundle.model)
    ):
      self._params = previous._params
    else:
      self._params = jax.device_put(bundle.params)
    # The host's copy is not needed again.
    self.bundle = dataclasses.replace(bundle, params=None)
    self._signature = self._describe()
    self.num_compiled = 0
    if previous is not None and previous._signature == self._signature:
      self._programs = previous._programs
    else:
      self._programs = self._compile()

  @property
  def max_items(self) -> int:
    """The most items of an answer."""
    return self.bundle.search.beam_size

  @property
  def programs(self) -> list[tuple[str, int]]:
    """Restriction and batch size of all programs."""
    return list(self._programs)

  def _describe(self) -> Any:
    """Returns what programs depend on, to be compared."""
    shapes = jax.tree.map(
        lambda x: (x.shape, str(x.dtype)), (self._params, self._index)
    )
    return (
        saved.to_json(self.bundle.model),
        self.bundle.prompt,
        self.bundle.search,
        self.config,
        jax.tree.leaves(shapes),
        jax.tree.structure(shapes),
    )

  def _compile(self) -> dict[tuple[str, int], Any]:
    """Compiles a program for each restriction and batch size."""
    # JAX may remember functions that it compiled: not with weights in them.
    model, settings = self.bundle.model, self.bundle.search
    programs = {}
    widths = {
        EXCLUDED: self.config.max_excluded,
        ALLOWED: self.config.max_allowed,
    }
    for kind, width in widths.items():
      if not width:
        continue

      def run(params, index, features, items, kind=kind):
        return search(model, settings, params, index, features, **{kind: items})

      for batch_size in self.config.batch_sizes:
        programs[kind, batch_size] = (
            jax.jit(run)
            .lower(
                self._params,
                self._index,
                self._features(empty_histories(batch_size)),
                jax.ShapeDtypeStruct((batch_size, width), jnp.int32),
            )
            .compile()
        )
        self.num_compiled += 1
    return programs

  def _features(self, histories: Histories) -> dict[str, np.ndarray]:
    return self.bundle.prompt.features(histories, self.bundle.item_tokens)

  def start(
      self, histories: Histories, items: Sequence[np.ndarray], kind: str
  ) -> Pending:
    """Starts a search for up to `config.max_batch` users.

    Args:
      histories: of the users, item numbers.
      items: for each user, the item numbers that are excluded or allowed.
      kind: which of these, `EXCLUDED` or `ALLOWED`.

    Returns:
      The search.

    Raises:
      ValueError: there are more users or items than were compiled for.
    """
    num_users = histories.num_users
    fitting = [n for n in self.config.batch_sizes if n >= num_users]
    width = (
        self.config.max_excluded
        if kind == EXCLUDED
        else self.config.max_allowed
    )
    lengths = np.array([len(x) for x in items], np.int64)
    if not num_users or not fitting or lengths.max() > width:
      raise ValueError(
          f'{num_users} users with up to {lengths.max(initial=0)} items are '
          f'more than {self.config.max_batch} with {width}.'
      )
    batch_size = min(fitting)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    lists = Histories(np.concatenate(items), offsets)
    return self._dispatch(histories, lists.newest(width), kind, batch_size)

  def start_rows(self, histories: Histories, excluded: np.ndarray) -> Pending:
    """Starts a search for as many users as the largest batch has, or fewer.

    Args:
      histories: of the users, item numbers.
      excluded: int32 [num_users, max_excluded], item numbers, padded with -1.

    Returns:
      The search.
    """
    return self._dispatch(histories, excluded, EXCLUDED, self.config.max_batch)

  def _dispatch(
      self,
      histories: Histories,
      items: np.ndarray,
      kind: str,
      batch_size: int,
  ) -> Pending:
    """Fills a batch up and hands it to the device."""
    num_users = histories.num_users
    missing = batch_size - num_users
    # Copies of the last user; an empty prompt might be none.
    rows = np.minimum(np.arange(batch_size), num_users - 1)
    features = {name: x[rows] for name, x in self._features(histories).items()}
    if missing:
      items = items[rows]
    result = self._programs[kind, batch_size](
        self._params, self._index, features, items
    )
    return Pending(result, num_users)


def _build_index(
    item_tokens: np.ndarray, candidates: np.ndarray | None, with_room: bool
) -> ConstraintIndex:
  """Builds the index of some items, with their numbers in the catalog."""
  if candidates is None:
    return build_constraint_index(item_tokens, with_room=with_room)
  return build_constraint_index(
      item_tokens[candidates],
      item_ids=candidates,
      num_item_ids=len(item_tokens),
      with_room=with_room,
  )


def empty_histories(num_users: int) -> Histories:
  """Returns histories without items."""
  return Histories(np.zeros(0, np.int32), np.zeros(num_users + 1, np.int64))

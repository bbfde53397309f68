# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""How a search over the trie chooses which prefixes to keep.

All keep to the trie, so every result is an item and none comes twice; and as
long as prefixes that lead to different items are left, all of a search's places
are filled. They differ in what they keep. Scores are the model's
log-probabilities in each case, and items come in their order.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from plum_jax.decoding import diverse_beams
from plum_jax.decoding import stochastic_beams
from plum_jax.decoding.candidates import Candidates

Carry = Any


class Chooser(Protocol):
  """What `beam_search` asks of a strategy at each level.

  Attributes:
    takes_more_beams: whether a search with more beams than items wanted finds
      better items. Otherwise the beams are the items.
    needs_user_seeds: whether `start` needs `user_seeds`.
  """

  @property
  def takes_more_beams(self) -> bool:
    """See the attributes."""
    ...

  @property
  def needs_user_seeds(self) -> bool:
    """See the attributes."""
    ...

  def start(self, batch_size: int, user_seeds: jax.Array | None) -> Carry:
    """Returns what `choose` needs at the root: arrays [batch, 1, ...]."""
    ...

  def choose(
      self, carry: Carry, candidates: Candidates, width: int, depth: int
  ) -> tuple[jax.Array, jax.Array, Carry]:
    """Chooses children to keep.

    Args:
      carry: of the beams that the children belong to.
      candidates: the children; those that must not be kept score -inf.
      width: how many to keep, at most beam * branch.
      depth: of the beams; 0 is the root.

    Returns:
      Scores float32 [batch, width], -inf where no child was left to keep;
      positions int32 [batch, width] in the flattened [beam * branch]; and what
      the next call needs.
    """
    ...


@dataclasses.dataclass(frozen=True)
class BeamSearch:
  """Keeps the most probable prefixes."""

  @property
  def takes_more_beams(self) -> bool:
    """See `Chooser`."""
    return True

  @property
  def needs_user_seeds(self) -> bool:
    """See `Chooser`."""
    return False

  def start(self, batch_size: int, user_seeds: jax.Array | None) -> Carry:
    """See `Chooser.start`."""
    del batch_size, user_seeds
    return ()

  def choose(
      self, carry: Carry, candidates: Candidates, width: int, depth: int
  ) -> tuple[jax.Array, jax.Array, Carry]:
    """See `Chooser.choose`."""
    del depth
    scores, positions = jax.lax.top_k(candidates.flat(candidates.scores), width)
    return scores, positions, carry


@dataclasses.dataclass(frozen=True)
class Sampling:
  """Draws items without replacement, by stochastic beam search.

  With as many beams as items are wanted, the items are an exact sample without
  replacement (Kool et al., "Stochastic Beams and Where to Find Them",
  arXiv 1903.06059, section 4): the first is drawn from the distribution over
  items, each next one from what is left of it, renormalised. The distribution
  is that of a model that is told at each level which tokens lead to an item
  that may be returned: softmax(log-probability / temperature) over those, times
  the same at the next level. Scores are log-probabilities of the model itself,
  without temperature or renormalisation; items come in their order, not in that
  of the draws.

  A user's draws depend on `seed` and the user's own seed alone, not on who else
  is in the batch.

  Attributes:
    temperature: above 0; 1 draws as the model says, less comes closer to beam
      search.
    seed: of all draws.
  """

  temperature: float = 1.0
  seed: int = 0

  def __post_init__(self):
    """Checks the temperature.

    Raises:
      ValueError: it is not a number above 0.
    """
    if not (self.temperature > 0 and math.isfinite(self.temperature)):
      raise ValueError(f'temperature must be above 0, got {self.temperature}.')

  @property
  def takes_more_beams(self) -> bool:
    """See `Chooser`."""
    return False

  @property
  def needs_user_seeds(self) -> bool:
    """See `Chooser`."""
    return True

  def start(self, batch_size: int, user_seeds: jax.Array | None) -> Carry:
    """See `Chooser.start`.

    Raises:
      ValueError: there are no seeds.
    """
    if user_seeds is None:
      raise ValueError('Sampling needs user_seeds, a number for each user.')
    return stochastic_beams.start(self.seed, user_seeds)

  def choose(
      self, carry: Carry, candidates: Candidates, width: int, depth: int
  ) -> tuple[jax.Array, jax.Array, Carry]:
    """See `Chooser.choose`."""
    return stochastic_beams.choose(
        carry, candidates, width, depth, self.temperature
    )


@dataclasses.dataclass(frozen=True)
class DiverseBeamSearch:
  """Beam search in groups that avoid each other's codes.

  After Vijayakumar et al., "Diverse Beam Search", arXiv 1610.02424: at each
  level the groups choose one after the other, and a prefix loses `penalty` for
  each code that a prefix chosen by an earlier group has at the same level
  (their Hamming diversity). The penalty decides what is kept; scores are the
  model's.

  Two things are our choice. Their groups never see each other's beams, and may
  end with the same sequence; here groups choose among the children of all beams
  what no earlier group has taken, so that items are distinct. And codes of all
  levels so far count, not those of the last alone, since otherwise groups that
  the first level set apart would meet again below it. With a penalty of 0, or
  one group, this is beam search.

  Attributes:
    num_groups: groups of beams, of sizes that differ by one at most; with more
      groups than beams each beam is a group.
    penalty: in nats for each code shared, at least 0.
  """

  num_groups: int = 4
  penalty: float = 0.5

  def __post_init__(self):
    """Checks the values.

    Raises:
      ValueError: there is no group, or the penalty is no number from 0.
    """
    if self.num_groups < 1:
      raise ValueError(f'num_groups must be at least 1, got {self.num_groups}.')
    if not (self.penalty >= 0 and math.isfinite(self.penalty)):
      raise ValueError(f'penalty must be at least 0, got {self.penalty}.')

  @property
  def takes_more_beams(self) -> bool:
    """See `Chooser`."""
    return False

  @property
  def needs_user_seeds(self) -> bool:
    """See `Chooser`."""
    return False

  def start(self, batch_size: int, user_seeds: jax.Array | None) -> Carry:
    """See `Chooser.start`."""
    del user_seeds
    return jnp.zeros((batch_size, 1, 1), jnp.float32)

  def choose(
      self, carry: Carry, candidates: Candidates, width: int, depth: int
  ) -> tuple[jax.Array, jax.Array, Carry]:
    """See `Chooser.choose`."""
    del depth
    return diverse_beams.choose(
        carry, candidates, width, self.num_groups, self.penalty
    )


Strategy = BeamSearch | Sampling | DiverseBeamSearch
BEAM_SEARCH = BeamSearch()


def describe_strategy(strategy: Strategy) -> dict[str, Any]:
  """Returns a strategy as JSON values.

  >>> describe_strategy(Sampling(temperature=0.5))
  {'strategy': 'Sampling', 'temperature': 0.5, 'seed': 0}
  """
  return {
      'strategy': type(strategy).__name__,
      **dataclasses.asdict(strategy),
  }

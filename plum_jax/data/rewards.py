# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What each interaction is worth: the reward of PLUM's fine-tuning.

PLUM (arXiv 2510.07784, section on SFT) weighs the loss of each clicked item by
a hand-made reward r(user, click), and in practice draws examples in proportion
to it. Here it is an expression of the interactions' columns.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib

import numpy as np

from plum_jax.artifacts.errors import InputError
from plum_jax.catalog import expression as expressions
from plum_jax.catalog import tables
from plum_jax.catalog.catalog import Catalog
from plum_jax.catalog.catalog import INTERACTIONS_FILE
from plum_jax.catalog.splits import Split

FILE_NAME = 'rewards.json'


@dataclasses.dataclass(frozen=True)
class RewardSummary:
  """What tasks must know of the rewards in a dataset.

  Attributes:
    expression: what they were made by; empty for the catalog's own, or for 1.
    given: whether there are rewards: if not, all of them are 1.
    largest: the largest within the training windows, above 0.
  """

  expression: str = ''
  given: bool = False
  largest: float = 1.0

  def save(self, directory: str | os.PathLike[str]) -> None:
    """Writes `rewards.json` into the folder of a dataset."""
    text = json.dumps(dataclasses.asdict(self), indent=2) + '\n'
    (pathlib.Path(directory) / FILE_NAME).write_text(text, 'utf-8')

  @classmethod
  def load(cls, directory: str | os.PathLike[str]) -> RewardSummary:
    """Reads what `save` wrote.

    A dataset without the file was made before there were rewards: none is
    given.

    Raises:
      InputError: the file cannot be read.
    """
    path = pathlib.Path(directory) / FILE_NAME
    if not path.exists():
      return cls()
    try:
      return cls(**json.loads(path.read_text('utf-8')))
    except (ValueError, TypeError) as error:
      raise InputError(
          f'The file cannot be read: {error}',
          where=path,
          expected='what the stage tasks writes',
          fix='Delete the folder and run the stage tasks again.',
      ) from error


def with_rewards(catalog: Catalog, expression: str) -> tuple[Catalog, bool]:
  """Gives every interaction its reward.

  Args:
    catalog: with the columns that the expression names: `rating`, `reward`,
      `time` and any further numbers.
    expression: see `catalog.expression`. If empty, the catalog's rewards hold;
      if it has none, all are 1.

  Returns:
    The catalog with rewards, and whether they were given.

  Raises:
    InputError: the text is no expression of these columns; a reward is missing,
      negative or infinite, and then the row of the interaction is named.
  """
  table = catalog.interactions
  missing = table['reward'].null_count
  if not expression and missing == table.num_rows:
    return catalog.with_rewards(np.ones(table.num_rows, np.float32)), False
  names = ('rating', 'reward', 'time', *tables.number_columns(table))
  columns = {
      name: table[name].to_numpy().astype(np.float64)
      if name == 'time'
      else table[name].fill_null(np.float32(np.nan)).to_numpy()
      for name in names
  }
  rewards = expressions.evaluate(expression or 'reward', columns, 'REWARD')
  rewards = rewards.astype(np.float32)
  _check(rewards, catalog, expression)
  return catalog.with_rewards(rewards), True


def _check(rewards: np.ndarray, catalog: Catalog, expression: str) -> None:
  bad = np.flatnonzero(~(np.isfinite(rewards) & (rewards >= 0)))
  if not bad.size:
    return
  row = int(bad[0])
  interaction = catalog.interactions.slice(row, 1).to_pylist()[0]
  found = {k: v for k, v in interaction.items() if not isinstance(v, str)}
  kind = 'missing' if np.isnan(rewards[row]) else str(float(rewards[row]))
  raise InputError(
      f'The reward of user {interaction["user_id"]!r} and item '
      f'{interaction["item_id"]!r} is {kind}; {bad.size} rewards cannot be '
      f'used. The row holds {found}.',
      where=f'{catalog.where}, {INTERACTIONS_FILE}, row {row + 1}, '
      f'REWARD={expression!r}',
      expected='a finite number of at least 0 for every interaction',
      fix="Correct the expression or the row; REWARD='fill(rating, 0) >= 4' "
      'puts a number where there is none.',
  )


def summarize(
    catalog: Catalog, split: Split, expression: str, given: bool
) -> RewardSummary:
  """Finds the largest reward that training may see.

  Args:
    catalog: what `with_rewards` returned.
    split: of its histories.
    expression: the one it was made by.
    given: as `with_rewards` returned it.

  Returns:
    What tasks must know.

  Raises:
    InputError: no interaction of the training windows is worth anything.
  """
  histories = catalog.histories
  rewards = histories.rewards[split.train_mask(histories)]
  largest = float(rewards.max(initial=0))
  if largest <= 0:
    raise InputError(
        'No interaction of the training windows has a reward above 0.',
        where=f'{catalog.where}, REWARD={expression!r}',
        expected='some that training can learn from',
        fix='Correct the expression, or give training windows more days.',
    )
  return RewardSummary(expression, given, largest)

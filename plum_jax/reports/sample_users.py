# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Recommendations beside real histories, for a few users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from plum_jax.evaluation.results import SavedResults
from plum_jax.reports import page
from plum_jax.reports import results_table


@dataclasses.dataclass(frozen=True)
class ItemText:
  """How items are written.

  Attributes:
    titles: by item id.
    sids: full Semantic IDs by item id; empty if the run made none.
  """

  titles: Mapping[str, str]
  sids: Mapping[str, Sequence[int]]

  def write(self, item_id: str) -> str:
    """Returns HTML: the title (the id without one), and the Semantic ID."""
    text = page.escape(self.titles[item_id] or item_id)
    if item_id in self.sids:
      sid = '·'.join(map(str, self.sids[item_id]))
      text += f'<code class="sid">{page.escape(sid)}</code>'
    return text


def sample(results: SavedResults, num_users: int) -> list[list[dict[str, Any]]]:
  """Takes users at even distances; none is picked for its result.

  Args:
    results: of an evaluation.
    num_users: how many.

  Returns:
    For each user the rows of `recommendations`, one per recommender, in the
    order of the results table and without its variants.
  """
  table = results.recommendations
  parts = [
      table.filter(pc.equal(table['recommender'], row.name))
      for row in results_table.main_rows(results)
  ]
  total = parts[0].num_rows
  which = np.unique(np.linspace(0, total - 1, min(num_users, total)).round())
  taken = [
      part.take(pa.array(which.astype(np.int64))).to_pylist() for part in parts
  ]
  return [list(rows) for rows in zip(*taken, strict=True)]


def cards(
    users: Sequence[Sequence[Mapping[str, Any]]],
    items: ItemText,
    *,
    history_shown: int = 10,
    items_shown: int = 10,
) -> str:
  """Writes a box for each user.

  Args:
    users: of `sample`.
    items: titles and Semantic IDs.
    history_shown: number of newest items of the history.
    items_shown: number of recommendations of each recommender.

  Returns:
    HTML.
  """
  return ''.join(
      _card(rows, items, history_shown, items_shown) for rows in users
  )


def _card(rows, items: ItemText, history_shown: int, items_shown: int) -> str:
  """Writes one user: history, target, and a column per recommender."""
  user = rows[0]
  targets = set(user['target_item_ids'])
  newest = user['history_item_ids'][-history_shown:][::-1]
  history = ''.join(f'<li>{items.write(item)}</li>' for item in newest)
  wanted = ', '.join(items.write(item) for item in user['target_item_ids'])
  columns = [
      f'<div><h3>History, newest first</h3><ol>{history}</ol>'
      f'<div class="target"><h3>Then chose</h3>{wanted}</div></div>'
  ]
  for row in rows:
    shown = row['item_ids'][:items_shown]
    ranks = [n for n, item in enumerate(shown, start=1) if item in targets]
    chip = (
        f'<span class="chip good">hit at {ranks[0]}</span>'
        if ranks
        else f'<span class="chip">not in {items_shown}</span>'
    )
    entries = ''.join(
        f'<li class="hit">{items.write(item)}</li>'
        if item in targets
        else f'<li>{items.write(item)}</li>'
        for item in shown
    )
    name = page.escape(results_table.label(row['recommender']))
    columns.append(f'<div><h3>{name}{chip}</h3><ol>{entries}</ol></div>')
  return page.card(
      f'<div class="columns">{"".join(columns)}</div>',
      title=f'User {user["user_id"]}',
  )

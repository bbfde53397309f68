# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What is known of items as sentences, with Semantic IDs in the place of items.

PLUM's schemas (arXiv 2510.07784, continued pre-training) are `Video <sid> has
title (en): <title>`, `The topics in video <sid> are: <topics>`, and others that
are not printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from plum_jax.data import graph_functions
from plum_jax.data import phrasings
from plum_jax.data.item_text_tokens import TextTokens
from plum_jax.data.phrasings import Phrasing

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor
# Items made into sentences at a time.
_BATCH_SIZE = 256


class Sentences:
  """Phrasings, and the tables that fill their places.

  The last place is the answer; what precedes it is the prompt. Without a place
  called `sid_prefix`, each item gives one sentence.
  """

  def __init__(
      self,
      variants: Sequence[Phrasing],
      sid_tokens: np.ndarray,
      texts: Mapping[str, TextTokens],
      eos_id: int,
  ):
    """Puts tables where graph functions capture them.

    Args:
      variants: one is drawn for each item and epoch. They end with a place.
      sid_tokens: int32 [num_items, num_levels].
      texts: by name of the place, a row per item.
      eos_id: the end of a sentence.
    """
    self.variants = tuple(variants)
    self.eos_id = eos_id
    self._texts = {
        name: table
        for name, table in texts.items()
        if any(name in variant.places for variant in variants)
    }
    self.texts = {name: table.ragged() for name, table in self._texts.items()}
    self.sid_tokens = tf.constant(sid_tokens, tf.int32)
    self.num_levels = int(np.shape(sid_tokens)[1])
    complete = np.ones(len(sid_tokens), bool)
    for table in self._texts.values():
      complete &= table.lengths > 0
    self.complete = tf.constant(complete)

  @property
  def num_complete(self) -> int:
    """How many items have all texts."""
    return int(tf.reduce_sum(tf.cast(self.complete, tf.int32)))

  def describe(self) -> dict[str, Any]:
    """Returns what the sentences depend on, for a task's description."""
    return {
        'variants': [variant.describe() for variant in self.variants],
        'texts': {n: table.describe() for n, table in self._texts.items()},
        'eos_id': self.eos_id,
    }


def sentences(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int] | None,
    *,
    made_of: Sentences,
) -> tf.data.Dataset:
  """Makes a sentence of each item; items that lack a text are left out.

  Args:
    dataset: `item`, item numbers; see `item_source`.
    sequence_length: not used: the converter cuts sentences that do not fit.
    made_of: phrasings and tables.

  Returns:
    Examples with `targets` int32 [n], the sentence and its end;
    `prompt_length` int32, the tokens before the answer; `target_item_id`
    int32; and `user` and `history_item_ids`, -1 and empty: there is none.
  """
  del sequence_length
  complete = made_of.complete
  dataset = dataset.filter(lambda x: tf.gather(complete, x['item']))
  make = graph_functions.traced(_sentences, made_of=made_of)
  return graph_functions.map_and_flatten(dataset.batch(_BATCH_SIZE), make)


def _sentences(
    batch: Mapping[str, tf.Tensor], seed: tf.Tensor, *, made_of: Sentences
) -> dict[str, Any]:
  """Returns the sentences of a batch of items, stacked."""
  items = batch['item']
  num_items = tf.size(items)
  variant_seed, prefix_seed = tf.unstack(
      tf.random.experimental.stateless_split(seed, 2)
  )
  drawn = tf.random.stateless_uniform(
      [num_items], variant_seed, 0, len(made_of.variants), tf.int32
  )
  lengths = tf.random.stateless_uniform(
      [num_items],
      prefix_seed,
      1,
      max(made_of.num_levels, 2),
      tf.int32,
  )
  all_rows, prompts, answers = [], [], []
  for number, variant in enumerate(made_of.variants):
    rows = tf.where(drawn == number)[:, 0]
    parts = [
        _part(part, tf.gather(items, rows), tf.gather(lengths, rows), made_of)
        for part in variant.parts
    ]
    all_rows.append(rows)
    prompts.append(tf.concat(parts[:-1], 1))
    answers.append(parts[-1])
  # Back in the order of the items.
  order = tf.argsort(tf.concat(all_rows, 0))
  prompt = tf.gather(tf.concat(prompts, 0), order)
  answer = tf.gather(tf.concat(answers, 0), order)
  end = _ragged(tf.fill([num_items, 1], made_of.eos_id))
  return {
      'targets': tf.concat([prompt, answer, end], 1),
      'prompt_length': tf.cast(prompt.row_lengths(), tf.int32),
      'user': tf.fill([num_items], -1),
      'target_item_id': items,
      'history_item_ids': _ragged(tf.zeros([num_items, 0], tf.int32)),
  }


def _part(
    part: np.ndarray | str,
    items: tf.Tensor,
    lengths: tf.Tensor,
    made_of: Sentences,
) -> Any:
  """Returns a part of each item's sentence, [num_items, (tokens)]."""
  if not isinstance(part, str):
    words = tf.constant(part, tf.int32)[None, :]
    return _ragged(tf.tile(words, [tf.size(items), 1]))
  if part == phrasings.SID:
    return _ragged(tf.gather(made_of.sid_tokens, items))
  if part == phrasings.SID_PREFIX:
    sids = tf.gather(made_of.sid_tokens, items)
    mask = tf.range(tf.shape(sids)[1])[None, :] < lengths[:, None]
    return _RaggedTensor.from_row_lengths(
        tf.boolean_mask(sids, mask), tf.cast(lengths, tf.int64), validate=False
    )
  return tf.gather(made_of.texts[part], items)


def _ragged(rows: tf.Tensor) -> Any:
  """Returns [n, m] as a ragged tensor with 64-bit splits."""
  return _RaggedTensor.from_tensor(rows, row_splits_dtype=tf.int64)

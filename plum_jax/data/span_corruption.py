# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""T5's span corruption of texts: what an encoder-decoder learns language by.

    Thank you <extra_id_0> me to your party <extra_id_1> week.
    <extra_id_0> for inviting <extra_id_1> last</s>

From arXiv 1910.10683, section 3.1.4: of each text a share of the tokens is
masked, in spans of some mean length, and the lengths of spans and of what lies
between them are drawn evenly from all that there are. A text begins with what
is not masked and ends with what is.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
from typing import Any

import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import graph_functions
from plum_jax.data import text_lines
from plum_jax.data.item_text_tokens import TextTokens
from plum_jax.data.text_lines import Encoding
from plum_jax.data.worded_setting import not_a_number
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor


@dataclasses.dataclass(frozen=True)
class SpanCorruption:
  """How texts are corrupted.

  Attributes:
    sentinels: token ids, in the order of use.
    end: the end-of-sequence token.
    noise_density: share of the tokens that is masked.
    mean_span_length: tokens of a span on average.
  """

  sentinels: tuple[int, ...]
  end: int
  noise_density: float = 0.15
  mean_span_length: float = 3.0

  def __post_init__(self):
    """Checks the numbers.

    Raises:
      InputError: one makes no sense.
    """
    if not 0 < self.noise_density < 1:
      raise not_a_number('noise_density', self.noise_density, 'between 0 and 1')
    if self.mean_span_length < 1:
      raise not_a_number('mean_span_length', self.mean_span_length, '1 or more')

  def describe(self) -> dict[str, Any]:
    """Returns JSON values for the description of a task."""
    return dataclasses.asdict(self)

  def counts(self, length: int) -> tuple[int, int]:
    """Returns how many tokens and spans of a text are masked.

    Args:
      length: tokens of the text, at least 2.

    >>> SpanCorruption((9, 8), 1).counts(20)
    (3, 1)
    """
    noise = min(max(round(length * self.noise_density), 1), length - 1)
    spans = max(round(noise / self.mean_span_length), 1)
    return noise, min(spans, noise, length - noise, len(self.sentinels))

  def longest(self, sequence_length: Mapping[str, int] | None) -> int | None:
    """Returns the longest text whose input and target fit.

    Args:
      sequence_length: tokens of `inputs` and `targets`; None is no limit.

    Returns:
      Tokens; None if nothing limits them.

    Raises:
      InputError: not even two tokens fit.

    >>> SpanCorruption((9, 8), 1).longest({'inputs': 20, 'targets': 5})
    21
    """
    if sequence_length is None:
      return None
    found, length = 0, 2
    while True:
      noise, spans = self.counts(length)
      needed = {
          'inputs': length - noise + spans + 1,
          'targets': noise + spans + 1,
      }
      if any(needed[name] > sequence_length[name] for name in needed):
        break
      found, length = length, length + 1
    if not found:
      raise InputError(
          'Span corruption has no room for two tokens of text.',
          where=f'TASK_FEATURE_LENGTHS {dict(sequence_length)}',
          expected='at least 3 tokens of inputs and of targets',
          fix='Raise them.',
      )
    return found


def sentinels(
    vocabulary: SemanticIdVocabulary, task: str, needed: int = 1
) -> tuple[int, ...]:
  """Returns T5's sentinels of a vocabulary, `<extra_id_0>` first.

  Args:
    vocabulary: of a run.
    task: what needs them, for the message.
    needed: how many at least.

  Raises:
    InputError: it has fewer.
  """
  layout = vocabulary.layout
  if layout.extra_ids < needed:
    raise InputError(
        f'The vocabulary has {layout.extra_ids} sentinels, and {task} needs '
        f'{needed}.',
        where='EXTRA_IDS',
        expected=f'100, as T5 has, or {needed} at least',
        fix='Set EXTRA_IDS and run the stage vocabulary again in a new folder.',
    )
  last = layout.base_size + layout.extra_ids - 1
  return tuple(range(last, layout.base_size - 1, -1))


def of_lines(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int] | None,
    *,
    encoding: Encoding,
    corruption: SpanCorruption,
) -> tf.data.Dataset:
  """Corrupts lines of text; one that does not fit gives several examples.

  Args:
    dataset: strings.
    sequence_length: tokens of `inputs` and `targets`; None is no limit.
    encoding: the vocabulary.
    corruption: how.

  Returns:
    See `_corrupted`.
  """
  longest = corruption.longest(sequence_length)
  pieces = text_lines.pieces(
      dataset,
      None if longest is None else {'targets': longest},
      encoding=encoding,
  )
  # The end of a line is no text.
  tokens = pieces.map(
      lambda x: tf.boolean_mask(x['targets'], x['targets'] != encoding.end)
  )
  return _corrupted(tokens, corruption)


def of_items(
    dataset: tf.data.Dataset,
    sequence_length: Mapping[str, int] | None,
    *,
    texts: TextTokens,
    corruption: SpanCorruption,
) -> tf.data.Dataset:
  """Corrupts the texts of items; long ones are cut.

  Args:
    dataset: `item`, item numbers; see `item_source`.
    sequence_length: tokens of `inputs` and `targets`; None is no limit.
    texts: a row per item number.
    corruption: how.

  Returns:
    See `_corrupted`.
  """
  longest = corruption.longest(sequence_length)
  table = texts.ragged()
  tokens = dataset.map(lambda x: tf.gather(table, x['item'])[:longest])
  return _corrupted(tokens, corruption)


def _corrupted(
    tokens: tf.data.Dataset, corruption: SpanCorruption
) -> tf.data.Dataset:
  """Corrupts texts of two tokens and more; leaves out the others.

  Args:
    tokens: int32 [n].
    corruption: how.

  Returns:
    Examples with `inputs` and `targets` int32 [m], both with the
    end-of-sequence token.
  """
  make = graph_functions.traced(_corrupt, corruption=corruption)
  return seqio.map_over_dataset(
      lambda text, seed: make(text, seed), num_seeds=1
  )(tokens.filter(lambda text: tf.size(text) > 1))


def _corrupt(
    tokens: tf.Tensor, seed: tf.Tensor, *, corruption: SpanCorruption
) -> dict[str, tf.Tensor]:
  """Corrupts a text; does in the graph what `SpanCorruption.counts` does."""
  noise_seed, other_seed = tf.unstack(
      tf.random.experimental.stateless_split(seed, 2)
  )
  length = tf.size(tokens)
  share = tf.cast(length, tf.float64) * corruption.noise_density
  noise = tf.clip_by_value(tf.cast(tf.round(share), tf.int32), 1, length - 1)
  spans = tf.round(tf.cast(noise, tf.float64) / corruption.mean_span_length)
  spans = tf.reduce_min(
      [
          tf.maximum(tf.cast(spans, tf.int32), 1),
          noise,
          length - noise,
          len(corruption.sentinels),
      ]
  )
  lengths = tf.stack(
      [
          _random_lengths(length - noise, spans, other_seed),
          _random_lengths(noise, spans, noise_seed),
      ],
      axis=1,
  )
  parts = _RaggedTensor.from_row_lengths(
      tokens, tf.reshape(lengths, [-1]), validate=False
  )
  marks = tf.constant(corruption.sentinels, tf.int32)[:spans, None]
  marks = _RaggedTensor.from_tensor(marks, row_splits_dtype=tf.int32)
  end = tf.constant([corruption.end], tf.int32)
  return {
      'inputs': tf.concat([tf.concat([parts[::2], marks], 1).values, end], 0),
      'targets': tf.concat([tf.concat([marks, parts[1::2]], 1).values, end], 0),
  }


def _random_lengths(
    total: tf.Tensor, count: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
  """Draws `count` lengths of at least 1 with a sum, all such alike likely."""
  borders = tf.random.experimental.stateless_shuffle(tf.range(1, total), seed)[
      : count - 1
  ]
  borders = tf.concat([[0], tf.sort(borders), [total]], 0)
  return borders[1:] - borders[:-1]

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""From a task's features to a model's, many examples at a time.

SeqIO's converters handle one example after the other, in up to six steps of
some 20 microseconds; these give the same features, of T5X's names, and T5X's
launcher can use them in the place of SeqIO's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import functools
from typing import Any

import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import packing

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor
# Examples converted at a time.
_BATCH_SIZE = 64

Tensors = Mapping[str, tf.Tensor]


class _InBatches(seqio.FeatureConverter):
  """Packs or pads, and converts, batches of examples."""

  def __init__(self, pack: bool = True, apply_length_check: bool = False, **kw):
    # Rows are cut and padded to their lengths here; checking each again costs
    # more than making it.
    super().__init__(pack=pack, apply_length_check=apply_length_check, **kw)
    self._conversions: dict[Any, Callable[..., Any]] = {}

  def _convert_features(
      self, ds: tf.data.Dataset, task_feature_lengths: Mapping[str, int]
  ) -> tf.data.Dataset:
    lengths = dict(task_feature_lengths)
    size = packing.batch_size(lengths) if self.pack else _BATCH_SIZE
    return (
        ds.map(lambda example: {name: example[name] for name in lengths})
        .ragged_batch(size)
        .map(self._traced(lengths), num_parallel_calls=tf.data.AUTOTUNE)
        .unbatch()
    )

  def _traced(self, lengths: dict[str, int]) -> Callable[..., Any]:
    """Returns the conversion of a batch; traced once, not every epoch."""
    key = tuple(sorted(lengths.items()))
    if key not in self._conversions:

      def convert(batch):
        make_rows = packing.pack if self.pack else _pad
        return self._convert_rows(make_rows(batch, lengths))

      self._conversions[key] = tf.function(convert, autograph=False)
    return self._conversions[key]

  def _convert_rows(self, features: Tensors) -> dict[str, tf.Tensor]:
    """Converts features [num_rows, length] of a task to those of a model."""
    raise NotImplementedError

  def _decoder(self, features: Tensors) -> dict[str, tf.Tensor]:
    """Returns the decoder's features."""
    targets = features['targets']
    segment_ids = features['targets_segment_ids'] if self.pack else None
    converted = {
        'decoder_target_tokens': targets,
        'decoder_input_tokens': _shift_right(targets, segment_ids, self.bos_id),
        # The loss is on all that is not padding.
        'decoder_loss_weights': tf.cast(targets != 0, tf.int32),
    }
    converted |= {name: features[name] for name in self._passthrough_features}
    if segment_ids is not None:
      converted['decoder_segment_ids'] = segment_ids
      converted['decoder_positions'] = features['targets_positions']
    return converted


class EncDecFeatureConverter(_InBatches, seqio.EncDecFeatureConverter):
  """`inputs` to the encoder, `targets` to the decoder."""

  def _convert_rows(self, features: Tensors) -> dict[str, tf.Tensor]:
    converted = self._decoder(features)
    converted['encoder_input_tokens'] = features['inputs']
    if self.pack:
      converted['encoder_segment_ids'] = features['inputs_segment_ids']
      converted['encoder_positions'] = features['inputs_positions']
    return converted


class LMFeatureConverter(_InBatches, seqio.LMFeatureConverter):
  """`targets` to the decoder, with a loss on all of them."""

  def _convert_rows(self, features: Tensors) -> dict[str, tf.Tensor]:
    return self._decoder(features)


_CONVERTERS = {
    'encoder_decoder': EncDecFeatureConverter,
    'decoder_only': LMFeatureConverter,
    'prefix': seqio.PrefixLMFeatureConverter,
}


@functools.lru_cache
def make(name: str, pack: bool) -> seqio.FeatureConverter:
  """Returns a converter by its name; the same one for the same arguments.

  Args:
    name: `encoder_decoder`, `decoder_only` (targets alone) or `prefix` (inputs
      and targets in one decoder sequence, with a loss on the targets).
    pack: whether to pack several examples into a row.

  Raises:
    InputError: there is no converter of this name.
  """
  if name not in _CONVERTERS:
    raise InputError(
        f'There is no feature converter {name!r}.',
        where='converter',
        expected=f'one of {", ".join(_CONVERTERS)}',
        fix='Correct the name.',
    )
  return _CONVERTERS[name](pack=pack)


def _pad(
    batch: Mapping[str, tf.RaggedTensor | tf.Tensor], lengths: Mapping[str, int]
) -> dict[str, tf.Tensor]:
  """Cuts and pads features to rows."""
  padded = {}
  for name, length in lengths.items():
    rows = batch[name]
    # A feature of one length in all examples is not ragged.
    if isinstance(rows, tf.Tensor):
      rows = _RaggedTensor.from_tensor(rows)
    padded[name] = rows.to_tensor(shape=[None, length])
  return padded


def _shift_right(
    targets: tf.Tensor, segment_ids: tf.Tensor | None, bos_id: int
) -> tf.Tensor:
  """Moves tokens one to the right within their segments; see SeqIO's."""
  shifted = tf.pad(targets, [[0, 0], [1, 0]], constant_values=bos_id)[:, :-1]
  if segment_ids is None:
    return shifted
  before = tf.pad(segment_ids, [[0, 0], [1, 0]])[:, :-1]
  return tf.where(segment_ids == before, shifted, bos_id)

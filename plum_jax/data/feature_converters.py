# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""From a task's features to a model's, many examples at a time.

SeqIO's converters handle one example after the other, in up to six steps of
some 20 microseconds; these give the same features, of T5X's names, and T5X's
launcher can use them in the place of SeqIO's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
import functools
from typing import Any

import numpy as np
import seqio
import tensorflow as tf

from plum_jax.artifacts.errors import InputError
from plum_jax.data import packing

# TensorFlow's stubs lack its constructors.
_RaggedTensor: Any = tf.RaggedTensor
# Examples converted at a time.
_BATCH_SIZE = 64
# A number that a task may give an example, to weigh the loss of its targets.
LOSS_WEIGHT = 'loss_weight'
_LOSS_WEIGHTS = 'decoder_loss_weights'

Tensors = Mapping[str, tf.Tensor]


class _InBatches(seqio.FeatureConverter):
  """Packs or pads, and converts, batches of examples.

  Examples with `loss_weight`, float32, have it at each of their targets in
  `decoder_loss_weights`, which are float32 then.
  """

  def __init__(self, pack: bool = True, apply_length_check: bool = False, **kw):
    # Rows are cut and padded to their lengths here; checking each again costs
    # more than making it.
    super().__init__(pack=pack, apply_length_check=apply_length_check, **kw)
    self._conversions: dict[Any, Callable[..., Any]] = {}

  def _convert_features(
      self, ds: tf.data.Dataset, task_feature_lengths: Mapping[str, int]
  ) -> tf.data.Dataset:
    lengths = dict(task_feature_lengths)
    rows = self._row_lengths(lengths)
    size = packing.batch_size(rows) if self.pack else _BATCH_SIZE
    names = [*lengths, *({LOSS_WEIGHT} & set(ds.element_spec))]
    return (
        ds.map(lambda example: {name: example[name] for name in names})
        .ragged_batch(size)
        .map(self._traced(rows), num_parallel_calls=tf.data.AUTOTUNE)
        .unbatch()
    )

  def _traced(self, lengths: dict[str, int]) -> Callable[..., Any]:
    """Returns the conversion of a batch; traced once, not every epoch."""
    key = tuple(sorted(lengths.items()))
    if key not in self._conversions:

      def convert(batch):
        make_rows = packing.pack if self.pack else _pad
        features, of_examples = self._prepare(batch)
        return self._convert_rows(make_rows(features, lengths, of_examples))

      self._conversions[key] = tf.function(convert, autograph=False)
    return self._conversions[key]

  def _row_lengths(self, lengths: dict[str, int]) -> dict[str, int]:
    """Returns the lengths of the rows that features are packed into."""
    return lengths

  def _prepare(
      self, batch: Mapping[str, Any]
  ) -> tuple[dict[str, Any], dict[str, tf.Tensor]]:
    """Returns features that become rows, and values that tokens share."""
    features = dict(batch)
    weight = features.pop(LOSS_WEIGHT, None)
    return features, {} if weight is None else {'loss_weights': weight}

  def _validate_dataset(
      self, ds, expected_features, expected_lengths, strict, error_label
  ):
    expected = dict(expected_features)
    if _LOSS_WEIGHTS in expected:
      found = ds.element_spec[_LOSS_WEIGHTS].dtype
      expected[_LOSS_WEIGHTS] = seqio.FeatureConverter.FeatureSpec(
          dtype=tf.float32 if found == tf.float32 else tf.int32
      )
    return super()._validate_dataset(
        ds, expected, expected_lengths, strict, error_label
    )

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
        _LOSS_WEIGHTS: _loss_weights(features, targets != 0),
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


class PrefixLMFeatureConverter(_InBatches, seqio.PrefixLMFeatureConverter):
  """`inputs` and `targets` in one sequence, with a loss on `targets` alone."""

  def _row_lengths(self, lengths: dict[str, int]) -> dict[str, int]:
    joined = {'targets': lengths['inputs'] + lengths['targets']}
    return joined | {n: lengths[n] for n in self._passthrough_features}

  def _prepare(
      self, batch: Mapping[str, Any]
  ) -> tuple[dict[str, Any], dict[str, tf.Tensor]]:
    features, of_examples = super()._prepare(batch)
    prompts = _ragged(features.pop('inputs'))
    of_examples['prompt_length'] = tf.cast(prompts.row_lengths(), tf.int32)
    features['targets'] = tf.concat(
        [prompts, _ragged(features['targets'])], axis=1
    )
    return features, of_examples

  def _convert_rows(self, features: Tensors) -> dict[str, tf.Tensor]:
    converted = self._decoder(features)
    present = features['targets'] != 0
    prompt_length = features['targets_prompt_length']
    if self.pack:
      positions = features['targets_positions']
    else:
      positions = tf.range(tf.shape(present)[1])[None, :]
    # One more position than the prompt has: at its last token, the first of
    # the targets is predicted (T5, arXiv 1910.10683, section 3.2.1).
    converted['decoder_causal_attention'] = tf.cast(
        present & (positions <= prompt_length), tf.int32
    )
    if self.loss_on_targets_only:
      present &= positions >= prompt_length
    converted[_LOSS_WEIGHTS] = _loss_weights(features, present)
    return converted


_CONVERTERS = {
    'encoder_decoder': EncDecFeatureConverter,
    'decoder_only': LMFeatureConverter,
    'prefix': PrefixLMFeatureConverter,
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


def model_features(
    converter: seqio.FeatureConverter,
    task_feature_lengths: Mapping[str, int],
    output_features: Collection[str],
) -> dict[str, tuple[int, np.dtype]]:
  """Returns length and dtype of the rows that a converter makes.

  Args:
    converter: one of `make`.
    task_feature_lengths: tokens by task feature.
    output_features: names of the task's features; whether `loss_weight` is one
      of them decides the dtype of the weights.
  """
  found = {}
  lengths = converter.get_model_feature_lengths(task_feature_lengths)
  for name, length in lengths.items():
    weighted = name == _LOSS_WEIGHTS and LOSS_WEIGHT in output_features
    # All else are tokens, positions and masks: SeqIO's and ours are int32.
    found[name] = (length, np.dtype(np.float32 if weighted else np.int32))
  return found


def _pad(
    batch: Mapping[str, tf.RaggedTensor | tf.Tensor],
    lengths: Mapping[str, int],
    of_examples: Mapping[str, tf.Tensor],
) -> dict[str, tf.Tensor]:
  """Cuts and pads features to rows, one an example."""
  padded = {
      name: _ragged(batch[name]).to_tensor(shape=[None, length])
      for name, length in lengths.items()
  }
  shape = tf.shape(padded['targets'])
  for name, values in of_examples.items():
    padded[f'targets_{name}'] = tf.broadcast_to(values[:, None], shape)
  return padded


def _ragged(rows: tf.RaggedTensor | tf.Tensor) -> Any:
  """Returns rows as ragged; a feature of one length in all is not."""
  if isinstance(rows, tf.Tensor):
    return _RaggedTensor.from_tensor(rows)
  return rows


def _loss_weights(features: Tensors, has_loss: tf.Tensor) -> tf.Tensor:
  """Returns 1, or the example's weight, where there is a loss, else 0."""
  weights = features.get('targets_loss_weights')
  if weights is None:
    return tf.cast(has_loss, tf.int32)
  return tf.where(has_loss, weights, 0.0)


def _shift_right(
    targets: tf.Tensor, segment_ids: tf.Tensor | None, bos_id: int
) -> tf.Tensor:
  """Moves tokens one to the right within their segments; see SeqIO's."""
  shifted = tf.pad(targets, [[0, 0], [1, 0]], constant_values=bos_id)[:, :-1]
  if segment_ids is None:
    return shifted
  before = tf.pad(segment_ids, [[0, 0], [1, 0]])[:, :-1]
  return tf.where(segment_ids == before, shifted, bos_id)

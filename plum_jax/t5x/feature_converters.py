# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Feature converters as T5X's models ask for them.

T5X trains and evaluates with one converter. In training it is the very one of
this project's own launcher; without packing, which is how T5X evaluates and
infers, it adds what the search needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
import os

import seqio
import tensorflow as tf

from plum_jax.catalog.catalog import Catalog
from plum_jax.data import feature_converters
from plum_jax.stages.run_directory import RunDirectory

NO_ITEM = -1
_HISTORY, _PROMPT_LENGTH = 'history_item_ids', 'prompt_length'


class FeatureConverter(seqio.FeatureConverter):
  """One of `data.feature_converters`, and the search's features.

  They are added where `pack` is false and the task's examples have them:
  * `history_item_ids` int32 [longest history], padded with -1: the items that
    are not to be recommended;
  * `decoder_causal_attention` int32 [length]: for a task like `histories`,
    whose prompt is a part of `targets`, 1 from the start token to the prompt's
    last token: what SeqIO gives for a task with `inputs`.
  """

  def __init__(self, name: str, history_length: int, pack: bool):
    """Makes the converter.

    Args:
      name: see `data.feature_converters.make`.
      history_length: the longest history; 0 adds no `history_item_ids`.
      pack: whether to pack several examples into a row.
    """
    self._converter = feature_converters.make(name, pack)
    self._history_length = history_length
    for attribute in (
        'TASK_FEATURES',
        'MODEL_FEATURES',
        'PACKING_FEATURE_DTYPES',
    ):
      setattr(self, attribute, getattr(self._converter, attribute))
    super().__init__(pack=pack, apply_length_check=False)

  def __call__(
      self, ds: tf.data.Dataset, task_feature_lengths: Mapping[str, int]
  ) -> tf.data.Dataset:
    """Converts a data set; see `seqio.FeatureConverter`."""
    converted = self._converter(ds, task_feature_lengths)
    if self.pack:
      return converted
    if (num_examples := int(ds.cardinality())) >= 0:
      # T5X asks for the number of examples; taking batches apart forgets it.
      converted = converted.apply(
          tf.data.experimental.assert_cardinality(num_examples)
      )
    add = self._additions(ds, task_feature_lengths)
    if not add:
      return converted
    added = ds.map(
        lambda example: {name: make(example) for name, make in add.items()},
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return tf.data.Dataset.zip((converted, added)).map(
        lambda features, more: {**features, **more}
    )

  def get_model_feature_lengths(
      self, task_feature_lengths: Mapping[str, int]
  ) -> Mapping[str, int]:
    """Returns the lengths of the model's features."""
    return self._converter.get_model_feature_lengths(task_feature_lengths)

  def _convert_features(
      self, ds: tf.data.Dataset, task_feature_lengths: Mapping[str, int]
  ) -> tf.data.Dataset:
    raise NotImplementedError('`__call__` hands all work on.')

  def _additions(
      self, ds: tf.data.Dataset, lengths: Mapping[str, int]
  ) -> dict[str, Callable[[Mapping[str, tf.Tensor]], tf.Tensor]]:
    add: dict[str, Callable[[Mapping[str, tf.Tensor]], tf.Tensor]] = {}
    if self._history_length and _HISTORY in ds.element_spec:
      add[_HISTORY] = self._history
    if _PROMPT_LENGTH in ds.element_spec:
      add['decoder_causal_attention'] = lambda example: tf.sequence_mask(
          example[_PROMPT_LENGTH] + 1, lengths['targets'], tf.int32
      )
    return add

  def _history(self, example: Mapping[str, tf.Tensor]) -> tf.Tensor:
    items = example[_HISTORY][: self._history_length]
    padding = [[0, self._history_length - tf.size(items)]]
    items = tf.pad(items, padding, constant_values=NO_ITEM)
    return tf.ensure_shape(items, [self._history_length])


@dataclasses.dataclass(frozen=True)
class Converters:
  """What T5X calls `feature_converter_cls`.

  Attributes:
    name: of one of `data.feature_converters`.
    history_length: see `FeatureConverter`.
  """

  name: str
  history_length: int

  def __call__(
      self, *, pack: bool = True, use_custom_packing_ops: bool = False
  ) -> FeatureConverter:
    """Makes a converter.

    Raises:
      ValueError: T5X's packing operations are asked for.
    """
    if use_custom_packing_ops:
      raise ValueError('use_custom_packing_ops is not supported.')
    return FeatureConverter(self.name, self.history_length, pack)


def for_run(
    run_dir: str | os.PathLike[str], converter: str, exclude_history: bool
) -> Converters:
  """Makes the converters of a run's model.

  Args:
    run_dir: the run directory, with `catalog/`.
    converter: CONVERTER, the name of one of `data.feature_converters`.
    exclude_history: whether items of the history are not to be recommended.

  Returns:
    The converters.

  Raises:
    InputError: an artifact is missing, or there is no such converter.
  """
  length = 0
  if exclude_history:
    catalog = Catalog.load(RunDirectory(run_dir).catalog)
    length = int(catalog.histories.lengths.max())
  feature_converters.make(converter, pack=False)
  return Converters(converter, length)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""This project's generators as models of T5X.

`python -m t5x.train`, `t5x.eval` and `t5x.infer` call what is here. Network,
loss and optimizer are those of this project's own launcher; trainer,
partitioner and checkpoints are T5X's.
"""

from __future__ import annotations

from collections.abc import Mapping
import os
from typing import Any

from clu import metrics as clu_metrics
import jax
import jax.numpy as jnp
from t5x import metrics as t5x_metrics
from t5x import models

from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.saved import GenerativeModel
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.t5x import constrained_decoding
from plum_jax.t5x import feature_converters
from plum_jax.t5x.optimizer import Optimizer
from plum_jax.training import optimizers
from plum_jax.vocabulary.semantic_id_vocabulary import SemanticIdVocabulary

HISTORY = 'history_item_ids'

Batch = Mapping[str, jax.Array]


class _Generator:
  """What both kinds of model share; comes before T5X's class."""

  generator: GenerativeModel
  beam_size: int

  def get_initial_variables(
      self,
      rng: jax.Array,
      input_shapes: Mapping[str, Any],
      input_types: Mapping[str, Any] | None = None,
  ) -> Mapping[str, Any]:
    """Initialises `params` and `params_axes`, as our own launcher does."""
    del input_types  # Tokens are int32; T5X's default is float32.
    batch = {
        name: jax.ShapeDtypeStruct(tuple(shape), jnp.int32)
        for name, shape in input_shapes.items()
    }
    return self.generator.init(rng, batch)

  def loss_fn(
      self, params: Any, batch: Batch, dropout_rng: jax.Array | None
  ) -> tuple[jax.Array, dict[str, clu_metrics.Metric]]:
    """Computes the mean loss over `decoder_loss_weights`.

    T5X's own sums it, or divides by a number of tokens whatever they weigh.

    Args:
      params: the collection `params`.
      batch: see the generator's `loss_fn`.
      dropout_rng: key for dropout; None turns it off.

    Returns:
      The sum of weighted losses divided by the sum of weights; and metrics:
      `loss` is that mean over all steps since the last summary.
    """
    loss_sum, sums = self.generator.loss_fn(params, batch, dropout_rng)
    weight = sums['loss'][1]
    # A batch of padding alone has no gradient; it must not divide by zero.
    loss = loss_sum / jnp.where(weight > 0, weight, 1.0)
    return loss, {**_means(sums), **_timing(batch)}

  def predict_batch_with_aux(
      self,
      params: Any,
      batch: Batch,
      rng: jax.Array | None = None,
      num_decodes: int | None = None,
      return_all_decodes: bool = False,
      decoder_params: Mapping[str, Any] | None = None,
  ) -> tuple[jax.Array, Mapping[str, jax.Array]]:
    """Generates items for each prompt by constrained beam search.

    Args:
      params: the collection `params`.
      batch: features of a converter of `t5x.feature_converters`. With
        `history_item_ids`, those items are not recommended.
      rng: unused: the search draws nothing.
      num_decodes: beams; by default those that the model was made with.
      return_all_decodes: whether all beams are returned, as T5X has them.
      decoder_params: further arguments of `decode_fn`.

    Returns:
      With `return_all_decodes`, what T5X returns: tokens int32 [batch, beam,
      length], best last, and `scores` [batch, beam]. Without, the tokens of the
      best beam, [batch, length], and for SeqIO's metrics and T5X's result files
      `scores` float32 [batch, beam] and `sid_tokens` int32 [batch, beam,
      num_levels], best first; a score of -inf means that there is no item.
    """
    del rng
    arguments = dict(decoder_params or {})
    if HISTORY in batch:
      arguments['excluded_item_ids'] = batch[HISTORY]
    tokens, aux = super().predict_batch_with_aux(  # pyrefly: ignore
        params,
        batch,
        num_decodes=num_decodes or self.beam_size,
        return_all_decodes=True,
        decoder_params=arguments,
    )
    if return_all_decodes:
      return tokens, aux
    num_levels = self.decode_fn.num_levels  # pyrefly: ignore
    return tokens[:, -1], {
        'scores': aux['scores'][:, ::-1],
        'sid_tokens': tokens[:, ::-1, :num_levels],
    }


class EncoderDecoder(_Generator, models.EncoderDecoderModel):
  """The encoder-decoder generator under T5X."""


class DecoderOnly(_Generator, models.DecoderOnlyModel):
  """The decoder-only generator under T5X."""


def make_model(
    model: GenerativeModel,
    run_dir: str | os.PathLike[str],
    converter: str,
    optimizer: optimizers.OptimizerConfig | None = None,
    exclude_history: bool = True,
    beam_size: int = 20,
) -> EncoderDecoder | DecoderOnly:
  """Makes a model of T5X out of what our own launcher takes.

  Args:
    model: network and loss.
    run_dir: the run directory, with `catalog/`, `semantic_ids/` and
      `vocabulary/`.
    converter: CONVERTER; see `data.feature_converters`.
    optimizer: the optimizer and its learning rate; None where nothing is
      trained.
    exclude_history: whether items of the history are not to be recommended.
    beam_size: beams of the search when T5X evaluates and infers.

  Returns:
    What T5X's configurations call MODEL.

  Raises:
    InputError: an artifact is missing, or there is no such converter.
  """
  vocabulary = SemanticIdVocabulary(RunDirectory(run_dir).vocabulary)
  shared = {
      'module': model.network,
      'optimizer_def': Optimizer(optimizer) if optimizer else None,
      'decode_fn': constrained_decoding.for_run(run_dir),
      'feature_converter_cls': feature_converters.for_run(
          run_dir, converter, exclude_history
      ),
  }
  if isinstance(model, DecoderOnlyModel):
    made: Any = DecoderOnly(
        vocabulary=vocabulary,
        inputs_bidirectional_attention=model.inputs_bidirectional_attention,
        **shared,
    )
  else:
    made = EncoderDecoder(
        input_vocabulary=vocabulary, output_vocabulary=vocabulary, **shared
    )
  made.generator, made.beam_size = model, beam_size
  return made


def _means(
    sums: Mapping[str, tuple[jax.Array, jax.Array]],
) -> dict[str, clu_metrics.Metric]:
  """Turns sums of values and weights into metrics that add up."""
  metrics: dict[str, clu_metrics.Metric] = {
      name: clu_metrics.Average(total=total, count=weight)
      for name, (total, weight) in sums.items()
  }
  metrics['loss_weight'] = t5x_metrics.AveragePerStep(total=sums['loss'][1])
  return metrics


def _timing(batch: Batch) -> dict[str, clu_metrics.Metric]:
  """Returns the rates that T5X's own models report, under their names."""
  targets = batch['decoder_target_tokens']
  rate = t5x_metrics.TimeRate.from_model_output
  return {
      'timing/seqs_per_second': rate(numerator=jnp.array(targets.shape[0])),
      'timing/target_tokens_per_second': rate(
          numerator=jnp.array(targets.size)
      ),
      'timing/steps_per_second': t5x_metrics.StepsPerTime.from_model_output(),
      'timing/seconds': t5x_metrics.Time(),
  }

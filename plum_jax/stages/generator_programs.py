# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A generator's programs, lowered for a mesh from shapes alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from plum_jax.artifacts.errors import InputError
from plum_jax.decoding import index_shapes
from plum_jax.models import flops
from plum_jax.models import lora
from plum_jax.models import saved
from plum_jax.models.lora import Lora
from plum_jax.models.saved import GenerativeModel
from plum_jax.networks.config import T5Config
from plum_jax.sharding import axis_rules
from plum_jax.sharding import mesh as meshes
from plum_jax.sharding.mesh_presets import CompilerOptions
from plum_jax.training import step as steps
from plum_jax.training.config import TrainConfig

PROGRAMS = ('train', 'prefill', 'decode')


@dataclasses.dataclass(frozen=True)
class Serving:
  """What is searched for how many users.

  Attributes:
    num_users: users at a time, over all chips.
    beam_size: beams of each.
    num_items: items of the catalog.
    level_sizes: codes of each level of a full SID. Every level has as many
      prefixes as items and codes allow, the most that a real catalog can have.
  """

  num_users: int
  beam_size: int
  num_items: int
  level_sizes: tuple[int, ...]

  def __post_init__(self):
    if math.prod(self.level_sizes) < self.num_items or self.num_items < 1:
      raise InputError(
          f'{self.num_items:,} items do not fit the levels {self.level_sizes}.',
          where='TPU_NUM_ITEMS, TPU_LEVEL_SIZES',
          expected='a SID for each item, and an item',
          fix='Change one of the two.',
      )


@dataclasses.dataclass(frozen=True)
class GeneratorPrograms:
  """What is to be lowered.

  Attributes:
    model: network and loss.
    converter: see `data.feature_converters.make`.
    task_feature_lengths: tokens by task feature.
    batch_size: rows of a training batch, over all chips.
    config: how it is trained.
    serving: how it is searched.
    lora: adapters to train in the place of all parameters; None for none.
  """

  model: GenerativeModel
  converter: str
  task_feature_lengths: Mapping[str, int]
  batch_size: int
  config: TrainConfig
  serving: Serving
  lora: Lora | None = None

  def lower(
      self,
      program: str,
      mesh: jax.sharding.Mesh,
      rules: axis_rules.AxisRules,
      tpu_compiler_options: CompilerOptions | None = None,
  ) -> jax.stages.Lowered:
    """Lowers a program.

    Args:
      program: one of `PROGRAMS`.
      mesh: the mesh, of devices that need not be here.
      rules: the axis rules.
      tpu_compiler_options: for the training step.

    Raises:
      InputError: model, mesh and rules do not fit each other.
    """
    if program == 'train':
      model, config = self.model, self.config
      if self.lora is not None:
        model = lora.adapt(model, self.lora)
        config = dataclasses.replace(config, trainable=self.lora.trainable)
      return steps.lower_train_step(
          model,
          config,
          mesh,
          rules,
          self._training_batch(),
          tpu_compiler_options,
      )
    if self.serving.num_users % meshes.num_batch_shards(mesh):
      raise InputError(
          f'{self.serving.num_users} users cannot be spread evenly.',
          where=f'mesh {dict(mesh.shape)}, TPU_USERS',
          expected=f'a multiple of {meshes.num_batch_shards(mesh)}',
          fix='Choose another number of users, or a larger tensor axis.',
      )
    params = self._params(mesh, rules)
    prompts = _on(meshes.batch_sharding(mesh), self._prompts())

    def prefill(params, prompts):
      with axis_rules.activation_rules(mesh, rules):
        return self.model.prefill(params, prompts)

    if program == 'prefill':
      return jax.jit(prefill).lower(params, prompts)
    prompt = _on(
        meshes.batch_sharding(mesh), jax.eval_shape(prefill, params, prompts)
    )
    index = index_shapes.describe(
        self.serving.level_sizes, self.serving.num_items
    )
    index = _on(meshes.replicated(mesh), index)
    history = jax.ShapeDtypeStruct(
        (self.serving.num_users, self._history_items()),
        jnp.int32,
        sharding=meshes.batch_sharding(mesh),
    )

    def decode(params, prompt, index, history):
      with axis_rules.activation_rules(mesh, rules):
        return self.model.search(
            params, prompt, index, self.serving.beam_size, history
        )

    return jax.jit(decode).lower(params, prompt, index, history)

  def model_flops(self, program: str) -> int:
    """Returns the FLOPs that the model asks for; see `models.flops`."""
    config, serving = self.model.config, self.serving
    encoder, decoder = self._lengths()
    if program == 'train':
      return flops.TRAINING * flops.forward(
          config,
          batch_size=self.batch_size,
          encoder_length=encoder,
          decoder_length=decoder,
      )
    two_stacks = isinstance(config, T5Config)
    if program == 'prefill':
      return flops.forward(
          config,
          batch_size=serving.num_users,
          encoder_length=encoder,
          decoder_length=1 if two_stacks else decoder + 1,
          logits_length=1,
      )
    return flops.search(
        config,
        num_users=serving.num_users,
        beam_size=serving.beam_size,
        prompt_length=encoder if two_stacks else decoder + 1,
        num_levels=len(serving.level_sizes),
    )

  def tokens_per_step(self) -> int:
    """Returns the positions of a training batch, of both stacks."""
    return self.batch_size * sum(self._lengths())

  def num_params(self) -> int:
    """Returns the number of the model's parameters."""
    shapes = jax.eval_shape(self._init)['params']
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))

  def _init(self) -> Mapping[str, Any]:
    return self.model.init(jax.random.key(0), self._training_batch())

  def _lengths(self) -> tuple[int, int]:
    return sequence_lengths(self.converter, self.task_feature_lengths)

  def _training_batch(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Describes a batch as the converter makes it, packed."""
    encoder, decoder = self._lengths()
    features = {
        f'decoder_{name}': decoder
        for name in (
            'input_tokens',
            'target_tokens',
            'loss_weights',
            'segment_ids',
            'positions',
        )
    }
    if encoder:
      features |= {
          f'encoder_{name}': encoder
          for name in ('input_tokens', 'segment_ids', 'positions')
      }
    if self.converter == 'prefix':
      features['decoder_causal_attention'] = decoder
    return {
        name: jax.ShapeDtypeStruct((self.batch_size, length), jnp.int32)
        for name, length in features.items()
    }

  def _prompts(self) -> dict[str, jax.ShapeDtypeStruct]:
    users = self.serving.num_users
    encoder, decoder = self._lengths()
    if saved.kind(self.model) == 'encoder_decoder':
      return {
          'encoder_input_tokens': jax.ShapeDtypeStruct(
              (users, encoder), jnp.int32
          )
      }
    return {
        'prompt_tokens': jax.ShapeDtypeStruct((users, decoder), jnp.int32),
        'prompt_lengths': jax.ShapeDtypeStruct((users,), jnp.int32),
    }

  def _history_items(self) -> int:
    """Items that a prompt has room for: they are not recommended again."""
    encoder, decoder = self._lengths()
    return max(1, (encoder or decoder) // len(self.serving.level_sizes))

  def _params(
      self, mesh: jax.sharding.Mesh, rules: axis_rules.AxisRules
  ) -> Any:
    with axis_rules.activation_rules(mesh, rules):
      variables = jax.eval_shape(self._init)
    shardings = axis_rules.param_shardings(
        variables['params_axes'], variables['params'], mesh, rules
    )
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=sharding
        ),
        variables['params'],
        shardings,
    )


def sequence_lengths(
    converter: str, task_feature_lengths: Mapping[str, int]
) -> tuple[int, int]:
  """Returns the positions of encoder, or 0, and decoder in a training row.

  Args:
    converter: see `data.feature_converters.make`.
    task_feature_lengths: tokens by task feature.

  >>> sequence_lengths('prefix', {'inputs': 60, 'targets': 3})
  (0, 63)
  """
  inputs = task_feature_lengths.get('inputs', 0)
  targets = task_feature_lengths['targets']
  if converter == 'prefix':  # One sequence of both.
    return 0, inputs + targets
  return (inputs if converter == 'encoder_decoder' else 0), targets


def _on(sharding: jax.sharding.NamedSharding, shapes: Any) -> Any:
  """Places all arrays in one way."""
  return jax.tree.map(
      lambda leaf: jax.ShapeDtypeStruct(
          leaf.shape, leaf.dtype, sharding=sharding
      ),
      shapes,
  )


def chosen(program: str) -> Sequence[str]:
  """Returns the programs that a name stands for.

  Raises:
    InputError: there is no such program.

  >>> chosen('all')
  ('train', 'prefill', 'decode')
  """
  if program == 'all':
    return PROGRAMS
  if program not in PROGRAMS:
    raise InputError(
        f'There is no program {program!r}.',
        where='--program',
        expected=f'one of {", ".join(PROGRAMS)}, all',
        fix='Correct the name.',
    )
  return (program,)

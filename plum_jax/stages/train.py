# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Tasks to a trained generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
import functools
import pathlib
import shutil
from typing import Any

import jax

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import processes
from plum_jax.artifacts import stage
from plum_jax.artifacts.errors import InputError
from plum_jax.data.input_pipeline import SeqioBatches
from plum_jax.data.shared_batches import SharedBatches
from plum_jax.data.task_description import describe
from plum_jax.models import lora as adapters
from plum_jax.models import saved
from plum_jax.models.lora import Lora
from plum_jax.models.saved import GenerativeModel
from plum_jax.pretrained import t5x_training
from plum_jax.sharding import axis_rules
from plum_jax.sharding.mesh_presets import CompilerOptions
from plum_jax.stages.generator import make_validation
from plum_jax.stages.initial_parameters import InitialParameters
from plum_jax.stages.initial_parameters import RANDOM
from plum_jax.stages.initial_parameters import Source
from plum_jax.stages.run_directory import RunDirectory
from plum_jax.training import device_batches
from plum_jax.training import loop
from plum_jax.training.config import TrainConfig
from plum_jax.training.protocols import MetricWriter

CHECKPOINT = 'checkpoint'
TENSORBOARD = 'tensorboard'


@dataclasses.dataclass(frozen=True)
class Feed:
  """How a task becomes batches.

  Attributes:
    task: name of a registered SeqIO task or mixture.
    task_feature_lengths: tokens by task feature.
    converter: see `data.feature_converters.make`.
    batch_size: rows of a batch, over all devices.
    pack: whether to pack several examples into a row.
    num_shards: shards that the data is read in; each gives its part of every
      batch. Processes share them out, and read all of a shard: as many as
      processes at least spares each the others' data. Another number is
      another order of the data.
  """

  task: str
  task_feature_lengths: Mapping[str, int]
  converter: str
  batch_size: int
  pack: bool = True
  num_shards: int = 1


def run(
    run_dir: str,
    model: GenerativeModel,
    feed: Feed,
    config: TrainConfig,
    mesh: jax.sharding.Mesh,
    axis_rules_preset: str,
    beam_size: int,
    max_validation_users: int,
    validation_task: str = '',
    make_writer: Callable[[str], MetricWriter] | None = None,
    initial: InitialParameters = RANDOM,
    continue_from: str = '',
    tpu_compiler_options: CompilerOptions | None = None,
    lora: Lora | None = None,
) -> None:
  """Writes `training/` from `tasks/` and `vocabulary/`.

  The parameters kept are those with the best `config.best_metric`, or the last
  ones if it is None.

  Args:
    run_dir: the run directory.
    model: network and loss.
    feed: what it is trained on.
    config: how long, with which optimizer, and what is saved when.
    mesh: the devices.
    axis_rules_preset: how parameters lie on them; see `sharding.axis_rules`.
    beam_size: beams of the search that validation recall is measured with.
    max_validation_users: how many users of the split `validation` are looked
      at; 0 means that nothing is measured there.
    validation_task: the task of whose split that is; empty for that of `feed`.
    make_writer: called with a folder; returns a writer for TensorBoard.
    initial: the checkpoint to start from. A run that goes on from a checkpoint
      of its own, which is of this very configuration, does not read it again.
    continue_from: a checkpoint of the same experiment under T5X's launcher, to
      go on with: parameters, optimizer's state, step and input; see
      `pretrained.t5x_training.find`. `initial` is not read then. None if empty.
    tpu_compiler_options: for the step; see `training.step.build_program`. Like
      the mesh no part of what is trained.
    lora: adapters to train in the place of `initial`'s kernels; what is written
      has them added. None trains all parameters.

  Raises:
    InputError: an artifact is missing or does not belong; there is nothing to
      adapt; see `training.loop` and `stages.initial_parameters`.
  """
  folders = RunDirectory(run_dir)
  source = Source(initial)
  if lora is not None:
    _check_adaptable(initial, continue_from)
    config = dataclasses.replace(config, trainable=lora.trainable)
  validated = dataclasses.replace(feed, task=validation_task or feed.task)
  continuation = t5x_training.find(continue_from) if continue_from else None

  def make(directory: pathlib.Path, work: pathlib.Path) -> None:
    first = processes.is_first()
    validate = make_validation(
        folders, model, validated, beam_size, max_validation_users
    )
    trained, merge, initial_params = _adapted(
        model,
        lora,
        None if continuation else source.reader(folders, model, config.seed),
        config.seed,
    )
    state = loop.train(
        trained,
        _batches(feed, config.seed, mesh),
        config,
        mesh=mesh,
        rules=axis_rules.preset(axis_rules_preset),
        work_directory=work,
        writer=make_writer(str(work / TENSORBOARD))
        if make_writer and first
        else None,
        evaluate=validate
        and (lambda params, step: validate(merge(params), step)),
        initial_params=initial_params,
        continuation=continuation,
        tpu_compiler_options=tpu_compiler_options,
    )
    params = state.params
    if config.best_metric:
      params = loop.restore_best(work, params).state
    _save(directory, merge(params), model, feed)
    if first:
      _keep_logs(work, directory)

  stage.run(
      'training',
      folders.training,
      make,
      inputs={
          'tasks': folders.tasks,
          'vocabulary': folders.vocabulary,
          'semantic_ids': folders.semantic_ids,
          **source.inputs(folders),
      },
      parameters={
          **_described(model, feed, config, lora),
          'beam_size': beam_size,
          'max_validation_users': max_validation_users,
          'validation_task': describe(validated.task),
          **_given(initial_checkpoint=source.describe()),
          **_given(continued=continuation and continuation.describe()),
      },
      seed=config.seed,
      # What has been moved is the same.
      notes=_given(initial_checkpoint=initial.path, continued=continue_from),
  )


def _given(**values: Any) -> dict[str, Any]:
  """Leaves out what is not given, which stays out of manifests."""
  return {name: value for name, value in values.items() if value}


def _save(
    directory: pathlib.Path, params: Any, model: GenerativeModel, feed: Feed
) -> None:
  """Writes what `load` reads."""
  checkpoints.save_params(
      directory / CHECKPOINT,
      params,
      {'model': saved.to_json(model), 'feed': dataclasses.asdict(feed)},
  )


def _keep_logs(work: pathlib.Path, directory: pathlib.Path) -> None:
  """Copies what a training has told of itself."""
  shutil.copy(work / loop.METRICS, directory / loop.METRICS)
  if (work / TENSORBOARD).exists():
    shutil.copytree(work / TENSORBOARD, directory / TENSORBOARD)


def _adapted(
    model: GenerativeModel,
    lora: Lora | None,
    read: Callable[[Any], Any] | None,
    seed: int,
) -> tuple[GenerativeModel, Callable[[Any], Any], Callable[[Any], Any] | None]:
  """Puts adapters into a model, if any, and beside its first parameters.

  Returns:
    What is trained; what makes its parameters those of `model` again; and what
    returns the first ones.
  """
  if lora is None or read is None:
    return model, lambda params: params, read
  merge = jax.jit(functools.partial(adapters.merge, lora=lora))
  begin = functools.partial(adapters.begin, read=read, seed=seed)
  return adapters.adapt(model, lora), merge, begin


def _described(
    model: GenerativeModel, feed: Feed, config: TrainConfig, lora: Lora | None
) -> dict[str, Any]:
  """Returns what a manifest says of a training."""
  values: dict[str, Any] = dict(dataclasses.asdict(config))
  if not config.trainable:
    del values['trainable']
  return {
      'model': saved.to_json(model),
      'task': describe(feed.task),
      'feed': dataclasses.asdict(feed),
      'config': values,
      'optimizer': type(config.optimizer).__name__,
      'schedule': type(config.optimizer.schedule).__name__,
      **_given(lora=lora and dataclasses.asdict(lora)),
  }


def _check_adaptable(initial: InitialParameters, continue_from: str) -> None:
  """Refuses adapters of random parameters and of T5X's training states."""
  if continue_from or not initial.path:
    raise InputError(
        'Adapters are trained beside a checkpoint, and there is '
        + ('a training state of T5X.' if continue_from else 'none.'),
        where='LORA',
        expected='INITIAL_CHECKPOINT_PATH, and no CONTINUE_FROM',
        fix='Say what to start from, or train without LORA.',
    )


def _batches(feed: Feed, seed: int, mesh: jax.sharding.Mesh) -> SharedBatches:
  """Returns this process's rows of the global batches."""

  def open_shard(index: int, batch_size: int) -> SeqioBatches:
    return SeqioBatches(
        feed.task,
        'train',
        feed.task_feature_lengths,
        batch_size,
        seed,
        feed.converter,
        feed.pack,
        shard_index=index,
        num_shards=feed.num_shards,
    )

  rows = device_batches.local_rows(mesh, feed.batch_size)
  return SharedBatches(open_shard, feed.num_shards, feed.batch_size, rows)


def load(run_dir: str) -> tuple[GenerativeModel, Any, Mapping[str, Any]]:
  """Reads the trained generator.

  Args:
    run_dir: the run directory.

  Returns:
    The model, its parameters, and the values of its `Feed`.

  Raises:
    InputError: it is missing or cannot be read.
  """
  params, config = checkpoints.load_params(
      RunDirectory(run_dir).training / CHECKPOINT
  )
  return saved.from_json(config['model']), params, config['feed']

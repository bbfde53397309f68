# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of training and final parameters, through Orbax.

A checkpoint is a folder named by its step. Orbax writes it under a temporary
name and renames it when every process has written its part, so a folder with
a step's name is always whole. A tree is kept as nested dictionaries by the
names of its leaves, whatever containers it is made of, so that it can be read
without the code that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import logging
import os
from typing import Any

from etils import epath
import jax
import numpy as np
import orbax.checkpoint as ocp

from plum_jax.artifacts import checkpoint_errors
from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError

_ARRAYS, _METADATA = 'state', 'metadata'
# Where Orbax moves what is to be deleted: a kill amid a deletion must not
# leave half a checkpoint under a step's name.
_DELETED = '.deleted'
_PARTIAL = '*.orbax-checkpoint-tmp*'


def _absolute(directory: str | os.PathLike[str]) -> epath.Path:
  """Returns the path as Orbax wants it; `gs://…` stays as it is."""
  text = os.fspath(directory)
  return epath.Path(text if '://' in text else os.path.abspath(text))


def _storable(leaf: Any) -> Any:
  return leaf if isinstance(leaf, jax.Array) else np.asarray(leaf)


def _abstract(leaf: Any, saved_dtype: Any = None) -> jax.ShapeDtypeStruct:
  """Describes the array to restore: shape, dtype and where it goes."""
  sharding = getattr(leaf, 'sharding', None)
  if sharding is None:
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  return jax.ShapeDtypeStruct(
      leaf.shape, saved_dtype or leaf.dtype, sharding=sharding
  )


_ONLY_WARNINGS = checkpoint_errors.OnlyWarningsOfOrbax()
_STORAGE_ERRORS = checkpoint_errors.STORAGE


@dataclasses.dataclass(frozen=True)
class Restored:
  """What a checkpoint held.

  Attributes:
    step: the step it was saved at.
    state: the tree, in the containers and on the devices asked for.
    metadata: the JSON values saved with it.
  """

  step: int
  state: Any
  metadata: Mapping[str, Any]


class Checkpoints:
  """A folder of checkpoints, the last few of which are kept.

  Use it as a context manager, or call `close`: saving goes on in the
  background. All processes of a job call the same methods in the same order.

  >>> import tempfile
  >>> import jax.numpy as jnp
  >>> folder = tempfile.mkdtemp()
  >>> with Checkpoints(folder) as checkpoints:
  ...   checkpoints.save(5, {'x': jnp.arange(3.)}, {'position': 40})
  >>> with Checkpoints(folder) as checkpoints:
  ...   restored = checkpoints.restore({'x': jnp.zeros(3)})
  >>> restored.step, restored.state['x'].tolist(), restored.metadata
  (5, [0.0, 1.0, 2.0], {'position': 40})
  """

  def __init__(
      self,
      directory: str | os.PathLike[str],
      *,
      keep: int = 3,
      asynchronous: bool = True,
  ):
    """Opens a folder; removes what a killed process left half-written.

    Args:
      directory: the folder, made if it is not there.
      keep: how many of the latest checkpoints stay.
      asynchronous: whether `save` returns once the arrays are copied off the
        devices, before they are written.

    Raises:
      InputError: the folder cannot be made or read.
    """
    self._directory = _absolute(directory)
    # Once: a logger keeps a filter that it already has.
    logging.getLogger('absl').addFilter(_ONLY_WARNINGS)
    try:
      self._manager = ocp.CheckpointManager(
          self._directory,
          options=ocp.CheckpointManagerOptions(
              max_to_keep=keep,
              enable_async_checkpointing=asynchronous,
              todelete_subdir=_DELETED,
              # Processes meet under this name: two folders that are saved to at
              # the same time must not share it.
              multiprocessing_options=ocp.options.MultiprocessingOptions(
                  barrier_sync_key_prefix=self._directory.name
              ),
          ),
          item_handlers={
              _ARRAYS: ocp.StandardCheckpointHandler(),
              _METADATA: ocp.JsonCheckpointHandler(),
          },
      )
    except _STORAGE_ERRORS as error:
      raise checkpoint_errors.unwritable(error, directory) from error
    self._purge()

  def _purge(self) -> None:
    """Deletes what is moved aside or half-written; no save may be going on."""
    if jax.process_index() == 0:
      for leftover in (
          *self._directory.glob(_DELETED),
          *self._directory.glob(_PARTIAL),
      ):
        leftover.rmtree()

  def __enter__(self) -> Checkpoints:
    return self

  def __exit__(self, exception_type, exception, traceback) -> None:
    del exception, traceback
    try:
      self.close()
    except InputError:
      # What ended the block is the news; a failed save would hide it.
      if exception_type is None:
        raise

  def steps(self) -> list[int]:
    """Returns the steps of the whole checkpoints, ascending; waits first."""
    self.wait()
    return sorted(self._manager.all_steps())

  def latest_step(self) -> int | None:
    """Returns the latest of `steps`, or None."""
    return max(self.steps(), default=None)

  def save(
      self, step: int, state: Any, metadata: Mapping[str, Any] | None = None
  ) -> None:
    """Saves a tree and JSON values as one checkpoint, or nothing of both.

    Waits for the save before it, and reports that one's error. The arrays may
    be donated or deleted once this returns.

    Args:
      step: later than the steps already there; otherwise nothing happens.
      state: a tree of arrays.
      metadata: JSON values, such as the position of the input.

    Raises:
      InputError: the disk is full or not writable. Earlier checkpoints stay.
    """
    latest = self._manager.latest_step()
    if latest is not None and step <= latest:
      return
    nested = jax.tree.map(_storable, trees.to_nested(state))
    try:
      self._manager.wait_until_finished()
      self._purge()
      self._manager.save(
          step,
          args=ocp.args.Composite(
              **{
                  _ARRAYS: ocp.args.StandardSave(nested),
                  _METADATA: ocp.args.JsonSave(dict(metadata or {})),
              }
          ),
          force=True,
      )
    except _STORAGE_ERRORS as error:
      raise checkpoint_errors.unwritable(
          error, self._directory / str(step)
      ) from error

  def restore(self, target: Any, step: int | None = None) -> Restored:
    """Reads a checkpoint onto the devices that `target` names.

    Args:
      target: a tree of arrays or `jax.ShapeDtypeStruct`s; each leaf is read
        onto its `sharding`, which may be of another mesh than it was saved
        from, or onto the first device where it has none.
      step: which checkpoint, the latest if None.

    Returns:
      The state, like `target`, and the metadata.

    Raises:
      InputError: there is no such checkpoint, it is damaged, or its arrays
        are others than those of `target`.
    """
    step = self._existing(step)
    where = self._directory / str(step)
    wanted = trees.to_nested(target)
    try:
      found = self._manager.item_metadata(step)[_ARRAYS].tree
    except _STORAGE_ERRORS as error:
      raise checkpoint_errors.unreadable(error, where) from error
    trees.check(found, wanted, where, cast=False)
    try:
      restored = self._manager.restore(
          step,
          args=ocp.args.Composite(
              **{
                  _ARRAYS: ocp.args.StandardRestore(
                      jax.tree.map(_abstract, wanted)
                  ),
                  _METADATA: ocp.args.JsonRestore(),
              }
          ),
      )
    except _STORAGE_ERRORS as error:
      raise checkpoint_errors.unreadable(error, where) from error
    state = trees.from_nested(restored[_ARRAYS], target)
    return Restored(step, state, restored[_METADATA])

  def restore_metadata(self, step: int | None = None) -> Mapping[str, Any]:
    """Reads the JSON values of a checkpoint alone.

    Args:
      step: which checkpoint, the latest if None.

    Returns:
      What was given to `save`.

    Raises:
      InputError: there is no such checkpoint, or it is damaged.
    """
    step = self._existing(step)
    try:
      return self._manager.restore(
          step,
          args=ocp.args.Composite(**{_METADATA: ocp.args.JsonRestore()}),
      )[_METADATA]
    except _STORAGE_ERRORS as error:
      raise checkpoint_errors.unreadable(
          error, self._directory / str(step)
      ) from error

  def _existing(self, step: int | None) -> int:
    """Returns the step asked for, or the latest."""
    steps = self.steps()
    if not steps or (step is not None and step not in steps):
      raise InputError(
          'There is no checkpoint.'
          if step is None
          else f'There is no checkpoint of step {step}.',
          where=self._directory,
          expected=f'one of the steps {steps}' if steps else 'a checkpoint',
          fix='Train first, or correct the folder or the step.',
      )
    return steps[-1] if step is None else step

  def wait(self) -> None:
    """Waits until what was saved is written.

    Raises:
      InputError: it could not be written. Earlier checkpoints stay.
    """
    try:
      self._manager.wait_until_finished()
    except _STORAGE_ERRORS as error:
      raise checkpoint_errors.unwritable(error, self._directory) from error

  def close(self) -> None:
    """Waits, and lets go of the folder.

    Raises:
      InputError: the last checkpoint could not be written.
    """
    try:
      self.wait()
    finally:
      self._manager.close()
      self._purge()


def _composite_checkpointer() -> ocp.Checkpointer:
  logging.getLogger('absl').addFilter(_ONLY_WARNINGS)
  return ocp.Checkpointer(
      ocp.CompositeCheckpointHandler(
          state=ocp.StandardCheckpointHandler(),
          metadata=ocp.JsonCheckpointHandler(),
      )
  )


def save_params(
    directory: str | os.PathLike[str],
    params: Any,
    config: Mapping[str, Any] | None = None,
) -> None:
  """Saves final parameters, without an optimizer's state.

  Args:
    directory: the folder to appear, whole or not at all; must not exist.
    params: a tree of arrays.
    config: JSON values that tell how to build the network.

  Raises:
    InputError: the folder exists, or it cannot be written.
  """
  path = _absolute(directory)
  if path.exists():
    raise InputError(
        'The folder for the parameters exists already.',
        where=path,
        expected='a path where nothing is',
        fix='Delete the folder or choose another.',
    )
  try:
    with _composite_checkpointer() as checkpointer:
      checkpointer.save(
          path,
          args=ocp.args.Composite(
              **{
                  _ARRAYS: ocp.args.StandardSave(
                      jax.tree.map(_storable, trees.to_nested(params))
                  ),
                  _METADATA: ocp.args.JsonSave(dict(config or {})),
              }
          ),
      )
  except _STORAGE_ERRORS as error:
    for leftover in path.parent.glob(path.name + _PARTIAL[1:]):
      leftover.rmtree()
    raise checkpoint_errors.unwritable(error, path) from error


def load_params(
    directory: str | os.PathLike[str], target: Any = None
) -> tuple[Any, Mapping[str, Any]]:
  """Reads what `save_params` wrote.

  Args:
    directory: its folder.
    target: as for `Checkpoints.restore`, but the dtype may differ from the
      saved one: bfloat16 parameters for serving come from float32 ones
      without a copy. If None, everything is read onto the first device.

  Returns:
    The parameters (like `target`, or nested dictionaries), and the config.

  Raises:
    InputError: nothing is there, it is damaged, or it holds other parameters.
  """
  path = _absolute(directory)
  if not (path / _ARRAYS).exists():
    raise InputError(
        'There are no saved parameters.',
        where=path,
        expected='a folder that save_params has written',
        fix='Run the stage that makes it, or correct the path.',
    )
  with _composite_checkpointer() as checkpointer:
    try:
      found = checkpointer.metadata(path).item_metadata[_ARRAYS].tree
    except _STORAGE_ERRORS as error:
      raise checkpoint_errors.unreadable(error, path) from error
    if target is None:
      wanted = jax.tree.map(
          lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), found
      )
    else:
      wanted = trees.to_nested(target)
      trees.check(found, wanted, path, cast=True)
    try:
      restored = checkpointer.restore(
          path,
          args=ocp.args.Composite(
              **{
                  _ARRAYS: ocp.args.StandardRestore(
                      jax.tree.map(_abstract, wanted)
                  ),
                  _METADATA: ocp.args.JsonRestore(),
              }
          ),
      )
    except _STORAGE_ERRORS as error:
      raise checkpoint_errors.unreadable(error, path) from error
  params = restored[_ARRAYS]
  if target is not None:
    params = trees.from_nested(params, target)
  return params, restored[_METADATA]


def load_params_config(directory: str | os.PathLike[str]) -> Mapping[str, Any]:
  """Returns the `config` that `save_params` was given, without parameters.

  Raises:
    InputError: it cannot be read.
  """
  path = _absolute(directory)
  try:
    return ocp.JsonCheckpointHandler().restore(
        path / _METADATA, args=ocp.args.JsonRestore()
    )
  except _STORAGE_ERRORS as error:
    raise checkpoint_errors.unreadable(
        error, path, checkpoint_errors.OTHERS
    ) from error


def state_arrays(
    directory: str | os.PathLike[str],
) -> dict[str, jax.ShapeDtypeStruct]:
  """Describes the arrays of a checkpoint, of this project or of T5X.

  Args:
    directory: the folder that holds the folder `state`.

  Returns:
    Shape and dtype of each array, by a name such as `params/decoder/…`.

  Raises:
    InputError: it cannot be read.
  """
  path = _absolute(directory)
  try:
    found = ocp.PyTreeCheckpointHandler().metadata(path / _ARRAYS).tree
  except _STORAGE_ERRORS as error:
    raise checkpoint_errors.unreadable(
        error, path, checkpoint_errors.OTHERS
    ) from error
  return {
      name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
      for name, leaf in trees.to_flat(found).items()
      if hasattr(leaf, 'shape')
  }


def load_state_arrays(
    directory: str | os.PathLike[str],
    wanted: Mapping[str, jax.ShapeDtypeStruct],
) -> dict[str, Any]:
  """Reads some arrays of a checkpoint, of this project or of T5X.

  Args:
    directory: the folder that holds the folder `state`.
    wanted: what to read, by its name; onto `sharding`, or as a NumPy array
      where that is None. Dtypes may differ from the saved ones.

  Returns:
    The arrays by their names.

  Raises:
    InputError: they cannot be read.
  """
  path = _absolute(directory)
  nested = trees.nest(wanted)
  args = ocp.args.PyTreeRestore(
      item=nested,
      restore_args=jax.tree.map(
          lambda leaf: ocp.RestoreArgs(
              restore_type=np.ndarray, dtype=leaf.dtype
          )
          if leaf.sharding is None
          else ocp.ArrayRestoreArgs(sharding=leaf.sharding, dtype=leaf.dtype),
          nested,
      ),
      partial_restore=True,
  )
  try:
    restored = ocp.PyTreeCheckpointHandler().restore(path / _ARRAYS, args=args)
  except _STORAGE_ERRORS as error:
    raise checkpoint_errors.unreadable(
        error, path, checkpoint_errors.OTHERS
    ) from error
  return trees.to_flat(restored)

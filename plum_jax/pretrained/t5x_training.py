# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A whole training state, by T5X's names and by ours.

Under T5X the optimizer is ours (`t5x.optimizer`), so that its state has the
same leaves. What only we keep, the metric sums since the last logged step,
begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import pathlib
import re
from typing import Any

import jax

from plum_jax.artifacts import checkpoints
from plum_jax.artifacts import manifest as manifests
from plum_jax.artifacts import t5x_form
from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError

# Ours, T5X's.
_NAMES = (
    ('params/', 'target/'),
    ('optimizer_state/', 'state/param_states/'),
)
_STEP, _T5X_STEP = 'step', 'state/step'
_FOLDER = re.compile(rf'{t5x_form.PREFIX}(\d+)')
_STATE = 'state'


def to_t5x(name: str) -> str | None:
  """Returns T5X's name of a leaf of our training state; None if it has none.

  >>> to_t5x('optimizer_state/0/count'), to_t5x('failed_step')
  ('state/param_states/0/count', None)
  """
  if name == _STEP:
    return _T5X_STEP
  for ours, theirs in _NAMES:
    if name.startswith(ours):
      return theirs + name.removeprefix(ours)
  return None


@dataclasses.dataclass(frozen=True)
class Continuation:
  """A training of T5X's launcher to go on with.

  Attributes:
    path: its `checkpoint_<step>`.
    step: number of finished steps.
    position: of the input after them.
  """

  path: pathlib.Path
  step: int
  position: Mapping[str, Any]

  def describe(self) -> dict[str, Any]:
    """Returns what a manifest compares: the contents' hash."""
    files = [file for file in self.path.rglob('*') if file.is_file()]
    return {'content_hash': manifests.hash_files(self.path, files)}

  def read(self, wanted: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, Any]:
    """Reads step, parameters and optimizer's state.

    Args:
      wanted: shapes and shardings by our names.

    Returns:
      The arrays by our names.

    Raises:
      InputError: the checkpoint is of another model or optimizer.
    """
    names = {name: to_t5x(name) or name for name in wanted}
    found = checkpoints.state_arrays(self.path)
    trees.check(
        trees.nest(found),
        trees.nest({names[name]: shape for name, shape in wanted.items()}),
        self.path,
        cast=False,
    )
    arrays = checkpoints.load_state_arrays(
        self.path, {names[name]: shape for name, shape in wanted.items()}
    )
    return {name: arrays[names[name]] for name in wanted}


def find(path: str) -> Continuation:
  """Looks at a checkpoint of T5X's launcher; reads no arrays yet.

  Args:
    path: a `checkpoint_<step>`, or the MODEL_DIR around several, of which the
      last is taken.

  Raises:
    InputError: there is none, it is of the legacy form, or it does not hold the
      input's position.
  """
  folder = pathlib.Path(path)
  if not _FOLDER.fullmatch(folder.name):
    steps = {
        int(match[1]): child
        for child in (folder.iterdir() if folder.is_dir() else ())
        if (match := _FOLDER.fullmatch(child.name))
    }
    folder = steps[max(steps)] if steps else folder
  match = _FOLDER.fullmatch(folder.name)
  if not match or not (folder / _STATE).is_dir():
    raise InputError(
        'There is no checkpoint to continue from.',
        where=folder,
        expected="a local checkpoint_<step> of T5X's launcher in its Orbax "
        'form, or the MODEL_DIR around it',
        fix='Correct CONTINUE_FROM. A public checkpoint is one to start from: '
        'INITIAL_CHECKPOINT_PATH.',
    )
  return Continuation(
      folder, int(match[1]), {'shards': [t5x_form.load_position(folder)]}
  )

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""In the place of jestimator, for T5X runs that do not use Amos."""

import types
from typing import NamedTuple


class ScaleByAmosState(NamedTuple):
  """No optimizer's state is one of these."""


def _refuse(*args, **kwargs):
  """Says that the optimizer is not here.

  Raises:
    NotImplementedError: always.
  """
  del args, kwargs
  raise NotImplementedError('Install jestimator to train with Amos.')


# The names that T5X takes hold of when it starts.
amos = types.SimpleNamespace(ScaleByAmosState=ScaleByAmosState, amos=_refuse)
amos_helper = types.SimpleNamespace(state_partition_rule=_refuse)

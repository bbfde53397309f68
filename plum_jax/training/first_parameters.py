# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A model's first parameters, without one large program that makes them all.

The layers of a network have parameters of the same few kinds. Drawn in one
program each is compiled anew: a third of the time to the first step of a small
model. So the trace of `Model.init` is cut into the parts that single parameters
depend on. Parts that differ by nothing but the number that Flax folds into the
key are one program, which is run for each of them, and gives each its place on
the mesh.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import Any

import jax
from jax.extend import core
from jax.interpreters import partial_eval
import numpy as np

from plum_jax.training import compiler_options


@dataclasses.dataclass(frozen=True)
class _Part:
  """What one parameter is made with.

  Attributes:
    program: from a key to the parameter.
    folded: what is folded into the key first; None for nothing.
  """

  program: core.ClosedJaxpr
  folded: int | None


def make(
    init: Callable[[jax.Array], Any], key: jax.Array, shardings: Any
) -> Any:
  """Makes parameters in their places, the same as `init` in one program would.

  Args:
    init: from a key to parameters; it can be traced.
    key: a typed key.
    shardings: of the parameters.

  Returns:
    The parameters on the mesh.
  """
  traced, shapes = jax.make_jaxpr(init, return_shape=True)(key)
  leaves, tree = jax.tree.flatten(shapes)
  places = tree.flatten_up_to(shardings)
  programs: dict[Any, Callable[[np.ndarray], jax.Array]] = {}
  made = []
  for index, place in enumerate(places):
    part = _part(traced, [i == index for i in range(len(leaves))])
    own_key = key
    if part.folded is not None:
      own_key = jax.random.fold_in(key, part.folded)
    # Constants are not in the text of a program: it is alone of its kind then.
    kind = (str(part.program), place, index if traced.consts else None)
    if kind not in programs:
      programs[kind] = _compiled(part.program, key, place)
    # From the host: a key of one device cannot go to a mesh of many processes.
    made.append(programs[kind](np.asarray(jax.random.key_data(own_key))))
  return tree.unflatten(made)


def _compiled(
    program: core.ClosedJaxpr, key: jax.Array, place: jax.sharding.Sharding
) -> Callable[[np.ndarray], jax.Array]:
  """Returns a function of a key's data; it is compiled when it is called."""
  run, impl = core.jaxpr_as_fun(program), jax.random.key_impl(key)

  def from_data(data):
    inputs = [jax.random.wrap_key_data(data, impl=impl)]
    return run(*inputs[: len(program.jaxpr.invars)])[0]

  return jax.jit(
      from_data,
      out_shardings=place,
      compiler_options=compiler_options.of_one_run(place),
  )


def _part(traced: core.ClosedJaxpr, wanted: list[bool]) -> _Part:
  """Cuts out what one result depends on, its own key apart if there is one."""
  jaxpr, _ = partial_eval.dce_jaxpr(traced.jaxpr, wanted)
  if traced.consts:
    return _Part(core.ClosedJaxpr(jaxpr, traced.consts), None)
  # A layer that is rematerialised is an equation of its own.
  while _is_one_layer(jaxpr):
    jaxpr = jaxpr.eqns[0].params['jaxpr']
  folded = None
  if jaxpr.eqns and jaxpr.eqns[0].primitive.name == 'random_fold_in':
    first = jaxpr.eqns[0]
    base, number = first.invars
    rest = jaxpr.eqns[1:]
    alone = all(base not in equation.invars for equation in rest)
    if isinstance(number, core.Literal) and alone:
      folded = int(number.val)
      jaxpr = jaxpr.replace(invars=first.outvars, eqns=rest)
  return _Part(core.ClosedJaxpr(jaxpr, []), folded)


def _is_one_layer(jaxpr: core.Jaxpr) -> bool:
  """Says whether all that is done is in one rematerialised equation."""
  if len(jaxpr.eqns) != 1:
    return False
  [equation] = jaxpr.eqns
  return (
      equation.primitive.name in ('checkpoint', 'remat2')
      and list(equation.invars) == list(jaxpr.invars)
      and list(equation.outvars) == list(jaxpr.outvars)
  )

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The one place that says which logical axis lies along which mesh axis.

Networks name the axes of parameters (`param_with_axes`) and of activations
(`with_sharding_constraint`) by what they hold; an axis rule gives each name a
mesh axis or None. Flax silently replicates an axis that no rule names; here it
is an error, for parameters and for activations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import contextlib
import math
from typing import Any

from flax.linen import partitioning
import jax

from plum_jax.artifacts.errors import InputError

MeshAxes = str | tuple[str, ...] | None
# Pairs of logical axis and mesh axes; the earlier takes a mesh axis first.
AxisRules = tuple[tuple[str, MeshAxes], ...]

# Never cut: too small, or needed whole by every device. `kv_heads`, times kv in
# kernels, are heads that several heads of queries share: one in small Gemmas.
_WHOLE = (
    'length',
    'position',
    'kv',
    'kv_heads',
    'relpos_buckets',
    'beam',
    'level',
    'code',
    'latent',
    'table_width',
    'stack',
    'layers',
    'router',
    'expert_mlp',
)
# Wide dimensions that tensor parallelism cuts. `joined_kv` is heads times kv.
# Of a mixture of experts it gives each device some whole experts: `expert_mlp`,
# their hidden layer, is not cut besides. A device has all tokens of its part of
# the batch, and adds up what its experts make of them.
_WIDE = ('vocab', 'item', 'mlp', 'hidden', 'heads', 'joined_kv', 'expert')


def _rules(embed: MeshAxes, wide: MeshAxes) -> AxisRules:
  """Makes the rules of a preset.

  `batch` comes first: an activation `[batch, length, embed]` is cut by its
  batch, and only a parameter, which has none, by `embed`. `item_row` are the
  rows of an item table that must never be whole on a device: cut along all that
  parameters are cut along. `lookup_batch` is a batch that is about to be looked
  up in it, so that only copies of the table take different examples.
  """
  return (
      ('batch', ('data', 'fsdp')),
      ('lookup_batch', 'data'),
      ('item_row', _together(embed, wide)),
      *((name, wide) for name in _WIDE),
      ('embed', embed),
      *((name, None) for name in _WHOLE),
  )


def _together(*axes: MeshAxes) -> MeshAxes:
  """Joins mesh axes."""
  return tuple(axis for axis in axes if isinstance(axis, str)) or None


PRESETS: Mapping[str, AxisRules] = {
    'data': _rules(embed=None, wide=None),
    'fsdp': _rules(embed='fsdp', wide=None),
    'tensor': _rules(embed=None, wide='tensor'),
    'fsdp_tensor': _rules(embed='fsdp', wide='tensor'),
}


def preset(name: str = 'fsdp_tensor') -> AxisRules:
  """Returns the rules of a preset.

  Args:
    name: `data`, parameters whole on each device; `fsdp`, cut by `embed`;
      `tensor`, cut by their wide dimension; `fsdp_tensor`, by both. The last
      serves every mesh, since a mesh axis of size 1 cuts nothing.

  Returns:
    The rules, earlier ones first.

  Raises:
    InputError: there is no such preset.

  >>> dict(preset('fsdp'))['embed']
  'fsdp'
  """
  if name not in PRESETS:
    raise InputError(
        f'There is no preset of axis rules called {name}.',
        where='axis rules',
        expected=f'one of {", ".join(PRESETS)}',
        fix='Correct the name.',
    )
  return PRESETS[name]


def _unknown_axis(axis: str, where: str, rules: AxisRules) -> InputError:
  return InputError(
      f'No axis rule names the logical axis {axis!r}.',
      where=where,
      expected=f'one of {", ".join(dict.fromkeys(name for name, _ in rules))}',
      fix='Correct the name in the network, or add a rule for it.',
  )


class _Guard(str):
  """A last rule for which Flax asks each axis of an array whether it is meant.

  Flax looks for a rule's name among an array's axes; this name's comparison
  raises when it meets an axis that the rules before it do not name.
  """

  rules: AxisRules
  names: frozenset[str]

  @classmethod
  def of(cls, rules: AxisRules) -> _Guard:
    """Makes the guard of some rules."""
    guard = cls('no logical axis')
    guard.rules = rules
    guard.names = frozenset(name for name, _ in rules)
    return guard

  def __eq__(self, other: object) -> bool:
    if isinstance(other, str) and other not in self.names:
      raise _unknown_axis(
          other, 'a sharding constraint in a network', self.rules
      )
    return False

  def __hash__(self) -> int:
    return super().__hash__()


@contextlib.contextmanager
def activation_rules(
    mesh: jax.sharding.Mesh, rules: AxisRules
) -> Iterator[None]:
  """Lets networks place activations by logical axes while they are traced.

  Put it inside of the function that is jitted, around the call of the network:
  outside of it, `flax.linen.partitioning.with_sharding_constraint` does
  nothing.

  Args:
    mesh: the mesh of the jitted function's arguments.
    rules: the axis rules.

  Yields:
    Nothing.

  Raises:
    InputError: while tracing, for a logical axis that no rule names.
  """
  guarded = (*rules, (_Guard.of(rules), None))
  with (
      jax.sharding.use_abstract_mesh(mesh.abstract_mesh),
      partitioning.axis_rules(guarded),
  ):
    yield


def _join(path: tuple[Any, ...]) -> str:
  return jax.tree_util.keystr(path, simple=True, separator='/')


def _axes_by_name(params_axes: Any) -> dict[str, tuple[str | None, ...]]:
  """Returns the logical axes of each parameter by the parameter's name."""
  leaves = jax.tree_util.tree_leaves_with_path(
      params_axes, is_leaf=lambda x: isinstance(x, partitioning.AxisMetadata)
  )
  return {
      _join(path).removesuffix('_axes'): tuple(metadata.names)
      for path, metadata in leaves
  }


def param_shardings(
    params_axes: Any,
    params_shapes: Any,
    mesh: jax.sharding.Mesh,
    rules: AxisRules,
) -> Any:
  """Places every parameter on the mesh.

  Args:
    params_axes: the collection `params_axes` of a Linen module's variables.
    params_shapes: the collection `params`, or `jax.eval_shape` of it.
    mesh: the mesh.
    rules: the axis rules.

  Returns:
    A tree like `params_shapes` of `jax.sharding.NamedSharding`.

  Raises:
    InputError: a parameter has no axes or another number of them than
      dimensions, an axis that no rule names, two dimensions on one mesh axis,
      or a dimension that its mesh axes do not divide. The parameter is named.
  """
  axes = _axes_by_name(params_axes)

  def place(path, leaf):
    name = _join(path)
    if name not in axes:
      raise InputError(
          f'The parameter {name} has no logical axes.',
          where=f'parameter {name}',
          expected='a name for each dimension in params_axes',
          fix='Make it with flax.linen.partitioning.param_with_axes.',
      )
    spec = _param_spec(name, axes[name], leaf.shape, mesh, rules)
    return jax.sharding.NamedSharding(mesh, spec)

  return jax.tree_util.tree_map_with_path(place, params_shapes)


def _param_spec(
    name: str,
    logical_axes: tuple[str | None, ...],
    shape: tuple[int, ...],
    mesh: jax.sharding.Mesh,
    rules: AxisRules,
) -> jax.sharding.PartitionSpec:
  """Looks up a parameter's dimensions and checks that the mesh fits them."""
  where = f'parameter {name} {logical_axes}, shape {shape}'
  if len(logical_axes) != len(shape):
    raise InputError(
        f'The parameter {name} has {len(shape)} dimensions but '
        f'{len(logical_axes)} logical axes.',
        where=where,
        expected='one logical axis a dimension',
        fix='Correct the axes in the network.',
    )
  mesh_axes_of = dict(reversed(rules))
  taken: dict[str, str] = {}
  spec: list[MeshAxes] = []
  for axis, size in zip(logical_axes, shape, strict=True):
    if axis is None:
      spec.append(None)
      continue
    if axis not in mesh_axes_of:
      raise _unknown_axis(axis, where, rules)
    mesh_axes = mesh_axes_of[axis]
    names = (mesh_axes,) if isinstance(mesh_axes, str) else (mesh_axes or ())
    for mesh_axis in names:
      if mesh_axis in taken:
        raise InputError(
            f'Two dimensions of {name} lie along the mesh axis {mesh_axis}.',
            where=where,
            expected='each mesh axis at most once in a parameter',
            fix=f'Change the rule of {taken[mesh_axis]!r} or of {axis!r}.',
        )
      taken[mesh_axis] = axis
    pieces = math.prod(mesh.shape[mesh_axis] for mesh_axis in names)
    if size % pieces:
      raise InputError(
          f'The dimension {axis!r} of {name}, {size}, cannot be cut into '
          f'{pieces} equal pieces.',
          where=where,
          expected=f'a multiple of {pieces}, the size of {mesh_axes}',
          fix=f'Choose a mesh whose {mesh_axes} divides {size}, or rules '
          f'that leave {axis!r} whole.',
      )
    spec.append(mesh_axes)
  return jax.sharding.PartitionSpec(*spec)

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Low-rank adapters (LoRA, arXiv 2106.09685) beside frozen kernels.

A kernel W is trained as W + alpha / rank · A B, where A is random and B starts
at zero. Qwix puts the product into the network; what is kept in the end is the
sum, so that whoever loads the model knows nothing of adapters.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import re
from typing import Any

from flax import linen as nn
from flax import traverse_util
from flax.linen import partitioning
import jax
import jax.numpy as jnp
import numpy as np

from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.models.encoder_decoder import EncoderDecoderModel
from plum_jax.models.saved import GenerativeModel

_A, _B = '_lora_a', '_lora_b'


@dataclasses.dataclass(frozen=True)
class Lora:
  """Which kernels get adapters, and what is trained besides.

  Attributes:
    rank: columns of A, rows of B.
    alpha: the product's factor is alpha / rank.
    modules: a regular expression; matrices of modules whose path, such as
      `decoder/layers_0/mlp/wi_0`, it matches whole get adapters.
    also_trained: regular expressions of further parameters to train. The rows
      of SID tokens are new, so that the tables of tokens have to be.
  """

  rank: int = 8
  alpha: float = 16.0
  modules: str = '.*(attention|mlp)/.*'
  also_trained: tuple[str, ...] = (
      '(token_embedder/embedding|logits_dense/kernel)$',
  )

  def __post_init__(self):
    """Checks the numbers.

    Raises:
      InputError: one makes no sense.
    """
    for name in ('rank', 'alpha'):
      if getattr(self, name) <= 0:
        raise InputError(
            f'{name} is {getattr(self, name)!r}.',
            where=f'Lora.{name}',
            expected='a number above 0',
            fix='Correct the value.',
        )

  @property
  def trainable(self) -> tuple[str, ...]:
    """What `TrainConfig.trainable` is to be."""
    return (f'({_A}|{_B})$', *self.also_trained)


@dataclasses.dataclass(frozen=True)
class _Adapted:
  """The part of a model with adapters that has them."""

  lora: Lora = Lora()

  @property
  def network(self) -> Any:
    """The Flax module, with adapters."""
    # An extra of the package: who trains no adapters needs none of it.
    try:
      import qwix  # pylint: disable=g-import-not-at-top
    except ImportError as error:
      raise InputError(
          'qwix is not installed, which puts adapters into networks.',
          where='LORA',
          expected='the extra lora',
          fix="pip install 'plum-jax[lora]', or train without LORA.",
      ) from error
    plain: nn.Module = super().network  # pyrefly: ignore[missing-attribute]
    return qwix.apply_lora_to_model(
        plain,
        qwix.LoraProvider(
            module_path=self.lora.modules,
            rank=self.lora.rank,
            alpha=self.lora.alpha,
        ),
    )

  def init(self, rng: jax.Array, batch: Any) -> dict[str, Any]:
    """Initialises parameters and adapters, and names the axes of both."""
    # Before Qwix, which is left in disorder by what it cannot do.
    self._check(jax.eval_shape(self.plain().init, rng, batch)['params'])
    made = super().init(rng, batch)  # pyrefly: ignore[missing-attribute]
    params = trees.to_flat(made['params'])
    axes: dict[str, Any] = dict(
        traverse_util.flatten_dict(dict(made['params_axes']), sep='/')
    )
    kernels = [x.removesuffix(_A) for x in params if x.endswith(_A)]
    for kernel in kernels:
      names = axes[f'{kernel}_axes'].names
      axes[f'{kernel}{_A}_axes'] = partitioning.AxisMetadata((names[0], None))
      axes[f'{kernel}{_B}_axes'] = partitioning.AxisMetadata((None, names[1]))
    nested = traverse_util.unflatten_dict(axes, sep='/')
    return dict(made) | {'params_axes': nested}

  def plain(self) -> GenerativeModel:
    """Returns the model without adapters."""
    [plain] = [x for x in _ADAPTED if isinstance(self, x)]
    names = [field.name for field in dataclasses.fields(plain)]
    return plain(**{name: getattr(self, name) for name in names})

  def _check(self, shapes: Any) -> None:
    """Refuses adapters of nothing, and of what is no matrix."""
    modules = {}
    for name, shape in trees.to_flat(shapes).items():
      modules.setdefault(name.rpartition('/')[0], []).append(len(shape.shape))
    modules = {name: sizes for name, sizes in modules.items() if max(sizes) > 1}
    found = [x for x in modules if re.fullmatch(self.lora.modules, x)]
    if not found:
      raise InputError(
          f'No module is called like {self.lora.modules!r}.',
          where='Lora.modules',
          expected=f'an expression that matches one of {", ".join(modules)}',
          fix='Correct the expression.',
      )
    if max(max(modules[x]) for x in found) > 2:
      raise InputError(
          'Kernels of experts cannot have adapters: Qwix does not do it.',
          where='Lora.modules',
          expected='modules whose kernels are matrices',
          fix='Leave experts out of the expression.',
      )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _AdaptedDecoderOnly(_Adapted, DecoderOnlyModel):
  """A decoder-only model with adapters."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _AdaptedEncoderDecoder(_Adapted, EncoderDecoderModel):
  """An encoder-decoder with adapters."""


_ADAPTED: dict[type[GenerativeModel], Any] = {
    DecoderOnlyModel: _AdaptedDecoderOnly,
    EncoderDecoderModel: _AdaptedEncoderDecoder,
}


def adapt(model: GenerativeModel, lora: Lora) -> GenerativeModel:
  """Returns a model whose parameters are those of another and adapters.

  Args:
    model: the model.
    lora: which adapters.
  """
  adapted = _ADAPTED[type(model)]
  fields = {
      field.name: getattr(model, field.name)
      for field in dataclasses.fields(model)
  }
  return adapted(lora=lora, **fields)


def merge(params: Any, lora: Lora) -> Any:
  """Adds adapters to their kernels.

  Args:
    params: of an adapted model.
    lora: its adapters.

  Returns:
    The parameters of the model without.

  >>> params = {'kernel': np.zeros((2, 1)), 'kernel_lora_a': np.ones((2, 1)),
  ...           'kernel_lora_b': np.ones((1, 1))}
  >>> merge(params, Lora(rank=1, alpha=3.0))['kernel'].tolist()
  [[3.0], [3.0]]
  """
  flat = trees.to_flat(params)
  merged = {}
  for name, value in flat.items():
    if f'{name}{_A}' in flat:
      product = flat[f'{name}{_A}'] @ flat[f'{name}{_B}']
      value = value + product * (lora.alpha / lora.rank)
    if not re.search(f'({_A}|{_B})$', name):
      merged[name] = value
  return trees.nest(merged)


def begin(shapes: Any, *, read: Callable[[Any], Any], seed: int) -> Any:
  """Puts adapters beside parameters to start from.

  Args:
    shapes: of the adapted model's parameters, with their shardings.
    read: returns the parameters of the model without for their shapes.
    seed: of the random numbers of A.

  Returns:
    The adapted model's parameters, which compute what those read do.
  """
  flat = trees.to_flat(read(base_shapes(shapes)))
  init = nn.initializers.he_uniform()
  for number, (name, shape) in enumerate(trees.to_flat(shapes).items()):
    if not re.search(f'({_A}|{_B})$', name):
      continue
    if name.endswith(_B):
      value = np.zeros(shape.shape, shape.dtype)
    else:
      key = jax.random.fold_in(jax.random.key(seed), number)
      value = np.asarray(init(key, shape.shape, shape.dtype))
    flat[name] = (
        jnp.asarray(value)
        if shape.sharding is None
        else jax.make_array_from_callback(
            shape.shape, shape.sharding, value.__getitem__
        )
    )
  return trees.nest(flat)


def base_shapes(shapes: Any) -> Any:
  """Returns the shapes of the model without adapters.

  >>> base_shapes({'kernel': 1, 'kernel_lora_a': 2, 'kernel_lora_b': 3})
  {'kernel': 1}
  """
  return trees.nest(
      {
          name: shape
          for name, shape in trees.to_flat(shapes).items()
          if not re.search(f'({_A}|{_B})$', name)
      }
  )

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The bundle: all that serving recommendations needs, in one folder.

    bundle/
      bundle.json     content hash of every file, prompts, search, versions
      items.parquet   item_id, title
      item_encoder/   manifest.json: what made the item embeddings
      semantic_ids/   tokenizer/, sid_table.parquet and what lies beside them
      vocabulary/     vocabulary.model, vocabulary.json
      generator/      model.json, parameters.safetensors, manifest.json

Numbers are safetensors and Parquet: reading them runs no code.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import functools
import json
import os
import pathlib
import shutil
import stat
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors
import safetensors.numpy

from plum_jax.artifacts import manifest
from plum_jax.artifacts import trees
from plum_jax.artifacts.errors import InputError
from plum_jax.decoding import strategies
from plum_jax.decoding.strategies import Strategy
from plum_jax.models import saved
from plum_jax.models.saved import GenerativeModel
from plum_jax.semantic_ids.sid_table import SidTable
from plum_jax.serving import bundle_manifest
from plum_jax.serving import parts as parts_lib
from plum_jax.serving.parts import Parts
from plum_jax.serving.prompt_format import PromptFormat

_ITEMS = 'items.parquet'
_MODEL, _PARAMETERS = 'model.json', 'parameters.safetensors'
_TRIES = 5
_STRATEGIES = {
    'BeamSearch': strategies.BeamSearch,
    'DiverseBeamSearch': strategies.DiverseBeamSearch,
}


@dataclasses.dataclass(frozen=True)
class SearchSettings:
  """How items are searched for.

  Attributes:
    beam_size: beams, and the most items that can be asked for.
    exclude_history: whether items of the history are left out unless a request
      says otherwise.
    strategy: which prefixes the search keeps.
  """

  beam_size: int
  exclude_history: bool = True
  strategy: Strategy = strategies.BEAM_SEARCH

  def to_json(self) -> dict[str, Any]:
    """Returns the settings as JSON values."""
    return {
        'beam_size': self.beam_size,
        'exclude_history': self.exclude_history,
        'decoding': strategies.describe_strategy(self.strategy),
    }

  @classmethod
  def from_json(cls, values: Mapping[str, Any]) -> SearchSettings:
    """Reads what `to_json` made.

    Raises:
      KeyError, TypeError, ValueError: it was not.
    """
    options = dict(values['decoding'])
    strategy = _STRATEGIES[options.pop('strategy')](**options)
    beam_size = int(values['beam_size'])
    if beam_size < 1:
      raise ValueError(f'beam_size is {beam_size}')
    return cls(beam_size, bool(values['exclude_history']), strategy)


def check_strategy(strategy: Strategy) -> None:
  """Refuses a strategy whose answers are drawn.

  Raises:
    InputError: it is `Sampling`.
  """
  if type(strategy).__name__ not in _STRATEGIES:
    raise InputError(
        f'{type(strategy).__name__} cannot be served.',
        where='DECODING',
        expected=' or '.join(_STRATEGIES),
        fix='Choose one of these for the stage bundle.',
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Bundle:
  """A bundle that was read and found whole.

  Attributes:
    version: twelve digits that name its content.
    model: network and search.
    params: the generator's parameters, nested dictionaries of NumPy arrays.
    generator_hash: content hash of their file.
    table: the SID table.
    titles: strings [num_items].
    item_tokens: int32 [num_items, num_levels], SID tokens of each item.
    prompt: how histories become prompts.
    search: how items are searched for.
  """

  version: str
  model: GenerativeModel
  params: Any
  generator_hash: str
  table: SidTable
  titles: pa.StringArray
  item_tokens: np.ndarray
  prompt: PromptFormat
  search: SearchSettings


def _parts(directory: pathlib.Path) -> Parts:
  return Parts(
      semantic_ids=directory / 'semantic_ids',
      vocabulary=directory / 'vocabulary',
      generator=directory / 'generator',
      items=directory / _ITEMS,
      item_encoder=directory / 'item_encoder',
  )


def write(
    directory: pathlib.Path,
    sources: Parts,
    *,
    items: pa.Table,
    model: GenerativeModel,
    params: Any,
    prompt: PromptFormat,
    search: SearchSettings,
) -> None:
  """Fills a folder with a bundle.

  Args:
    directory: an empty folder; see `artifacts.atomic.write_directory`.
    sources: the parts, which `parts.check` has found to belong together.
    items: columns `item_id` and `title`, in the order of the catalog.
    model: network and search.
    params: the generator's parameters.
    prompt: how histories become prompts.
    search: how items are searched for.
  """
  targets = _parts(directory)
  shutil.copytree(sources.semantic_ids, targets.semantic_ids)
  shutil.copytree(sources.vocabulary, targets.vocabulary)
  for source, target in (
      (sources.generator, targets.generator),
      (sources.item_encoder, targets.item_encoder),
  ):
    target.mkdir()
    shutil.copyfile(source / manifest.FILE_NAME, target / manifest.FILE_NAME)
  pq.write_table(
      items.select(['item_id', 'title']), targets.items, compression='zstd'
  )
  (targets.generator / _MODEL).write_text(
      json.dumps(saved.to_json(model), indent=2) + '\n', 'utf-8'
  )
  safetensors.numpy.save_file(
      {
          name: np.array(leaf, order='C')
          for name, leaf in trees.to_flat(params).items()
      },
      targets.generator / _PARAMETERS,
  )
  # safetensors lets its owner alone read a file; who serves may be another.
  mode = stat.S_IMODE((targets.generator / _MODEL).stat().st_mode)
  for path in directory.rglob('*'):
    if path.is_file():
      path.chmod(mode)
  bundle_manifest.write(
      directory,
      {'prompt': dataclasses.asdict(prompt), 'search': search.to_json()},
  )


def load(path: str | os.PathLike[str]) -> Bundle:
  """Reads a bundle, if it is whole and its parts belong together.

  Needs neither TensorFlow nor anything that trains. If the folder is replaced
  while it is read, it is read again: what comes back is one bundle.

  Args:
    path: the folder.

  Returns:
    The bundle.

  Raises:
    InputError: a file is missing, too many, changed or leads out of the folder;
      or parts do not belong together, which are named.
  """
  directory = pathlib.Path(path)
  for _ in range(_TRIES):
    before = _identity(directory)
    try:
      found = _load(directory)
    except (InputError, OSError):
      if _identity(directory) == before:
        raise
    else:
      if _identity(directory) == before:
        return found
  raise bundle_manifest.refuse(
      'The bundle is replaced faster than it can be read.', directory
  )


def _identity(directory: pathlib.Path) -> tuple[int, int] | None:
  """Tells a folder from another that has taken its name."""
  try:
    found = directory.stat()
  except FileNotFoundError:
    return None
  return found.st_dev, found.st_ino


def _load(directory: pathlib.Path) -> Bundle:
  """Reads a bundle once."""
  values = bundle_manifest.verify(directory)
  parts = _parts(directory)
  items = _read_items(parts.items)
  table, layout = parts_lib.check(parts, items['item_id'].combine_chunks())
  settings = directory / bundle_manifest.FILE_NAME
  try:
    prompt = PromptFormat(**values['prompt'])
    search = SearchSettings.from_json(values['search'])
  except (KeyError, TypeError, ValueError) as error:
    raise bundle_manifest.refuse(
        f'The settings cannot be read: {error!r}.', settings
    ) from error
  model, params = _read_generator(parts.generator)
  if model.config.vocab_size < layout.vocab_size:
    raise bundle_manifest.refuse(
        f'The generator has {model.config.vocab_size} tokens, the vocabulary '
        f'{layout.vocab_size}.',
        f'{parts.generator / _MODEL} and {parts.vocabulary}',
    )
  if prompt.kind != saved.kind(model) or not (
      0 < prompt.max_items * len(table.level_sizes) <= prompt.length
  ):
    raise bundle_manifest.refuse(
        'The prompts do not fit the generator.',
        f'{settings} and {parts.generator / _MODEL}',
    )
  return Bundle(
      version=bundle_manifest.version(values),
      model=model,
      params=params,
      generator_hash=values['files'][f'generator/{_PARAMETERS}'],
      table=table,
      titles=items['title'].combine_chunks(),
      item_tokens=layout.sid_tokens.token_ids(table.full_codes),
      prompt=prompt,
      search=search,
  )


def _read_items(path: pathlib.Path) -> pa.Table:
  try:
    items = pq.read_table(path)
    wanted = pa.schema({'item_id': pa.string(), 'title': pa.string()})
    return items.select(wanted.names).cast(wanted)
  except (OSError, KeyError, ValueError, pa.ArrowException) as error:
    raise bundle_manifest.refuse(
        f'The items cannot be read: {error}', path
    ) from error


def _read_generator(
    directory: pathlib.Path,
) -> tuple[GenerativeModel, dict[str, Any]]:
  """Reads network and parameters, which must fit each other."""
  path = directory / _PARAMETERS
  try:
    values = json.loads((directory / _MODEL).read_text('utf-8'))
    flat = safetensors.numpy.load_file(path)
  except (OSError, ValueError, safetensors.SafetensorError) as error:
    raise bundle_manifest.refuse(
        f'The generator cannot be read: {error}', directory
    ) from error
  model, params = saved.from_json(values), trees.nest(flat)
  trees.check(params, _parameter_shapes(model), path, cast=True)
  return model, params


# JAX keeps a little of every trace: a service must not trace at every swap.
@functools.lru_cache(maxsize=8)
def _parameter_shapes(model: GenerativeModel) -> Any:
  """Returns the shapes of a network's parameters."""
  tokens = jax.ShapeDtypeStruct((1, 2), jnp.int32)
  names = (
      'encoder_input_tokens',
      'decoder_input_tokens',
      'decoder_target_tokens',
  )
  variables = jax.eval_shape(
      model.init, jax.random.key(0), dict.fromkeys(names, tokens)
  )
  return variables['params']

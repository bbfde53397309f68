# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: docs/architecture.md, read from the source."""

import ast
import importlib.util
import pathlib
import subprocess
import sys
import textwrap

import pytest

_ROOT = pathlib.Path(__file__).parents[2]

# Each package imports those above it.
_ORDER = [
    ['artifacts'],
    ['sharding'],
    ['hardware'],
    ['catalog'],
    ['item_embeddings'],
    ['semantic_ids'],
    ['vocabulary'],
    ['data'],
    ['tasks'],
    ['models'],
    ['serving'],
    ['pretrained'],
    ['training'],
    ['baselines', 'ranking'],
    ['evaluation'],
    ['scaling'],
    ['reports'],
    ['testing'],
    ['stages'],
    ['t5x'],
    ['launch'],
]
_APART = {'networks', 'decoding'}  # Import none; those from models on use them.
# The trainer sees a model as a Protocol; tasks are chosen in gin files.
_FORBIDDEN = {
    'training': {'models', 'pretrained', 'networks', 'decoding'},
    'serving': {'data', 'tasks', 'hardware', 'sharding'},
}
# Of a package that needs TensorFlow, what does not.
_ONLY_MODULES = {('serving', 'vocabulary'): 'plum_jax.vocabulary.layout'}
_IMPORT_TASKS = {'t5x', 'testing', 'stages', 'launch', 'tasks'}
_CORE = [
    'artifacts',
    'sharding',
    'hardware',
    'networks',
    'decoding',
    'models',
    'serving',
    'pretrained',
    'training',
    'semantic_ids',
    'ranking',
    'baselines',
    'evaluation',
    'scaling',
]
_TENSORFLOW = [
    'tensorflow',
    'tensorflow_text',
    'tensorflow_datasets',
    'seqio',
    'clu',
]
_ORBAX = ('checkpoints.py', 't5x_form.py')
_ONLY_IN = {'gin': 'launch', 't5x': 't5x'}
# What imports something that only an extra installs.
_EXTRAS = {'t5x': 'plum_jax.t5x'}
_RANK = {name: rank for rank, line in enumerate(_ORDER) for name in line}


def _package(path: pathlib.Path) -> str:
  """The package below plum_jax, or 'tasks'."""
  parts = path.relative_to(_ROOT).parts
  return parts[1] if parts[0] == 'plum_jax' else 'tasks'


def _imported(source: str) -> list[str]:
  """Lists imported modules: `a.b` for `from a import b` too."""
  found = []
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Import):
      found += [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, 'an import that starts with a dot'
      found += [f'{node.module}.{alias.name}' for alias in node.names]
  return found


def violations(path: pathlib.Path, source: str) -> list[str]:
  """Lists what a file imports and must not."""
  package = _package(path)
  found = []
  for module in _imported(source):
    first, _, rest = module.partition('.')
    if first in ('plum_jax', 'tasks'):
      other = rest.split('.')[0] if first == 'plum_jax' else 'tasks'
      if not rest or other.startswith('__'):  # plum_jax.__version__.
        continue
      if not _may_import(path, package, other, module):
        found.append(f'{package} imports {other}')
    elif package in _APART and not (
        first in sys.stdlib_module_names or first in ('jax', 'flax', 'numpy')
    ):
      found.append(f'{package} imports {first}')
    elif first == 'orbax' and path.name not in _ORBAX:
      found.append(f'only {" and ".join(_ORBAX)} of artifacts import orbax')
    elif first == 'apache_beam' and path.name != 'beam_assign.py':
      found.append('only semantic_ids/beam_assign.py imports Apache Beam')
    elif first == 'gguf' and path.name != 'gguf_reader.py':
      found.append('only pretrained/gguf_reader.py imports gguf')
    elif first in _TENSORFLOW and package in _CORE:
      found.append(f'{package} runs without TensorFlow: {first}')
    elif first in _ONLY_IN and package != _ONLY_IN[first]:
      found.append(f'only {_ONLY_IN[first]} imports {first}')
  return found


def _may_import(
    path: pathlib.Path, package: str, other: str, module: str
) -> bool:
  """Whether a file of one package may import from another package."""
  if package == other:
    return True
  if path.name == 'protocols.py':
    return False  # What all may import depends on nothing.
  if package in _APART:
    return False
  if module.startswith(f'plum_jax.{other}.protocols.'):
    return True
  if other in _FORBIDDEN.get(package, ()):
    return False
  only = _ONLY_MODULES.get((package, other))
  if only is not None and not f'{module}.'.startswith(f'{only}.'):
    return False
  if other in _APART:
    return _RANK[package] >= _RANK['models']
  if other == 'tasks':
    return package in _IMPORT_TASKS
  return _RANK[other] < _RANK[package]


def _files() -> list[pathlib.Path]:
  return [
      path
      for folder in ('plum_jax', 'tasks')
      for path in sorted((_ROOT / folder).rglob('*.py'))
      if path != _ROOT / 'plum_jax' / '__init__.py'
  ]


def test_every_package_has_its_place():
  packages = {_package(path) for path in _files()}
  assert packages <= set(_RANK) | _APART


def test_imports_go_one_way():
  found = {
      path.relative_to(_ROOT).as_posix(): violations(
          path, path.read_text(encoding='utf-8')
      )
      for path in _files()
  }
  assert {path: wrong for path, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    ('path', 'source', 'allowed'),
    [
        ('catalog/a.py', 'from plum_jax.artifacts import atomic', True),
        ('catalog/a.py', 'from plum_jax.semantic_ids import build', False),
        ('catalog/a.py', 'def f():\n  import plum_jax.launch.stage', False),
        ('catalog/a.py', 'import plum_jax', True),
        ('catalog/a.py', 'import gin', False),
        ('catalog/a.py', 'import tensorflow_datasets', True),
        ('semantic_ids/a.py', 'import tensorflow as tf', False),
        ('networks/a.py', 'from plum_jax.artifacts import errors', False),
        ('networks/a.py', 'import optax', False),
        ('networks/a.py', 'import functools, jax.numpy', True),
        ('training/a.py', 'from plum_jax.networks import layers', False),
        ('training/a.py', 'from plum_jax.models import decoder_only', False),
        ('training/a.py', 'import orbax.checkpoint', False),
        ('artifacts/checkpoints.py', 'import orbax.checkpoint', True),
        ('semantic_ids/assign.py', 'import apache_beam as beam', False),
        ('semantic_ids/beam_assign.py', 'import apache_beam as beam', True),
        ('pretrained/loading.py', 'import gguf', False),
        ('pretrained/gguf_reader.py', 'import gguf', True),
        ('models/a.py', 'from plum_jax.decoding import beam_search', True),
        ('data/a.py', 'from plum_jax.decoding import beam_search', False),
        ('stages/a.py', 'from plum_jax.networks import config', True),
        ('models/a.py', 'from plum_jax.training.protocols import Model', True),
        ('models/a.py', 'from plum_jax.training.loop import train', False),
        ('training/protocols.py', 'from plum_jax.artifacts import x', False),
        ('baselines/a.py', 'from plum_jax.ranking import features', False),
        ('evaluation/a.py', 'from plum_jax.baselines import sasrec', True),
        ('evaluation/a.py', 'import t5x', False),
        ('data/a.py', 'from tasks import retrieval', False),
        ('launch/a.py', 'import gin, tasks.retrieval', True),
        ('serving/a.py', 'from plum_jax.models import saved', True),
        ('serving/a.py', 'from plum_jax.vocabulary import layout', True),
        ('serving/a.py', 'from plum_jax.vocabulary import build', False),
        ('serving/a.py', 'from plum_jax.data import prompts', False),
        ('serving/a.py', 'from plum_jax.training import loop', False),
        ('serving/a.py', 'import seqio', False),
    ],
)
def test_violations_of_made_up_file(path, source, allowed):
  found = violations(_ROOT / 'plum_jax' / path, source)
  assert (not found) is allowed, found


def _run(code: str) -> None:
  done = subprocess.run(
      [sys.executable, '-c', textwrap.dedent(code)],
      cwd=_ROOT,
      capture_output=True,
      text=True,
  )
  assert done.returncode == 0, done.stderr


def _left_out() -> tuple[str, ...]:
  """The modules that cannot be imported, since their extra is missing."""
  return tuple(
      module
      for library, module in _EXTRAS.items()
      if importlib.util.find_spec(library) is None
  )


def test_core_imports_without_tensorflow_and_starts_no_backend():
  _run(f"""
      import importlib, pkgutil, sys
      import jax

      class Blocker:
        def find_spec(self, name, path=None, target=None):
          if name.partition('.')[0] in {[*_TENSORFLOW, 'gin', 't5x']}:
            raise ModuleNotFoundError(name + ' is blocked', name=name)

      sys.meta_path.insert(0, Blocker())
      import plum_jax
      for package in {_CORE}:
        for module in pkgutil.walk_packages(
            plum_jax.__path__, 'plum_jax.'):
          if module.name.startswith({_left_out()}):
            continue
          if (module.name + '.').startswith(f'plum_jax.{{package}}.'):
            importlib.import_module(module.name)
      # JAX refuses this once anything has asked for devices.
      jax.config.update('jax_num_cpu_devices', 2)
      """)


def test_no_module_asks_for_devices_at_import():
  _run(f"""
      import importlib, pkgutil
      import jax

      import plum_jax
      for module in pkgutil.walk_packages(plum_jax.__path__, 'plum_jax.'):
        if not module.name.startswith({_left_out()}):
          importlib.import_module(module.name)
      jax.config.update('jax_num_cpu_devices', 2)
      """)


def test_nothing_reads_or_writes_pickles():
  pickling = {'pickle', 'cPickle', 'cloudpickle', 'dill', 'joblib', 'shelve'}
  found = []
  for path in sorted(_ROOT.glob('plum_jax/**/*.py')):
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
      if isinstance(node, ast.Import):
        names = {alias.name.partition('.')[0] for alias in node.names}
      elif isinstance(node, ast.ImportFrom):
        names = {(node.module or '').partition('.')[0]}
      elif isinstance(node, ast.keyword) and node.arg == 'allow_pickle':
        names = (
            set() if ast.unparse(node.value) == 'False' else {'allow_pickle'}
        )
      else:
        continue
      if names & (pickling | {'allow_pickle'}):
        found.append(f'{path}:{node.lineno}')
  assert not found

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Runs a module as `python -m` does, and counts the batches that it reads.

    python count_batches.py FILE MODULE [ARGUMENT ...]

FILE gets the number of batches read so far, eight bytes. Both launchers read
them through `plum_jax.data.input_pipeline.SeqioBatches`; nothing else of the
process is touched.
"""

import importlib.abc
import importlib.util
import mmap
import runpy
import struct
import sys

_MODULE = 'plum_jax.data.input_pipeline'


def _count(memory, module):
  """Wraps the reading of a batch."""
  read, number = module.SeqioBatches.__next__, 0

  def read_and_count(self):
    nonlocal number
    batch = read(self)
    number += 1
    memory[:] = struct.pack('<q', number)
    return batch

  module.SeqioBatches.__next__ = read_and_count


class _Finder(importlib.abc.MetaPathFinder):
  """Wraps the module when it is imported, and not before."""

  def __init__(self, memory):
    self._memory = memory

  def find_spec(self, fullname, path, target=None):
    """Finds the module as usual, and adds to its loading."""
    if fullname != _MODULE:
      return None
    sys.meta_path.remove(self)
    spec = importlib.util.find_spec(fullname)
    assert spec is not None
    assert spec.loader is not None
    load = spec.loader.exec_module

    def load_and_wrap(module):
      load(module)
      _count(self._memory, module)

    spec.loader.exec_module = load_and_wrap
    return spec


def main():
  """Runs the module."""
  path, module, *arguments = sys.argv[1:]
  with open(path, 'r+b') as file:
    memory = mmap.mmap(file.fileno(), 8)
  sys.meta_path.insert(0, _Finder(memory))
  sys.argv = [module, *arguments]
  runpy.run_module(module, run_name='__main__', alter_sys=True)


if __name__ == '__main__':
  main()

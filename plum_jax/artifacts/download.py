# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Files from the network, kept in a cache: over HTTP or out of wheels."""

from __future__ import annotations

from collections.abc import Mapping
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import zipfile

from plum_jax.artifacts import atomic
from plum_jax.artifacts import manifest
from plum_jax.artifacts import progress
from plum_jax.artifacts.errors import InputError
from plum_jax.artifacts.http_download import fetch
from plum_jax.artifacts.http_download import UnreachableError

__all__ = [
    'UnreachableError',
    'cache_directory',
    'extract_members',
    'fetch',
    'fetch_wheel_member',
    'fetch_wheel_members',
]

_LOGGER = logging.getLogger('plum_jax')
_COPY_BYTES = 1 << 20
_INTERVAL = 5.0


def cache_directory() -> pathlib.Path:
  """Returns where downloads are kept.

  Returns:
    The environment's `PLUM_JAX_CACHE`, or `~/.cache/plum_jax`.
  """
  configured = os.environ.get('PLUM_JAX_CACHE')
  if configured:
    return pathlib.Path(configured).expanduser()
  return pathlib.Path.home() / '.cache' / 'plum_jax'


def fetch_wheel_member(
    requirement: str,
    member: str,
    sha256: str,
    cache_dir: str | os.PathLike[str] | None = None,
) -> pathlib.Path:
  """Brings one file out of a wheel; see `fetch_wheel_members`."""
  return fetch_wheel_members(requirement, {member: sha256}, cache_dir)[member]


def fetch_wheel_members(
    requirement: str,
    members: Mapping[str, str],
    cache_dir: str | os.PathLike[str] | None = None,
) -> dict[str, pathlib.Path]:
  """Brings files out of a wheel without installing it.

  The wheel comes through `pip download`, so pip's own configuration (mirrors,
  proxies, certificates) counts. It is thrown away; the members stay in
  `<cache_dir>/wheels/<requirement>/<member>`, and are used from there as long
  as their checksums are right.

  Args:
    requirement: name and exact version, `recbole==1.2.1`.
    members: expected SHA-256 by path inside the wheel.
    cache_dir: the cache; `cache_directory()` if None.

  Returns:
    Path on this machine by path inside the wheel.

  Raises:
    UnreachableError: pip could not bring the wheel.
    InputError: the wheel is broken, lacks a member, or a checksum is wrong.
  """
  root = pathlib.Path(cache_dir or cache_directory())
  folder = root / 'wheels' / requirement
  paths = {member: _inside(folder, member) for member in members}
  missing = {
      member: sha256
      for member, sha256 in members.items()
      if not paths[member].is_file()
      or manifest.hash_file(paths[member]) != sha256
  }
  if not missing:
    return paths
  folder.mkdir(parents=True, exist_ok=True)
  with tempfile.TemporaryDirectory(dir=root) as temporary:
    wheel = _download_wheel(requirement, pathlib.Path(temporary))
    extract_members(wheel, missing, folder)
  return paths


def extract_members(
    wheel: str | os.PathLike[str],
    members: Mapping[str, str],
    directory: str | os.PathLike[str],
) -> dict[str, pathlib.Path]:
  """Copies single members of a zip file, checking each.

  Args:
    wheel: the zip file.
    members: expected SHA-256 by path inside the file.
    directory: where they go, each under its own path.

  Returns:
    Path on this machine by path inside the file.

  Raises:
    InputError: not a zip file, a member that is not there, whose checksum is
      another, or whose path leads out of `directory`.
  """
  paths = {
      member: _inside(pathlib.Path(directory), member) for member in members
  }
  try:
    with zipfile.ZipFile(wheel) as archive:
      for member, sha256 in members.items():
        _extract(archive, member, sha256, paths[member])
  except (zipfile.BadZipFile, EOFError) as error:
    raise InputError(
        f'The wheel cannot be read: {error}.',
        where=wheel,
        expected='a whole zip file',
        fix='Delete it and run the same command again.',
    ) from error
  return paths


def _inside(directory: pathlib.Path, member: str) -> pathlib.Path:
  """Returns the member's path, refusing one that leaves the directory."""
  parts = pathlib.PurePosixPath(member).parts
  if not parts or '\\' in member or member.startswith('/') or '..' in parts:
    raise InputError(
        'The name of an archive member leads out of its folder.',
        where=member,
        expected='a relative path without ..',
        fix='Correct the name.',
    )
  return directory.joinpath(*parts)


def _extract(
    archive: zipfile.ZipFile, member: str, sha256: str, path: pathlib.Path
) -> None:
  """Writes one member, if its checksum is right."""
  if member not in archive.namelist():
    raise InputError(
        f'The wheel has no file {member}.',
        where=archive.filename,
        expected=f'a wheel with {member}',
        fix='Name the version of the package that carries it.',
    )
  with archive.open(member) as source, atomic.write_file(path) as temporary:
    with open(temporary, 'wb') as target:
      while chunk := source.read(_COPY_BYTES):
        target.write(chunk)
    found = manifest.hash_file(temporary)
    if found != sha256:
      raise InputError(
          f'A file in the wheel has another checksum: sha256 {found}.',
          where=f'{archive.filename}, {member}',
          expected=f'sha256 {sha256}',
          fix='Check which index pip downloads from (pip config list).',
      )


def _download_wheel(requirement: str, directory: pathlib.Path) -> pathlib.Path:
  """Lets pip download one wheel; nothing of it is run or installed."""
  command = [sys.executable, '-m', 'pip', 'download', requirement]
  # Never a source distribution: pip would run its setup.py to name it.
  command += ['--no-deps', '--only-binary=:all:', '--dest', str(directory)]
  command += ['--no-input', '--disable-pip-version-check']
  command += ['--progress-bar', 'off', '--timeout', '15', '--retries', '1']
  _LOGGER.info('downloading %s with pip', requirement)
  begun = time.monotonic()
  with subprocess.Popen(
      command,
      stdin=subprocess.DEVNULL,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
  ) as process:
    while True:
      try:
        output, _ = process.communicate(timeout=_INTERVAL)
        break
      except subprocess.TimeoutExpired:
        elapsed = progress.format_seconds(time.monotonic() - begun)
        _LOGGER.info('downloading %s with pip: %s', requirement, elapsed)
  wheels = list(directory.glob('*.whl'))
  if process.returncode or len(wheels) != 1:
    raise UnreachableError(
        f'pip could not download {requirement}:\n{output.strip()[-2000:]}',
        where=' '.join(command),
        expected='one wheel',
        fix='Check the connection and the index that pip is configured for, '
        'or give the path of a local copy of the data.',
    )
  return wheels[0]

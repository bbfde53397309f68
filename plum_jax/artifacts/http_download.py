# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Single files over HTTP: resumable and checked."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import fcntl
import http.client
import json
import logging
import os
import pathlib
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request

from plum_jax.artifacts import manifest
from plum_jax.artifacts import progress
from plum_jax.artifacts.errors import InputError

_LOGGER = logging.getLogger('plum_jax')
_CHUNK_BYTES = 1 << 18
_ATTEMPTS = 3
_TIMEOUT = 10.0


class UnreachableError(InputError):
  """The network or the server did not give the file.

  Its own class because only this failure lets a caller turn to another
  source: a file that arrived wrong is never replaced behind the user's back.
  """


def fetch(
    url: str,
    path: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    terms: str = '',
    timeout: float = _TIMEOUT,
) -> pathlib.Path:
  """Downloads a file, going on from where an earlier attempt broke off.

  What has arrived lies in `<path>.part` until it is whole and its checksum is
  right, so `path` is always either absent or complete. A broken connection is
  taken up again twice; after that, the same call goes on from there.

  Args:
    url: an http or https address.
    path: the file to appear. If it is there already (and has the right
      checksum), nothing is downloaded.
    sha256: expected checksum, in hexadecimal. Without one only the length is
      checked.
    terms: the publisher's terms, logged before the first byte is asked for.
    timeout: seconds to wait for the name, the connection and each read.

  Returns:
    `path`.

  Raises:
    UnreachableError: there is no connection, or the server has no such file.
    InputError: the file ended early, or its checksum is another.
  """
  path = pathlib.Path(path)
  if _is_complete(path, sha256):
    return path
  if urllib.parse.urlsplit(url).scheme not in ('http', 'https'):
    raise InputError(
        'The address of the download is not one of the web.',
        where=url,
        expected='an address that begins with https:// or http://',
        fix='Correct the address, or give the path of a local copy.',
    )
  path.parent.mkdir(parents=True, exist_ok=True)
  with _locked(path):
    if _is_complete(path, sha256):
      return path
    if terms:
      _LOGGER.info('terms of %s:\n%s', url, terms.strip())
    _Download(url, path, sha256, timeout).run()
  return path


def _is_complete(path: pathlib.Path, sha256: str | None) -> bool:
  """Whether an earlier call has already brought the file."""
  if not path.is_file():
    return False
  return sha256 is None or manifest.hash_file(path) == sha256


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
  """Lets one process at a time write `<path>.part`."""
  lock = path.with_name(path.name + '.lock')
  with open(lock, 'w', encoding='utf-8') as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    yield


class _Download:
  """One file on its way; its state is what lies on the disk."""

  def __init__(
      self, url: str, path: pathlib.Path, sha256: str | None, timeout: float
  ):
    self._url, self._path, self._sha256 = url, path, sha256
    self._timeout = timeout
    self._part = path.with_name(path.name + '.part')
    # The server's tag of the version that the part is of: bytes of two
    # versions must never be joined.
    self._tag = path.with_name(path.name + '.part.tag')

  def run(self) -> None:
    """Downloads, checks and moves the file to its place."""
    received, total = 0, None
    for attempt in range(_ATTEMPTS):
      received, total = self._receive()
      if total is None or received == total:
        break
      _LOGGER.warning(
          '%s broke off after %d of %d bytes (attempt %d of %d)',
          self._url,
          received,
          total,
          attempt + 1,
          _ATTEMPTS,
      )
    if total is not None and received != total:
      raise InputError(
          f'The download ended after {received} of {total} bytes.',
          where=self._part,
          expected=f'{total} bytes, as the server of {self._url} announced',
          fix='Run the same command again: it goes on from there.',
      )
    self._check()
    self._part.replace(self._path)
    self._tag.unlink(missing_ok=True)

  def _check(self) -> None:
    """Refuses, and forgets, a file with another checksum."""
    if self._sha256 is None:
      return
    found = manifest.hash_file(self._part)
    if found == self._sha256:
      return
    received = self._part.stat().st_size
    self._part.unlink()
    self._tag.unlink(missing_ok=True)
    raise InputError(
        f'The download has another checksum: sha256 {found}, {received} bytes.',
        where=self._url,
        expected=f'sha256 {self._sha256}',
        fix='Run the same command again; if it stays so, the publisher has '
        'changed the file: give the path of a copy that you trust.',
    )

  def _resume_headers(self) -> dict[str, str]:
    """Asks for the rest, if the part is known to belong to that version."""
    if not self._part.is_file() or not self._part.stat().st_size:
      return {}
    headers = {'Range': f'bytes={self._part.stat().st_size}-'}
    tag = self._read_tag()
    if tag:
      headers['If-Range'] = tag
    elif self._sha256 is None:
      return {}
    return headers

  def _read_tag(self) -> str:
    if not self._tag.is_file():
      return ''
    try:
      url, tag = json.loads(self._tag.read_text(encoding='utf-8'))
    except ValueError:
      return ''
    return tag if url == self._url else ''

  def _receive(self) -> tuple[int, int | None]:
    """Returns the bytes that are now here and those that there should be."""
    request = urllib.request.Request(self._url, headers=self._resume_headers())
    try:
      response = _open(request, self._timeout)
    except urllib.error.HTTPError as error:
      if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise
      error.close()
      # Nothing lies beyond what is here: it is whole, or of another version.
      size = self._part.stat().st_size
      if error.headers.get('Content-Range', '') == f'bytes */{size}':
        return size, size
      self._part.unlink()
      request = urllib.request.Request(self._url)
      response = _open(request, self._timeout)
    with response:
      return self._store(response)

  def _store(
      self, response: http.client.HTTPResponse
  ) -> tuple[int, int | None]:
    """Writes a response's body behind, or in place of, what is here."""
    resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
    start = self._part.stat().st_size if resumed else 0
    length = response.headers.get('Content-Length')
    total = None if length is None else start + int(length)
    if not resumed:
      tag = _version_tag(response.headers)
      text = json.dumps([self._url, tag])
      self._tag.write_text(text, encoding='utf-8')
    received = start
    reporter = progress.Progress(
        f'download {self._path.name}',
        (total or 0) // 1000,
        'kB',
        start=start // 1000,
    )
    with open(self._part, 'ab' if resumed else 'wb') as file:
      while True:
        # Only reading is guarded: a full disk is no broken connection.
        try:
          chunk = response.read(_CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
          _LOGGER.warning('%s: %r', self._url, error)
          # Of a body without a length the error is the only sign of its end.
          total = received + 1 if total is None else total
          break
        if not chunk:
          break
        file.write(chunk)
        received += len(chunk)
        if total is not None and received < total:
          reporter.update(received // 1000)
    if total is not None and received == total:
      reporter.update(total // 1000)
    return received, total


def _version_tag(headers: http.client.HTTPMessage) -> str:
  """Returns what If-Range may name: a strong ETag, or a date."""
  tag = headers.get('ETag', '')
  if tag and not tag.startswith('W/'):
    return tag
  return headers.get('Last-Modified', '')


def _open(
    request: urllib.request.Request, timeout: float
) -> http.client.HTTPResponse:
  """Opens an address, or says why there is no answer."""
  try:
    _resolve(request.full_url, timeout)
    return urllib.request.urlopen(request, timeout=timeout)
  except urllib.error.HTTPError as error:
    if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
      raise
    error.close()
    raise _unreachable(request.full_url, str(error)) from error
  except (OSError, http.client.HTTPException) as error:
    reason = getattr(error, 'reason', error)
    raise _unreachable(request.full_url, str(reason)) from error


def _resolve(url: str, timeout: float) -> None:
  """Waits at most `timeout` seconds for the name to be resolved.

  Sockets have a timeout, the resolver has none that a program can set: with
  the network cable out it may try its servers for half a minute.
  """
  parts = urllib.parse.urlsplit(url)
  if parts.scheme in urllib.request.getproxies():
    return
  failures: list[OSError] = []

  def look_up() -> None:
    try:
      socket.getaddrinfo(parts.hostname, parts.port or parts.scheme)
    except OSError as error:
      failures.append(error)

  thread = threading.Thread(target=look_up, daemon=True)
  thread.start()
  thread.join(timeout)
  if thread.is_alive():
    raise TimeoutError(f'{parts.hostname} was not resolved in {timeout:g} s')
  if failures:
    raise failures[0]


def _unreachable(url: str, reason: str) -> UnreachableError:
  return UnreachableError(
      f'The download could not be reached: {reason}.',
      where=url,
      expected='a server that answers with the file',
      fix='Check the connection, or download the file by other means and give '
      'its path.',
  )

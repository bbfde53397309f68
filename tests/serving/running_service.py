# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A service in a thread, and requests to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time

import uvicorn

from plum_jax.serving.query import Limits
from plum_jax.serving.service import Service
from plum_jax.serving.service import ServiceConfig

LIMITS = Limits(
    max_body_bytes=4096, max_history=12, max_list=24, max_id_length=20
)


def config(bundle, **changes):
  return ServiceConfig(
      **{
          'bundle': str(bundle),
          'batch_sizes': (4,),
          'limits': LIMITS,
          'timeout_s': 30.0,
          **changes,
      }
  )


@contextlib.contextmanager
def running(service: Service):
  """Yields the port of a service that answers."""
  with socket.create_server(('127.0.0.1', 0)) as listening:
    server = uvicorn.Server(
        uvicorn.Config(service.app(), log_level='error', access_log=False)
    )
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
      while not server.started and thread.is_alive():
        time.sleep(0.01)
      yield listening.getsockname()[1]
    finally:
      server.should_exit = True
      thread.join()


def call(port, method, path, body=None, headers=None):
  """Returns status, values of the JSON answer, and headers."""
  connection = http.client.HTTPConnection('127.0.0.1', port, timeout=60)
  try:
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    text = response.read()
    kind = response.headers['content-type']
    values = json.loads(text) if kind == 'application/json' else text.decode()
    return response.status, values, response.headers
  finally:
    connection.close()


def recommend(port, **values):
  status, answer, _ = call(port, 'POST', '/recommend', json.dumps(values))
  return status, answer


def swap(port):
  return call(
      port, 'POST', '/admin/swap', '', {'content-type': 'application/json'}
  )[:2]

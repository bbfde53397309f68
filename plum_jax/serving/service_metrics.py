# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""What a service tells Prometheus."""

from __future__ import annotations

import prometheus_client

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class ServiceMetrics:
  """Counters of one service; each service has its own registry."""

  def __init__(self, batch_sizes: tuple[int, ...]):
    """Makes all metrics.

    Args:
      batch_sizes: the buckets of the histogram of batch sizes.
    """
    self.registry = prometheus_client.CollectorRegistry()
    more = {'registry': self.registry, 'namespace': 'plum_jax'}
    self._requests = prometheus_client.Counter(
        'requests',
        'Requests by endpoint and status.',
        ['endpoint', 'status'],
        **more,
    )
    self._seconds = prometheus_client.Histogram(
        'request_seconds',
        'From the head of a request to its answer.',
        ['endpoint'],
        buckets=_SECONDS,
        **more,
    )
    self.errors = prometheus_client.Counter(
        'errors',
        'Batches that failed in the search, and failed swaps.',
        ['where'],
        **more,
    )
    self.batch_size = prometheus_client.Histogram(
        'batch_size',
        'Requests of a batch, before it is padded.',
        buckets=sorted({1, *batch_sizes}),
        **more,
    )
    self.batch_seconds = prometheus_client.Histogram(
        'batch_seconds',
        'Time of a batch in the search.',
        buckets=_SECONDS,
        **more,
    )
    self.queue_length = prometheus_client.Gauge(
        'queue_length', 'Requests that wait for a batch.', **more
    )
    self.unknown_items = prometheus_client.Counter(
        'unknown_items',
        'Item ids of requests that the bundle does not have.',
        **more,
    )
    self._swaps = prometheus_client.Counter(
        'swaps', 'Bundles that took the place of another.', **more
    )
    self._bundle = prometheus_client.Info(
        'bundle', 'The bundle that is served.', **more
    )

  def finished(self, endpoint: str, status: int, seconds: float) -> None:
    """Counts a request."""
    self._requests.labels(endpoint, str(status)).inc()
    self._seconds.labels(endpoint).observe(seconds)

  def serves(self, version: str, *, swapped: bool) -> None:
    """Names the bundle that is served from now on."""
    self._bundle.info({'version': version})
    if swapped:
      self._swaps.inc()

  def text(self) -> bytes:
    """Returns all metrics in Prometheus' text format."""
    return prometheus_client.generate_latest(self.registry)

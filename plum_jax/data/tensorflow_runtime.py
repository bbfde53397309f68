# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""TensorFlow as a reader of data beside JAX: no accelerator, few threads."""

from __future__ import annotations

import tensorflow as tf


def keep_off_accelerators() -> None:
  """Hides GPUs from TensorFlow, which would take their memory from JAX.

  Raises:
    RuntimeError: TensorFlow has started on a GPU already.
  """
  tf.config.set_visible_devices([], 'GPU')


def options(num_threads: int) -> tf.data.Options:
  """Returns options for a deterministic pipeline of few threads.

  Args:
    num_threads: threads of the pipeline; the training step needs the others.
  """
  made = tf.data.Options()
  made.deterministic = True
  made.autotune.enabled = False
  made.threading.private_threadpool_size = num_threads
  made.threading.max_intra_op_parallelism = 1
  return made

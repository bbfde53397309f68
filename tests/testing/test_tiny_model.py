# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
import jax
import numpy as np

from plum_jax.testing import tiny_model


def test_batches_repeat_when_restored():
  batches = tiny_model.TinyBatches(batch_size=4)
  next(batches)
  position = batches.state()
  first = [next(batches) for _ in range(3)]
  batches.restore(position)
  again = [next(batches) for _ in range(3)]
  jax.tree.map(np.testing.assert_array_equal, first, again)


def test_batches_count_on_and_shift_inputs():
  batch = next(tiny_model.TinyBatches(batch_size=2, length=4, vocab_size=9))
  targets = batch['decoder_target_tokens']
  assert (np.diff(targets[1]) % 8 == 1).all()
  assert targets[0, 2:].tolist() == [0, 0]
  assert batch['decoder_input_tokens'][1].tolist() == [0, *targets[1, :3]]
  assert batch['decoder_loss_weights'].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]


def test_loss_ignores_padding():
  model = tiny_model.TinyModel()
  batch = next(tiny_model.TinyBatches(batch_size=4))
  params = jax.jit(model.init)(jax.random.key(0), batch)['params']
  other = dict(batch)
  other['decoder_target_tokens'] = np.where(
      batch['decoder_loss_weights'] > 0, batch['decoder_target_tokens'], 5
  )
  loss_fn = jax.jit(model.loss_fn)
  assert loss_fn(params, batch, None)[0] == loss_fn(params, other, None)[0]


def test_loss_differs_with_dropout():
  model = tiny_model.TinyModel(dropout_rate=0.5)
  batch = next(tiny_model.TinyBatches(batch_size=4))
  params = jax.jit(model.init)(jax.random.key(0), batch)['params']
  loss_fn = jax.jit(model.loss_fn)
  losses = {
      float(loss_fn(params, batch, key)[0])
      for key in (None, jax.random.key(1), jax.random.key(2))
  }
  assert len(losses) == 3

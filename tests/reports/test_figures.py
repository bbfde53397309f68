# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Loss curves."""

from plum_jax.reports import figures


def test_losses_of_the_tokenizer_and_of_training_are_drawn():
  log = [
      {'step': 1, 'loss': 3.0, 'reconstruction': 2.0, 'usage_level_1': 0.5},
      {'step': 2, 'loss': 1.0, 'reconstruction': 0.5, 'usage_level_1': 0.5},
  ]
  drawn = figures.loss_figure(log)
  assert [trace.name for trace in drawn.data] == ['loss', 'reconstruction']
  assert drawn.layout.yaxis.type is None


def test_a_loss_over_orders_of_magnitude_has_a_log_axis():
  log = [{'step': n, 'loss': 10.0**-n} for n in range(4)]
  assert figures.loss_figure(log).layout.yaxis.type == 'log'


def test_losses_that_were_not_finite_are_left_out():
  log = [{'step': 1, 'train/loss': None}, {'step': 2, 'train/loss': 1.5}]
  trace = figures.loss_figure(log).data[0]
  assert (list(trace.x), list(trace.y)) == ([2], [1.5])


def test_long_logs_are_thinned_and_keep_their_last_point():
  log = [{'step': n, 'train/loss': 1.0 + n} for n in range(2_501)]
  trace = figures.loss_figure(log).data[0]
  assert len(trace.x) <= 1_000
  assert trace.x[-1] == 2_500


def test_a_log_without_losses_draws_nothing():
  assert figures.loss_figure([{'step': 1, 'speed': 3.0}]) is None
  assert figures.loss_figure([]) is None
  assert figures.recall_figure({'training': [{'step': 1}]}) is None

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Programs' texts are read, and loops count as often as they run."""

import jax
import jax.numpy as jnp
import pytest

from plum_jax.hardware import collectives
from plum_jax.hardware import hlo_text
from plum_jax.hardware import matrix_products


def test_collective_in_loop_counts_as_often_as_loop_runs(loop_text):
  [found] = collectives.find(hlo_text.parse(loop_text))
  assert (found.kind, found.times, found.group_size) == ('all-gather', 5, 4)
  assert found.result_bytes == 2 * 1024 * 1024
  assert found.received_bytes == 2 * 1024 * 1024 * 3 // 4
  assert found.shapes == ('bf16[1,1024,1024]',)


def test_matrix_product_in_loop_counts_as_often_as_loop_runs(loop_text):
  program = hlo_text.parse(loop_text)
  assert matrix_products.count(program) == 5 * 2 * 64 * 1024 * 1024


def test_loop_whose_limit_is_no_constant_is_named(loop_text):
  text = loop_text.replace('constant(5)', 'negate(%j)')
  program = hlo_text.parse(text)
  assert program.loops_without_count() == ['loop']
  assert matrix_products.count(program) == 2 * 64 * 1024 * 1024


def test_loop_with_other_start_and_step_is_counted_to_its_limit(loop_text):
  text = loop_text.replace(
      '%zero = s32[] constant(0)', '%zero = s32[] constant(1)'
  )
  text = text.replace('constant(1)\n  %next', 'constant(3)\n  %next')
  [found] = collectives.find(hlo_text.parse(text))
  assert found.times == 2


def test_count_noted_by_the_compiler_holds(loop_text):
  noted = ', backend_config={"known_trip_count":{"n":"7"}}'
  text = loop_text.replace('body=%body', 'body=%body' + noted)
  [found] = collectives.find(hlo_text.parse(text))
  assert found.times == 7


def test_parse_without_entry_raises():
  with pytest.raises(ValueError, match='no entry'):
    hlo_text.parse('HloModule x')


def test_convolution_counts_only_windows_on_elements():
  # A product of a batch of 3 as XLA writes it for TPUs: of the 3 x 3 pairs of
  # batches only those on the diagonal meet.
  text = """
ENTRY %main (a: f32[3,8,16], b: f32[3,16,4]) -> f32[3,8,4] {
  %a = f32[3,8,16]{2,1,0} parameter(0)
  %b = f32[3,16,4]{2,1,0} parameter(1)
  ROOT %c = f32[3,8,4]{2,1,0} convolution(%a, %b), window={size=3 stride=2 pad=0_0 lhs_dilate=3}, dim_labels=0bf_0io->0bf
}
"""  # noqa: E501
  assert matrix_products.count(hlo_text.parse(text)) == 2 * 3 * 8 * 16 * 4


def test_matrix_products_of_compiled_program_equal_shapes():
  def layers(x, weights):
    return jax.lax.scan(lambda c, w: (jnp.tanh(c @ w), None), x, weights)[0]

  shapes = jnp.ones((6, 32)), jnp.ones((7, 32, 32))
  text = jax.jit(layers).lower(*shapes).compile().as_text()
  count = matrix_products.count(hlo_text.parse(text))
  assert count == 7 * 2 * 6 * 32 * 32

# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Texts of small programs as the TPU compiler writes them."""

import textwrap

import pytest

_LOOP = """
    HloModule jit_f, is_scheduled=true

    %body (p: (s32[], bf16[64,1024], bf16[5,256,1024])) -> (s32[], bf16[64,1024], bf16[5,256,1024]) {
      %p = (s32[]{:T(128)}, bf16[64,1024]{1,0:T(8,128)(2,1)}, bf16[5,256,1024]{2,1,0}) parameter(0)
      %i = s32[]{:T(128)} get-tuple-element(%p), index=0
      %one = s32[]{:T(128)} constant(1)
      %next = s32[]{:T(128)} add(%i, %one)
      %x = bf16[64,1024]{1,0:T(8,128)(2,1)} get-tuple-element(%p), index=1
      %ws = bf16[5,256,1024]{2,1,0} get-tuple-element(%p), index=2
      %piece = bf16[1,256,1024]{2,1,0:T(8,128)S(1)} fusion(%ws, %i), kind=kLoop, calls=%slice
      %w = bf16[1,1024,1024]{2,1,0:T(8,128)(2,1)S(1)} all-gather(%piece), channel_id=3, replica_groups=mesh['axis_0'=4,'axis_1'=1] {'axis_0'}, dimensions={1}, metadata={op_name="jit(f)/while/dot(x)"}
      %matrix = bf16[1024,1024]{1,0:T(8,128)(2,1)S(1)} bitcast(%w)
      %y = bf16[64,1024]{1,0:T(8,128)(2,1)} convolution(%x, %matrix), dim_labels=bf_io->bf
      ROOT %out = (s32[]{:T(128)}, bf16[64,1024]{1,0}, bf16[5,256,1024]{2,1,0}) tuple(%next, %y, %ws)
    }

    %slice (a: bf16[5,256,1024], b: s32[]) -> bf16[1,256,1024] {
      %a = bf16[5,256,1024]{2,1,0} parameter(0)
      %b = s32[] parameter(1)
      ROOT %s = bf16[1,256,1024]{2,1,0} dynamic-slice(%a, %b), dynamic_slice_sizes={1,256,1024}
    }

    %cond (q: (s32[], bf16[64,1024], bf16[5,256,1024])) -> pred[] {
      %q = (s32[]{:T(128)}, bf16[64,1024]{1,0}, bf16[5,256,1024]{2,1,0}) parameter(0)
      %j = s32[]{:T(128)} get-tuple-element(%q), index=0
      %limit = s32[]{:T(128)} constant(5)
      ROOT %lt = pred[]{:T(512)} compare(%j, %limit), direction=LT
    }

    ENTRY %main (x0: bf16[64,1024], w0: bf16[5,256,1024]) -> bf16[64,1024] {
      %x0 = bf16[64,1024]{1,0} parameter(0)
      %w0 = bf16[5,256,1024]{2,1,0} parameter(1)
      %zero = s32[] constant(0)
      %start = (s32[], bf16[64,1024]{1,0}, /*index=2*/bf16[5,256,1024]{2,1,0}) tuple(%zero, %x0, %w0)
      %loop = (s32[], bf16[64,1024]{1,0}, bf16[5,256,1024]{2,1,0}) while(%start), condition=%cond, body=%body
      ROOT %result = bf16[64,1024]{1,0} get-tuple-element(%loop), index=1
    }
"""  # noqa: E501


@pytest.fixture
def loop_text() -> str:
  """Five layers in a loop, each gathered from four chips."""
  return textwrap.dedent(_LOOP)

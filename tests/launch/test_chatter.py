# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Chatter goes, everything else stays, in order."""

import os

import pytest

from plum_jax.launch import chatter


def test_hide_drops_chatter_and_keeps_the_rest(capfd):
  with chatter.hide():
    os.write(2, b'I0000 00:00:1.2   12 port.cc:153] oneDNN is on.\n')
    os.write(2, b'E0000 00:00:1.3   12 port.cc:153] It broke.\n')
    os.write(2, b'A warning.\n')
  assert capfd.readouterr().err == (
      'E0000 00:00:1.3   12 port.cc:153] It broke.\nA warning.\n'
  )


def test_hide_with_error_in_block_writes_what_was_kept(capfd):
  with pytest.raises(KeyError), chatter.hide():
    os.write(2, b'before\n')
    raise KeyError
  os.write(2, b'after\n')
  assert capfd.readouterr().err == 'before\nafter\n'

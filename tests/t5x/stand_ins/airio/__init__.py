# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""In the place of AirIO, for T5X runs that do not use it."""

"""Constrained decoding: only Semantic IDs of real items, on the device.

Imports nothing but JAX and NumPy.
"""

"""PLUM-JAX: generative recommendation with Semantic IDs in JAX and Flax."""

__version__ = '0.1.0'

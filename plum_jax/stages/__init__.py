"""The stages of a run: each reads and writes folders of one run directory.

Plain functions: `plum_jax.launch` binds their arguments from gin files, and
they can be called from Python as well.
"""

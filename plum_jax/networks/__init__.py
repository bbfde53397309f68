"""Flax modules alone: T5 1.1 encoder-decoder and decoder-only, and Gemma 3.

Call signatures, parameter trees and `params_axes` are those of T5X
(github.com/google-research/t5x), so that its trainer runs these networks and
its checkpoints load.
"""

"""Metrics over the whole catalog and the evaluator that computes them."""

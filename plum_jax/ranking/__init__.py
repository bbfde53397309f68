"""Semantic IDs as item features of a ranking model."""

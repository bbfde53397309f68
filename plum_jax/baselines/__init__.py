"""Conventional recommenders to compare with, behind the one contract."""

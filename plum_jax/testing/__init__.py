"""Tiny things to test with: for this project's tests and its users'."""

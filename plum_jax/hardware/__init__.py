"""Chips that programs are compiled for, and what a program costs on them."""

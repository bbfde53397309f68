"""The adapter to T5X: its launcher trains our networks on our tasks."""

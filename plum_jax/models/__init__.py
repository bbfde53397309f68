"""Models: a network, its loss and its constrained decoding."""

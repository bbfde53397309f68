"""Trained generators as a service: bundles, batches, HTTP; no TensorFlow."""

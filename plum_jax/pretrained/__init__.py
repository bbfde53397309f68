"""Public language models: read as initial parameters, and written."""

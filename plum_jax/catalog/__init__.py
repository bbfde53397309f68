"""Items, interactions and histories as tables; their sources and splits."""

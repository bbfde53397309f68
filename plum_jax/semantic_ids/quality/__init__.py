"""How good Semantic IDs are, one measure a file; a report of all."""

"""Content of items, one vector per item and modality."""

"""The mesh of devices, and which axis of an array lies along which of its."""

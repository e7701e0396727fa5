"""The _core room."""

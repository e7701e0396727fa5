"""The transform room."""

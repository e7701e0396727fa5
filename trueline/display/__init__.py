"""The display room."""

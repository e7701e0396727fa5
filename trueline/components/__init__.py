"""The components room."""

"""The data_validation room."""

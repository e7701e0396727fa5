"""The runners room."""

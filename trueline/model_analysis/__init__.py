"""The model_analysis room."""

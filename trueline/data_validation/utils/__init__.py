"""Functions under the names by which upstream's users import them: ``utils.slicing_util`` and so on."""

"""The forms of a batch: numpy arrays, torch tensors, JAX arrays or an Arrow table. A framework is imported on use."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from trueline._core.errors import DataError
from trueline._core.values import raw_feature_of
from trueline.training.batch_rows import Arrays, Rows, column_arrays

__all__ = ["FORMS", "Form", "in_form", "numbers_only", "to_jax", "to_torch"]

Form = Literal["numpy", "torch", "jax", "arrow"]


def _numpy(rows: Rows, columns: Sequence[str], masks: bool) -> Arrays:
    made = dict(rows.arrays)
    for field in rows.table.schema:
        made |= column_arrays(raw_feature_of(field), rows.table.column(field.name), masks)
    # in the columns' order, each with its mark and lengths behind it
    return {name: made[name] for c in columns for name in (c, f"{c}:present", f"{c}:length") if name in made}


def to_torch(arrays: Arrays) -> dict[str, Any]:
    """Tensors over the arrays' own memory; what may not be written is copied.

    Raises:
        DataError: columns of text, all at once.
        ModuleNotFoundError: torch is not installed: ``pip install 'trueline[torch]'``.
    """
    import torch

    numbers_only(arrays, "torch")
    writable = {name: array if array.flags.writeable else array.copy() for name, array in arrays.items()}
    return {name: torch.from_numpy(array) for name, array in writable.items()}


def to_jax(arrays: Arrays) -> dict[str, Any]:
    """JAX arrays; without JAX's 64-bit mode it makes int64 int32, as it does everywhere.

    Raises:
        DataError: columns of text, all at once.
        ModuleNotFoundError: JAX is not installed: ``pip install 'trueline[jax]'``.
    """
    numbers_only(arrays, "JAX")
    jnp = importlib.import_module("jax.numpy")
    return {name: jnp.asarray(array) for name, array in arrays.items()}


def _single(arrays: Arrays) -> Arrays:
    """float64 as float32: a torch layer takes no other, and a line's features are float32 wherever a model reads."""
    return {name: a.astype(np.float32) if a.dtype == np.float64 else a for name, a in arrays.items()}


def in_form(arrays: Arrays, as_: Form) -> dict[str, Any]:
    """The arrays as ``numpy``, ``torch`` or ``jax`` has them."""
    return {"torch": to_torch, "jax": to_jax}.get(as_, dict)(arrays)


def numbers_only(arrays: Arrays, framework: str) -> None:
    """Refuses text."""
    text = [name for name, array in arrays.items() if array.dtype == np.dtype(object)]
    if text:
        raise DataError(
            f"{framework} has no arrays of text: {', '.join(text)}",
            hint="name the columns wanted: columns=[...]; or give words a vocabulary in preprocessing_fn.",
        )


FORMS: dict[str, Callable[[Rows, Sequence[str], bool], Any]] = {
    "numpy": _numpy,
    "torch": lambda rows, columns, masks: to_torch(_single(_numpy(rows, columns, masks))),
    "jax": lambda rows, columns, masks: to_jax(_numpy(rows, columns, masks)),
    "arrow": lambda rows, columns, masks: rows.table,
}
"""What makes a batch of rows, by the name that `as_` gives."""

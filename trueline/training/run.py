"""Runs a user's `run_fn` and checks what it returns. The user's own exceptions pass through with their traceback."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from trueline._core.errors import ModelError
from trueline.models.contract import Fitted
from trueline.models.exporters.registry import is_model
from trueline.models.inputs import model_inputs
from trueline.training.fn_args import FnArgs

__all__ = ["run_training"]


def run_training(run_fn: Callable[[FnArgs], Any], fn_args: FnArgs) -> Fitted:
    """Calls ``run_fn(fn_args)`` with every generator seeded, and gives its model as `Fitted`.

    Raises:
        ModelError: `run_fn` is no function, there are no rows, or it returned nothing that can be exported.
    """
    if not callable(run_fn):
        raise ModelError(f"run_fn is {run_fn!r}", hint="give a function of one argument, fn_args.")
    if fn_args.train.num_rows == 0:
        raise ModelError(
            f"there is no row to train on: the label {fn_args.label!r} is missing in all of "
            f"{fn_args.train.dataset.num_rows} rows"
        )
    with _seeded(fn_args.seed):
        try:
            returned = run_fn(fn_args)
        except ValueError as error:
            if "nan" in str(error).lower() and (incomplete := _incomplete(fn_args)):
                error.add_note(
                    f"Hint: these features have missing or NaN values: {', '.join(incomplete)}; use tlt.fill_missing "
                    "in preprocessing_fn, or an estimator that takes NaN."
                )
            raise
    name = getattr(run_fn, "__name__", "run_fn")
    fitted = returned if isinstance(returned, Fitted) else _wrap(returned, name)
    if isinstance(fitted.model, type) or not is_model(fitted.model):
        raise ModelError(
            f"{name} returned {_describe(fitted.model)}, which no exporter takes",
            hint="return a fitted scikit-learn estimator or a torch module, or Fitted(model, ...).",
        )
    if fitted.inputs is not None:
        model_inputs(fn_args.train.features, fitted.inputs)
    return fitted


def _incomplete(fn_args: FnArgs) -> list[str]:
    """The features of which some training row has no number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: set[str] = set()
    for batch in fn_args.train.dataset.batches(list(fn_args.features)):
        for name in fn_args.features:
            values = batch.column(name)
            nested = pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type)
            flat = values.flatten() if nested else values
            if values.null_count or (pa.types.is_floating(flat.type) and pc.any(pc.is_nan(flat)).as_py()):
                found.add(name)
    return [name for name in fn_args.features if name in found]


def _wrap(returned: Any, name: str) -> Fitted:
    if returned is None:
        raise ModelError(f"{name} returned None", hint="end it with: return model")
    return Fitted(returned)


def _describe(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seeds the global generators of random, numpy and, where it is imported, torch; restores the first two."""
    before, before_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)

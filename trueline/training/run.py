"""Runs a user's `run_fn` and checks what it returns. The user's own exceptions pass through with their traceback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trueline._core.errors import ModelError
from trueline.models.contract import Fitted
from trueline.models.exporters.registry import is_model
from trueline.models.inputs import model_inputs
from trueline.training.fn_args import FnArgs
from trueline.training.seeds import seeded
from trueline.training.trained_files import trained_files

__all__ = ["run_training"]

_TAKEN = "a fitted estimator, a booster, a torch module, a Keras model, or Fitted(model, ...)"


def run_training(run_fn: Callable[[FnArgs], Any], fn_args: FnArgs) -> Fitted:
    """Calls ``run_fn(fn_args)`` with every generator seeded, and gives its model as `Fitted`.

    A `run_fn` that returns None has, as in TFX, written its model to ``fn_args.serving_model_dir``; see
    `trueline.training.trained_files` for the files that are read.

    Raises:
        ModelError: `run_fn` is no function, there are no rows, or it returned nothing that can be exported.
    """
    if not callable(run_fn):
        raise ModelError(f"run_fn is {run_fn!r}", hint="give a function of one argument, fn_args.")
    if fn_args.train.num_rows == 0:
        rows = fn_args.train.dataset.num_rows
        why = f": the label {fn_args.label!r} is missing in all of {rows} rows" if rows else ""
        raise ModelError(f"there is no row to train on{why}")
    with seeded(fn_args.seed):
        try:
            returned = run_fn(fn_args)
        except BaseException as error:
            fn_args.tracker.close(failed=True)
            _tell_of_nan(error, fn_args)
            raise
    fn_args.tracker.close()
    fitted = _fitted(returned, getattr(run_fn, "__name__", "run_fn"), fn_args)
    if fitted.inputs is not None:
        model_inputs(fn_args.train.features, fitted.inputs)
    return fitted


def _tell_of_nan(error: BaseException, fn_args: FnArgs) -> None:
    """Where an estimator chokes on NaN, which features have some."""
    if isinstance(error, ValueError) and "nan" in str(error).lower() and (incomplete := _incomplete(fn_args)):
        error.add_note(
            f"Hint: these features have missing or NaN values: {', '.join(incomplete)}; use tlt.fill_missing "
            "in preprocessing_fn, or an estimator that takes NaN."
        )


def _fitted(returned: Any, name: str, fn_args: FnArgs) -> Fitted:
    """What `run_fn` returned or wrote, as `Fitted`; it is a model that can be exported."""
    if returned is None:
        returned = trained_files(fn_args.serving_model_dir)
        if returned is None:
            raise ModelError(
                f"{name} returned None and wrote nothing to fn_args.serving_model_dir",
                hint="end it with: return model",
            )
    fitted = returned if isinstance(returned, Fitted) else Fitted(returned)
    model = fitted.model
    if isinstance(model, type) or not is_model(model):
        raise ModelError(f"{name} returned {_describe(model)}, which no exporter takes", hint=_hint(model))
    if _is_unfitted(model):
        raise ModelError(
            f"{name} returned a {type(model).__name__} that was never fitted",
            hint="call its fit(x, y) before you return it; sklearn.base.clone() gives an unfitted copy.",
        )
    return fitted


def _describe(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {', '.join(type(item).__name__ for item in value) or 'nothing'}"
    return f"a {type(value).__name__}"


def _hint(value: Any) -> str:
    if isinstance(value, type):
        return f"return the object that was fitted: model = {value.__name__}(...); ...; return model."
    if isinstance(value, tuple | list) and any(is_model(item) and not isinstance(item, type) for item in value):
        return "return the model alone; note metrics with fn_args.log, and say more of a model by Fitted(model, ...)."
    return f"return {_TAKEN}."


def _is_unfitted(model: Any) -> bool:
    """Whether a scikit-learn estimator says of itself that it has not been fitted."""
    if not any(cls.__module__.partition(".")[0] == "sklearn" for cls in type(model).__mro__):
        return False
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        return True
    except TypeError:  # no estimator by scikit-learn's own rules: its exporter says what it thinks of it
        return False
    return False


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

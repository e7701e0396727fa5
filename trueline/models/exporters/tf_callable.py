"""What a TensorFlow object computes, as one function of numeric tensors: modules, functions and loaded SavedModels."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import ModelError
from trueline.models.contract import Output
from trueline.models.exporters.network import by_argument
from trueline.models.inputs import ModelInput

__all__ = ["TfCallable", "callable_of"]

_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class TfCallable:
    """One way to call the object.

    Attributes:
        function: the callable itself.
        described: its name in errors.
        specs: `tf.TensorSpec` by argument, for a signature that is called by keyword; None: called by position.
        output: which of several outputs is wanted, by name.
    """

    function: Callable[..., Any]
    described: str
    specs: Mapping[str, Any] | None = None
    output: Output | None = None

    def ordered(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """The inputs in the order in which the function takes them.

        Raises:
            ModelError: names or widths that the function does not have.
        """
        if self.specs is None:
            return by_argument(inputs, _python_function(self.function), self.described)
        if len(inputs) == len(self.specs) == 1:
            self._check(inputs[0], next(iter(self.specs.values())))
            return tuple(inputs)
        by_name = {i.name: i for i in inputs}
        if set(by_name) != set(self.specs):
            raise ModelError(
                f"{self.described} takes {', '.join(self.specs)}; the inputs are {', '.join(by_name)}",
                hint="name the inputs of Fitted as the signature names them.",
            )
        for name, spec in self.specs.items():
            self._check(by_name[name], spec)
        return tuple(by_name[n] for n in self.specs)

    def _check(self, made: ModelInput, spec: Any) -> None:
        """Numbers in rows of the right width; ids where the signature takes whole numbers."""
        if not (spec.dtype.is_floating or spec.dtype.is_integer):
            raise ModelError(
                f"{self.described} takes {spec.name} as {spec.dtype.name}; a model takes numbers",
                hint="give a signature over transformed features; text belongs in preprocessing_fn.",
            )
        rank, width = spec.shape.rank, made.width
        if rank not in (None, 1, 2) or (rank == 1 and width != 1) or (rank == 2 and spec.shape[1] not in (None, width)):
            raise ModelError(
                f"{self.described} takes {spec.name} of shape {spec.shape}; the features make {width} columns"
            )
        if spec.dtype.is_integer and made.dtype != "int64":
            raise ModelError(
                f"{self.described} takes {spec.name} as {spec.dtype.name}; its features are not all int64",
                hint="say Fitted(model, inputs={...}) so that ids are an input of their own.",
            )

    def call(self, tensors: Sequence[Any]) -> Any:
        """The one output for these tensors, in the order of `ordered`."""
        import tensorflow as tf

        if self.specs is None:
            return self._chosen(self.function(*tensors))
        given = {}
        for (name, spec), tensor in zip(self.specs.items(), tensors, strict=True):
            flat = tf.reshape(tensor, [-1]) if spec.shape.rank == 1 else tensor
            given[name] = tf.cast(flat, spec.dtype)
        return self._chosen(self.function(**given))

    def _chosen(self, out: Any) -> Any:
        if not isinstance(out, Mapping):
            return out
        if len(out) == 1:
            return next(iter(out.values()))
        if self.output in out:
            return out[self.output]
        raise ModelError(
            f"{self.described} gives {', '.join(sorted(out))}: which of them is the model's output is not known",
            hint="name it logits, probabilities, prediction, score or embedding and say so in Fitted(output=...), or "
            "give a tf.function that returns one tensor.",
        )


def callable_of(model: Any, output: Output | None) -> TfCallable:
    """How a TensorFlow object is called: by its signature ``serving_default``, or itself.

    Args:
        model: a `tf.Module`, a `tf.function`, a concrete function, or what `tf.saved_model.load` gives.
        output: the declared meaning, by which one of several outputs is chosen.

    Raises:
        ModelError: an object without such a signature that cannot be called.
    """
    name = type(model).__name__
    signatures = getattr(model, "signatures", None)
    found = getattr(model, _SIGNATURE, None)
    if isinstance(signatures, Mapping) and _SIGNATURE in signatures:
        found = signatures[_SIGNATURE]
    if found is None and hasattr(model, "structured_input_signature"):
        found = model
    if found is not None and hasattr(found, "structured_input_signature"):
        return _by_signature(found, f"{name}'s signature {_SIGNATURE}", output)
    if found is None and not callable(model):
        raise ModelError(
            f"a {name} without __call__ or a signature {_SIGNATURE!r} computes nothing that can be exported",
            hint="give the module a __call__, or save it with a signature.",
        )
    return TfCallable(found if found is not None else model, f"{name}.__call__", output=output)


def _by_signature(function: Any, described: str, output: Output | None) -> TfCallable:
    """A concrete function, called by keyword."""
    positional, named = function.structured_input_signature
    specs = dict(named)
    if positional:
        if not all(hasattr(p, "dtype") for p in positional):
            raise ModelError(f"{described} takes nested arguments", hint="give a function of plain tensors.")
        specs = {p.name or f"in{i}": p for i, p in enumerate(positional)} | specs
        return TfCallable(_by_position(function, list(specs)), described, specs, output)
    return TfCallable(function, described, specs, output)


def _by_position(function: Any, names: list[str]) -> Callable[..., Any]:
    def call(**given: Any) -> Any:
        return function(*(given[n] for n in names))

    return call


def _python_function(function: Any) -> Callable[..., Any]:
    """The Python function behind a `tf.function`, or behind the call of an object: its arguments name the inputs."""
    plain = inspect.isfunction(function) or inspect.ismethod(function) or hasattr(function, "python_function")
    call = function if plain else function.__call__
    found: Callable[..., Any] = getattr(call, "python_function", call)
    return found

"""A pure JAX function of numeric arrays as ONNX, with a free batch dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ModelError, reason_of
from trueline.models.exporters.jax_repairs import pool_over_images
from trueline.models.exporters.network import with_inputs
from trueline.models.exporters.quiet import quiet
from trueline.models.inputs import ModelInput

if TYPE_CHECKING:
    import onnx

__all__ = ["jax_function_graph", "jax_version"]

_OPSET = 20


@dataclass(frozen=True)
class _Spec:
    """Shape and type of one argument; ``N`` is free."""

    shape: tuple[int | str, ...]
    dtype: Any


def jax_function_graph(function: Callable[..., Any], inputs: Sequence[ModelInput], described: str) -> onnx.ModelProto:
    """The function by jax2onnx.

    Args:
        function: takes an array for every input, in order; returns one array. Ids are int32, as JAX has them.
        inputs: what it takes.
        described: its name in an error.

    Raises:
        ModelError: what jax2onnx cannot convert.
    """
    import jax.numpy as jnp
    import jax2onnx

    names = [f"in{i}" for i in range(len(inputs))]
    specs = [_Spec(("N", i.width), jnp.int32 if i.dtype == "int64" else jnp.float32) for i in inputs]
    try:
        with quiet("jax2onnx"):
            model = jax2onnx.to_onnx(function, specs, opset=_OPSET, input_names=names, output_names=["raw"])
    except Exception as error:
        raise ModelError(
            f"{described} cannot be converted to ONNX by jax2onnx: {reason_of(error)}",
            hint="the function must be pure, free of control flow over values, and made of operations it knows.",
        ) from error
    pool_over_images(model)
    return with_inputs(model, dict(zip(names, inputs, strict=True)))


def jax_version() -> dict[str, str]:
    """jax and jax2onnx."""
    from importlib.metadata import version

    return {"jax": version("jax"), "jax2onnx": version("jax2onnx")}

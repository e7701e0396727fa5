"""Tukey's HH distribution: its parameters as analyzers, and the scaling that makes a skewed column normal.

Names and keywords are TensorFlow Transform's. It averages the L-moments of batches, so that its results depend on the
batch size; here they are those of all values (`trueline.transform.analyzers.tukey`).
"""

from __future__ import annotations

from typing import Any

from trueline.transform.column import Column
from trueline.transform.functions import as_float, sqrt, where

__all__ = ["scale_to_gaussian", "tukey_h_params", "tukey_location", "tukey_scale"]

_FLOATS = ("float16", "bfloat16", "float32", "float64")


def float_dtype(x: Column, dtype: Any, argument: str = "output_dtype") -> None:
    """Takes TensorFlow Transform's dtype arguments: None or a float type, by name or as an object that has one.

    Nothing follows from it: everything is computed in float64, and outputs are float32.

    Raises:
        TransformError: for any other type.
    """
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", None) or getattr(dtype, "__name__", None)
    if dtype is not None and name not in _FLOATS:
        raise x.tracer.error(
            f"{argument} must be a float type, it is {dtype!r}", "leave it out: all is computed in float64."
        )


def _analyzer(op: str, x: Column, reduce_instance_dims: bool, output_dtype: Any, name: str | None) -> Column:
    float_dtype(x, output_dtype)
    attrs = {} if reduce_instance_dims else {"reduce": False}
    with x.tracer.scope(name or op):
        return x.tracer.op(f"analyze.{op}", as_float(x), **attrs)


def tukey_location(
    x: Column, reduce_instance_dims: bool = True, output_dtype: Any = None, name: str | None = None
) -> Column:
    """The location of the Tukey HH distribution with the first four L-moments of the present finite values, float64.

    Args:
        x: numbers: a scalar, vector or list column.
        reduce_instance_dims: one for all values; False: one for each place of a vector.
        output_dtype: a float type; computed in float64 whatever it is.
        name: in whose name the column stands in readable paths.

    Raises:
        TransformError: with reduce_instance_dims=False for lists, or for another output_dtype.
    """
    return _analyzer("tukey_location", x, reduce_instance_dims, output_dtype, name)


def tukey_scale(
    x: Column, reduce_instance_dims: bool = True, output_dtype: Any = None, name: str | None = None
) -> Column:
    """The scale of that distribution; 1 where all values are equal. Arguments as `tukey_location`."""
    return _analyzer("tukey_scale", x, reduce_instance_dims, output_dtype, name)


def tukey_h_params(
    x: Column, reduce_instance_dims: bool = True, output_dtype: Any = None, name: str | None = None
) -> tuple[Column, Column]:
    """How heavy the left and the right tail are: 0 for a normal one, below 1. Both are 0 for lighter tails.

    Arguments as `tukey_location`.
    """
    left = _analyzer("tukey_h_left", x, reduce_instance_dims, output_dtype, name)
    return left, _analyzer("tukey_h_right", x, reduce_instance_dims, output_dtype, name)


def scale_to_gaussian(
    x: Column, elementwise: bool = False, name: str | None = None, output_dtype: Any = None
) -> Column:
    """The column made as normal as a Tukey HH distribution can: mean near 0, variance near 1, tails drawn in.

    Where both tails are no heavier than a normal one's it is the z-score. The inverse is within 8 ulps of the oracle.
    NaN stays NaN, infinities stay infinite; neither affects the parameters.

    Args:
        x: numbers: a scalar, vector or list column.
        elementwise: scale each place of a vector by itself.
        name: in whose name the column stands in readable paths.
        output_dtype: a float type; computed in float64 whatever it is.

    Raises:
        TransformError: elementwise for lists, or for another output_dtype.
    """
    float_dtype(x, output_dtype)
    with x.tracer.scope(name or "scale_to_gaussian"):
        x = as_float(x)
        left, right = tukey_h_params(x, not elementwise)
        reduce = {"reduce": False} if elementwise else {}
        mean, variance = (x.tracer.op(f"analyze.{op}", x, **reduce) for op in ("mean", "var"))
        heavy = (left > 0.0) | (right > 0.0)
        spread = where(heavy, tukey_scale(x, not elementwise), where(variance > 0.0, sqrt(variance), 1.0))
        centre = where(heavy, tukey_location(x, not elementwise), mean)
        # with both h 0 the inverse gives back what it is given: the z-score
        return x.tracer.op("inverse_tukey_hh", (x - centre) * (1.0 / spread), left, right)

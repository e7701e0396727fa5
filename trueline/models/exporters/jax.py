"""JAX: a pure function with its parameters, Flax's nnx modules and bound linen modules, through jax2onnx."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError, reason_of
from trueline.models.contract import Fitted
from trueline.models.exporters.base import Arrays
from trueline.models.exporters.jax_graph import jax_function_graph, jax_version
from trueline.models.exporters.network import NetworkExporter, by_argument, one_output
from trueline.models.exporters.weights import save_tensors
from trueline.models.inputs import ModelInput
from trueline.models.jax_model import JaxModel

if TYPE_CHECKING:
    import onnx

__all__ = ["JaxExporter"]


@dataclass(frozen=True)
class _Pure:
    """A model as a function of its inputs.

    Attributes:
        call: takes arrays in order.
        named: the function whose arguments name the inputs.
        skip: arguments of `named` before the inputs.
        params: a pytree of arrays.
    """

    call: Callable[..., Any]
    named: Callable[..., Any]
    skip: int
    params: Any


class JaxExporter(NetworkExporter):
    """One function of arrays."""

    framework = "jax"

    def __init__(self, fitted: Fitted) -> None:
        super().__init__(fitted)
        self._described = (
            fitted.model.described if isinstance(fitted.model, JaxModel) else type(fitted.model).__qualname__
        )
        self._pure = _pure(fitted.model)

    @property
    def described(self) -> str:
        """The function's or the module's name."""
        return self._described

    def inputs(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """The inputs in the order of the function's arguments, by name where there are several.

        Raises:
            ModelError: when the names are not those of the arguments.
        """
        self._inputs = by_argument(inputs, self._pure.named, self._described, self._pure.skip)
        return self._inputs

    def raw(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """The function's result; ids are int32, as JAX has them."""
        import jax.numpy as jnp

        names = [i.name for i in self._inputs] or list(arrays)
        ids = {n: a.astype(np.int32) if a.dtype == np.int64 else a for n, a in arrays.items()}
        try:
            out = self._pure.call(*(jnp.asarray(ids[n]) for n in names))
        except Exception as error:
            shapes = ", ".join(f"{n} {ids[n].dtype}{list(ids[n].shape)}" for n in names)
            raise ModelError(f"{self._described} fails on {shapes}: {reason_of(error)}") from error
        return one_output(out, self._described)

    def graph(self) -> onnx.ModelProto:
        """By jax2onnx."""
        return jax_function_graph(self._pure.call, self._inputs, self._described)

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """The parameters as safetensors, by their paths in the tree."""
        return {"params.safetensors": save_tensors(_by_path(self._pure.params))}, "the parameters by path in their tree"

    def versions(self) -> dict[str, str]:
        """jax, jax2onnx, and flax where the model is its."""
        from importlib.metadata import version

        flax = type(self.fitted.model).__mro__[-2].__module__.startswith("flax")
        return jax_version() | ({"flax": version("flax")} if flax else {})


def _pure(model: Any) -> _Pure:
    if isinstance(model, JaxModel):
        return _Pure(model, model.apply, 1, model.params)
    if any(c.__module__.startswith("flax.linen") for c in type(model).__mro__):
        return _linen(model)
    return _nnx(model)


def _linen(module: Any) -> _Pure:
    if module.scope is None:
        raise ModelError(
            f"{type(module).__qualname__} is a linen module without its variables",
            hint="return module.bind(variables), or JaxModel(module.apply, variables).",
        )
    free, variables = module.unbind()
    return _Pure(lambda *arrays: free.apply(variables, *arrays), free.__call__, 0, variables)


def _nnx(module: Any) -> _Pure:
    """A copy in evaluation mode; the user's own keeps its mode."""
    from flax import nnx

    graph, state = nnx.split(module)
    copy = nnx.merge(graph, state)
    if hasattr(copy, "eval"):
        copy.eval()
    return _Pure(lambda *arrays: copy(*arrays), copy.__call__, 0, nnx.to_pure_dict(state))


def _by_path(params: Any) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a pytree by their paths; keys of random numbers are no weights."""
    import jax

    found = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator="/") or "params"
        if not hasattr(leaf, "dtype") or not jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            found[name] = np.asarray(leaf)
    return found

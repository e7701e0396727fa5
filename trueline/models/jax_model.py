"""`JaxModel`: a pure JAX function and its parameters, as one object that a `run_fn` can return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import ModelError

__all__ = ["JaxModel"]


@dataclass(frozen=True, eq=False)
class JaxModel:
    """A trained function.

    Attributes:
        apply: ``apply(params, x)`` for one input, ``apply(params, first, second, ...)`` for several, named as
            `Fitted.inputs` are; pure, without randomness, returning one array ``[N]`` or ``[N, K]``. For a linen
            module: ``module.apply``.
        params: a pytree of arrays. For a linen module: its variables.
        name: for errors; the function's own by default.
    """

    apply: Callable[..., Any]
    params: Any
    name: str = ""

    def __post_init__(self) -> None:
        if not callable(self.apply):
            raise ModelError(f"JaxModel's apply is a {type(self.apply).__name__}", hint="give apply(params, x).")

    def __call__(self, *inputs: Any) -> Any:
        """What the function returns for these arrays."""
        return self.apply(self.params, *inputs)

    @property
    def described(self) -> str:
        """The name in errors."""
        return self.name or getattr(self.apply, "__qualname__", type(self.apply).__name__)

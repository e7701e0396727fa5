"""Host steps: a user's own Python column function that runs before the ONNX part.

A step is data: the function's name in an installed package, its inputs, its declared type and the version that it
was made with. The function takes one Python list per input column (None = missing; or another form of column, see
`trueline._core.host_forms`) and keyword parameters, and returns one list (None = missing); where the step makes vectors
or lists, a list of lists. It runs in bulk, evaluation and batch inference; the server runs it only if the operator
allow-lists its module. Code never comes from a model directory.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from trueline._core.errors import ModelError
from trueline._core.extras import missing_extra_hint
from trueline._core.host_forms import Form, in_form, plain_values
from trueline._core.values import DType, Kind, RawFeature

__all__ = [
    "HOST_PREFIX",
    "HasModule",
    "HostStep",
    "check_allowed",
    "installed_version",
    "load_function",
    "run_host_steps",
]

HOST_PREFIX = "host:"


@dataclass(frozen=True)
class HostStep:
    """One column computed by Python code.

    Attributes:
        output: name of the new column; the ONNX part reads it as ``host:<output>``.
        inputs: raw columns, or outputs of earlier steps, that the function reads.
        function: ``package.module:name``.
        dtype: type of the values it returns.
        package: the installed distribution that holds the module, or "" when it has none.
        version: that distribution's version when the graph was made, or "".
        params: JSON keyword arguments.
        kind: ``scalar``, ``fixed`` (vectors of `size`) or ``ragged`` (lists of any length).
        size: length of its vectors, else None.
        form: how the function takes its columns, see `trueline._core.host_forms`.
        reads: the inputs' types, where `form` is not ``list``.
    """

    output: str
    inputs: tuple[str, ...]
    function: str
    dtype: DType
    package: str = ""
    version: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    kind: Kind = "scalar"
    size: int | None = None
    form: Form = "list"
    reads: tuple[RawFeature, ...] = ()

    @property
    def module(self) -> str:
        """The module that must be importable, and allowed in a server."""
        return self.function.partition(":")[0]

    @property
    def feature(self) -> RawFeature:
        """The column as the ONNX part reads it."""
        return RawFeature(HOST_PREFIX + self.output, self.dtype, self.kind, self.size)

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse."""
        shape = {} if self.kind == "scalar" else {"kind": self.kind, "size": self.size}
        return {
            "output": self.output,
            "inputs": list(self.inputs),
            "function": self.function,
            "dtype": self.dtype,
            "package": self.package,
            "version": self.version,
            "params": dict(self.params),
            **shape,
            **({} if self.form == "list" else {"form": self.form, "reads": [f.to_json() for f in self.reads]}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HostStep:
        """The step that `to_json` described."""
        return cls(
            str(data["output"]),
            tuple(str(i) for i in data["inputs"]),
            str(data["function"]),
            cast(DType, data["dtype"]),
            str(data.get("package", "")),
            str(data.get("version", "")),
            dict(data.get("params", {})),
            cast(Kind, data.get("kind", "scalar")),
            data.get("size"),
            cast(Form, data.get("form", "list")),
            tuple(RawFeature.from_json(f) for f in data.get("reads", ())),
        )


def installed_version(module: str) -> tuple[str, str]:
    """(distribution, version) that hold a module, or ("", "") for a module outside any distribution."""
    top = module.split(".")[0]
    for name in importlib.metadata.packages_distributions().get(top, ()):
        return name, importlib.metadata.version(name)
    return "", ""


class HasModule(Protocol):
    """Code by name: a host step, or a Python model."""

    @property
    def module(self) -> str:
        """The module that holds it."""
        ...


def check_allowed(steps: Sequence[HasModule], allow: Collection[str] | None) -> None:
    """Refuses steps whose module is not allowed; None allows all (bulk and evaluation, where the user runs own code).

    Raises:
        ModelError: naming every module that is missing from the list.
    """
    if allow is None:
        return
    refused = sorted({s.module for s in steps if s.module not in allow})
    if refused:
        raise ModelError(
            f"the model runs Python of modules that are not allowed here: {', '.join(refused)}",
            hint="allow them by name if you trust these installed packages: "
            f"allow_host={refused!r} when loading it, {' '.join(f'--allow-host {m}' for m in refused)} in the server.",
        )


def load_function(what: str, function: str, package: str = "", version: str = "") -> Any:
    """The function ``package.module:name`` that a model's description names.

    Args:
        what: who asks, as errors say it.
        function: its name.
        package, version: the distribution that held it when the model was made, or "".

    Raises:
        ModelError: it lives in the standard library, cannot be imported, or is merely imported by that module.
    """
    module_name, _, attribute = function.partition(":")
    if module_name.split(".")[0] in sys.stdlib_module_names or attribute.startswith("_"):
        raise ModelError(
            f"{what} names {function}: no host step lives in the standard library",
            hint="do not use this model: a folder that asks for such a call was not written by this product.",
        )
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"{what} needs {function}, which cannot be imported: {error}",
            hint=f"install {package}=={version}." if package else "put its module on the import path.",
        ) from error
    home = str(getattr(found, "__module__", None) or module_name)
    if not callable(found) or home.split(".")[0] != module_name.split(".")[0]:
        raise ModelError(
            f"{what} names {function}, which is no function of that package",
            hint="what a module merely imports is not allowed with it; name the function where it is written.",
        )
    return found


def _load(step: HostStep) -> Any:
    if not step.inputs:
        raise ModelError(
            f"host step {step.output!r} ({step.function}) reads no column",
            hint="do not use this model: a folder that asks for such a call was not written by this product.",
        )
    return load_function(f"host step {step.output!r}", step.function, step.package, step.version)


def run_host_steps(
    steps: Sequence[HostStep], columns: Mapping[str, list[Any]], rows: int, allow: Collection[str] | None = None
) -> dict[str, list[Any]]:
    """The new columns, named ``host:<output>``, of `rows` values each.

    Raises:
        ModelError: a module that is not allowed or not importable, a function that raises, or returns another
            number of values.
    """
    check_allowed(steps, allow)
    made: dict[str, list[Any]] = {}
    for step in steps:
        arguments = [made.get(HOST_PREFIX + n, columns.get(n, [None] * rows)) for n in step.inputs]
        try:
            values = plain_values(_load(step)(*in_form(step.form, arguments, step.reads), **step.params))
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"host step {step.output!r} ({step.function}) raised {type(error).__name__}: {error}",
                hint=missing_extra_hint(error),
            ) from error
        if len(values) != rows:
            raise ModelError(
                f"host step {step.output!r} ({step.function}) returned {len(values)} values for {rows} rows"
            )
        made[step.feature.name] = values
    return made

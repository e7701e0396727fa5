"""A model that is a Python function: served in this process, behind the transform's graph, where its module is allowed.

The function is data: its name in an importable module and JSON parameters. It takes the model's input arrays
``[N, width]`` in their order and keyword parameters, and returns one array, a row for each row. Code never comes from
a model directory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.activations import probabilities_of
from trueline._core.errors import ModelError
from trueline._core.extras import missing_extra_hint
from trueline._core.host import load_function

__all__ = ["INPUT", "PythonPart", "PythonStep"]

INPUT = "input:"
"""Prefix of the graph's outputs that are the function's inputs."""
_NUMPY = {"bool": np.bool_, "int64": np.int64, "utf8": np.object_}
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class PythonStep:
    """The function, what it takes and what it returns.

    Attributes:
        function: ``package.module:name``.
        inputs: names of the model's inputs, in the order of the function's arguments.
        meaning: ``logits``, ``probabilities``, ``prediction``, ``score`` or ``embedding``.
        output: name of the main output.
        columns: its columns, 0 for ``[N]``.
        classes: the label's values in the order of the probabilities.
        label_dtype: ``bool``, ``int64`` or ``utf8`` for a classifier.
        params: JSON keyword arguments.
        package, version: the installed distribution that holds the module, or "".
    """

    function: str
    inputs: tuple[str, ...]
    meaning: str
    output: str
    columns: int
    classes: tuple[Any, ...] = ()
    label_dtype: str = "float32"
    params: Mapping[str, Any] = field(default_factory=dict)
    package: str = ""
    version: str = ""

    @property
    def module(self) -> str:
        """The module that must be importable, and allowed."""
        return self.function.partition(":")[0]

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse."""
        return {**vars(self), "inputs": list(self.inputs), "classes": list(self.classes), "params": dict(self.params)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PythonStep:
        """The step that `to_json` described."""
        texts = {k: str(data[k]) for k in ("function", "meaning", "output", "label_dtype", "package", "version")}
        return cls(
            inputs=tuple(str(i) for i in data["inputs"]),
            columns=int(data["columns"]),
            classes=tuple(data["classes"]),
            params=dict(data["params"]),
            **texts,
        )


class PythonPart:
    """What `OnnxGraph` runs behind its graph.

    Attributes:
        output_names: the outputs that it makes.
    """

    def __init__(self, step: PythonStep) -> None:
        self.step = step
        self.output_names = [step.output, *(["label"] if step.classes else [])]

    @cached_property
    def _function(self) -> Callable[..., Any]:
        what = f"the Python model {self.step.function}"
        found: Callable[..., Any] = load_function(what, self.step.function, self.step.package, self.step.version)
        return found

    def scores(self, arrays: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
        """The main output as float64, from the model's input arrays by name.

        Raises:
            ModelError: the function cannot be imported, raises, or returns another shape than it should.
        """
        given = [arrays[n] for n in self.step.inputs]
        try:
            raw = np.asarray(self._function(*given, **self.step.params), np.float64)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"the Python model {self.step.function} raised {type(error).__name__}: {error}",
                hint=missing_extra_hint(error),
            ) from error
        rows = len(given[0])
        wanted = (rows, self.step.columns) if self.step.columns else (rows,)
        if self.step.meaning in ("logits", "probabilities") and raw.ndim in (1, 2) and len(raw) == rows:
            raw = probabilities_of(raw, self.step.meaning)
        elif not self.step.columns and raw.shape == (rows, 1):
            raw = raw.reshape(rows)
        if raw.shape != wanted:
            raise ModelError(
                f"the Python model {self.step.function} gives an array of shape {list(raw.shape)} for {rows} rows; "
                f"{list(wanted)} is needed for {self.step.output}"
            )
        return raw

    def __call__(self, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        """The outputs from those of the graph; a tie goes to the first class."""
        scores = self.scores({n.removeprefix(INPUT): a for n, a in arrays.items()})
        made: Arrays = {self.step.output: scores.astype(np.float32)}
        if self.step.classes:
            classes: npt.NDArray[Any] = np.array(list(self.step.classes), _NUMPY[self.step.label_dtype])
            made["label"] = classes[np.argmax(made[self.step.output], axis=1)]
        return made

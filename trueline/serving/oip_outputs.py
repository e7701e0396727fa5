"""What a model says, in the Open Inference Protocol's words: which it is, its metadata, the outputs asked for, classes.

Outputs may be asked for as classifications (the classification extension): ``<value>:<index>:<class>`` of the `n`
largest values of each row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import did_you_mean
from trueline._core.runtime import ModelRuntime
from trueline.serving.config import LARGEST_VERSION
from trueline.serving.errors import Code, RequestError
from trueline.serving.oip_features import DATATYPE
from trueline.serving.oip_tensors import bad
from trueline.serving.service import ModelSpec, Service
from trueline.serving.versions import Live

__all__ = [
    "EXTENSIONS",
    "PLATFORM",
    "SERVER_NAME",
    "Wanted",
    "check_wanted",
    "chosen_outputs",
    "is_ready",
    "model_metadata",
    "model_spec",
]

SERVER_NAME = "trueline"
EXTENSIONS = ("binary_tensor_data", "classification")
PLATFORM = "onnx_onnxv1"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output that a request asks for.

    Attributes:
        name: the output's name.
        binary: whether it comes in the binary form, or None where the request does not say.
        classes: how many classes of each row, or 0 for the values themselves.
    """

    name: str
    binary: bool | None = None
    classes: int = 0


def model_spec(service: Service, name: str, version: str, api: str) -> ModelSpec:
    """The model that a request names; its version is a number, a label, or "" for the server's choice.

    Raises:
        RequestError: NOT_FOUND, for a model or label that is not there; before that, PERMISSION_DENIED to a caller who
            may not ask `api` of it.
    """
    if service.permit is not None:
        service.permit(name, api)
    if name not in service.manager.tracked:
        raise RequestError(Code.NOT_FOUND, f"there is no model {name!r}")
    if not version:
        return ModelSpec(name)
    if version.isascii() and version.isdigit() and len(version) <= 19 and int(version) <= LARGEST_VERSION:
        return ModelSpec(name, int(version))
    routes = service.manager.table.get(name)
    if routes is None or version not in routes.labels:
        raise RequestError(Code.NOT_FOUND, f"there is no version {version[:100]!r} of model {name!r}")
    return ModelSpec(name, label=version)


def is_ready(service: Service, spec: ModelSpec) -> bool:
    """Whether a model, or the version that is asked for, answers just now.

    Raises:
        RequestError: NOT_FOUND, for a version that the server does not know.
    """
    if spec.version is not None and spec.version not in service.manager.tracked.get(spec.name, {}):
        raise RequestError(Code.NOT_FOUND, f"there is no version {spec.version} of model {spec.name!r}")
    try:
        service.find(spec)
    except RequestError as error:
        if error.code not in (Code.NOT_FOUND, Code.INVALID_ARGUMENT):
            raise
        return False
    return True


def check_wanted(live: Live, wanted: Sequence[Wanted]) -> None:
    """Refuses outputs that the model does not have, before it runs.

    Raises:
        RequestError: INVALID_ARGUMENT, for an unknown or doubled output, or classes of one that has none.
    """
    if not wanted:
        return
    names = live.runtime.graph.output_names
    shapes = {output["name"]: output.get("shape", [None]) for output in live.runtime.outputs}
    problems = [f"there is no output {w.name!r}. {did_you_mean(w.name, names)}" for w in wanted if w.name not in names]
    asked = [w.name for w in wanted]
    problems += [f"output {name!r} is asked for twice" for name in sorted({n for n in asked if asked.count(n) > 1})]
    problems += [
        f"output {w.name!r} has no classes: its shape is {_shape(shapes.get(w.name, [None]))}"
        for w in wanted
        if w.classes and w.name in names and len(shapes.get(w.name, [None])) != 2
    ]
    if problems:
        raise bad("the model does not give the outputs that are asked for", problems=problems[:20])


def chosen_outputs(
    runtime: ModelRuntime, outputs: Mapping[str, npt.NDArray[Any]], wanted: Sequence[Wanted]
) -> list[tuple[Wanted, npt.NDArray[Any]]]:
    """The outputs in the order that they were asked for; all of them where none is named."""
    chosen = wanted or [Wanted(name) for name in outputs]
    return [(w, _classified(runtime, w, outputs[w.name]) if w.classes else outputs[w.name]) for w in chosen]


def _classified(runtime: ModelRuntime, wanted: Wanted, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Value, index and class of the largest values of each row, as text ``[N, n]``; equal values by index, NaN last."""
    if values.dtype == object:
        raise bad(f"output {wanted.name!r} has no classes: it is text")
    ranked = np.where(np.isnan(values), -np.inf, values) if values.dtype.kind == "f" else values.astype(np.float64)
    order = np.argsort(-ranked, axis=1, kind="stable")[:, : wanted.classes]
    meanings = {output["name"]: output.get("meaning") for output in runtime.outputs}
    classes = runtime.classes or []
    named = meanings.get(wanted.name) == "class_probabilities" and len(classes) == values.shape[1]
    texts = np.empty(order.shape, object)
    for row, places in enumerate(order.tolist()):
        for rank, place in enumerate(places):
            text = f"{values[row, place]!s}:{place}"
            texts[row, rank] = f"{text}:{_class_text(classes[place])}" if named else text
    return texts


def _class_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _shape(shape: Iterable[int | None]) -> list[int]:
    return [-1 if size is None else size for size in shape]


def model_metadata(name: str, versions: Iterable[int], runtime: ModelRuntime) -> dict[str, Any]:
    """The protocol's model metadata; ``properties`` (texts) holds what the protocol has no field for.

    A timestamp is INT64, microseconds since 1970 UTC; a list is padded to ``[N, K]``.
    """
    extra = {"scalar": (), "ragged": (-1,)}
    return {
        "name": name,
        "versions": [str(number) for number in sorted(versions)],
        "platform": PLATFORM,
        "inputs": [
            {"name": f.name, "datatype": DATATYPE[f.dtype], "shape": [-1, *extra.get(f.kind, (f.size or 0,))]}
            for f in runtime.inputs
        ],
        "outputs": [
            {"name": o["name"], "datatype": DATATYPE[o["dtype"]], "shape": _shape(o.get("shape", [None]))}
            for o in runtime.outputs
        ],
        "properties": {
            "task": str(runtime.info.get("task") or ""),
            "optional_inputs": json.dumps([f.name for f in runtime.inputs if f.optional]),
            "classes": json.dumps(runtime.classes),
        },
    }

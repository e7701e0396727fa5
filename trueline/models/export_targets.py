"""Where a model can go: the targets of ``trueline export``, one record each."""

from __future__ import annotations

import importlib
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ConfigError, ModelError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.models.model import Model

__all__ = ["REFUSED", "TARGETS", "Target", "check_target", "export_model"]


@dataclass(frozen=True)
class Options:
    """What targets may be told.

    Attributes:
        sample: raw rows on which the exported model is compared with the original.
        runtime: for the browser: where onnxruntime-web lies.
        transform: for TensorFlow: the folder of the transform that the model was trained on.
    """

    sample: pa.Table | None = None
    runtime: str | None = None
    transform: str | None = None


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes:
        write: writes a model into a folder; says what a person should know of the result.
        about: one sentence.
        needs_sample: whether raw rows must be given.
    """

    write: Callable[[Model, str, Options], Mapping[str, Any]]
    about: str
    needs_sample: bool = False


def _web(model: Model, uri: str, options: Options) -> Mapping[str, Any]:
    from trueline.models.web_export import save_web

    save_web(model, uri, runtime=options.runtime)
    told = {"look at it": "python -m http.server --directory FOLDER"}
    return told if options.runtime else told | {"missing": "ort/, which the page asks for; see --runtime"}


def _server(model: Model, uri: str, _: Options) -> Mapping[str, Any]:
    from trueline.models.server_bundle import save_server

    save_server(model, uri)
    return {}


def _onnx(model: Model, uri: str, _: Options) -> Mapping[str, Any]:
    from trueline.models.onnx_export import save_onnx

    save_onnx(model, uri)
    return {}


def _python(model: Model, uri: str, options: Options) -> Mapping[str, Any]:
    from trueline.models.plain_python import save_python

    if options.sample is None:  # checked by export_model
        raise ConfigError("plain Python needs a sample")
    found = save_python(model, uri, options.sample)
    return {"rows compared": found["rows"], "largest difference": found["max_difference"]}


def _elsewhere(home: str, function: str, *options: str) -> Callable[[Model, str, Options], Mapping[str, Any]]:
    """A target whose writer needs a framework: imported when it is asked for, given the options that are there."""

    def write(model: Model, uri: str, given: Options) -> Mapping[str, Any]:
        save = getattr(importlib.import_module(home), function)
        told = {name: value for name in options if (value := getattr(given, name)) is not None}
        made = save(model, uri, **told)
        return dict(made) if isinstance(made, Mapping) else {}

    return write


TARGETS: Mapping[str, Target] = {
    "litert": Target(
        _elsewhere("trueline.models.litert", "save_litert", "sample"), "for phones and small devices, by LiteRT"
    ),
    "onnx": Target(_onnx, "the plain graph, its feeds as JSON, and a short script that asks it"),
    "python": Target(_python, "one Python file that needs nothing but Python", needs_sample=True),
    "saved-model": Target(
        _elsewhere("trueline.models.saved_model", "save_saved_model", "sample", "transform"),
        "for TensorFlow and TensorFlow Serving",
    ),
    "server": Target(_server, "the model, the exact packages of its server, and how to start it"),
    "web": Target(_web, "a page and scripts that predict in the browser, offline"),
}
"""The targets by name."""

REFUSED = {
    "pmml": "PMML cannot say what the preprocessing does here (hashes, presence of values, float32 sums), and no "
    "writer of it covers the models of all frameworks: it would be another model than the one that was measured. "
    "Use --to onnx, which scoring engines read as they read PMML, --to python for a file that people can read, or "
    "--to server.",
    "coreml": "use --to onnx with ONNX Runtime's CoreML provider, or --to litert.",
    "tfjs": "TensorFlow.js has no strings in its graphs; use --to web, which runs the same graph by onnxruntime-web.",
    "pickle": "a pickle runs code when it is opened; use --to onnx or --to python.",
}
"""Targets that people ask for, and why there is none."""


def export_model(
    model: Model,
    to: str,
    out: str,
    *,
    sample: pa.Table | None = None,
    runtime: str | None = None,
    transform: str | None = None,
) -> Mapping[str, Any]:
    """Writes a model for a target: whole, or not at all.

    Args:
        model: the model.
        to: a name in `TARGETS`.
        out: an absent or empty folder of this machine.
        sample: raw rows; ``python`` compares on them and cannot do without.
        runtime: for ``web``: the folder ``dist`` of the npm package onnxruntime-web, or the address of its script.
        transform: for ``saved-model``: the folder of the transform that the model was trained on.

    Returns:
        What a person should know of the result.

    Raises:
        ConfigError: no such target, or `out` is taken.
        ModelError: the target cannot run the model; everything that it cannot run is named.
        ParityError: what was made predicts otherwise.
    """
    target = check_target(to)
    place = store.local_path(out)
    if store.is_local(model.uri) and place.resolve().is_relative_to(store.local_path(model.uri).resolve()):
        raise ConfigError("this lies within the model itself", where=out, hint="give a folder outside of it.")
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise ConfigError("there is something already", where=out, hint="give a folder that is absent or empty.")
    if target.needs_sample and sample is None:
        raise ConfigError(
            f"--to {to} needs sample rows: what it writes is compared with the model on them first",
            hint="give --sample FILE with some real raw rows.",
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    making = place.parent / f".{place.name}.{uuid.uuid4().hex}"
    try:
        facts = target.write(model, str(making), Options(sample, runtime, transform))
        _put(making, place)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return facts


def check_target(name: str) -> Target:
    """The target of a name.

    Raises:
        ConfigError: there is none.
        ModelError: there is none on purpose; it says what to use in its place.
    """
    if name in REFUSED:
        raise ModelError(f"a model is not exported to {name}", hint=REFUSED[name])
    if name not in TARGETS:
        raise ConfigError(f"no target {name!r}", hint=did_you_mean(name, TARGETS))
    return TARGETS[name]


def _put(made: Path, place: Path) -> None:
    """Moves what was written to its place; an empty folder that stands there goes."""
    if place.is_dir():
        place.rmdir()
    made.rename(place)

"""A model as a folder for the browser: raw features in, predictions out, refused where it cannot run there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.errors import ModelError
from trueline._core.model_files import read_graph
from trueline._core.web import foreign_operators, write_web

if TYPE_CHECKING:
    from trueline.models.model import Model

__all__ = ["save_web"]


def save_web(model: Model, uri: str, *, runtime: str | None = None) -> None:
    """Writes ``model.onnx``, the scripts that feed it, and a page ``index.html`` that runs it.

    In a page or in node: ``const graph = await load(ort, "model.onnx"); await graph.run([{fare: 12.5}])`` gives
    ``[{probabilities: [...], label: ...}]``.

    Args:
        model: the model.
        uri: the folder; made if need be.
        runtime: the folder ``dist`` of the npm package onnxruntime-web, of which two files are copied to ``ort/``,
            or the address of its script; without it the page says what is to be put there.

    Raises:
        ModelError: host steps, and operators that onnxruntime-web does not have: all of them.
        ConfigError: `runtime` is no such folder.
    """
    import onnx

    data = read_graph(model.uri, "model.onnx")
    problems = [f"host step {s.output!r} is Python ({s.function})" for s in model.runtime.steps]
    if (python := model.runtime.python) is not None:
        problems.append(f"the model is Python ({python.function}), which runs in this product's own processes alone")
    problems += [f"onnxruntime-web has no {o}" for o in foreign_operators(onnx.load_from_string(data))]
    if problems:
        raise ModelError(
            "the browser cannot run this model",
            where=model.uri,
            problems=problems,
            hint='write the preprocessing with profile="portable", which names what to use instead.',
        )
    examples = {i["name"]: i.get("example") for i in model.info["signature"]["inputs"]}
    about = {"name": model.name, "classes": model.classes, "examples": examples}
    outputs = model.runtime.outputs
    write_web(uri, "model", data, model.runtime.graph.feeds, outputs, runtime=runtime, about=about)

"""A model for any program that has ONNX Runtime: the graph, its feeds as JSON, and a short sample of how to call it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ModelError
from trueline._core.model_files import read_graph
from trueline.models.foreign import extension_operators, python_code

if TYPE_CHECKING:
    from trueline.models.model import Model

__all__ = ["feeds_document", "save_onnx"]

_SAMPLE = '''\
"""Asks model.onnx with ONNX Runtime and numpy alone; feeds.json says what it reads."""
import json
from pathlib import Path
import numpy as np
import onnxruntime

HERE = Path(__file__).parent
FEEDS = json.loads((HERE / "feeds.json").read_text(encoding="utf-8"))
TYPES = {"utf8": (object, ""), "bool": (bool, False), "int64": ("int64", 0), "timestamp": ("int64", 0)}
session = onnxruntime.InferenceSession(HERE / "model.onnx", providers=["CPUExecutionProvider"])

def predict(rows):
    arrays = {}
    for f in FEEDS["features"]:
        dtype, fill = TYPES.get(f["dtype"], ("float64", 0.0))
        values = [row.get(f["name"]) for row in rows]
@LISTS@        arrays[f["name"]] = np.array([fill if v is None else v for v in values], dtype)
        arrays[f["name"] + ":present"] = np.array([v is not None for v in values], bool)
    wanted = {i.name for i in session.get_inputs()}
    return session.run(None, {name: array for name, array in arrays.items() if name in wanted})

if __name__ == "__main__":
    for output, values in zip(session.get_outputs(), predict([FEEDS["example"]])):
        print(output.name, values.tolist())
'''
_LISTS = """\
        if f["kind"] != "scalar":  # lists are padded to the longest, their lengths stand beside them
            lists = [v or [] for v in values]
            width = f.get("size") or max(map(len, lists))
            arrays[f["name"] + ":length"] = np.array([len(v) for v in lists], "int64")
            values = [v + [fill] * (width - len(v)) for v in lists]
"""


def feeds_document(model: Model) -> dict[str, Any]:
    """What ``feeds.json`` says: the fields with an example row, the outputs, the classes."""
    features = model.runtime.graph.feeds.to_json()
    examples = {i["name"]: i.get("example") for i in model.info["signature"]["inputs"]}
    return {
        "format": 1,
        "graph": "model.onnx",
        "name": model.name,
        "features": [f | {"example": examples.get(f["name"])} for f in features],
        "example": {name: value for name, value in examples.items() if value is not None},
        "outputs": model.runtime.outputs,
        "classes": model.classes,
    }


def save_onnx(model: Model, uri: str) -> None:
    """Writes ``model.onnx``, ``feeds.json`` and ``predict.py``.

    Args:
        model: the model.
        uri: the folder; made if need be.

    Raises:
        ModelError: Python code, and operators that ONNX Runtime has only with an extension: all of them.
    """
    problems = python_code(model) + [f"ONNX Runtime alone has no {o}" for o in extension_operators(model)]
    if problems:
        raise ModelError(
            "ONNX Runtime alone cannot run this model",
            where=model.uri,
            problems=problems,
            hint='write the preprocessing with profile="portable", which names what to use instead.',
        )
    document = feeds_document(model)
    lists = any(f["kind"] != "scalar" for f in document["features"])
    document["example"] |= {f["name"]: 0 for f in document["features"] if _is_iso_time(f, document["example"])}
    store.write_bytes(store.join(uri, "model.onnx"), read_graph(model.uri, "model.onnx"))
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
    store.write_text(store.join(uri, "feeds.json"), text + "\n")
    store.write_text(store.join(uri, "predict.py"), _SAMPLE.replace("@LISTS@", _LISTS if lists else ""))


def _is_iso_time(feature: dict[str, Any], example: dict[str, Any]) -> bool:
    """Whether the example is a time as text. The graph takes microseconds since 1970: the script asks with 0 then."""
    return feature["dtype"] == "timestamp" and isinstance(example.get(feature["name"]), str)

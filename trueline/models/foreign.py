"""What keeps a model from leaving: Python code that it names, and operators that only one runtime has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.model_files import read_graph
from trueline._core.web import foreign_operators

if TYPE_CHECKING:
    from trueline.models.model import Model

__all__ = ["extension_operators", "python_code"]

_EXTENSIONS = "ai.onnx.contrib:"


def python_code(model: Model) -> list[str]:
    """One sentence for each piece of Python code that a model's directory names and does not hold."""
    found = [f"host step {s.output!r} is Python ({s.function})" for s in model.runtime.steps]
    if (python := model.runtime.python) is not None:
        found.append(f"the model is Python ({python.function})")
    return found


def extension_operators(model: Model) -> list[str]:
    """Operators that onnxruntime-extensions adds to ONNX Runtime, sorted."""
    import onnx

    graph = onnx.load_from_string(read_graph(model.uri, "model.onnx"))
    return [o for o in foreign_operators(graph) if o.startswith(_EXTENSIONS)]

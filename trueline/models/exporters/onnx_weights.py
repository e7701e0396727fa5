"""A foreign ONNX model with all its weights in it: files beside it are read from its own folder and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ModelError
from trueline.models.graphs import all_nodes

if TYPE_CHECKING:
    import onnx

__all__ = ["whole_model"]

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def whole_model(source: Any) -> onnx.ModelProto:
    """The model of a path, bytes or a ModelProto, as a copy without external data.

    Raises:
        ModelError: it does not parse or is not valid, uses operators of other domains than ONNX's own, or its weights
            lie outside its own folder.
    """
    import onnx

    folder: Path | None = None
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise ModelError(f"there is no ONNX file at {str(source)!r}")
        folder, data = path.resolve().parent, path.read_bytes()
    elif isinstance(source, bytes):
        data = source
    elif isinstance(source, onnx.ModelProto):
        data = source.SerializeToString()
    else:
        raise ModelError(f"a {type(source).__name__} is no ONNX model", hint="give a path, bytes or a ModelProto.")
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:
        raise ModelError(f"this is no ONNX model: {error}", where=_place(source)) from error
    if not model.graph.node:
        raise ModelError("this is no ONNX model: it has no nodes", where=_place(source))
    _check_domains(model, _place(source))
    for tensor in _external(model):
        _inline(tensor, folder, _place(source))
    return model


def _place(source: Any) -> str | None:
    return str(source) if isinstance(source, str | Path) else None


def _check_domains(model: onnx.ModelProto, where: str | None) -> None:
    own = {f.domain for f in model.functions}
    nodes = [*all_nodes(model.graph), *(n for f in model.functions for n in f.node)]
    foreign = sorted({f"{n.domain}.{n.op_type}" for n in nodes if n.domain not in (*_DOMAINS, *own)})
    if foreign:
        raise ModelError(
            f"the graph uses operators that are not ONNX's own: {', '.join(foreign[:10])}",
            where=where,
            hint="export it for plain ONNX; a model with custom operators runs only where their library is.",
        )


def _external(model: onnx.ModelProto) -> Iterable[onnx.TensorProto]:
    import onnx

    tensors = list(model.graph.initializer)
    for sparse in model.graph.sparse_initializer:
        tensors += [sparse.values, sparse.indices]
    for node in [*all_nodes(model.graph), *(n for f in model.functions for n in f.node)]:
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            for subgraph in (attribute.g, *attribute.graphs):
                tensors += list(subgraph.initializer)
    return [t for t in tensors if t.data_location == onnx.TensorProto.EXTERNAL or t.external_data]


def _inline(tensor: onnx.TensorProto, folder: Path | None, where: str | None) -> None:
    """Puts the tensor's bytes into the model; the file must lie in the model's own folder.

    Raises:
        ModelError: there is no folder, the path leads out of it, or the file is too short.
    """
    import onnx

    entries = {e.key: e.value for e in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise ModelError(
            f"the weights {tensor.name!r} lie in another file, {location!r}, and the model has no folder",
            hint="give the path of the ONNX file, or save the model with its weights in it.",
        )
    path = (folder / location).resolve()
    if not location or Path(location).is_absolute() or not path.is_relative_to(folder) or not path.is_file():
        raise ModelError(
            f"the weights {tensor.name!r} are said to lie at {location!r}, which is no file in the model's own folder",
            where=where,
            hint="put the file beside the model; nothing outside its folder is read.",
        )
    try:
        start, length = int(entries.get("offset", 0)), int(entries.get("length", -1))
    except ValueError as error:
        raise ModelError(f"the weights {tensor.name!r} have a bad offset or length: {error}", where=where) from error
    with path.open("rb") as handle:
        handle.seek(max(start, 0))
        data = handle.read(length if length >= 0 else -1)
    if length >= 0 and len(data) != length:
        raise ModelError(f"{location!r} ends before the weights {tensor.name!r} do", where=where)
    del tensor.external_data[:]
    tensor.data_location = onnx.TensorProto.DEFAULT
    tensor.raw_data = data

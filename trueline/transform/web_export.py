"""A transform as a folder for the browser: refused where an operation cannot run there, by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trueline._core.errors import TransformError
from trueline._core.web import foreign_operators, write_web
from trueline.transform.profiles import check_profile

if TYPE_CHECKING:
    from trueline.transform.output import TransformOutput

__all__ = ["save_web"]


def save_web(
    output: TransformOutput, uri: str, outputs: Sequence[str] | None = None, *, runtime: str | None = None
) -> None:
    """Writes ``transform.onnx``, the scripts that feed it, and a page ``index.html`` that runs it.

    In a page or in node: ``const graph = await load(ort, "transform.onnx"); await graph.run([{fare: 12.5}])``.

    Args:
        output: an analysed graph.
        uri: the folder; made if need be.
        outputs: names of the outputs wanted; all by default.
        runtime: the folder ``dist`` of the npm package onnxruntime-web, of which two files are copied to ``ort/``,
            or the address of its script; without it the page says what is to be put there.

    Raises:
        TransformError: operations that the browser cannot run, and host steps: all of them, with alternatives.
        ConfigError: `runtime` is no such folder.
    """
    names = [name for name, _ in output.graph.outputs] if outputs is None else list(outputs)
    check_profile(output.graph, "portable", [output.graph.output(name) for name in names])
    model = output.to_onnx(names)
    foreign = foreign_operators(model)
    if foreign:
        raise TransformError("the browser cannot run this transform", problems=[f"it has no {o}" for o in foreign])
    features = {f.name: f for f in output.outputs}
    about = {"content_hash": output.content_hash}
    write_web(
        uri,
        "transform",
        model.SerializeToString(deterministic=True),
        output.feeds(names),
        [features[n].to_json() for n in names],
        runtime=runtime,
        about=about,
    )

"""A transform as a folder for the browser: refused where an operation cannot run there, by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from trueline._core.errors import TransformError
from trueline._core.web import foreign_operators, write_web
from trueline.transform.operations import operation

if TYPE_CHECKING:
    from trueline.transform.output import TransformOutput

__all__ = ["check_web", "save_web"]


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
    check_web(output, outputs)
    model = output.to_onnx(outputs)
    foreign = foreign_operators(model)
    if foreign:
        raise TransformError("the browser cannot run this transform", problems=[f"it has no {o}" for o in foreign])
    features = {f.name: f for f in output.outputs}
    given = [features[n].to_json() for n in (outputs if outputs is not None else features)]
    about = {"content_hash": output.content_hash}
    write_web(
        uri,
        "transform",
        model.SerializeToString(deterministic=True),
        output.feeds(outputs),
        given,
        runtime=runtime,
        about=about,
    )


def check_web(output: TransformOutput, outputs: Sequence[str] | None = None) -> None:
    """Whether the browser can run it.

    Raises:
        TransformError: naming every operation and host step that it cannot, the user's line, and what to use instead.
    """
    graph = output.graph
    names = outputs if outputs is not None else [name for name, _ in graph.outputs]
    problems = [
        f"host step {step.output!r} is Python ({step.function})"
        for step in graph.steps_for(graph.input_names(graph.output(n) for n in names))
    ]
    for index in sorted(graph.reachable(graph.output(n) for n in names)):
        node = graph.nodes[index]
        if node.op in ("input", "constant"):
            continue
        record = operation(node.op)
        if record.profile != "portable":
            place = f" ({node.where})" if node.where else ""
            instead = f"; {record.alternatives}" if record.alternatives else ""
            problems.append(f"{node.scope or node.op}{place} needs the {record.profile!r} profile{instead}")
    if problems:
        raise TransformError(
            "the browser cannot run this transform",
            problems=list(dict.fromkeys(problems)),
            hint="export the outputs that do without: save_web(uri, outputs=[...]); our server runs them all.",
        )

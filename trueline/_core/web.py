"""A folder that a web server can give out: a graph, its feeds in JavaScript, and a page to try them.

``<graph>.onnx``, ``feeds.json`` (format 1: what the graph reads and gives), ``feeds.mjs``, ``graph.mjs``,
``iso_time.mjs``, ``page.mjs`` and ``index.html``; onnxruntime-web lies in ``ort/`` or at an address of one's own. The
scripts need no build step and run in node as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ConfigError
from trueline._core.feeds import Feeds

if TYPE_CHECKING:
    import onnx

__all__ = ["RUNTIME_FILES", "WEB_FORMAT", "foreign_operators", "write_web"]

WEB_FORMAT = 1
RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
"""What a page needs of onnxruntime-web: the script and, beside it, the WebAssembly part."""
_SCRIPTS = ("feeds.mjs", "graph.mjs", "iso_time.mjs", "page.mjs", "index.html")
_IN_BROWSER = {"": None, "ai.onnx": None, "ai.onnx.ml": None, "com.microsoft": frozenset({"MurmurHash3", "Tokenizer"})}


def foreign_operators(model: onnx.ModelProto) -> list[str]:
    """Operators of a graph that stock onnxruntime-web does not have, as ``domain:name``, sorted."""
    found: set[str] = set()
    stack = [model.graph]
    while stack:
        graph = stack.pop()
        for node in graph.node:
            known = _IN_BROWSER.get(node.domain, frozenset())
            if known is not None and node.op_type not in known:
                found.add(f"{node.domain}:{node.op_type}")
            for attribute in node.attribute:
                stack += [attribute.g] if attribute.HasField("g") else []
                stack += attribute.graphs
    return sorted(found)


def write_web(
    uri: str,
    graph: str,
    model: bytes,
    feeds: Feeds,
    outputs: Sequence[Mapping[str, Any]],
    *,
    runtime: str | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Writes the folder.

    Args:
        uri: the folder; made if need be.
        graph: the graph's name, such as ``transform``.
        model: its ONNX file.
        feeds: what it reads.
        outputs: what it gives, for whoever reads ``feeds.json``.
        runtime: the folder ``dist`` of the npm package onnxruntime-web, from which the two files of `RUNTIME_FILES`
            are copied to ``ort/``; or the address of the script where it is given out already. Without it the page
            says what to copy.
        about: further entries of ``feeds.json``: ``name`` heads the page, ``classes`` (null for a number) makes it show
            the first output as a prediction, ``examples`` by field fill the form.

    Raises:
        ConfigError: `runtime` is no folder with these files.
    """
    sources = _runtime_sources(runtime)
    remote = runtime is not None and "://" in runtime
    store.makedirs(uri)
    store.write_bytes(store.join(uri, f"{graph}.onnx"), model)
    document = {
        "format": WEB_FORMAT,
        "graph": f"{graph}.onnx",
        "runtime": runtime if remote else f"./ort/{RUNTIME_FILES[0]}",
        "features": feeds.to_json(),
        "outputs": [dict(o) for o in outputs],
        **(about or {}),
    }
    store.write_text(store.join(uri, "feeds.json"), json.dumps(document, indent=1, allow_nan=False))
    for name in _SCRIPTS:
        text = resources.files("trueline._core").joinpath("js", name).read_text(encoding="utf-8")
        store.write_text(store.join(uri, name), text)
    if sources:
        store.makedirs(store.join(uri, "ort"))
        for source in sources:
            store.write_bytes(store.join(uri, "ort", source.name), source.read_bytes())


def _runtime_sources(runtime: str | None) -> list[Path]:
    if runtime is None or "://" in runtime:
        return []
    sources = [Path(runtime) / name for name in RUNTIME_FILES]
    absent = [source.name for source in sources if not source.is_file()]
    if absent:
        raise ConfigError(
            f"the folder has no {' and no '.join(absent)}",
            where=runtime,
            hint="npm install onnxruntime-web, and give node_modules/onnxruntime-web/dist.",
        )
    return sources

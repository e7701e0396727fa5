"""The analyzer cache: each dataset's accumulator states, so that adding a span reads the new span alone.

An entry is a file ``<key's digest>/<phase's digest>.state``: a line of JSON (format, key, phase, size, sha256), then
the bytes of the states. Entries are written atomically; a damaged one counts as absent and is written again.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline._core.version import __version__
from trueline.engine.state import STATE_FORMAT
from trueline.transform.accumulator import STATE_VERSION, StateKey
from trueline.transform.graph import Graph

__all__ = ["AnalyzerCache", "phase_hash"]

_FORMAT = 1


class AnalyzerCache:
    """States of datasets in a folder.

    The key of a dataset stands for its contents: a fingerprint of its files, or a name that no other contents ever
    get. States of the first phase are kept for good. Those of a later phase belong to what the earlier phases found in
    all datasets: a new span that changes a mean or a minimum makes all spans be read there, as in TensorFlow Transform.
    One entry holds all states of a phase: another analyzer, or a change in user code, makes it miss.

    Args:
        uri: the folder; states that are read from data are written here.
        earlier: folders of earlier caches, looked into where this one has no entry. What is found there is copied here,
            so that this folder ends up with exactly the entries that were used.

    Attributes:
        hits: how often a state was found.
        misses: how often it was not.
    """

    def __init__(self, uri: str | Path, earlier: Sequence[str | Path] = ()) -> None:
        self.uri = str(uri)
        self.earlier = tuple(str(e) for e in earlier)
        self.hits = 0
        self.misses = 0

    def get(self, key: str, phase: str) -> bytes | None:
        """The states of a dataset in a phase, or None.

        Args:
            key: the dataset's key.
            phase: what `phase_hash` gave.

        Raises:
            ArtifactError: when the store itself cannot be used.
        """
        for folder in (self.uri, *self.earlier):
            state = _read(_place(folder, key, phase), key, phase)
            if state is not None:
                if folder != self.uri:
                    self.put(key, phase, state)
                self.hits += 1
                return state
        self.misses += 1
        return None

    def put(self, key: str, phase: str, state: bytes) -> None:
        """Keeps the states of a dataset in a phase."""
        head = {**_head(key, phase), "size": len(state), "sha256": hashlib.sha256(state).hexdigest()}
        store.write_bytes(_place(self.uri, key, phase), json.dumps(head).encode() + b"\n" + state)


def _place(folder: str, key: str, phase: str) -> str:
    return store.join(folder, hashlib.sha256(key.encode()).hexdigest()[:32], f"{phase[:32]}.state")


def _head(key: str, phase: str) -> dict[str, Any]:
    return {"format": _FORMAT, "key": key, "phase": phase}


def _read(place: str, key: str, phase: str) -> bytes | None:
    """An entry's states; None for no entry, another one's, or a damaged one."""
    if not store.exists(place):
        return None
    try:
        line, _, state = store.read_bytes(place).partition(b"\n")
        head = json.loads(line)
    except (ArtifactError, OSError, ValueError, RecursionError):
        return None
    expected = {**_head(key, phase), "size": len(state), "sha256": hashlib.sha256(state).hexdigest()}
    return state if head == expected else None


def phase_hash(graph: Graph, states: Sequence[StateKey]) -> str:
    """The digest of what a phase computes: its graph, bound to what earlier phases found, without notes; its states;
    the text of the modules that user code in it comes from; and the versions of whatever writes the states."""
    used = graph.raw_names(graph.input_names(i for _, i in graph.outputs))
    described = {
        "nodes": [replace(n, scope="", where="").to_json() for n in graph.nodes],
        "features": [f.to_json() for f in graph.features if f.name in used],
        "host_steps": [s.to_json() for s in graph.host_steps],
        "states": [key.text for key in states],
        "code": _code([*(k.name for k in states if ":" in k.name), *(s.function for s in graph.host_steps)]),
        "versions": [__version__, STATE_VERSION, STATE_FORMAT],
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _code(paths: Iterable[str]) -> dict[str, str]:
    """The digest of each module's source: a change in a user's code must not meet states of the old code."""
    digests = {}
    for module in sorted({path.partition(":")[0] for path in paths}):
        file = getattr(importlib.import_module(module), "__file__", None)
        digests[module] = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
    return digests

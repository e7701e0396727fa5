"""What an executor is given: inputs, outputs, parameters, a place to work, and ways to speak."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError, did_you_mean
from trueline.engine.base import Engine, resolve
from trueline.pipeline.artifacts import VALUE_FILE
from trueline.pipeline.user_function import UserFunction

__all__ = ["ArtifactHandle", "ExecutionContext"]


@dataclass
class ArtifactHandle:
    """An artifact as an executor sees it.

    Attributes:
        type: the artifact type's name.
        uri: the folder; an output's folder exists when the executor starts.
        properties: declared and custom properties in one dict; an executor sets them on its outputs.
        id: the number in the metadata store; None for an output that is not published yet.
        fingerprint: the manifest's hash; None for an output.
        name: the artifact's name in the store, if it has one.
    """

    type: str
    uri: str
    properties: dict[str, Any] = field(default_factory=dict)
    id: int | None = None
    fingerprint: str | None = None
    name: str | None = None

    def path(self, *parts: str) -> str:
        """The URI of a file or folder inside."""
        return store.join(self.uri, *parts)

    @property
    def value(self) -> Any:
        """The Python value of a value artifact.

        Raises:
            ArtifactError: when the artifact holds no value.
        """
        try:
            return json.loads(store.read_text(self.path(VALUE_FILE)))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"the artifact holds no readable value: {error}", where=self.uri) from error

    @value.setter
    def value(self, value: Any) -> None:
        store.write_text(self.path(VALUE_FILE), json.dumps(value, allow_nan=isinstance(value, float)))
        if not isinstance(value, float) or math.isfinite(value):
            self.properties.setdefault("preview", json.dumps(value)[:200])

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse."""
        return {
            "type": self.type,
            "uri": self.uri,
            "properties": dict(self.properties),
            "id": self.id,
            "fingerprint": self.fingerprint,
            "name": self.name,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ArtifactHandle:
        """The handle that `to_json` described."""
        return cls(
            type=str(data["type"]),
            uri=str(data["uri"]),
            properties=dict(data["properties"]),
            id=data.get("id"),
            fingerprint=data.get("fingerprint"),
            name=data.get("name"),
        )


@dataclass
class ExecutionContext:
    """One execution of one node.

    Attributes:
        inputs: artifacts by input name; every declared input is a key, an absent optional one has an empty list.
        outputs: one artifact to be filled per output name.
        params: the node's parameters; user functions are `UserFunction` objects.
        node_id, pipeline_name, run_id, execution_id: which execution this is.
        tmp_dir: a local folder that is removed after the execution.
        resume_dir: a local folder of this very work (same code, parameters and inputs): what a killed execution left in
            it, the next one finds; removed when the execution succeeds. Made on first use.
        sample: rows that a sampled run works on, or None; such a run never blesses and never pushes.
        attempt: which try of the node in this run this is, from 1 on; above 1 only where the node's settings allow
            ``retries``.
        left_out: inputs that are empty because what stood there has the very contents of another input.
        store_url: the metadata database, for what is kept beside the run (the trials of a search); may hold a password.
        log: goes to the node's log file.
        found: what `report` was told.
        gate: the sentence of a closed gate, or None.
    """

    inputs: dict[str, list[ArtifactHandle]]
    outputs: dict[str, ArtifactHandle]
    params: dict[str, Any]
    node_id: str = "node"
    pipeline_name: str = "pipeline"
    run_id: str = "run"
    execution_id: int = 0
    tmp_dir: str = ""
    resume_dir: str = ""
    store_url: str = field(default="", repr=False)
    sample: int | None = None
    attempt: int = 1
    left_out: tuple[str, ...] = ()
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("trueline.node"))
    found: dict[str, Any] = field(default_factory=dict)
    gate: str | None = None
    on_report: Callable[[dict[str, Any]], None] | None = None
    _engine: Engine | None = None

    def input(self, key: str) -> ArtifactHandle:
        """The single artifact under an input.

        Raises:
            ArtifactError: when there is none, or more than one.
        """
        artifacts = self.inputs.get(key, [])
        if len(artifacts) != 1:
            raise ArtifactError(
                f"input {key!r} holds {len(artifacts)} artifacts, one is needed",
                where=self.node_id,
                hint=None if key in self.inputs else did_you_mean(key, self.inputs),
            )
        return artifacts[0]

    def optional_input(self, key: str) -> ArtifactHandle | None:
        """The single artifact under an optional input, or None when there is none."""
        return self.input(key) if self.inputs.get(key) else None

    def output(self, key: str) -> ArtifactHandle:
        """The artifact to be filled under an output."""
        try:
            return self.outputs[key]
        except KeyError:
            raise ConfigError(
                f"there is no output {key!r}", where=self.node_id, hint=did_you_mean(key, self.outputs)
            ) from None

    def function(self, key: str) -> Callable[..., Any]:
        """The user function under a parameter, loaded.

        Raises:
            ConfigError: when the parameter is no function, or the function is not where it was.
        """
        value = self.params.get(key)
        if not isinstance(value, UserFunction):
            raise ConfigError(f"parameter {key!r} is no user function", where=self.node_id)
        return value.load()

    def report(self, **found: Any) -> None:
        """Facts for the progress table (rows, anomalies, AUC ...); JSON values, kept with the execution."""
        self.found.update(found)
        if self.on_report is not None:
            self.on_report(dict(self.found))

    def close_gate(self, sentence: str) -> None:
        """Stops the line after this node: its outputs are published so that they can be looked at, the node
        counts as failed with this sentence, and nothing after it runs."""
        self.gate = sentence

    @property
    def engine(self) -> Engine:
        """The engine that data passes run on."""
        if self._engine is None:
            engine: Engine = resolve("trueline.engine:default_engine")()
            self._engine = engine
        return self._engine

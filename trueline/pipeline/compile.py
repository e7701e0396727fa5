"""The compiled pipeline: what runners and launchers read, frozen dataclasses with a JSON form of one version."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.pipeline.artifacts import ArtifactType
from trueline.pipeline.node import Component
from trueline.pipeline.params import encode_params
from trueline.pipeline.pipeline import Pipeline
from trueline.pipeline.placeholders import leaves
from trueline.pipeline.runtime_parameter import RuntimeParameter
from trueline.pipeline.settings import NodeSettings

__all__ = ["FORMAT", "CompiledInput", "CompiledNode", "CompiledPipeline", "TypeRecord", "compile_pipeline"]

FORMAT = 2
"""Format 1 had no control flow, settings or runtime parameters; it is read as a plan without them."""
_PASSWORD_OPTION = re.compile(r"([?&](?:password|passwd)=)[^&]*")


@dataclass(frozen=True)
class TypeRecord:
    """An artifact type as the metadata store needs it: declared properties, base type, version of the files."""

    properties: Mapping[str, str]
    base: str | None
    format: int


@dataclass(frozen=True)
class CompiledInput:
    """One input: its type, the (node, output) pairs that feed it, and the input whose artifacts it leaves out.

    `item_of` names the loop whose present item alone is taken.
    """

    type: str
    optional: bool
    sources: tuple[tuple[str, str], ...]
    other_than: str | None = None
    item_of: str | None = None


@dataclass(frozen=True)
class CompiledNode:
    """One node as data.

    Attributes:
        id: unique in the pipeline.
        type: the execution type's name.
        system: ``importer``, ``resolver``, ``loop``, ``approval`` or None.
        executor: the executor's reference as JSON, or None for a system node.
        fingerprint: the extra cache key's reference as JSON, or None.
        params: JSON; user functions stand as ``{"__function__": {...}}``, placeholders as ``{"__placeholder__":
            {...}}``.
        inputs: by name.
        outputs: artifact type names by output name.
        upstream: ids of all nodes to wait for, sorted.
        location: the user's file and line.
        outdated: the reference, as JSON, of what asks whether a cached result still holds, or None.
        loops: ids of the loops around it, the outermost first.
        conditions: predicates as JSON; all must be true.
        settings: see `NodeSettings`; only what differs from the defaults.
        group: the sub-pipeline it came from, or "".
        on_exit: whether it runs after all others, however those ended.
        base, index: of one pass of a loop: the node's id in the plan, and the place in each loop; never in a file.
    """

    id: str
    type: str
    system: str | None
    executor: Mapping[str, Any] | None
    fingerprint: Mapping[str, Any] | None
    params: Mapping[str, Any]
    inputs: Mapping[str, CompiledInput]
    outputs: Mapping[str, str]
    upstream: tuple[str, ...]
    location: str
    outdated: Mapping[str, Any] | None = None
    loops: tuple[str, ...] = ()
    conditions: tuple[Any, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""
    on_exit: bool = False
    base: str = ""
    index: tuple[int, ...] = ()

    @property
    def base_id(self) -> str:
        """The node's id in the plan, for every pass of a loop the same."""
        return self.base or self.id

    @property
    def node_settings(self) -> NodeSettings:
        """The settings as an object."""
        return NodeSettings.from_json(self.settings)


@dataclass(frozen=True)
class CompiledPipeline:
    """A pipeline as data, nodes in topological order; `parameters` are the runtime parameters by name."""

    name: str
    root: str
    metadata: str
    cache: bool
    nodes: tuple[CompiledNode, ...]
    types: Mapping[str, TypeRecord]
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    format: int = field(default=FORMAT)

    def node(self, node_id: str) -> CompiledNode:
        """The node of that id.

        Raises:
            ConfigError: when there is none.
        """
        for node in self.nodes:
            if node.id == node_id:
                return node
        raise ConfigError(
            f"pipeline {self.name!r} has no node {node_id!r}", hint=did_you_mean(node_id, [n.id for n in self.nodes])
        )

    def to_json(self) -> str:
        """Canonical JSON: equal pipelines give equal text. It is recorded and shown: the database's address stands in
        it without its password."""
        data = asdict(self)
        data["metadata"] = _without_password(self.metadata)
        for node in data["nodes"]:
            del node["base"], node["index"]
        return json.dumps(data, sort_keys=True, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> CompiledPipeline:
        """The pipeline that `to_json` described.

        Raises:
            ConfigError: for another format version, or a text that is no compiled pipeline.
        """
        try:
            data = json.loads(text)
            if data["format"] not in (1, FORMAT):
                raise ConfigError(
                    f"the compiled pipeline has format {data['format']}, this version reads 1 to {FORMAT}",
                    hint="compile it again from its pipeline file.",
                )
            return cls(
                name=str(data["name"]),
                root=str(data["root"]),
                metadata=str(data["metadata"]),
                cache=bool(data["cache"]),
                nodes=tuple(_node_from(node) for node in data["nodes"]),
                types={name: TypeRecord(**record) for name, record in data["types"].items()},
                parameters=dict(data.get("parameters", {})),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"this is no compiled pipeline: {type(error).__name__}: {error}") from error


def _node_from(data: Mapping[str, Any]) -> CompiledNode:
    inputs = {
        key: CompiledInput(
            item["type"],
            item["optional"],
            tuple((node, out) for node, out in item["sources"]),
            item.get("other_than"),
            item.get("item_of"),
        )
        for key, item in data["inputs"].items()
    }
    tuples = {key: tuple(data.get(key, ())) for key in ("upstream", "loops", "conditions")}
    return CompiledNode(**{**data, **tuples, "inputs": inputs})


def _without_password(url: str) -> str:
    """A database's address with stars for a password, in the login or among the options."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.startswith("sqlite"):
        return url
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    shown = f"{user}:***" if colon else user
    return _PASSWORD_OPTION.sub(r"\1***", f"{scheme}{separator}{shown}{at}{place}")


def compile_pipeline(pipeline: Pipeline) -> CompiledPipeline:
    """The pipeline as data.

    Raises:
        ConfigError: it was made inside of a `Cond` or `ForEach`, and is no part of another pipeline.
    """
    if pipeline.blocks and pipeline.owner is None:
        raise ConfigError(
            f"pipeline {pipeline.name!r} was made inside of a Cond or ForEach, so it is a part of another one",
            hint="make the whole pipeline after the with block.",
        )
    types: dict[str, TypeRecord] = {}
    last = set(map(id, pipeline.on_exit))
    nodes = tuple(_compile_node(node, types, id(node) in last) for node in pipeline.nodes)
    found = [[n.params, dict(n.settings.environment), list(n.conditions)] for n in pipeline.nodes]
    parameters = {p.name: p.record() for p in sorted(leaves(found, RuntimeParameter), key=lambda p: str(p.name))}
    return CompiledPipeline(pipeline.name, pipeline.root, pipeline.metadata, pipeline.cache, nodes, types, parameters)


def _compile_node(node: Component, types: dict[str, TypeRecord], on_exit: bool) -> CompiledNode:
    executor, fingerprint, outdated = node.executor_function(), node.fingerprint_function(), node.outdated_function()
    inputs = {
        key: CompiledInput(
            _record(declared.type, types),
            declared.optional,
            tuple((channel.producer.node_id, channel.key) for channel in node.inputs[key]),
            declared.other_than,
            next((channel.item_of.node_id for channel in node.inputs[key] if channel.item_of is not None), None),
        )
        for key, declared in sorted(node.declared_inputs.items())
    }
    return CompiledNode(
        id=node.node_id,
        type=node.type_name(),
        system=node.SYSTEM,
        executor=executor.to_json() if executor else None,
        fingerprint=fingerprint.to_json() if fingerprint else None,
        params=encode_params(node.compiled_params()),
        inputs=inputs,
        outputs={key: _record(out.type, types) for key, out in sorted(node.declared_outputs.items())},
        upstream=tuple(sorted(p.node_id for p in node.predecessors())),
        location=node.location,
        outdated=outdated.to_json() if outdated else None,
        loops=tuple(loop.node_id for loop in node.loops),
        conditions=tuple(encode_params(condition) for condition in node.conditions),
        settings=encode_params(node.settings.to_json()),
        group=node.node_id.rpartition(".")[0] if node.owner is not None and node.owner.embedded else "",
        on_exit=on_exit,
    )


def _record(kind: type[ArtifactType], types: dict[str, TypeRecord]) -> str:
    types[kind.TYPE_NAME] = TypeRecord(dict(kind.PROPERTIES), kind.BASE_TYPE, kind.FORMAT)
    return kind.TYPE_NAME

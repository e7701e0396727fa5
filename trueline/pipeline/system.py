"""The nodes that the launcher itself carries out: `Importer` brings something in, `Resolver` looks something up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from trueline._core.errors import did_you_mean
from trueline.pipeline.artifacts import ArtifactType, Model, ModelBlessing
from trueline.pipeline.node import Component, Out

__all__ = ["Importer", "Resolver", "ResolverStrategy"]

ResolverStrategy = Literal["latest", "latest_blessed"]


class Importer(Component):
    """Makes an artifact of something that lies outside the pipeline.

    The newest artifact with the same URI, type, properties and contents is used again; changed contents make a
    new artifact. Nothing is copied and nothing is written beside the files.

    Args:
        source_uri: the folder or file.
        artifact_type: what it is.
        reimport: make a new artifact even if nothing changed.
        properties: declared and custom properties of the artifact.
        output_key: the output's name.
    """

    SYSTEM = "importer"

    def __init__(
        self,
        *,
        source_uri: str,
        artifact_type: type[ArtifactType],
        reimport: bool = False,
        properties: Mapping[str, Any] | None = None,
        output_key: str = "result",
        node_id: str | None = None,
    ) -> None:
        super().__init__(
            node_id=node_id,
            params={
                "source_uri": str(source_uri),
                "reimport": reimport,
                "properties": dict(properties or {}),
                "output_key": output_key,
            },
        )
        self.declared_outputs = {output_key: Out(artifact_type)}
        self._wire({})


class Resolver(Component):
    """Finds artifacts of earlier runs of this pipeline.

    * ``Resolver(strategy="latest", examples=Examples)``: the newest live artifact of the type (the `n` newest).
      Too few is a failure, or with ``optional=True`` an empty output: what an optional input takes on a first run,
      such as the statistics that drift is measured against.
    * ``Resolver(strategy="latest_blessed")``: outputs ``model`` and ``model_blessing``, the newest model that a
      blessing names. None yet is a success with empty outputs, so that the first run passes.

    Artifacts whose files are gone or changed are passed over.
    """

    SYSTEM = "resolver"

    def __init__(
        self,
        *,
        strategy: ResolverStrategy = "latest",
        n: int = 1,
        optional: bool = False,
        node_id: str | None = None,
        **artifacts: type[ArtifactType],
    ) -> None:
        super().__init__(node_id=node_id, params={"strategy": strategy, "n": n, "optional": optional})
        if strategy not in get_args(ResolverStrategy):
            self.note(f"has no strategy {strategy!r}. {did_you_mean(str(strategy), get_args(ResolverStrategy))}")
        if strategy == "latest_blessed":
            artifacts = artifacts or {"model": Model, "model_blessing": ModelBlessing}
            kinds = sorted(kind.TYPE_NAME for kind in artifacts.values() if _is_artifact_type(kind))
            if kinds != ["Model", "ModelBlessing"]:
                self.note("with strategy 'latest_blessed' takes exactly one Model and one ModelBlessing")
        elif not artifacts:
            self.note("needs the artifact types to look for, as in Resolver(strategy='latest', examples=Examples)")
        if n < 1:
            self.note(f"cannot look for the {n} newest artifacts")
        good: dict[str, type[ArtifactType]] = {}
        for key, kind in artifacts.items():
            if _is_artifact_type(kind):
                good[key] = kind
            else:
                self.note(f"argument {key!r} must be an artifact type, not {kind!r}")
        self.declared_outputs = {key: Out(kind) for key, kind in good.items()}
        self._wire({})


def _is_artifact_type(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, ArtifactType)

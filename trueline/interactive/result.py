"""What a notebook is given: results and artifacts that show themselves, as HTML or as one line of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trueline.pipeline.context import ArtifactHandle

if TYPE_CHECKING:
    from trueline.display import Html
    from trueline.display.artifact_result import ArtifactFrame
    from trueline.pipeline.node import Component

__all__ = ["ExecutionResult", "ShownArtifact", "ShownArtifacts"]


class ShownArtifact(ArtifactHandle):
    """An artifact as an executor sees it, that also shows what it holds."""

    @classmethod
    def of(cls, handle: ArtifactHandle) -> ShownArtifact:
        """The same artifact."""
        return cls(handle.type, handle.uri, dict(handle.properties), handle.id, handle.fingerprint, handle.name)

    def view(self) -> Html:
        """The artifact as a piece of HTML."""
        from trueline.display.artifact_result import artifact_frame

        return artifact_frame(self.frame())

    def frame(self) -> ArtifactFrame:
        """Its facts and views; the files are read now."""
        from trueline.display.artifact_result import ArtifactFrame
        from trueline.interactive.views import artifact_sections

        sections = artifact_sections(self.type, self.uri, self.properties)
        return ArtifactFrame(self.type, self.id, self.uri, self.properties, sections)

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def __repr__(self) -> str:
        number = "" if self.id is None else f" {self.id}"
        return f"<{self.type}{number}: {self.uri}>"


class ShownArtifacts(list[ArtifactHandle]):
    """Artifacts of one channel."""

    def __init__(self, handles: Iterable[ArtifactHandle] = ()) -> None:
        super().__init__(ShownArtifact.of(handle) for handle in handles)

    def view(self) -> Html:
        """All of them, one below the other."""
        from trueline.display.artifact_result import artifacts_frame

        return artifacts_frame([ShownArtifact.of(handle).frame() for handle in self])

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()


Artifacts = Mapping[str, ShownArtifacts]


@dataclass(frozen=True, repr=False)
class ExecutionResult:
    """What came of one node.

    Attributes:
        component: the node.
        state: COMPLETE, CACHED, FAILED (only where a gate is closed: other failures are raised) or OMITTED.
        seconds: how long it took.
        message: the sentence of a closed gate, or why it was omitted.
        cached_reason: what the cache said: why this was taken from it, or why it was not.
        found: what the executor reported.
        inputs, outputs: artifacts by name.
        run_id, execution_id: which run and execution of the metadata store this was.
        log: the log file.
    """

    component: Component
    state: str
    seconds: float
    message: str | None = None
    cached_reason: str | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    inputs: Artifacts = field(default_factory=dict)
    outputs: Artifacts = field(default_factory=dict)
    run_id: str = ""
    execution_id: int | None = None
    log: str | None = None

    @property
    def node_id(self) -> str:
        """The node's id."""
        return self.component.node_id

    @property
    def ok(self) -> bool:
        """Whether nodes after it may run."""
        return self.state in ("COMPLETE", "CACHED", "REUSED")

    def view(self) -> Html:
        """The result with the views of its outputs."""
        from trueline.display.artifact_result import ArtifactFrame, ResultFrame, result_frame

        inputs = {
            key: [ArtifactFrame(a.type, a.id, a.uri, {}) for a in artifacts] for key, artifacts in self.inputs.items()
        }
        outputs = {key: [ShownArtifact.of(a).frame() for a in artifacts] for key, artifacts in self.outputs.items()}
        note = self.message or self.cached_reason or ""
        return result_frame(
            ResultFrame(self.node_id, self.state, self.seconds, note, self.found, inputs, outputs, self.log or "")
        )

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

    def __repr__(self) -> str:
        outputs = ", ".join(f"{key}={list(artifacts)}" for key, artifacts in self.outputs.items())
        note = f", {self.message}" if self.message else ""
        return f"<{self.node_id} {self.state} in {self.seconds:.2f} s{note}; outputs: {outputs or 'none'}>"

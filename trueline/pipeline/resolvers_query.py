"""A resolver's read-only look at what runs put out: the newest first, and of each why it is passed over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from trueline._core.errors import ArtifactError
from trueline.metadata.records import Artifact, ArtifactState
from trueline.metadata.store import MetadataStore
from trueline.pipeline.artifacts import ArtifactType
from trueline.pipeline.handles import GATE, verified_fingerprint
from trueline.pipeline.resolvers_candidates import Candidate
from trueline.pipeline.resolvers_rows import Scope, context_ids, executions_in, put_out, read_artifacts
from trueline.pipeline.resolvers_runs import RunJudge, Runs
from trueline.pipeline.resolvers_where import matching

__all__ = ["SAMPLE", "ArtifactQuery", "PassedOver"]

SAMPLE = "sample"
"""The custom property of what a sampled run put out."""

_TOLD = 50


@dataclass
class PassedOver:
    """What was passed over, each artifact once with the last reason."""

    reasons: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, artifact: Artifact, why: str) -> None:
        """Notes an artifact."""
        if artifact.id is not None:
            self.reasons[artifact.id] = f"{artifact.type} {artifact.id}: {why}"

    def drop(self, artifact: Artifact) -> None:
        """Forgets an artifact that counts after all."""
        self.reasons.pop(artifact.id or 0, None)

    def told(self) -> list[str]:
        """Sentences, the newest artifact first, the first of them where there are many."""
        listed = [self.reasons[key] for key in sorted(self.reasons, reverse=True)]
        more = [f"and {len(listed) - _TOLD} more"] if len(listed) > _TOLD else []
        return [*self.notes, *listed[:_TOLD], *more]


class ArtifactQuery:
    """What a resolver sees. A function of one's own gets one: it reads, and cannot write.

    Attributes:
        store: the metadata database, open for reading only.
        pipeline: whose runs are looked at.
        passed: what was passed over so far.

    Args:
        store, pipeline: where to look.
        this_run: the id of the run that asks, whose own artifacts never count.
        sample: whether the run that asks is a sampled one; only then artifacts of sampled runs count.
        runs: which runs count, see `trueline.pipeline.resolvers_runs.Runs`.
        producer: look at what this node put out alone, in a loop at that of all its passes.
        output_key: look at this output alone.
        expression: look at artifacts for which this holds alone.
    """

    def __init__(
        self,
        store: MetadataStore,
        pipeline: str,
        *,
        this_run: str | None = None,
        sample: bool = False,
        runs: Runs = "passed",
        producer: str | None = None,
        output_key: str | None = None,
        expression: str | None = None,
    ) -> None:
        self.store, self.pipeline, self.sample = store, pipeline, sample
        self.producer, self.output_key, self.expression = producer, output_key, expression
        self.passed = PassedOver()
        self.properties_seen: set[str] = set()
        self._judges: dict[Runs, RunJudge] = {}
        self.runs: Runs = runs
        with store.database.read() as connection:
            own = context_ids(connection, "pipeline_run", this_run) if this_run is not None else ()
            self.without = executions_in(connection, own)

    def artifacts(
        self,
        type: type[ArtifactType] | str,
        *,
        producer: str | None = None,
        output_key: str | None = None,
        where: str | None = None,
        runs: Runs | None = None,
        limit: int | None = None,
    ) -> list[Artifact]:
        """Usable artifacts of a type, those first that a run put out last.

        Args:
            type: the artifact type, or its name.
            producer, output_key, where, runs: in place of the resolver's own.
            limit: how many at most.

        Raises:
            ExprError: `where` does not parse.
        """
        name = type if isinstance(type, str) else type.TYPE_NAME
        found: list[Artifact] = []
        for item in self.candidates(name, producer=producer, output_key=output_key, where=where, runs=runs):
            if limit is not None and len(found) >= limit:
                break
            if self.usable(item.artifact):
                found.append(item.artifact)
        return found

    def usable(self, artifact: Artifact) -> bool:
        """Whether an artifact's files are as they were published and its gate was open; if not, why is noted."""
        if GATE in artifact.custom_properties:
            self.passed.add(artifact, "its gate was closed")
            return False
        if artifact.state is not ArtifactState.LIVE:
            self.passed.add(artifact, f"it is {artifact.state.name}, not LIVE")
            return False
        try:
            verified_fingerprint(artifact)
        except (ArtifactError, OSError) as error:
            self.passed.add(artifact, error.message if isinstance(error, ArtifactError) else str(error))
            return False
        return True

    def scope(self, producer: str | None = None, output_key: str | None = None) -> Scope:
        """The executions that count."""
        producer = producer if producer is not None else self.producer
        with self.store.database.read() as connection:
            if producer is None:
                contexts = context_ids(connection, "pipeline", self.pipeline)
            else:
                contexts = context_ids(connection, "node", f"{self.pipeline}.{producer}")
        return Scope(contexts, self.without, output_key if output_key is not None else self.output_key)

    def candidates(
        self,
        kind: str,
        *,
        producer: str | None = None,
        output_key: str | None = None,
        where: str | None = None,
        runs: Runs | None = None,
    ) -> Iterator[Candidate]:
        """Artifacts that may be chosen, those first that a run put out last; their files are not looked at yet."""
        judge = self.judge(runs)
        expression = where if where is not None else self.expression
        seen: set[int] = set()
        for page in put_out(self.store.database, kind, self.scope(producer, output_key)):
            with self.store.database.read() as connection:
                judge.learn(connection, (item.execution_id for item in page))
                artifacts = read_artifacts(connection, (i.artifact_id for i in page if i.artifact_id not in seen))
            fresh: list[Candidate] = []
            for item in page:
                artifact = artifacts.get(item.artifact_id)
                if artifact is None or item.artifact_id in seen:
                    continue
                why = judge.refused(item.execution_id) or self._unfit(artifact)
                if why is not None:
                    self.passed.add(artifact, why)
                    continue
                self.passed.drop(artifact)
                seen.add(item.artifact_id)
                fresh.append(Candidate.of(artifact, judge.run_of(item.execution_id)))
            for made in fresh:
                self.properties_seen.update(made.artifact.properties, made.artifact.custom_properties)
            yield from matching(fresh, expression, self.passed.add) if expression is not None else fresh

    def judge(self, runs: Runs | None = None) -> RunJudge:
        """Who says which runs count."""
        wanted: Runs = runs if runs is not None else self.runs
        return self._judges.setdefault(wanted, RunJudge(wanted, self.store.database.adopted))

    def _unfit(self, artifact: Artifact) -> str | None:
        if SAMPLE in artifact.custom_properties and not self.sample:
            return "a sampled run made it"
        return "its gate was closed" if GATE in artifact.custom_properties else None

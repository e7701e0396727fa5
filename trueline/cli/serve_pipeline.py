"""What a pipeline's metadata say is to be served: the newest blessed model, or the one that an alias names.

    pipeline:churn              the newest model that the Evaluator blessed, and the InfraValidator where there is one
    pipeline:churn@champion     the release that carries the alias, or has the version

The model is read from where its run put it. Its number is the version under which it was pushed last, else the id of
the execution that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from trueline._core.errors import MetadataError, did_you_mean
from trueline.serving.scan import Candidate
from trueline.serving.sources import Plugs

if TYPE_CHECKING:
    from trueline.metadata import Artifact, MetadataStore

__all__ = ["PipelineModels", "plugs_of"]

_LARGEST = 2**63 - 1


def plugs_of(location: str | None) -> Plugs:
    """The kind of source ``pipeline:``, with models of one metadata database, which is looked for when it is used."""
    return {"pipeline": lambda text: PipelineModels(text, location)}


class PipelineModels:
    """The one model of a pipeline that is to be served; asked again and again on one thread.

    Args:
        text: ``PIPELINE`` or ``PIPELINE@ALIAS``.
        location: the metadata database, or None for the one near this folder.
    """

    def __init__(self, text: str, location: str | None) -> None:
        self.pipeline, _, self.alias = text.partition("@")
        self._location = location
        self._store: MetadataStore | None = None
        self._seen: object = None
        self._found: dict[int, Candidate] = {}

    def scan(self) -> Mapping[int, Candidate]:
        """The model, by its number; what was found last, as long as nothing was written.

        Raises:
            MetadataError: no database, no such pipeline or alias, or no model of it is blessed.
        """
        from trueline.cli.memory import open_store

        try:
            if self._store is None:
                self._store = open_store(self._location)
            seen = _newest_write(self._store)
            if seen != self._seen:
                self._found = self._look(self._store)
                self._seen = seen
        except BaseException:
            store, self._store, self._seen = self._store, None, None
            if store is not None:
                store.close()
            raise
        return self._found

    def _look(self, store: MetadataStore) -> dict[int, Candidate]:
        from trueline.pipeline.handles import verified_fingerprint

        names = [context.name for context in store.contexts(type="pipeline")]
        if self.pipeline not in names:
            raise MetadataError(f"there is no pipeline {self.pipeline!r}", hint=did_you_mean(self.pipeline, names))
        model = self._named(store) if self.alias else self._blessed(store)
        number = _number(store, self.pipeline, model)
        return {number: Candidate(number, model.uri or "", f"{model.id}:{verified_fingerprint(model)}")}

    def _named(self, store: MetadataStore) -> Artifact:
        from trueline.metadata.model_releases import find_release, model_artifact

        return model_artifact(store, find_release(store, self.pipeline, self.alias).artifact_id)

    def _blessed(self, store: MetadataStore) -> Artifact:
        from trueline.pipeline.resolvers_policy import latest_of_policy
        from trueline.pipeline.resolvers_query import ArtifactQuery

        query = ArtifactQuery(store, self.pipeline)
        judged = next(iter(query.candidates("InfraBlessing")), None) is not None
        policy = "blessed" if judged else "evaluator_blessed"
        found = latest_of_policy(query, policy, {"model": "Model"})["model"]
        if not found:
            raise MetadataError(
                f"no model of pipeline {self.pipeline!r} is blessed", problems=query.passed.told()[:5],
                hint="`trueline models` lists what there is.",
            )  # fmt: skip
        return found[0]


def _newest_write(store: MetadataStore) -> object:
    """Something that changes when a model is made, judged, pushed or named."""
    import sqlalchemy as sa

    from trueline.metadata.alias_rows import aliases
    from trueline.metadata.tables import artifact, event

    with store.database.read() as connection:
        newest = connection.execute(
            sa.select(
                sa.select(sa.func.max(event.c.id)).scalar_subquery(),
                sa.select(sa.func.max(artifact.c.last_update_time_since_epoch)).scalar_subquery(),
            )
        ).one()
    named = aliases(store) if store.database.adopted else []
    return tuple(newest), tuple((alias.scope, alias.name, alias.artifact_id) for alias in named)


def _number(store: MetadataStore, pipeline: str, model: Artifact) -> int:
    from trueline.metadata.model_origin import producers
    from trueline.metadata.pushes import pushes

    assert model.id is not None
    versions = [push.version or "" for push in pushes(store, pipeline, [model.id])]
    numbers = [int(v) for v in versions if v.isascii() and v.isdigit() and len(v) < 20 and int(v) <= _LARGEST]
    return numbers[-1] if numbers else producers(store, [model.id])[model.id]

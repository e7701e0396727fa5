"""A resolver's function of the user's own: called with a look that cannot write, its answer checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trueline._core.errors import ArtifactError, TruelineError, did_you_mean, reason_of
from trueline.metadata.records import Artifact, ArtifactState
from trueline.metadata.store import MetadataStore
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.resolvers_query import ArtifactQuery
from trueline.pipeline.user_function import UserFunction

__all__ = ["answer_of"]


def answer_of(
    query: ArtifactQuery, run_id: str, node: CompiledNode, function: UserFunction
) -> dict[str, list[Artifact]]:
    """What a function of the user's own answers, checked like everything else."""
    call: Callable[..., Any] = function.load()
    own = _read_only(query, run_id)
    try:
        answer = call(own)
    except TruelineError:
        raise
    except Exception as error:
        raise ArtifactError(
            f"the resolver's function {function} failed: {reason_of(error)}", where=f"node {node.id}"
        ) from error
    finally:
        if own is not query:
            query.passed = own.passed
            own.store.close()
    problems: list[str] = []
    if not isinstance(answer, Mapping):
        problems.append(f"it returned a {type(answer).__name__}, not a dict of lists of artifacts by output")
        answer = {}
    problems += [
        f"it has an answer for {k!r}. {did_you_mean(str(k), node.outputs)}" for k in answer if k not in node.outputs
    ]
    found = {key: _answered(query, key, kind, answer.get(key, []), problems) for key, kind in node.outputs.items()}
    if problems:
        raise ArtifactError(
            f"the answer of the resolver's function {function} cannot be used",
            where=f"node {node.id}",
            problems=problems,
        )
    return found


def _read_only(query: ArtifactQuery, run_id: str) -> ArtifactQuery:
    """The same look through a connection that cannot write."""
    if query.store.readonly:
        return query
    store = MetadataStore(query.store.url, create=False, readonly=True)
    return ArtifactQuery(
        store,
        query.pipeline,
        this_run=run_id,
        sample=query.sample,
        runs=query.runs,
        producer=query.producer,
        output_key=query.output_key,
        expression=query.expression,
    )


def _answered(query: ArtifactQuery, key: str, kind: str, given: Any, problems: list[str]) -> list[Artifact]:
    items = list(given) if isinstance(given, list | tuple) else [given]
    ids = [item.id if isinstance(item, Artifact) else item for item in items]
    if not all(isinstance(item, int) and not isinstance(item, bool) for item in ids):
        problems.append(f"{key}: {given!r} is no list of artifacts")
        return []
    wanted = [int(item) for item in ids if item is not None]
    stored = {artifact.id: artifact for artifact in query.store.artifacts(ids=set(wanted))}
    for item in wanted:
        artifact = stored.get(item)
        if artifact is None:
            problems.append(f"{key}: there is no artifact {item}")
        elif artifact.type != kind:
            problems.append(f"{key}: artifact {item} is {artifact.type}, not {kind}")
        elif artifact.state is not ArtifactState.LIVE or not query.usable(artifact):
            told = query.passed.reasons.get(item, f"it is {artifact.state.name}")
            problems.append(f"{key}: {told}; ask query.usable(artifact) first")
    return [stored[item] for item in wanted if item in stored]

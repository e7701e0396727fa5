"""The rules of retention: each says which artifacts it keeps, and why.

| rule | keeps | and what that was made of |
|---|---|---|
| running | all that a running pipeline made (its next node may take it from the cache), and what the run met | no |
| pinned, alias, production, rollback | as named; rollback: the release that was champion before | yes |
| served | what was pushed last to each folder of servers | yes |
| blessed | models whose newest verdict is yes, or the newest of each pipeline alone | yes |
| last runs | what the newest N complete runs met, and every run since | no |
| spans | Examples of the newest N spans | no |
| young | what was made or used in the last D days | no |
| verdicts | the newest verdict, evaluation and push of each model that is kept | no |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trueline._core.errors import ConfigError
from trueline.metadata.model_releases import Release
from trueline.metadata.node_rows import now_ms
from trueline.metadata.promotion import champions
from trueline.metadata.records import ArtifactState
from trueline.metadata.retention_graph import Graph

__all__ = ["GcPolicy", "Why", "last_run_ids", "reasons", "verdicts"]

_DAY = 24 * 3600 * 1000
_NONE = "no run of this database made it"


@dataclass(frozen=True)
class GcPolicy:
    """What to keep.

    Args:
        pipelines: look only at these; all by default.
        keep_last: what the newest so many complete runs of each pipeline met, and the runs after them. Sampled runs
            are counted by themselves.
        keep_blessed: every model whose newest verdict is yes; otherwise only each pipeline's newest.
        keep_days: what was made or used in so many days.
        keep_spans: Examples of the newest so many spans of each node.
        depth: how many executions upwards a pinned, named, released or blessed artifact keeps what it was made of;
            None: all the way.

    Raises:
        ConfigError: a negative number.
    """

    pipelines: tuple[str, ...] | None = None
    keep_last: int = 5
    keep_blessed: bool = True
    keep_days: float | None = None
    keep_spans: int | None = None
    depth: int | None = None

    def __post_init__(self) -> None:
        numbers = {name: getattr(self, name) for name in ("keep_last", "keep_days", "keep_spans", "depth")}
        wrong = [f"{name} is {value}" for name, value in numbers.items() if value is not None and not value >= 0]
        if wrong:
            raise ConfigError("a garbage collection cannot keep less than nothing", problems=wrong)


Why = dict[int, tuple[str, str]]
Found = Iterator[tuple[int, str]]


def reasons(graph: Graph, policy: GcPolicy, kept_runs: frozenset[str]) -> Why:
    """Artifact -> (rule, why) of everything that stays, but for what its place decides."""
    why: Why = {}
    for name, rule, up in _RULES:
        anchors = []
        for number, text in rule(graph, policy, kept_runs):
            if number in graph.artifacts:
                anchors.append(number)
                why.setdefault(number, (name, text))
        if up:
            for number, anchor in _upwards(graph, anchors, policy.depth):
                node = graph.artifacts[anchor]
                why.setdefault(number, ("lineage", f"{node.type} {anchor} was made of it"))
    return why


def _upwards(graph: Graph, anchors: list[int], depth: int | None) -> Iterator[tuple[int, int]]:
    """(artifact, the anchor that needs it) for everything that the anchors were made of."""
    front = [(number, number) for number in anchors]
    seen = set(anchors)
    hops = 0
    while front and (depth is None or hops < depth):
        hops += 1
        following = []
        for number, anchor in front:
            for above in graph.taken.get(graph.maker.get(number, -1), ()):
                if above not in seen:
                    seen.add(above)
                    following.append((above, anchor))
        yield from following
        front = following


def _not_ours(graph: Graph, policy: GcPolicy, kept_runs: frozenset[str]) -> Found:
    for node in graph.artifacts.values():
        if node.external:
            yield node.id, "it was imported: its files are the user's"
        elif node.run_id not in graph.runs:
            yield node.id, _NONE


def _other_pipelines(graph: Graph, policy: GcPolicy, kept_runs: frozenset[str]) -> Found:
    if policy.pipelines is None:
        return
    for run in graph.runs.values():
        if run.pipeline not in policy.pipelines:
            yield from ((number, f"pipeline {run.pipeline} met it") for number in graph.touched.get(run.run_id, ()))


def _running(graph: Graph, policy: GcPolicy, kept_runs: frozenset[str]) -> Found:
    for run in graph.runs.values():
        if run.status == "RUNNING":
            yield from ((number, f"run {run.run_id} is going on") for number in graph.touched.get(run.run_id, ()))
    for node in graph.artifacts.values():
        if (going := graph.busy.get(graph.pipeline_of(node) or "")) is not None:
            yield node.id, f"run {going} is going on and may take it"
    yield from ((number, "an execution reads it") for number in graph.open_inputs)


def _pinned(graph: Graph, policy: GcPolicy, kept_runs: frozenset[str]) -> Found:
    for number, reason in graph.pins.items():
        yield number, f"it is pinned: {reason}" if reason else "it is pinned"


def _named(graph: Graph, policy: GcPolicy, kept_runs: frozenset[str]) -> Found:
    yield from graph.aliases.items()


def _released(graph: Graph, policy: GcPolicy, kept_runs: frozenset[str]) -> Found:
    by_model: dict[str, list[Release]] = {}
    for row in graph.releases:
        if row["stage"] == "production":
            yield row["artifact_id"], f"release {row['version']} of {row['model']} is in production"
        known = Release(**{**row, "released": 0, "released_by": None, "notes": json.loads(row["notes"])})
        by_model.setdefault(row["model"], []).append(known)
    for model, known_releases in by_model.items():
        for back in champions(known_releases)[-2:-1]:
            yield back.artifact_id, f"a rollback of {model} goes to release {back.version}"


def _served(graph: Graph, policy: GcPolicy, kept_runs: frozenset[str]) -> Found:
    for destination, pushed in graph.served.items():
        for model in graph.taken.get(graph.maker.get(pushed, -1), ()):
            if model in graph.artifacts and graph.artifacts[model].type == "Model":
                yield model, f"it was pushed last to {destination}"


def _blessed(graph: Graph, policy: GcPolicy, kept_runs: frozenset[str]) -> Found:
    newest: set[str | None] = set()
    for model in sorted(graph.verdicts, reverse=True):
        _, yes = graph.verdicts[model]
        node = graph.artifacts.get(model)
        if not yes or node is None or node.state is not ArtifactState.LIVE:
            continue
        pipeline = graph.pipeline_of(node)
        if policy.keep_blessed or pipeline not in newest:
            yield model, "it is blessed" if policy.keep_blessed else f"the newest blessed model of {pipeline}"
        newest.add(pipeline)


def last_run_ids(graph: Graph, policy: GcPolicy) -> Iterator[str]:
    """The newest N complete runs of each pipeline and every run since; sampled ones apart."""
    groups: dict[tuple[str, bool], int] = {}
    for run in sorted(graph.runs.values(), key=lambda run: (run.started, run.run_id), reverse=True):
        group = (run.pipeline, run.sampled)
        if groups.get(group, 0) < policy.keep_last or run.status == "RUNNING":
            yield run.run_id
        groups[group] = groups.get(group, 0) + (run.status == "COMPLETE")


def _last_runs(graph: Graph, policy: GcPolicy, kept_runs: frozenset[str]) -> Found:
    for run_id in sorted(kept_runs, reverse=True):
        yield from ((number, f"run {run_id} is one of the last") for number in graph.touched.get(run_id, ()))


def _spans(graph: Graph, policy: GcPolicy, kept_runs: frozenset[str]) -> Found:
    if policy.keep_spans is None:
        return
    by_node: dict[tuple[str | None, str | None], set[int]] = {}
    for number, span in graph.spans.items():
        node = graph.artifacts[number]
        by_node.setdefault((graph.pipeline_of(node), node.node_id), set()).add(span)
    for number, span in graph.spans.items():
        node = graph.artifacts[number]
        spans = sorted(by_node[graph.pipeline_of(node), node.node_id], reverse=True)
        if span in spans[: policy.keep_spans]:
            yield number, f"span {span} is one of the newest"


def _young(graph: Graph, policy: GcPolicy, kept_runs: frozenset[str]) -> Found:
    if policy.keep_days is None:
        return
    since = now_ms() - policy.keep_days * _DAY
    for node in graph.artifacts.values():
        if max(node.created, node.used) >= since:
            yield node.id, f"it was made or used in the last {policy.keep_days:g} days"


_RULES: tuple[tuple[str, Callable[[Graph, GcPolicy, frozenset[str]], Found], bool], ...] = (
    ("not ours", _not_ours, False),
    ("running", _running, False),
    ("other pipelines", _other_pipelines, False),
    ("pinned", _pinned, True),
    ("alias", _named, True),
    ("release", _released, True),
    ("blessed", _blessed, True),
    ("served", _served, True),
    ("last runs", _last_runs, False),
    ("spans", _spans, False),
    ("young", _young, False),
)


def verdicts(graph: Graph, why: Why) -> Found:
    """What was said of models that stay: a resolver must go on finding the newest verdict, whatever it says."""
    for told in (graph.verdicts, graph.infra):
        for model, (blessing, _) in told.items():
            if model in why and blessing in graph.artifacts:
                for number in graph.made.get(graph.maker.get(blessing, -1), [blessing]):
                    yield number, f"it judges Model {model}"
    for node in graph.artifacts.values():
        if node.type == "PushedModel":
            for above in graph.taken.get(graph.maker.get(node.id, -1), ()):
                if above in why and graph.artifacts[above].type == "Model":
                    yield node.id, f"it says where Model {above} was pushed"

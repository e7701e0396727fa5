"""Carrying a compiled `Resolver` out: candidates, its steps one after the other, then a look at the chosen files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from trueline._core.errors import ArtifactError, did_you_mean
from trueline._core.expr import parse
from trueline.metadata.records import Artifact
from trueline.metadata.store import MetadataStore
from trueline.pipeline.compile import CompiledNode
from trueline.pipeline.params import decode_params
from trueline.pipeline.resolvers_candidates import Candidate
from trueline.pipeline.resolvers_custom import answer_of
from trueline.pipeline.resolvers_names import steps_from_json
from trueline.pipeline.resolvers_other import adopted_artifacts
from trueline.pipeline.resolvers_policy import latest_of_policy
from trueline.pipeline.resolvers_query import ArtifactQuery
from trueline.pipeline.resolvers_table import FUNCTIONS, Step
from trueline.pipeline.run_context import RunContext

__all__ = ["Resolution", "resolve"]

Chosen = dict[str, list[Candidate]]


@dataclass(frozen=True)
class Resolution:
    """What a resolver found.

    Attributes:
        outputs: artifacts by output, in the order in which a list input gets them.
        passed: sentences on what was passed over.
        groups: where the last step makes groups (windows, pairs): for each output the places in its list that belong
            together, one group for each pass of a loop.
    """

    outputs: dict[str, list[Artifact]]
    passed: list[str] = field(default_factory=list)
    groups: dict[str, list[list[int]]] | None = None


def resolve(run: RunContext, node: CompiledNode, params: Mapping[str, Any] | None = None) -> Resolution:
    """What a `Resolver` finds among the runs.

    Args:
        run: the run that asks; its own artifacts never count.
        node: the compiled resolver.
        params: its decoded parameters where they hold what is only known now; None: as the plan has them.

    Raises:
        ArtifactError: fewer artifacts than asked for, and the resolver is not optional; what was passed over is listed.
        ConfigError: a strategy that does not exist here, or a function of one's own that is gone.
    """
    given = decode_params(node.params) if params is None else dict(params)
    steps = steps_from_json(given)
    with _opened(run, given) as store:
        query = ArtifactQuery(
            store,
            given.get("pipeline") or run.plan.name,
            this_run=run.run_id if store is run.store else None,
            sample=getattr(run, "sample", None) is not None,
            runs=given.get("runs") or ("any" if FUNCTIONS[steps[0].name].over == "runs" else "passed"),
            producer=given.get("producer"),
            output_key=given.get("output_key"),
            expression=given.get("where"),
        )
        found, groups = _found(query, run, node, steps, given)
        if store is not run.store:
            found = adopted_artifacts(run.store, store, found, run.plan.types)
    return Resolution(found, query.passed.told(), groups)


@contextmanager
def _opened(run: RunContext, params: Mapping[str, Any]) -> Iterator[MetadataStore]:
    place = params.get("metadata")
    if place is None:
        yield run.store
        return
    if isinstance(place, Mapping):  # a secret: known to this process, kept nowhere
        from trueline.pipeline.evaluate import ExecutorScope, evaluate

        place = evaluate(place, ExecutorScope({}, {}, {}), deferred=True)
    store = MetadataStore(str(place), create=False, readonly=True)
    try:
        yield store
    finally:
        store.close()


def _found(
    query: ArtifactQuery, run: RunContext, node: CompiledNode, steps: Sequence[Step], params: Mapping[str, Any]
) -> tuple[dict[str, list[Artifact]], dict[str, list[list[int]]] | None]:
    first, sources = steps[0], params.get("sources") or {}
    if first.name == "latest_blessed":
        return latest_of_policy(query, first.params["policy"], node.outputs), None
    if first.name == "custom":
        return answer_of(query, run.run_id, node, first.params["function"]), None
    lists = {}
    for key, kind in node.outputs.items():
        producer, output_key = sources.get(key, (None, None))
        lists[key] = _Lazy(query.candidates(kind, producer=producer, output_key=output_key))
    return _Choice(query, node, steps, bool(params.get("optional")), lists).made()


class _Lazy:
    """Candidates, read only as far as somebody asks."""

    def __init__(self, source: Iterator[Candidate]) -> None:
        self._source, self._read = source, list[Candidate]()

    def good(self, bad: set[int], head: int | None) -> list[Candidate]:
        """The first `head` candidates, or all, that are not among the bad ones."""
        chosen: list[Candidate] = []
        at = 0
        while head is None or len(chosen) < head:
            if at == len(self._read):
                item = next(self._source, None)
                if item is None:
                    break
                self._read.append(item)
            if self._read[at].artifact.id not in bad:
                chosen.append(self._read[at])
            at += 1
        return chosen


class _Choice:
    """The steps over the candidates. What is chosen is looked at; with what is no good left out, they begin anew."""

    def __init__(
        self,
        query: ArtifactQuery,
        node: CompiledNode,
        steps: Sequence[Step],
        optional: bool,
        lists: Mapping[str, _Lazy],
    ) -> None:
        self.query, self.node, self.steps, self.optional, self.lists = query, node, steps, optional, lists
        self.bad: set[int] = set()
        self.checked: set[int] = set()
        self.short: list[str] = []

    def made(self) -> tuple[dict[str, list[Artifact]], dict[str, list[list[int]]] | None]:
        """The artifacts by output, and their groups."""
        while True:
            self.short = []
            chosen, groups = self._carried_out()
            wrong = [item for items in chosen.values() for item in items if not self._good(item.artifact)]
            if not wrong:
                break
            self.bad.update(item.artifact.id or 0 for item in wrong)
        if self.short and not self.optional:
            problems = [*self._unknown_properties(), *self.query.passed.told()]
            raise ArtifactError(self.short[0], where=f"node {self.node.id}", problems=problems)
        self.query.passed.notes.extend(self.short)
        return {key: [item.artifact for item in items] for key, items in chosen.items()}, groups

    def _good(self, artifact: Artifact) -> bool:
        if artifact.id not in self.checked and self.query.usable(artifact):
            self.checked.add(artifact.id or 0)
        return artifact.id in self.checked

    def _carried_out(self) -> tuple[Chosen, dict[str, list[list[int]]] | None]:
        head = FUNCTIONS[self.steps[0].name].head(self.steps[0].params)
        chosen = {key: lazy.good(self.bad, head) for key, lazy in self.lists.items()}
        groups: dict[str, list[list[int]]] | None = None
        for step in self.steps:
            function = FUNCTIONS[step.name]
            if function.spans:
                chosen = {key: self._with_span(items) for key, items in chosen.items()}
            if function.over == "together":
                chosen = function.apply(chosen, **step.params)
            elif function.over == "windows":
                chosen, groups = _flat({key: function.apply(items, **step.params) for key, items in chosen.items()})
            else:
                more = {"tell": self.query.passed.add} if function.tells else {}
                chosen = {key: function.apply(items, **step.params, **more) for key, items in chosen.items()}
            self._count(step, chosen)
        if groups is None and any(step.name == "paired_spans" for step in self.steps):
            groups = {key: [[at] for at in range(len(items))] for key, items in chosen.items()}
        return chosen, groups

    def _with_span(self, items: Sequence[Candidate]) -> list[Candidate]:
        for item in items:
            if item.span is None:
                self.query.passed.add(item.artifact, "it has no span")
        return [item for item in items if item.span is not None]

    def _count(self, step: Step, chosen: Chosen) -> None:
        function = FUNCTIONS[step.name]
        least = function.least(step.params)
        for key, items in chosen.items():
            there = len({item.span for item in items}) if function.counts == "span" else len(items)
            if least is None or there >= least:
                continue
            many = f"{least} {function.counts}{'s' if least != 1 else ''}"
            self.short.append(
                f"{many} of type {self.node.outputs[key]} wanted, {there} found in the runs of pipeline "
                f"{self.query.pipeline!r} by {step.name}"
            )
            # A least number that was asked for in so many words leaves nothing; a default one, what there is.
            if step.params.get("min_spans") is not None or step.params.get("min_count"):
                chosen[key] = []

    def _unknown_properties(self) -> list[str]:
        texts = [self.query.expression] if self.query.expression else []
        texts += [str(step.params["expression"]) for step in self.steps if step.name == "where"]
        known = {name for name in self.query.properties_seen if not name.startswith("__")}
        names = dict.fromkeys(name for text in texts for name in parse(text).columns)
        unknown = [name for name in names if name not in known | {"id", "name", "uri", "created"}]
        return [f"no artifact has a property {name!r}. {did_you_mean(name, known)}" for name in unknown]


def _flat(grouped: Mapping[str, list[list[Candidate]]]) -> tuple[Chosen, dict[str, list[list[int]]]]:
    """Groups as one list without repetitions, and the places of each group in it."""
    chosen: Chosen = {}
    places: dict[str, list[list[int]]] = {}
    for key, groups in grouped.items():
        at: dict[int | None, int] = {}
        chosen[key] = []
        for item in (item for group in groups for item in group):
            if item.artifact.id not in at:
                at[item.artifact.id] = len(chosen[key])
                chosen[key].append(item)
        places[key] = [[at[item.artifact.id] for item in group] for group in groups]
    return chosen, places

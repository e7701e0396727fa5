"""Lineage over several executions, both ways, by hops."""

from __future__ import annotations

import pytest

from trueline._core.errors import MetadataError
from trueline.metadata import (
    Artifact,
    EventType,
    Execution,
    LineageNode,
    MetadataStore,
    downstream,
    lineage_tree,
    upstream,
)


@pytest.fixture
def chain(store: MetadataStore) -> dict[str, int]:
    """raw -> (clean, rejects); clean -> model; (model, clean) -> report."""
    ids: dict[str, int] = {}

    def step(inputs: list[str], outputs: list[str]) -> None:
        events = [(ids[name], EventType.INPUT, (name, 0)) for name in inputs]
        made = [(Artifact("Data", name=name), EventType.OUTPUT, (name, 0)) for name in outputs]
        _, artifact_ids, _ = store.put_execution(Execution("m.Step"), [*events, *made])
        ids.update(zip([*inputs, *outputs], artifact_ids, strict=True))

    step([], ["raw"])
    step(["raw"], ["clean", "rejects"])
    step(["clean"], ["model"])
    step(["model", "clean"], ["report"])
    return ids


def names(artifacts: list[Artifact]) -> set[str | None]:
    return {artifact.name for artifact in artifacts}


def test_upstream_and_downstream(store: MetadataStore, chain: dict[str, int]) -> None:
    assert names(upstream(store, [chain["report"]])) == {"model", "clean", "raw"}
    assert names(downstream(store, [chain["raw"]])) == {"clean", "rejects", "model", "report"}
    assert names(downstream(store, [chain["rejects"]])) == set()


def test_hops_count_events(store: MetadataStore, chain: dict[str, int]) -> None:
    assert names(upstream(store, [chain["report"]], hops=1)) == set()
    assert names(upstream(store, [chain["report"]], hops=2)) == {"model", "clean"}
    assert names(downstream(store, [chain["raw"]], hops=2)) == {"clean", "rejects"}


def flat(node: LineageNode, depth: int = 0) -> list[tuple[int, str | None, bool]]:
    below = [line for branch in node.branches for line in flat(branch, depth + 1)]
    return [(depth, node.item.name or node.item.type, node.repeated), *below]


def test_the_tree_marks_what_it_drew_before(store: MetadataStore, chain: dict[str, int]) -> None:
    assert flat(lineage_tree(store, chain["report"])) == [
        (0, "report", False),
        (1, "m.Step", False),
        (2, "clean", False),
        (3, "m.Step", False),
        (4, "raw", False),
        (5, "m.Step", False),
        (2, "model", False),
        (3, "m.Step", False),
        (4, "clean", True),
    ]
    assert [line[1] for line in flat(lineage_tree(store, chain["model"], "downstream"))] == [
        "model",
        "m.Step",
        "report",
    ]
    with pytest.raises(MetadataError, match="no artifact with id 99"):
        lineage_tree(store, 99)

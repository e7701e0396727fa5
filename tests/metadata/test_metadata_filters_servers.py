"""PostgreSQL and MySQL answer filters as SQLite does, whose answers are those of ML Metadata's own client."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest
from filter_worlds import Queries, fill

from trueline._core.errors import MetadataError
from trueline.metadata import (
    LineageDirection,
    LineageSubgraphQueryOptions,
    ListOptions,
    MetadataStore,
    StartingNodes,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
from database_servers import new_database

_OVER = "9223372036854775807 + id > 1"  # SQLite goes on with decimals, the servers refuse
KINDS = ("artifacts", "executions", "contexts")
OURS = [
    "STARTS_WITH(name, 'a')",
    "ENDS_WITH(uri, 'c') OR CONTAINS_SUBSTR(uri, '%')",
    "CONCAT(uri, '-', uri) = 'ab-ab'",
    "uri LIKE '%\\\\%%'",
    "LENGTH(uri) = 2",
    "uri = 'AB' OR uri = 'éa' OR uri > 'É'",
    "name >= 'a' AND name < 'B'",
    "properties.p.int_value / 2 = 0.5 OR properties.p.int_value / 0 = 1",
    "(properties.b.bool_value) IS NOT TRUE",
    "state != ABANDONED AND name NOT IN ('x', NULL, 'y')",
    "true",
    "NOT (false OR id IN (1, NULL))",
]
PYTHON = [
    "properties['p'] >= 2 or name is None",
    "not (custom_properties['c'] == 1)",
    "custom_properties['c'] in [1, 2, 1.5]",
    "custom_properties['c'] == True",
    "custom_properties['c']",
    "custom_properties['c'] is None",
    "len(custom_properties['c']) == 1",
    "state == UNKNOWN or state in [LIVE, 'DELETED']",
    "contexts_a.name != '' and properties['d'] < 1",
]


def answers(store: MetadataStore, seed: int, count: int) -> list[Any]:
    """Ids for random filters and for what is ours alone; what a database refuses counts as its own answer."""
    rng = random.Random(seed)
    found: list[Any] = []
    for kind in KINDS:
        for _ in range(count):
            text = Queries(rng.random(), kind).query()
            found.append((text, _ids(store, kind, ListOptions(filter_query=text))))
    found += [(text, _ids(store, "artifacts", ListOptions(filter_query=text))) for text in OURS]
    found += [(text, _ids(store, "artifacts", ListOptions(where=text))) for text in PYTHON]
    for direction in LineageDirection:
        graph = store.get_lineage_subgraph(
            LineageSubgraphQueryOptions(StartingNodes(where="id < 4"), max_num_hops=3, direction=direction)
        )
        found.append((direction, [(e.artifact_id, e.execution_id, e.type, e.path) for e in graph.events]))
    return found


def _ids(store: MetadataStore, kind: str, options: ListOptions) -> list[int | None]:
    return [node.id for node in getattr(store, f"get_{kind}")(options)]


def _compare(tmp_path: Path, url: str, count: int) -> None:
    stores = [MetadataStore(str(tmp_path / "lite.db")), MetadataStore(url)]
    for store in stores:
        fill(store, 5)
    expected, given = (answers(store, 9, count) for store in stores)
    for one, other in zip(expected, given, strict=True):
        assert one == other
    assert sum(bool(ids) for _, ids in expected) > count
    for options in (ListOptions(filter_query=_OVER), ListOptions(where=_OVER)):
        with pytest.raises(MetadataError, match=r"cannot run this filter: .*out of range") as caught:
            stores[1].get_artifacts(options)
        assert caught.value.code == "INVALID_ARGUMENT"
    with pytest.raises(MetadataError, match="cannot run this filter"):
        stores[1].artifacts(where=_OVER)
    for store in stores:
        store.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_servers_answer_as_sqlite(tmp_path: Path, kind: str) -> None:
    with new_database(kind, tmp_path) as url:
        _compare(tmp_path, url, count=100)

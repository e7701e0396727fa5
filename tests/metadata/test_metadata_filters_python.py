"""Filters in Python's syntax: the same language as trueline's other expressions, and the same answers."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pyarrow as pa
import pytest

from trueline._core.errors import MetadataError
from trueline._core.expr import parse
from trueline.metadata import (
    Artifact,
    ArtifactState,
    Context,
    Event,
    EventType,
    Execution,
    ExecutionState,
    ListOptions,
    MetadataStore,
    PropertyType,
    TypeKind,
    TypeSpec,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MetadataStore]:
    store = MetadataStore(str(tmp_path_factory.mktemp("filters") / "metadata.db"))
    store.put_type(TypeSpec("Model", TypeKind.ARTIFACT, {"span": PropertyType.INT, "auc": PropertyType.DOUBLE}))
    store.put_type(TypeSpec("Data", TypeKind.ARTIFACT, {"span": PropertyType.INT}))
    store.put_type(TypeSpec("Step", TypeKind.EXECUTION))
    store.put_type(TypeSpec("run", TypeKind.CONTEXT))
    big = 2**53 + 1
    store.put_artifacts(
        [
            Artifact("Model", "/m/1", ArtifactState.LIVE, "m1", {"span": 3, "auc": 0.9}, {"blessed": 1, "n": big}),
            Artifact("Model", "/m/2", ArtifactState.DELETED, "m2", {"span": 5}, {"blessed": 0, "tag": "x", "n": 0.5}),
            Artifact("Data", None, name="d3", properties={"span": 3}, custom_properties={"ok": True, "tag": "y"}),
            Artifact("Data", "/tmp/4", ArtifactState.LIVE, "d4"),
        ]
    )
    (run,) = store.put_contexts([Context("run", "nightly")])
    (step,) = store.put_executions([Execution("Step", ExecutionState.COMPLETE, "s")])
    store.put_events([Event(1, step, EventType.OUTPUT)])
    store.put_attributions_and_associations(run, [1, 3], [step])
    yield store
    store.close()


def names(store: MetadataStore, where: str) -> str:
    return " ".join(str(found.name) for found in store.artifacts(where=where))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("type == 'Model' and properties['span'] >= 3 and state == LIVE", "m1"),
        ("type == 'Model' and properties['span'] >= 3 and state == 'LIVE'", "m1"),
        # A property that is missing is unknown, and the node stays in view: ML Metadata's text would drop it.
        ("properties['span'] == 3 or name == 'd4'", "m1 d3 d4"),
        ("not (properties['span'] == 3)", "m2"),
        ("properties['span'] is None", "d4"),
        ("properties['auc'] is None and properties['span'] is not None", "m2 d3"),
        ("not (properties['span'] == 3 and name == 'd4')", "m1 m2 d3"),
        # A state that is missing is UNKNOWN, as the records show it.
        ("state == UNKNOWN", "d3"),
        ("state != LIVE", "m2 d3"),
        ("state in [LIVE, DELETED]", "m1 m2 d4"),
        ("not state in [LIVE, DELETED]", "d3"),
        # A property takes the type of what it is compared with, without loss.
        ("custom_properties['n'] == 9007199254740993", "m1"),
        ("custom_properties['n'] == 9007199254740992", ""),
        ("custom_properties['n'] < 1", "m2"),
        ("(custom_properties['n'] == 0.5) == False", "m1"),
        ("custom_properties['n'] not in [0.5, 7]", "m1"),
        ("custom_properties['n'] != 0.5", "m1"),
        ("custom_properties['n'] in [0.5, 7]", "m2"),
        ("0 < custom_properties['blessed'] <= 1", "m1"),
        ("custom_properties['blessed'] == True", ""),
        ("custom_properties['ok']", "d3"),
        ("not custom_properties['ok']", ""),
        ("custom_properties['tag'] in ['x', 'y']", "m2 d3"),
        ("custom_properties['tag'] not in ['x']", "d3"),
        ("startswith(custom_properties['tag'], 'y') or len(uri) == 6", "d3 d4"),
        ("custom_properties['n'].double_value == 0.5", "m2"),
        ("contains(uri, 'm/') and not startswith(uri, '/tmp')", "m1 m2"),
        ("lower(name) in ['m1', 'd3'] and created > 0 and updated >= created", "m1 d3"),
        ("contexts_a.name == 'nightly' and contexts_a.type == 'run'", "m1 d3"),
        ("contexts_a.name == 'nightly' and events_b.type == OUTPUT", "m1"),
        ("abs(id - 4) < 1 or id * 2 == 2", "m1 d4"),
        ("uri is None", "d3"),
    ],
)
def test_artifacts(world: MetadataStore, where: str, expected: str) -> None:
    assert names(world, where) == expected


def test_executions_and_contexts(world: MetadataStore) -> None:
    assert [e.name for e in world.executions(where="state == COMPLETE and contexts_a.name == 'nightly'")] == ["s"]
    assert [c.name for c in world.contexts(where="artifacts_a.name == 'd3'", type="run")] == ["nightly"]
    assert world.artifacts(where="state == LIVE", ids=[1, 2], newest_first=True)[0].name == "m1"
    both = ListOptions(filter_query="properties.span.int_value > 0", where="name != 'm2'")
    assert [a.name for a in world.get_artifacts(both)] == ["m1", "d3"]


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("nam == 'x'", "artifacts have no attribute 'nam' (at character 1)"),
        ("  state == LIFE", "there is no word 'LIFE' here (at character 12)"),
        ("'Ä' == nam", "artifacts have no attribute 'nam' (at character 8)"),
        ("(name == 'x' and\n nam == 'y')", "artifacts have no attribute 'nam' (at character 19)"),
        ("properties['a'] == properties['b']", "at least one must say its type"),
        ("properties['a'].b == 1", "a property has no 'b'"),
        ("properties[0] == 1", "a name is written as"),
        ("name == None", "nothing is equal to NULL; ask with is None"),
        ("name ==", "the filter does not parse"),
        ("__import__('os')", "there is no function '__import__'"),
        ("name.lower() == 'x'", "there is no function '?'"),
        ("[n for n in name]", "ListComp is not part of filters"),
        ("name == 'x' if id else False", "IfExp is not part of filters"),
        ("lambda: 1", "Lambda is not part of filters"),
        ("name in []", "'in' needs a list with at least one value"),
        ("id == 10 ** 9", "BinOp is not part of filters"),
        ("id == 99999999999999999999", "does not fit 64 bits"),
        ("not " * 200 + "id == 1", "levels deep"),
    ],
)
def test_what_is_refused(world: MetadataStore, where: str, problem: str) -> None:
    with pytest.raises(MetadataError) as caught:
        world.artifacts(where=where)
    assert problem in str(caught.value)
    assert caught.value.code == "INVALID_ARGUMENT"


def _condition(rng: random.Random, depth: int) -> str:
    """A filter over the columns {p}, {q}, {t} and name, in the syntax that both languages share."""
    if depth == 0 or rng.random() < 0.25:
        number, word = rng.randint(-2, 3), rng.choice(["'a'", "'b'", "'ab'", "''"])
        comparison = rng.choice(["==", "!=", "<", ">="])
        return rng.choice(
            [
                f"{{p}} {comparison} {number}",
                f"{{q}} {comparison} {number}.5",
                f"{{q}} {comparison} {number}",
                f"{{t}} {comparison} {word}",
                f"name {comparison} {word}",
                f"{{p}} is {rng.choice(['', 'not '])}None",
                f"{{p}} {rng.choice(['', 'not '])}in [1, 2, {number}]",
                f"{{t}} in [{word}, 'a']",
                f"startswith({{t}}, {word})",
                f"len({{t}}) > {rng.randint(0, 1)}",
                f"contains(name, {word})",
                f"0 <= {{p}} < {number}",
            ]
        )
    word = rng.choice(["and", "or", "not"])
    if word == "not":
        return f"not ({_condition(rng, depth - 1)})"
    return f"({_condition(rng, depth - 1)}) {word} ({_condition(rng, depth - 1)})"


def test_the_answers_are_those_of_the_expression_language(store: MetadataStore) -> None:
    """Random filters over random properties, against the same text over a table of Arrow."""
    rng = random.Random(7)
    rows = [
        {
            "p": rng.choice([None, -1, 0, 1, 2, 3]),
            "q": rng.choice([None, -1.5, 0.5, 2.5, 3.0]),
            "t": rng.choice([None, "", "a", "b", "ab"]),
            "name": rng.choice([None, "a", "b", "ab"]),
        }
        for _ in range(60)
    ]
    seen: dict[str | None, int] = {}
    for row in rows:  # names are unique within a type
        if row["name"] in seen:
            row["name"] = None
        seen[row["name"]] = 1
    custom = [{k: v for k, v in row.items() if k != "name" and v is not None} for row in rows]
    ids = store.put_artifacts(
        [Artifact("Data", name=row["name"], custom_properties=made) for row, made in zip(rows, custom, strict=True)]
    )
    table = pa.table({**{k: [row[k] for row in rows] for k in ("p", "q", "t", "name")}, "id": ids})
    found = 0
    for _ in range(300):
        text = _condition(rng, 3)
        expected = table.filter(parse(text.format(p="p", q="q", t="t")).mask(table))["id"].to_pylist()
        where = text.format(**{k: f"custom_properties['{k}']" for k in "pqt"})
        assert [a.id for a in store.artifacts(where=where)] == expected, where
        found += bool(expected)
    assert found > 200

"""Random stores and random filter queries, from a seed: for tests that compare two ways to answer."""

from __future__ import annotations

import random

from trueline.metadata import (
    Artifact,
    ArtifactState,
    Context,
    Event,
    EventType,
    Execution,
    ExecutionState,
    MetadataStore,
    PropertyType,
    TypeKind,
    TypeSpec,
)

WORDS = ["", "a", "ab", "abc", "b_c", "x%y", "Éa", "it's", 'q"q', "long name"]
PROPERTIES = {"p": PropertyType.INT, "d": PropertyType.DOUBLE, "s": PropertyType.STRING, "b": PropertyType.BOOLEAN}


def fill(store: MetadataStore, seed: int, size: int = 25) -> None:
    """Artifacts, executions, contexts, events and links, in two types each, with and without properties and names."""
    rng = random.Random(seed)
    for kind in TypeKind:
        for name in ("T1", "T2"):
            store.put_type(TypeSpec(name, kind, PROPERTIES))

    def values() -> dict[str, object]:
        made = {"p": rng.randint(-3, 5), "d": rng.choice([-1.5, 0.0, 0.5, 2.0]), "s": rng.choice(WORDS)}
        made["b"] = rng.random() < 0.5
        return {name: value for name, value in made.items() if rng.random() < 0.6}

    def fields(index: int, named: bool = False) -> dict[str, object]:
        custom = {"c": rng.choice([rng.randint(0, 4), rng.choice(WORDS), rng.random() < 0.5, 1.5])}
        return {
            "type": rng.choice(["T1", "T2"]),
            "name": f"{rng.choice(WORDS[1:])}{index}" if named or rng.random() < 0.6 else None,
            "properties": values(),
            "custom_properties": custom if rng.random() < 0.5 else {},
            "external_id": f"e{index}" if rng.random() < 0.3 else None,
        }

    artifacts = store.put_artifacts(
        [
            Artifact(uri=rng.choice([None, *WORDS]), state=rng.choice(list(ArtifactState)), **fields(i))
            for i in range(size)
        ]
    )
    executions = store.put_executions(
        [Execution(state=rng.choice(list(ExecutionState)), **fields(i)) for i in range(size)]
    )
    contexts = store.put_contexts([Context(**fields(i, named=True)) for i in range(size // 3)])
    pairs = {(rng.choice(artifacts), rng.choice(executions), EventType(rng.randint(1, 6))) for _ in range(size * 2)}
    store.put_events([Event(a, e, kind) for a, e, kind in sorted(pairs)])
    for context in contexts:
        store.put_attributions_and_associations(
            context, rng.sample(artifacts, rng.randint(0, 6)), rng.sample(executions, rng.randint(0, 6))
        )
    for _ in range(size // 4):
        child, parent = sorted(rng.sample(contexts, 2))
        store.put_parent_context(child, parent)


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Queries:
    """Filter texts that ML Metadata's client takes: no words or functions that are ours alone."""

    def __init__(self, seed: int, kind: str) -> None:
        self.rng = random.Random(seed)
        self.kind = kind

    def query(self, depth: int = 3) -> str:
        rng = self.rng
        if depth == 0 or rng.random() < 0.3:
            atom = rng.choice(self.atoms())
            return f"NOT ({atom})" if rng.random() < 0.2 else atom
        word = rng.choice(["AND", "OR", "AND", "OR", "NOT"])
        if word == "NOT":
            return f"NOT ({self.query(depth - 1)})"
        return f"({self.query(depth - 1)}) {word} ({self.query(depth - 1)})"

    def atoms(self) -> list[str]:
        rng = self.rng
        comparison, alias = rng.choice(["=", "!=", "<", "<=", ">", ">=", "<>"]), rng.choice("ab")
        number, word = rng.randint(-2, 12), quoted(rng.choice(WORDS))
        pattern = quoted(rng.choice(["a%", "%b%", "_b", "%", "", "A%", "%1"]))
        isnull, negated = rng.choice(["IS NULL", "IS NOT NULL"]), rng.choice(["", "NOT "])
        own = [
            f"id {comparison} {number}",
            f"id {negated}BETWEEN {number} AND {number + rng.randint(0, 9)}",
            f"id {negated}IN ({number}, {number + 2}, {number + 5})",
            f"name {comparison} {word}",
            f"name {negated}LIKE {pattern}",
            f"name {isnull}",
            f"IFNULL(name, {word}) = {word}",
            f"LENGTH(name) {comparison} {rng.randint(0, 4)}",
            f"UPPER(name) = UPPER({word})",
            f"type {comparison} 'T1'",
            f"type {negated}IN ('T1', 'T3')",
            f"external_id {isnull}",
            f"properties.p.int_value {comparison} {rng.randint(-3, 5)}",
            f"properties.p.int_value {comparison} {rng.choice(['0.5', '2.0', '-1.5'])}",
            f"ABS(properties.p.int_value) + 1 > {rng.randint(0, 4)}",
            f"properties.p.int_value * 2 {comparison} -properties.p.int_value",
            f"properties.d.double_value {comparison} {rng.choice(['0.5', '2', '-1'])}",
            f"properties.s.string_value {comparison} {word}",
            f"properties.s.string_value {negated}IN ({word}, 'ab')",
            f"properties.b.bool_value = {rng.choice(['true', 'FALSE'])}",
            "properties.b.bool_value",
            f"properties.p.int_value {isnull}",
            f"custom_properties.c.{rng.choice(['int', 'string', 'bool', 'double'])}_value {isnull}",
            f"custom_properties.c.string_value LIKE {pattern}",
            f"(id {comparison} {number}) = true",
        ]
        return own + getattr(self, self.kind)(comparison, alias, number, word, pattern, negated)

    def artifacts(self, comparison: str, alias: str, number: int, word: str, pattern: str, negated: str) -> list[str]:
        state = self.rng.choice(["UNKNOWN", "PENDING", "LIVE", "MARKED_FOR_DELETION", "DELETED"])
        return [
            f"uri {comparison} {word}",
            f"uri {negated}LIKE {pattern}",
            "uri IS NULL",
            f"state {self.rng.choice(['=', '!='])} {state}",
            f"state {negated}IN ({state}, LIVE)",
            f"COALESCE(uri, name, 'x') = {word}",
            f"events_{alias}.execution_id {comparison} {number}",
            *self.neighbours(alias, comparison, number, word),
        ]

    def executions(self, comparison: str, alias: str, number: int, word: str, pattern: str, negated: str) -> list[str]:
        state = self.rng.choice(["NEW", "RUNNING", "COMPLETE", "FAILED", "CACHED", "CANCELED", "UNKNOWN"])
        return [
            f"last_known_state {self.rng.choice(['=', '!='])} {state}",
            f"last_known_state {negated}IN ({state}, COMPLETE)",
            f"events_{alias}.artifact_id {comparison} {number}",
            *self.neighbours(alias, comparison, number, word),
        ]

    def contexts(self, comparison: str, alias: str, number: int, word: str, pattern: str, negated: str) -> list[str]:
        return [
            f"parent_contexts_{alias}.name {comparison} {word}",
            f"child_contexts_{alias}.id {comparison} {number}",
            f"artifacts_{alias}.uri {comparison} {word}",
            f"artifacts_{alias}.state = LIVE",
            f"artifacts_{alias}.name {negated}LIKE {pattern}",
            f"executions_{alias}.last_known_state IN (COMPLETE, CACHED)",
            f"executions_{alias}.type = 'T2'",
        ]

    def neighbours(self, alias: str, comparison: str, number: int, word: str) -> list[str]:
        event = self.rng.choice(["INPUT", "OUTPUT", "DECLARED_INPUT", "INTERNAL_OUTPUT"])
        return [
            f"contexts_{alias}.id {comparison} {number}",
            f"contexts_{alias}.name {comparison} {word}",
            f"contexts_{alias}.type = 'T1'",
            f"events_{alias}.type {self.rng.choice(['=', '!='])} {event}",
            f"events_{alias}.type IN ({event}, OUTPUT)",
        ]

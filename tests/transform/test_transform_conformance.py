"""TensorFlow Transform's own pipelines: every case passes, or stands in ``conformance_gaps.json`` with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance_transform import Played, Results, Sparse, flat, plain, table_of
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from trueline._core.errors import TruelineError

FILE = Path(__file__).parents[3] / "shared" / "conformance" / "tft" / "mappers_analyzers.jsonl"
GAPS: dict[str, str] = json.loads((Path(__file__).parent / "conformance_gaps.json").read_text())
"""Case id: why it differs here."""
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FILE.exists(), reason=f"the conformance cases are not at {FILE}"),
]


def load_cases() -> list[dict[str, Any]]:
    if not FILE.exists():
        return []
    cases = [json.loads(line) for line in FILE.read_text().splitlines()]
    return [c for c in cases if c["kind"] != "function"]


CASES = load_cases()


def same(found: list[Any], expected: Any, case: dict[str, Any]) -> bool:
    """Text and integers exactly, floats within the case's tolerance."""
    want = flat(plain(expected))
    if len(found) != len(want):
        return False
    if all(isinstance(v, int | float) for v in want) and all(isinstance(v, int | float) for v in found):
        rtol, atol = case["tolerance"]["relative"], case["tolerance"]["absolute"]
        return bool(np.allclose(np.array(found, float), np.array(want, float), rtol=rtol, atol=atol, equal_nan=True))
    return [str(v) for v in found] == [str(v) for v in want]


def wanted_of(row: dict[str, Any], name: str) -> Any:
    """What a row holds for an output: dense, or the values of a sparse or ragged one."""
    for key in (name, f"{name}$ragged_values", f"{name}$sparse_values"):
        if key in row:
            return row[key]
    return []


def without_gaps(value: Any, given: dict[str, Any], played: Played) -> Any:
    """Of a sparse output that the case made dense, the values at the places that have one, in the input's order."""
    item = next(i for i in played.case["feature_spec"].items() if i[1]["kind"] == "SparseFeature")
    index = np.array([given[k] for k in item[1]["index_key"]], dtype=np.int64)
    places = np.ravel_multi_index(tuple(index), item[1]["size"]).tolist() if index.size else []
    return [flat(value)[p] for p in places]


def row_problems(case: dict[str, Any], results: Results) -> list[str]:
    key = "transform_inputs" if "transform_inputs" in case else "inputs"
    found, problems = results.rows(table_of(case, key)), []
    given = case[key].get("rows") or [r for batch in case[key].get("batches", []) for r in batch]
    for i, row in enumerate(case["expected"]["rows"]):
        for name, value in results.played.outputs.items():
            want = wanted_of(row, name)
            if isinstance(value, Sparse) and value.dense and value.values is not None:
                want = without_gaps(want, given[i], results.played)
            got = found[i].get(name, []) if found else []
            if isinstance(value, Sparse) and value.values is None:
                got = (
                    [v for v in got if v is not None] if not value.dense else [np.nan if v is None else v for v in got]
                )
            if not same(got, want, case):
                problems.append(f"row {i} {name}: {got} != {want}")
    return problems


def stores_frequency(case: dict[str, Any]) -> bool:
    """Whether a vocabulary's file holds frequencies, which are part of its expected lines."""
    return any(s["args"].get("store_frequency") and "apply" in s["op"] for s in case["steps"])


def vocabulary_problems(case: dict[str, Any], results: Results) -> list[str]:
    problems = []
    for name, entries in case["expected"].get("vocabularies", {}).items():
        entries = [e if isinstance(e, list) else [e] for e in entries]
        known = results.output.vocabularies
        if name not in known:
            problems.append(f"there is no vocabulary {name}: {sorted(known)}")
            continue
        tokens = [str(t) for t in known[name].tokens]
        if all(len(e) == 1 for e in entries) and stores_frequency(case):  # the lines of the file
            tokens = [f"{c} {t.replace(' ', '__SPACE__')}" for c, t in zip(known[name].counts, tokens, strict=True)]
        if tokens != [str(plain(e[0])) for e in entries]:
            problems.append(f"vocabulary {name}: {tokens} != {entries}")
        elif any(len(e) > 1 for e in entries) and not same(list(known[name].counts), [e[1] for e in entries], case):
            problems.append(f"frequencies of {name}: {known[name].counts} != {entries}")
    return problems


def schema_problems(case: dict[str, Any], results: Results) -> list[str]:
    """Types, shapes and integer domains of the outputs that stand for one column each."""
    expected = text_format.Parse(case["expected"]["schema"], schema_pb2.Schema())
    found = {f.name.rpartition("#")[0]: f for f in results.output.output_schema.feature}
    problems = []
    for want in expected.feature:
        got = found.get(want.name)
        value = results.played.outputs.get(want.name)
        if got is None or isinstance(value, Sparse | list):
            continue
        if want.type != got.type:
            problems.append(f"{want.name} is of type {got.type}, not {want.type}")
        if want.HasField("int_domain") and (want.int_domain.min, want.int_domain.max) != (
            got.int_domain.min,
            got.int_domain.max,
        ):
            problems.append(f"{want.name} lies in {got.int_domain}, not {want.int_domain}")
        sizes = [int(np.prod([d.size for d in s.shape.dim])) for s in (want, got)]
        if want.HasField("shape") and sizes[0] != sizes[1]:
            problems.append(f"{want.name} has {sizes[1]} values a row, not {sizes[0]}")
    return problems


def problems_of(case: dict[str, Any]) -> list[str]:
    """What of the case's expectations does not hold."""
    results = Played(case).run()
    expected, problems = case["expected"], vocabulary_problems(case, results)
    if "rows" in expected:
        problems += row_problems(case, results)
    if "schema" in expected:
        problems += schema_problems(case, results)
    for name, want in expected.get("analyzer_outputs", {}).items():
        got = results.constant(results.played.outputs[name])
        if not same(got, want["value"], case):
            problems.append(f"{name}: {got} != {want['value']}")
    return problems


def test_most_cases_pass() -> None:
    """The list of gaps may only shrink, and names real cases."""
    assert set(GAPS) <= {c["id"] for c in CASES}
    assert len(GAPS) <= 34


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"][-80:])
def test_case(case: dict[str, Any]) -> None:
    reason = GAPS.get(case["id"])
    if reason is None:
        assert not problems_of(case)
        return
    try:
        problems = problems_of(case)
    except (TruelineError, AttributeError, TypeError, ValueError, IndexError, KeyError):
        return
    assert problems, f"the case passes now; strike it from the gaps ({reason})"

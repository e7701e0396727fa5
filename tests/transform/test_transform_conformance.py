"""TensorFlow Transform's own cases, for the functions that exist here and dense inputs of one value a row.

Every applicable case passes, or stands in `DEVIATIONS` with the reason; the number of applicable cases may only grow.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.values import RawFeature, arrow_type_of
from trueline.engine import Dataset, LocalEngine
from trueline.transform.analysis import analyze
from trueline.transform.tracer import trace

FILE = Path(__file__).parents[3] / "shared" / "conformance" / "tft" / "mappers_analyzers.jsonl"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FILE.exists(), reason=f"the conformance cases are not at {FILE}"),
]
AT_LEAST = 108
DTYPES = {"float32": "float64", "float64": "float64", "string": "utf8", "int64": "int64", "int32": "int64"}
IGNORED = {"epsilon", "file_format", "store_frequency", "elementwise", "always_return_num_quantiles", "name"}
IGNORED |= {"reduce_instance_dims", "output_dtype"}  # of one value a row there is one dimension to reduce
REFUSED = {"labels", "weights", "fingerprint_shuffle", "coverage_top_k", "key_fn", "reserved_tokens"}
DEVIATIONS: dict[str, str] = {}
"""Case id (or its end): why it differs here."""

Make = Callable[..., Any]


def flat(boundaries: Any) -> Any:
    """Boundaries as a list; upstream's have shape [1, n]."""
    return boundaries if not isinstance(boundaries, list) else np.ravel(boundaries).tolist()


STEPS: dict[str, Make] = {
    **{f"tft.{name}": getattr(tlt, name) for name in ("min", "max", "mean", "var", "sum", "size", "quantiles")},
    **{f"tft.{name}": getattr(tlt, name) for name in ("bucketize", "scale_to_0_1", "scale_by_min_max")},
    **{
        f"tft.{name}": getattr(tlt, name) for name in ("scale_to_z_score", "vocabulary", "compute_and_apply_vocabulary")
    },
    "tft.apply_buckets": lambda x, bucket_boundaries: tlt.apply_buckets(x, flat(bucket_boundaries)),
    "tft.apply_vocabulary": lambda x, deferred_vocab_filename_tensor, **kw: tlt.apply_vocabulary(
        x, deferred_vocab_filename_tensor, **kw
    ),
    "tf.cast": lambda x, dtype: tlt.cast(x, DTYPES[dtype]),
    "tensor.add": lambda args: args[0] + args[1],
    "tensor.sub": lambda args: args[0] - args[1],
    "tensor.truediv": lambda args: args[0] / args[1],
}


def numbers(value: Any) -> Any:
    """JSON's NaN and infinities, and vectors of one value, as plain values."""
    if isinstance(value, list) and len(value) == 1:
        return numbers(value[0])
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else value


def applicable(case: dict[str, Any]) -> bool:
    specs = case.get("feature_spec", {}).values()
    dense = all(s["kind"] == "FixedLenFeature" and s.get("shape") in ([], [1]) and s["dtype"] in DTYPES for s in specs)
    steps = case.get("steps", [])
    plain = all(s["op"] in STEPS and not REFUSED & {k for k, v in s["args"].items() if v} for s in steps)
    casts = [s["args"]["dtype"].get("dtype") for s in steps if s["op"] == "tf.cast"]
    return bool(steps) and dense and plain and all(c in DTYPES for c in casts) and "expected_error" not in case


def rows_of(case: dict[str, Any], key: str) -> list[dict[str, Any]]:
    given = case.get(key, {})
    rows = given.get("rows")
    return rows if rows is not None else [r for batch in given.get("batches", []) for r in batch]


def table_of(case: dict[str, Any], key: str) -> tuple[pa.Table, list[RawFeature]]:
    features = [RawFeature(n, DTYPES[s["dtype"]], optional=False) for n, s in case["feature_spec"].items()]  # type: ignore[arg-type]
    rows = rows_of(case, key)
    columns = {}
    for feature in features:
        values = [numbers(r.get(feature.name)) for r in rows]
        values = [float(v) for v in values] if feature.dtype == "float64" else values
        columns[feature.name] = pa.array(values, arrow_type_of(feature))
    return pa.table(columns), features


def preprocessing_of(case: dict[str, Any]) -> Callable[[Any], dict[str, Any]]:
    def preprocessing(x: Any) -> dict[str, Any]:
        made: dict[int, Any] = {}

        def value(v: Any) -> Any:
            if isinstance(v, list):
                return [value(i) for i in v]
            if isinstance(v, dict):
                return (
                    x[v["input"]]
                    if "input" in v
                    else made[v["step"]]
                    if "step" in v
                    else v.get("const", v.get("dtype"))
                )
            return v

        for step in case["steps"]:
            args = {k: value(v) for k, v in step["args"].items() if k not in IGNORED | REFUSED and v is not None}
            made[step["step"]] = STEPS[step["op"]](**args)
        outputs = {name: value(ref) for name, ref in case["outputs"].items()}
        # what has no place among the outputs, an analyzer or a vocabulary, is reached through a column that uses it
        first = next(iter(x.values()))
        for i, column in made.items():
            if column.type.kind == "table" and column.dtype != "float64":
                reader = next(s for s in case["steps"] if s["step"] == i)
                outputs[f"_{i}"] = tlt.apply_vocabulary(value(reader["args"]["x"]), column)
            elif column.type.kind == "table":
                outputs[f"_{i}"] = tlt.apply_buckets(tlt.where(first == first, 0.0, 1.0), column)
            elif column.type.constant:
                outputs[f"_{i}"] = tlt.where(first == first, column, column)
        return {n: c for n, c in outputs.items() if not (c.type.constant or c.type.kind == "table")}

    return preprocessing


def same(found: Any, expected: Any, case: dict[str, Any]) -> bool:
    tolerance = case["tolerance"]
    expected = numbers(expected)
    if isinstance(expected, list | float | int):
        want = np.array([numbers(v) for v in np.ravel(np.array(expected, dtype=object))], dtype=np.float64)
        got = np.array(found, dtype=np.float64).ravel()
        return want.shape == got.shape and np.allclose(
            got, want, rtol=tolerance["relative"], atol=tolerance["absolute"], equal_nan=True
        )
    return bool(found == expected)


def differences(case: dict[str, Any]) -> list[str]:
    """What of the case's expectations does not hold."""
    table, features = table_of(case, "inputs")
    output = analyze(trace(preprocessing_of(case), features), Dataset.from_table(table), LocalEngine(workers=1))
    expected, wrong = case["expected"], []
    later = table_of(case, "transform_inputs")[0] if "transform_inputs" in case else table
    if "rows" in expected and output.outputs:
        out = output.transform(later).to_pylist()
        for i, (want, got) in enumerate(zip(expected["rows"], out, strict=True)):
            wrong += [f"row {i} {k}: {got[k]} != {v}" for k, v in want.items() if not same(got[k], numbers(v), case)]
    for name, entries in expected.get("vocabularies", {}).items():
        tokens = [str(numbers(e[0] if isinstance(e, list) else e)) for e in entries]
        found = [str(t) for t in output.vocabulary_by_name(name)]
        if found != tokens:
            wrong.append(f"vocabulary {name}: {found} != {tokens}")
    steps = {s["step"]: s for s in case["steps"]}
    for name, want in expected.get("analyzer_outputs", {}).items():
        step = steps[case["outputs"][name]["step"]]
        while step["op"] == "tf.cast":  # a cast of the analyzer's result
            step = steps[step["args"]["x"]["step"]]
        op = step["op"].replace("tft.", "analyze.")
        found = [v for i, v in output.findings.items() if output.traced.nodes[i].op == op]
        if not found or not all(same(v, want["value"], case) for v in found):
            wrong.append(f"analyzer {name}: {want['value']} is not {found}")
    return wrong


def load_cases() -> list[dict[str, Any]]:
    if not FILE.exists():
        return []
    cases = [json.loads(line) for line in FILE.read_text().splitlines()]
    return [c for c in cases if c["kind"] != "function" and applicable(c)]


CASES = load_cases()


def test_the_number_of_cases_only_grows() -> None:
    assert len(CASES) >= AT_LEAST


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"][-70:])
def test_case(case: dict[str, Any]) -> None:
    reason = next((why for end, why in DEVIATIONS.items() if case["id"].endswith(end)), None)
    wrong = differences(case)
    if reason is None:
        assert not wrong
    else:
        assert wrong, f"the case passes now; strike it from DEVIATIONS ({reason})"

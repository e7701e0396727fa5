"""Tracing: graphs are typed and deduplicated, and every mistake is reported at the user's line with the column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import RawFeature
from trueline.transform.graph import Graph

FEATURES = [
    RawFeature("fare", "float64"),
    RawFeature("tips", "float64"),
    RawFeature("hour", "int64", optional=False),
    RawFeature("company", "utf8"),
    RawFeature("flag", "bool"),
    RawFeature("words", "utf8", "ragged"),
    RawFeature("blob", "bytes"),
]
HERE = Path(__file__)


def line_of(marker: str) -> int:
    """The line of this file that holds a marker comment."""
    return next(i for i, text in enumerate(HERE.read_text().splitlines(), 1) if text.endswith(f"# {marker}"))


def add_text(x: Any) -> dict[str, Any]:
    a = x["company"]
    return {"y": a + x["fare"]}  # add_text


def truth(x: Any) -> dict[str, Any]:
    if x["fare"] > 1.0:  # truth
        return {"y": x["fare"]}
    return {"y": x["tips"]}


def chained(x: Any) -> dict[str, Any]:
    return {"y": 0.0 < x["fare"] < 1.0}  # chained


def float_text(x: Any) -> dict[str, Any]:
    return {"y": tlt.cast(x["fare"], "utf8")}  # float_text


def unknown(x: Any) -> dict[str, Any]:
    return {"y": x["fair"]}  # unknown


def iterate(x: Any) -> dict[str, Any]:
    return {"y": sum(x["fare"])}  # iterate


def to_number(x: Any) -> dict[str, Any]:
    return {"y": float(x["fare"])}  # to_number


def ragged(x: Any) -> dict[str, Any]:
    return {"y": tlt.fill_missing(x["words"], "")}  # ragged


def order_text(x: Any) -> dict[str, Any]:
    return {"y": x["company"] < "a"}  # order_text


def strange(x: Any) -> dict[str, Any]:
    return {"y": x["fare"] + [1]}  # strange


def vocabulary_of_floats(x: Any) -> dict[str, Any]:
    return {"y": tlt.compute_and_apply_vocabulary(x["fare"])}  # vocabulary_of_floats


def unsorted_boundaries(x: Any) -> dict[str, Any]:
    return {"y": tlt.apply_buckets(x["fare"], [2.0, 1.0])}  # unsorted_boundaries


def bad_pattern(x: Any) -> dict[str, Any]:
    return {"y": tlt.matches(x["company"], "(")}  # bad_pattern


def same_name(x: Any) -> dict[str, Any]:
    first = tlt.vocabulary(x["company"], vocab_filename="v")
    other = tlt.vocabulary(x["hour"], vocab_filename="v")  # same_name
    return {"y": tlt.apply_vocabulary(x["company"], first), "z": tlt.apply_vocabulary(x["hour"], other)}


def only_literals(x: Any) -> dict[str, Any]:
    return {"y": tlt.maximum(1.0, 2.0)}  # only_literals


def fraction_for_whole(x: Any) -> dict[str, Any]:
    return {"y": tlt.fill_missing(x["hour"], 0.5)}  # fraction_for_whole


def host_on_nothing(x: Any) -> dict[str, Any]:
    return {"y": tlt.host("math:sqrt", dtype="float64")}  # host_on_nothing


MISTAKES = [
    (only_literals, ["all literals"]),
    (host_on_nothing, ["all literals"]),
    (fraction_for_whole, ["'hour' (int64", "'0.5' (float64)", "whole number", "tlt.cast"]),
    (add_text, ["'company' (utf8, may be missing)", "'fare' (float64, may be missing)"]),
    (truth, ["'fare > 1.0' (bool, may be missing)", "tlt.where"]),
    (chained, ["'fare > 0.0'", "&"]),
    (float_text, ["'fare'", "float64 has no exact text form"]),
    (unknown, ["no column 'fair'", "Did you mean 'fare'?"]),
    (iterate, ["'fare'", "no value while tracing"]),
    (to_number, ["'fare'", "no value while tracing"]),
    (ragged, ["'words' (utf8[...]", "with an empty one only"]),
    (order_text, ["'company'", "not utf8"]),
    (strange, ["expected a column or a literal, got list"]),
    (vocabulary_of_floats, ["'fare'", "utf8 or int64, not float64"]),
    (unsorted_boundaries, ["must be sorted"]),
    (bad_pattern, ["no RE2 pattern"]),
    (same_name, ["two different vocabularies are named 'v'"]),
]


@pytest.mark.parametrize(("function", "parts"), MISTAKES, ids=lambda v: getattr(v, "__name__", ""))
def test_a_mistake_names_line_column_and_type(function: Any, parts: list[str]) -> None:
    with pytest.raises(TransformError) as caught:
        tlt.trace(function, FEATURES)
    text = str(caught.value)
    assert f"{HERE}:{line_of(function.__name__)}" in text
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: {}, "returned an empty dict"),
        (lambda x: None, "returned NoneType"),
        (lambda x: {"y": 3}, "'y' is a int, no column"),
        (lambda x: {"y": tlt.vocabulary(x["company"])}, "a table for the whole data"),
        (lambda x: {"y": x["blob"]}, "turn it into numbers or text with tlt.host"),
        (lambda x: {"__y": x["fare"]}, "the line's own"),
        (lambda x: {"a:present": x["fare"]}, "the line's own"),
        (lambda x: {1: x["fare"]}, "names are non-empty strings"),
    ],
)
def test_unusable_outputs_are_refused(function: Any, said: str) -> None:
    with pytest.raises(TransformError, match=said):
        tlt.trace(function, FEATURES)


def test_all_unusable_outputs_are_reported_at_once() -> None:
    with pytest.raises(TransformError) as caught:
        tlt.trace(lambda x: {"a": 1, "b": tlt.vocabulary(x["company"])}, FEATURES)
    assert len(caught.value.problems) == 2


def test_a_column_of_another_trace_is_refused() -> None:
    kept: list[Any] = []
    tlt.trace(lambda x: {"y": kept.append(x["fare"]) or x["fare"]}, FEATURES)
    with pytest.raises(TransformError, match="another trace"):
        tlt.trace(lambda x: {"y": x["fare"] + kept[0]}, FEATURES)


def test_types_of_expressions() -> None:
    """/ is float, comparison is bool, int and float give float, presence follows the inputs."""
    seen: dict[str, Any] = {}

    def preprocessing(x: Any) -> dict[str, Any]:
        fare, hour = x["fare"], x["hour"]
        seen.update(a=hour / 2, b=hour // 2, c=hour + 1.5, d=hour > 3, e=fare + 1, f=hour % hour, j=hour**2)
        seen.update(g=tlt.fill_missing(fare, 0), h=tlt.is_missing(fare), i=x["flag"] + x["flag"])
        return {"y": x["fare"]}

    tlt.trace(preprocessing, FEATURES)
    types = {k: (c.dtype, c.optional) for k, c in seen.items()}
    assert types == {
        "a": ("float64", False),
        "b": ("int64", False),
        "c": ("float64", False),
        "d": ("bool", False),
        "e": ("float64", True),
        "f": ("int64", True),
        "g": ("float64", False),
        "h": ("bool", False),
        "i": ("int64", True),
        "j": ("int64", False),
    }


def test_equal_expressions_are_one_node() -> None:
    def centred(x: Any) -> Any:
        return x["fare"] - tlt.mean(x["fare"])

    graph = tlt.trace(lambda x: {"a": centred(x), "b": centred(x)}, FEATURES)
    assert graph.outputs[0][1] == graph.outputs[1][1]
    assert sum(n.is_analyzer for n in graph.nodes) == 1


def everything(x: Any) -> dict[str, Any]:
    return {
        "z": tlt.scale_to_z_score(tlt.fill_missing(x["fare"], float("nan"))),
        "v": tlt.compute_and_apply_vocabulary(x["company"], top_k=3),
        "b": tlt.apply_buckets(x["tips"], [0.0, float("inf")]),
    }


def test_json_round_trip_keeps_every_bit() -> None:
    graph = tlt.trace(everything, FEATURES)
    again = Graph.from_json(json.loads(json.dumps(graph.to_json(), allow_nan=False)))
    assert again.to_json() == graph.to_json()
    assert again.content_hash == graph.content_hash


def test_content_hash_ignores_lines_and_unused_columns() -> None:
    one = tlt.trace(lambda x: {"y": x["fare"] + 1.0}, FEATURES)
    same = tlt.trace(lambda x: {"y": x["fare"] + 1.0}, FEATURES[:2])
    other = tlt.trace(lambda x: {"y": x["fare"] + 2.0}, FEATURES)
    assert one.nodes[-1].where != same.nodes[-1].where
    assert one.content_hash == same.content_hash != other.content_hash


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(format=99), "format 99"),
        (lambda d: d["nodes"][-1].update(op="nonsense"), "no operation 'nonsense'"),
        (lambda d: d["nodes"][-1].update(dtype="utf8"), "its rule says"),
        (lambda d: d["nodes"][-1].update(inputs=[500, 0]), "reads a later node"),
        (lambda d: d["nodes"][0]["attrs"].update(name="ghost"), "unknown column 'ghost'"),
        (lambda d: d["outputs"].append(["y", 999]), "names node 999"),
        (lambda d: d.pop("nodes"), "damaged"),
    ],
)
def test_a_damaged_graph_is_refused(change: Any, said: str) -> None:
    data = json.loads(json.dumps(tlt.trace(lambda x: {"y": x["fare"] + 1.0}, FEATURES).to_json()))
    change(data)
    with pytest.raises(TransformError, match=said):
        Graph.from_json(data)


def test_a_habit_from_pandas_is_told_line_column_and_remedy() -> None:
    def pandas_habit(inputs: Any) -> Any:
        return {"y": inputs["fare"].fillna(0)}

    with pytest.raises(TransformError, match=r"'fare' \(float64.*has no 'fillna'") as caught:
        tlt.trace(pandas_habit, FEATURES)
    assert "test_transform_tracing.py:" in str(caught.value)
    assert "tlt.host" in str(caught.value)


def test_public_names_resolve() -> None:
    for name in tlt.__all__:
        assert getattr(tlt, name) is not None
    assert callable(tlt.trace)
    assert callable(tlt.analyze)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tlt.nothing  # noqa: B018

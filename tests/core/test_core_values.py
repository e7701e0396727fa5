"""Values, row ids and host steps."""

from __future__ import annotations

import decimal
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueline._core.errors import DataError, ModelError, SchemaError, did_you_mean
from trueline._core.host import HostStep, run_host_steps
from trueline._core.host_arrow import with_host_columns
from trueline._core.rowid import describe_row, row_ids, split_row_ids
from trueline._core.values import RawFeature, arrow_type_of, raw_feature_of, widen


def test_widening_keeps_values() -> None:
    batch = pa.record_batch(
        {
            "i": pa.array([1, None], pa.int8()),
            "u": pa.array([1, 2], pa.uint32()),
            "f": pa.array([0.5, None], pa.float32()),
            "s": pa.array(["a", None]).dictionary_encode(),
            "d": pa.array([date(1970, 1, 2), None]),
            "t": pa.array([datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), None], pa.timestamp("ns", "Europe/Berlin")),
            "m": pa.array([decimal.Decimal("1.25"), None]),
            "l": pa.array([[1], None], pa.list_(pa.int16())),
            "n": pa.nulls(2),
        }
    )
    wide = widen(batch)
    assert [str(t) for t in wide.schema.types] == [
        "int64", "int64", "double", "string", "timestamp[us]", "timestamp[us]", "double", "list<item: int64>", "string",
    ]  # fmt: skip
    assert wide.column("t").cast(pa.int64()).to_pylist() == [1_000_000, None]
    assert wide.column("d").cast(pa.int64()).to_pylist() == [86_400_000_000, None]
    assert wide.column("m").to_pylist() == [1.25, None]
    assert widen(wide).equals(wide)


def test_what_has_no_place_is_named() -> None:
    with pytest.raises(SchemaError, match=r"column 'x'.*duration"):
        widen(pa.record_batch({"x": pa.array([1], pa.duration("s"))}))
    with pytest.raises(SchemaError, match="column 'u'"):
        widen(pa.record_batch({"u": pa.array([2**64 - 1], pa.uint64())}))
    with pytest.raises(SchemaError, match="struct"):
        raw_feature_of(pa.field("p", pa.struct([("a", pa.int64())])))
    with pytest.raises(SchemaError):
        RawFeature("x", "int64", "fixed")


@pytest.mark.parametrize("dtype", ["float64", "int64", "bool", "utf8", "bytes", "timestamp", "float32"])
@pytest.mark.parametrize(("kind", "size"), [("scalar", None), ("fixed", 3), ("ragged", None)])
def test_features_round_trip(dtype: Any, kind: Any, size: int | None) -> None:
    feature = RawFeature("x", dtype, kind, size, optional=False)
    assert RawFeature.from_json(feature.to_json()) == feature
    assert raw_feature_of(pa.field("x", arrow_type_of(feature)), optional=False) == feature


@given(st.integers(0, 2**23 - 1), st.integers(0, 2**39), st.integers(0, 5))
def test_row_ids_round_trip(source: int, start: int, count: int) -> None:
    sources, records = split_row_ids(row_ids(source, start, count))
    assert sources.tolist() == [source] * count
    assert records.tolist() == list(range(start, start + count))


def test_row_ids_have_bounds_and_names() -> None:
    with pytest.raises(DataError):
        row_ids(2**23, 0, 1)
    with pytest.raises(DataError):
        row_ids(0, 2**40, 1)
    assert describe_row(row_ids(1, 16, 1)[0].as_py(), ["a.csv", "b.csv"]) == "b.csv record 17"


def test_did_you_mean() -> None:
    assert did_you_mean("tip", ["fare", "tips"]) == "Did you mean 'tips'? There is: fare, tips."
    assert did_you_mean("q", ["a"]) == "There is: a."


STEP = HostStep("n", ("s",), "builtins:sorted", "utf8")
UPPER = HostStep("up", ("s",), "test_core_steps:upper", "utf8", params={"suffix": "!"})


@pytest.fixture(autouse=True)
def _steps_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "test_core_steps.py").write_text(
        "def upper(values, suffix):\n    return [None if v is None else v.upper() + suffix for v in values]\n"
        "def short(values):\n    return values[:-1]\n"
        "def boom(values):\n    raise ValueError('no')\n"
        "def ints(values):\n    return [1 for _ in values]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_host_steps_chain_and_keep_missing() -> None:
    again = HostStep("twice", ("up",), "test_core_steps:upper", "utf8", params={"suffix": "?"})
    made = run_host_steps([UPPER, again], {"s": ["a", None]}, 2)
    assert made == {"host:up": ["A!", None], "host:twice": ["A!?", None]}
    table = with_host_columns(pa.record_batch({"s": ["a", None]}), [UPPER, again])
    assert table.column("host:twice").to_pylist() == ["A!?", None]
    assert HostStep.from_json(UPPER.to_json()) == UPPER


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("test_core_steps:short", "returned 1 values for 2 rows"),
        ("test_core_steps:boom", "raised ValueError: no"),
        ("test_core_steps:nothing", "cannot be imported"),
        ("no_such_module_here:f", "cannot be imported"),
    ],
)
def test_host_step_failures_name_the_step(function: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        run_host_steps([HostStep("n", ("s",), function, "utf8")], {"s": ["a", "b"]}, 2)


@pytest.mark.parametrize("function", ["os:system", "subprocess:run", "builtins:eval", "test_core_steps:_hidden"])
def test_a_model_folder_cannot_call_the_standard_library(function: str) -> None:
    with pytest.raises(ModelError, match="no host step lives in the standard library"):
        run_host_steps([HostStep("n", ("s",), function, "utf8")], {"s": ["echo no"]}, 1)


def test_host_steps_need_leave_and_the_declared_type() -> None:
    with pytest.raises(ModelError, match="not allowed here: test_core_steps"):
        run_host_steps([UPPER], {"s": ["a"]}, 1, allow=())
    assert run_host_steps([UPPER], {"s": ["a"]}, 1, allow={"test_core_steps"}) == {"host:up": ["A!"]}
    with pytest.raises(ModelError, match="must return utf8"):
        with_host_columns(pa.table({"s": ["a"]}), [HostStep("n", ("s",), "test_core_steps:ints", "utf8")])


def test_a_missing_module_is_told_with_the_extra_that_brings_it() -> None:
    from trueline._core.extras import missing_extra_hint
    from trueline.pipeline.node_errors import describe_error

    error = ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")
    assert missing_extra_hint(error) == "pip install 'trueline[torch]'"
    assert describe_error(error, "here").endswith("pip install 'trueline[torch]'")
    assert missing_extra_hint(ModuleNotFoundError("No module named 'mine'", name="mine")) is None


@pytest.mark.parametrize(
    ("error", "line", "reason"),
    [
        (ValueError("\n too long \nby 3"), "too long", "ValueError: too long"),
        (AssertionError(), "AssertionError", "AssertionError"),
        (KeyError("x"), "'x'", "KeyError: 'x'"),
    ],
)
def test_an_error_is_told_in_one_line_even_where_it_says_nothing(error: Exception, line: str, reason: str) -> None:
    from trueline._core.errors import first_line, reason_of

    assert (first_line(error), reason_of(error)) == (line, reason)

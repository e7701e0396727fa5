"""Slices: which rows are in them, how they are called, and the same bits wherever they are counted."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError, DataError, EngineError, SchemaError
from trueline.data_validation import StatsOptions, generate_statistics, get_feature_value_slicer, get_slice_stats
from trueline.data_validation.grouping import group_rows
from trueline.data_validation.passes import plan_pass
from trueline.data_validation.slicing import FeatureSlicer
from trueline.engine import Dataset, LocalEngine, check_accumulator

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker processes find the functions of `slice_functions.py`."""
    monkeypatch.setenv("PYTHONPATH", HERE)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """400 rows with every kind of column that can be sliced by."""
    rng = np.random.default_rng(5)
    n = 400
    many = [[None, [], ["p"], ["p", "q", "p"], ["q", None]][k] for k in rng.integers(0, 5, n)]
    return pa.table(
        {
            "x": rng.normal(size=n),
            "country": pa.array(rng.choice(["us", "it", "é"], n), mask=rng.random(n) < 0.2),
            "k": rng.integers(0, 3, n),
            "flag": rng.random(n) < 0.5,
            "many": pa.array(many, pa.list_(pa.string())),
            "w": rng.random(n),
        }
    )


def sizes(found: Any) -> dict[str, int]:
    """Slice -> rows, in the order of the result."""
    return {dataset.name: dataset.num_examples for dataset in found.datasets}


def keys_by_hand(table: pa.Table, features: dict[str, list[Any] | None]) -> dict[str, list[int]]:
    """The rule of `get_feature_value_slicer`, row by row."""
    rows: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(table.to_pylist()):
        values = []
        for name in sorted(features):
            cell = row[name] if isinstance(row[name], list) else [row[name]]
            present = {str(v).lower() if isinstance(v, bool) else str(v) for v in cell if v is not None}
            wanted = features[name]
            values.append(sorted(present if wanted is None else present & {str(w).lower() for w in wanted}))
        for combination in product(*values):
            rows["_".join(f"{n}_{v}" for n, v in zip(sorted(features), combination, strict=True))].append(number)
    return dict(rows)


@pytest.mark.parametrize(
    "features",
    [
        {"country": None},
        {"country": ["us", "fr"]},
        {"k": [2, "0"]},
        {"flag": [True]},
        {"many": None},
        {"many": ["q"], "country": None, "k": None},
    ],
)
def test_rows_of_feature_slices(table: pa.Table, features: dict[str, Any]) -> None:
    """Keys, sorted features, missing rows left out, several values in several slices, each row once in each."""
    batch = table.combine_chunks().to_batches()[0]
    found = group_rows(batch, get_feature_value_slicer(features), 1000)
    assert {key: rows.tolist() for key, rows in found.items()} == keys_by_hand(table, features)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.none() | st.sampled_from("ab_"), st.none() | st.lists(st.integers(0, 2), max_size=3))),
    st.sampled_from([{"s": None}, {"m": None}, {"s": None, "m": None}, {"m": [1], "s": ["a", "_"]}]),
)
def test_slices_are_those_of_the_rule(rows: list[Any], features: dict[str, Any]) -> None:
    """On any rows, empty ones too; keys that two combinations spell alike are one slice with all their rows."""
    table = pa.table(
        {
            "s": pa.array([s for s, _ in rows], pa.string()),
            "m": pa.array([m for _, m in rows], pa.list_(pa.int64())),
        }
    )
    batch = pa.RecordBatch.from_arrays([c.combine_chunks() for c in table.columns], names=table.schema.names)
    found = group_rows(batch, get_feature_value_slicer(features), 1000)
    expected = {key: sorted(set(own)) for key, own in keys_by_hand(table, features).items()}
    assert {key: own.tolist() for key, own in found.items()} == expected


def test_each_slice_has_the_statistics_of_its_rows(table: pa.Table) -> None:
    """All rows first, the slices by name; every one is what its rows alone give, weights included."""
    plain = {"weight_feature": "w", "num_top_values": 3}
    options = StatsOptions(
        slices=["x > 0.5", ("far", "abs(x) > 1")],
        slicing_config='slicing_specs { feature_keys: "country" } slicing_specs { feature_keys: "many" }',
        **plain,  # type: ignore[arg-type]
    )
    found = generate_statistics(Dataset.from_table(table, 400), options, LocalEngine(1))
    names = [dataset.name for dataset in found.datasets]
    assert names == ["All Examples", *sorted(names[1:])]
    rows = {
        "All Examples": np.arange(400),
        "x > 0.5": np.flatnonzero(table["x"].to_numpy() > 0.5),
        "far": np.flatnonzero(np.abs(table["x"].to_numpy()) > 1),
        **keys_by_hand(table, {"country": None}),
        **keys_by_hand(table, {"many": None}),
    }
    assert set(names) == set(rows)
    for dataset in found.datasets:
        alone = generate_statistics(
            Dataset.from_table(table.take(pa.array(rows[dataset.name])), 400), StatsOptions(**plain), LocalEngine(1)
        ).datasets[0]
        alone.name = dataset.name
        assert dataset == alone


@pytest.mark.slow
def test_slices_keep_the_engines_promises(table: pa.Table) -> None:
    """Threads, processes, shards, associativity, loaded states: the same bits; also for a user's function."""
    options = StatsOptions(
        slice_functions=[get_feature_value_slicer({"many": None, "k": None}), "slice_functions:by_sign"],
        slices=["flag"],
    )
    planned = plan_pass(table.schema, options)
    result = planned.result(check_accumulator(planned.spec, table, rtol=1e-9, atol=1e-12, columns=planned.columns))
    counts = sizes(result)
    assert counts["negative"] + counts["rest"] == counts["All Examples"] == 400
    assert counts["negative"] == pc.sum(pc.less(table["x"], 0)).as_py()
    assert counts["flag"] == pc.sum(table["flag"]).as_py()


def test_a_slice_that_two_slicers_describe_holds_its_rows_once(table: pa.Table) -> None:
    options = StatsOptions(
        slicing_config='slicing_specs { feature_keys: "k" } slicing_specs { feature_values { key: "k" value: "2" } }'
    )
    found = sizes(generate_statistics(table, options))
    assert found["k_2"] == pc.sum(pc.equal(table["k"], 2)).as_py()


def test_slices_of_no_rows() -> None:
    """Without rows there is the slice of all rows alone; with rows but no match too."""
    table = pa.table({"c": pa.array(["a", None]), "x": [1.0, 2.0]})
    options = StatsOptions(slicing_config='slicing_specs { feature_values { key: "c" value: "z" } }', slices=["x > 5"])
    assert sizes(generate_statistics(table, options)) == {"All Examples": 2}
    assert sizes(generate_statistics(table.slice(0, 0), options)) == {"All Examples": 0}


def test_too_many_slices_name_the_feature(table: pa.Table) -> None:
    wide = table.append_column("id", pa.array(np.arange(400)))
    options = StatsOptions(slice_functions=[get_feature_value_slicer({"id": None})], max_slices=100)
    for block_rows in (400, 40):  # too many in one block, and too many only when blocks are joined
        with pytest.raises(ConfigError, match=r"'id' give \d+ slices or more, at most 100") as caught:
            generate_statistics(Dataset.from_table(wide, block_rows), options)
        assert "max_slices" in str(caught.value)
    few = StatsOptions(slice_functions=[get_feature_value_slicer({"k": None})], max_slices=3)
    assert len(generate_statistics(table, few).datasets) == 4


def test_what_cannot_be_sliced_is_told_at_once(table: pa.Table) -> None:
    times = table.append_column("t", pa.array(np.arange(400), pa.timestamp("us")))
    options = StatsOptions(
        slicing_config="""slicing_specs { feature_keys: "contry" } slicing_specs { feature_keys: "x" }
            slicing_specs { feature_keys: "t" } slicing_specs { feature_values { key: "k" value: "two" } }
            slicing_specs { feature_values { key: "flag" value: "maybe" } }""",
        slices=["fare > 3"],
    )
    with pytest.raises(ConfigError) as caught:
        generate_statistics(times, options)
    assert len(caught.value.problems) == 6
    for said in ("'country'", "'x' is double", "'t' is timestamp", "'two' is no integer", "'maybe'", "'fare'"):
        assert said in str(caught.value)


def test_a_value_that_is_no_text_names_no_slice() -> None:
    table = pa.table({"c": pa.array([b"ok", b"\xff"])})
    with pytest.raises(DataError, match="column 'c'"):
        generate_statistics(table, StatsOptions(slice_functions=[get_feature_value_slicer({"c": None})]))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("drops_columns", "lacks the columns"),
        ("gives_rows", "pyarrow RecordBatch"),
        ("calls_all", "slice of all rows"),
        ("fails", "no slices today"),
        ("is_not_there", "cannot be imported"),
    ],
)
def test_functions_that_do_not_slice(table: pa.Table, name: str, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        generate_statistics(table, StatsOptions(slice_functions=[f"slice_functions:{name}"]))


def test_keys_may_hold_anything_that_is_text(table: pa.Table) -> None:
    """Underscores in names and values: two combinations that spell one key share a slice, no row twice."""
    odd = pa.table({"a": ["x_b_y", "x"], "a_x": ["q", "b_y"]})
    found = group_rows(odd.to_batches()[0], FeatureSlicer((("a", None),)), 10)
    assert {key: rows.tolist() for key, rows in found.items()} == {"a_x_b_y": [0], "a_x": [1]}
    both = StatsOptions(
        slice_functions=[get_feature_value_slicer({"a": None}), get_feature_value_slicer({"a_x": None})]
    )
    assert sizes(generate_statistics(odd, both)) == {"All Examples": 2, "a_x": 1, "a_x_b_y": 2, "a_x_q": 1}


def test_one_slice_of_several(table: pa.Table) -> None:
    found = generate_statistics(table, StatsOptions(slices=["flag"]))
    one = get_slice_stats(found, "flag")
    assert [dataset.name for dataset in one.datasets] == ["flag"]
    assert one.datasets[0] == found.datasets[1]
    with pytest.raises(SchemaError, match="All Examples"):
        get_slice_stats(found, "all examples")


def test_a_state_of_other_slices_is_refused(table: pa.Table) -> None:
    """Damaged bytes too: never a wrong result."""
    spec = plan_pass(table.schema, StatsOptions(slices=["flag", "k > 1"])).spec
    part = spec.new()
    part.update(table.combine_chunks().to_batches()[0])
    state = part.state()
    assert spec.load(state).state() == state
    fewer = plan_pass(table.schema, StatsOptions(slices=["flag"])).spec
    with pytest.raises(EngineError, match="other slices"):
        fewer.load(state)
    for place in range(0, len(state), max(1, len(state) // 60)):
        damaged = bytearray(state)
        damaged[place] ^= 0xFF
        with pytest.raises(EngineError):
            spec.load(bytes(damaged))


def test_a_function_of_the_main_module_slices_in_threads(tmp_path: Path) -> None:
    """As a notebook has it: the function has no module to import from elsewhere."""
    script = tmp_path / "notebook.py"
    script.write_text(
        """
import pyarrow as pa
import trueline.data_validation as dv

def halves(batch):
    half = batch.num_rows // 2
    yield "first", batch.slice(0, half)
    yield "second", batch.slice(half)

found = dv.generate_statistics_from_arrow(pa.table({"x": [1, 2, 3]}), dv.StatsOptions(slice_functions=[halves]))
print([(d.name, d.num_examples) for d in found.datasets])
"""
    )
    done = subprocess.run([sys.executable, str(script)], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[('All Examples', 3), ('first', 1), ('second', 2)]"

"""What callers hand over: tables of any library, and clear words for paths, dicts, classes and misspelled names."""

from __future__ import annotations

import importlib
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from trueline._core.errors import ArtifactError, ConfigError, DataError, SchemaError
from trueline.data import Examples, SourceSpec, ingest_csv, ingest_rows, ingest_table
from trueline.data_validation import (
    StatsOptions,
    detect_feature_skew,
    generate_statistics,
    generate_statistics_from_csv,
    generate_statistics_from_dataframe,
    generate_statistics_from_tfrecord,
    get_statistics_html,
    leakage_report,
    write_statistics,
)

ROWS = {"id": list(range(300)), "x": [i % 7 for i in range(300)], "y": [i % 2 for i in range(300)]}
TABLE = pa.table(ROWS)


@pytest.mark.parametrize("frame", [pd.DataFrame(ROWS), pl.DataFrame(ROWS), TABLE.to_batches()[0]])
def test_a_table_of_any_library_gives_what_a_pyarrow_table_gives(frame: Any) -> None:
    assert generate_statistics(frame) == generate_statistics(TABLE)
    assert generate_statistics(frame) == generate_statistics_from_dataframe(frame)
    assert leakage_report(frame, label="y") == leakage_report(TABLE, label="y")
    assert detect_feature_skew(frame, TABLE, ["id"]).match_stats.matching_pairs_count == 300
    moved = TABLE.set_column(1, "x", pa.array([0] * 300))
    skew = detect_feature_skew(frame, moved, ["id"]).skew_results
    assert [found.feature_name for found in skew if found.diff_count] == ["x"]


@pytest.mark.parametrize(
    "call",
    [
        lambda path: generate_statistics(path),
        lambda path: leakage_report(path, label="y"),
        lambda path: detect_feature_skew(path, TABLE, ["id"]),
    ],
)
def test_a_path_where_rows_are_needed_names_what_reads_files(call: Any) -> None:
    for path in ("rows.csv", Path("rows.csv")):
        with pytest.raises(ConfigError, match=r"path 'rows\.csv'(?s:.*)generate_statistics_from_csv(?s:.*)parquet"):
            call(path)


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(DataError, match="no table that Arrow can read"):
        generate_statistics([1, 2])


def test_a_table_where_a_path_is_needed_names_what_takes_tables() -> None:
    with pytest.raises(ConfigError, match=r"data_location is a DataFrame(?s:.*)generate_statistics_from_dataframe"):
        generate_statistics_from_csv(pd.DataFrame(ROWS))


@pytest.mark.parametrize(
    ("options", "hint"),
    [({"num_top_values": 3}, r"StatsOptions\(\*\*options\)"), (StatsOptions, r"write StatsOptions\(\)"), (3, "a int")],
)
def test_options_of_another_kind_are_told(tmp_path: Path, options: Any, hint: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n")
    for call in (
        lambda: generate_statistics(TABLE, options),
        lambda: generate_statistics_from_csv(path, stats_options=options),
        lambda: generate_statistics_from_dataframe(pd.DataFrame(ROWS), options),
    ):
        with pytest.raises(ConfigError, match=hint):
            call()


def test_what_is_no_statistics_is_neither_shown_nor_written(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="lhs_statistics must be a DatasetFeatureStatisticsList, got str"):
        get_statistics_html("x")
    statistics = generate_statistics(TABLE)
    with pytest.raises(SchemaError, match="rhs_statistics must be"):
        get_statistics_html(statistics, 3)
    with pytest.raises(SchemaError, match="got dict"):
        write_statistics({}, str(tmp_path / "s.pb"))
    with pytest.raises(ArtifactError, match=r"this is a folder(?s:.*)FeatureStats\.pb"):
        write_statistics(statistics, str(tmp_path))
    with pytest.raises(ArtifactError, match="this is a folder"):
        write_statistics(statistics, ".")
    assert not list(tmp_path.iterdir())


def test_a_column_that_examples_lack_is_told(tmp_path: Path) -> None:
    ingest_table(TABLE, str(tmp_path / "e"))
    examples = Examples.open(str(tmp_path / "e"))
    with pytest.raises(ArtifactError, match=r"no such column(?s:.*)'idd'. Did you mean 'id'"):
        examples.table("train", ["idd", "x"])
    assert examples.table("train", ["x"]).column_names == ["x"]


def test_parameters_that_nobody_knows_are_told_before_anything_is_read(tmp_path: Path) -> None:
    out = str(tmp_path / "e")
    with pytest.raises(ConfigError, match=r"ingest_csv(?s:.*)'delimeter'. Did you mean 'delimiter'"):
        ingest_csv(str(tmp_path), out, delimeter=";")
    with pytest.raises(ConfigError, match=r"'shufle'. Did you mean 'shuffle'"):
        ingest_table(TABLE, out, shufle=True)
    with pytest.raises(ConfigError, match=r"'source'"):
        ingest_rows("package.module:rows", out, source="x")
    spec = SourceSpec("trueline.data.csv_source:CsvSource", {"input_base": str(tmp_path), "delimeter": ";"})
    with pytest.raises(ConfigError, match=r"CsvSource(?s:.*)'delimeter'. Did you mean 'delimiter'"):
        spec.open()
    with pytest.raises(ConfigError, match=r"'input_base' is missing"):
        SourceSpec("trueline.data.csv_source:CsvSource", {}).open()
    with pytest.raises(ConfigError, match=r"from_csv(?s:.*)'delimeter'"):
        generate_statistics_from_csv(tmp_path, delimeter=";")


def test_the_pipeline_that_there_is_not_takes_no_options(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n")
    found = generate_statistics_from_csv(str(path), None, ",", None, None, None, "AUTO")  # in upstream's order
    assert found == generate_statistics_from_csv(path)
    for call in (generate_statistics_from_csv, generate_statistics_from_tfrecord):
        with pytest.raises(ConfigError, match=r"pipeline_options(?s:.*)n_jobs"):
            call(str(path), pipeline_options=object())


def test_a_label_and_weights_of_columns_that_are_not_there_are_told() -> None:
    with pytest.raises(SchemaError, match=r"label_feature 'yy'. Did you mean 'y'"):
        generate_statistics(TABLE, StatsOptions(label_feature="yy"))
    with pytest.raises(SchemaError, match=r"per_feature_weight_override 'xx'. Did you mean 'x'"):
        generate_statistics(TABLE, StatsOptions(per_feature_weight_override={"xx": "y"}))
    fitting = StatsOptions(label_feature="y", per_feature_weight_override={"x": "y"})
    assert len(generate_statistics(TABLE, fitting).datasets[0].features) == 3


def test_options_do_not_change_and_say_how_to_make_others() -> None:
    options = StatsOptions(num_top_values=3)
    with pytest.raises(ConfigError, match=r"dataclasses\.replace\(options, num_top_values="):
        options.num_top_values = 4  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        options.schema = None  # type: ignore[misc]
    assert replace(options, num_top_values=4).num_top_values == 4
    assert options.num_top_values == 3


def test_options_that_do_not_exist_name_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"'feature_whitelist': it is called feature_allowlist(?s:.*)slices=") as told:
        StatsOptions(feature_whitelist=["a"], experimental_slice_sqls=["x"])  # type: ignore[call-arg]
    assert len(told.value.problems) == 2
    with pytest.raises(ConfigError, match="Did you mean 'sample_rate'"):
        StatsOptions(sample_rat=0.5)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["slicing_util", "display_util", "schema_util"])
def test_modules_of_upstreams_names_hold_the_same_functions(name: str) -> None:
    module = importlib.import_module(f"trueline.data_validation.utils.{name}")
    for public in module.__all__:
        found = getattr(module, public)
        assert public in dir(module)
        assert found == "All Examples" or found.__module__.startswith("trueline.")
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing
    assert module.__all__


def test_a_slicer_by_upstreams_path_slices() -> None:
    from trueline.data_validation.utils.slicing_util import get_feature_value_slicer

    found = generate_statistics(TABLE, StatsOptions(slice_functions=[get_feature_value_slicer({"y": None})]))
    assert [dataset.name for dataset in found.datasets] == ["All Examples", "y_0", "y_1"]

"""The transform without a pipeline: every form of data in, rows in every form out, TensorFlow Transform's questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

import trueline.transform as tlt
from trueline._core.errors import ConfigError, DataError, FeedError, TransformError
from trueline._core.values import RawFeature
from trueline.engine import Dataset

TABLE = pa.table(
    {
        "fare": pa.array([5.0, None, 7.5, 100.0, 2.25, 5.0]),
        "company": pa.array(["a", "b", None, "a", "é", "a"]),
        "hour": pa.array([1, 2, 3, 4, 5, 6]),
    }
)


def preprocessing(x: Any) -> dict[str, Any]:
    return {
        "fare": tlt.scale_to_z_score(tlt.fill_missing(x["fare"], 0.0)),
        "company": tlt.compute_and_apply_vocabulary(x["company"], num_oov_buckets=2),
        "hour": tlt.bucketize(x["hour"], 3),
    }


@pytest.fixture(scope="module")
def expected() -> tuple[pa.Table, tlt.TransformOutput]:
    return tlt.analyze_and_transform(TABLE, preprocessing)


def csv_format() -> Any:
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    return pyarrow.dataset.CsvFileFormat(convert_options=options)


def forms(folder: Path) -> dict[str, Any]:
    (folder / "parts").mkdir()
    pq.write_table(TABLE.slice(0, 4), folder / "parts" / "a.parquet")
    pq.write_table(TABLE.slice(4), folder / "parts" / "b.parquet")
    pq.write_table(TABLE, folder / "t.parquet")
    pyarrow.csv.write_csv(TABLE, folder / "t.csv")
    return {
        "Dataset": Dataset.from_table(TABLE, 2),
        "batch": TABLE.to_batches()[0],
        "reader": TABLE.to_reader(),
        "pandas": TABLE.to_pandas(),
        "polars": pl.from_arrow(TABLE),
        "pyarrow.dataset": pyarrow.dataset.dataset(folder / "t.parquet"),
        "pyarrow.dataset of csv": pyarrow.dataset.dataset(folder / "t.csv", format=csv_format()),
        "Parquet": folder / "t.parquet",
        "folder": str(folder / "parts"),
        "files": [folder / "parts" / "a.parquet", folder / "parts" / "b.parquet"],
        "CSV": folder / "t.csv",
    }


def test_every_form_of_data_gives_the_same(tmp_path: Path, expected: tuple[pa.Table, tlt.TransformOutput]) -> None:
    for name, data in forms(tmp_path).items():
        table, output = tlt.analyze_and_transform(data, preprocessing)
        assert table.combine_chunks().equals(expected[0].combine_chunks()), name
        assert output.content_hash == expected[1].content_hash, name


def test_row_ids_made_by_reading_a_file_are_no_features(tmp_path: Path) -> None:
    """A CSV has no ``__row__``: neither have its features, in a table or a file, even where folds need it."""
    pyarrow.csv.write_csv(TABLE, tmp_path / "t.csv")

    def encode(x: Any) -> dict[str, Any]:
        return {"e": tlt.target_encode(x["company"], x["hour"])}

    table, output = tlt.analyze_and_transform(tmp_path / "t.csv", encode)
    assert table.schema.names == ["e"]
    tlt.transform_to_parquet(output, tmp_path / "t.csv", str(tmp_path / "out.parquet"), training=True)
    assert pq.read_table(tmp_path / "out.parquet")["e"].equals(table["e"])


def test_data_of_no_known_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.xls").write_text("x")
    with pytest.raises(ConfigError, match="no kind that is known"):
        tlt.analyze_and_transform(tmp_path / "t.xls", preprocessing)
    with pytest.raises(DataError):
        tlt.analyze_and_transform(tmp_path / "none.csv", preprocessing)
    with pytest.raises(DataError):
        tlt.analyze_and_transform(3, preprocessing)


def test_a_profile_is_checked() -> None:
    with pytest.raises(TransformError, match="there is no profile 'protable'"):
        tlt.analyze_and_transform(TABLE, preprocessing, None, "protable")


def test_rows_in_every_form(expected: tuple[pa.Table, tlt.TransformOutput]) -> None:
    table, output = expected
    rows = TABLE.to_pylist()
    assert output.transform_raw_features(TABLE).equals(table)
    assert output.transform_raw_features(rows) == table.to_pylist()
    columns = output.transform_raw_features({"fare": np.array([5.0, 1.0]), "company": ["a", None], "hour": [1, 2]})
    assert columns["fare"][0] == table["fare"][0].as_py()
    assert columns["company"] == [0, None]
    with pytest.raises(FeedError, match="column 'hour'"):
        output.transform_raw_features([{"hour": "noon"}])
    assert output.transform_raw_features([{"hour": 1, "other": 2}])[0]["hour"] == 0
    with pytest.raises(TransformError, match="does not read 'other'"):
        output.transform_raw_features([{"hour": 1, "other": 2}], drop_unused_features=False)


def test_what_tensorflow_transform_users_ask(expected: tuple[pa.Table, tlt.TransformOutput]) -> None:
    output = expected[1]
    assert output.vocabulary_by_name("vocab_company") == ["a", "é", "b"]
    assert output.vocabulary_size_by_name("vocab_company") == 3
    with pytest.raises(TransformError, match="Did you mean 'vocab_company'"):
        output.vocabulary_size_by_name("vocab_compani")
    assert output.num_buckets_for_transformed_feature("company") == 5
    assert output.num_buckets_for_transformed_feature("hour") == 3
    with pytest.raises(TransformError, match="no ids"):
        output.num_buckets_for_transformed_feature("fare")
    assert output.transformed_domains() == {"company": (0, 4), "hour": (0, 2)}
    assert output.transformed_feature_spec()["fare"] == {"kind": "FixedLenFeature", "dtype": "float32", "shape": []}
    assert output.raw_feature_spec()["company"] == {"kind": "VarLenFeature", "dtype": "string"}
    assert [f.name for f in output.transformed_metadata.feature] == ["fare", "company", "hour"]


def test_which_columns_are_read() -> None:
    features = [RawFeature("a", "float64"), RawFeature("b", "float64"), RawFeature("c", "float64")]

    def function(x: Any) -> dict[str, Any]:
        return {"y": x["a"] - tlt.mean(x["b"])}

    assert tlt.get_analyze_input_columns(function, features) == ["b"]
    assert tlt.get_transform_input_columns(function, features) == ["a"]


def test_a_large_file_is_written_block_by_block(tmp_path: Path, expected: tuple[pa.Table, tlt.TransformOutput]) -> None:
    pq.write_table(TABLE, tmp_path / "t.parquet", row_group_size=2)
    place = str(tmp_path / "out.parquet")
    assert tlt.transform_to_parquet(expected[1], tmp_path / "t.parquet", place) == TABLE.num_rows
    assert pq.read_table(place).equals(expected[0])
    assert pq.ParquetFile(place).num_row_groups == 3
    threads = str(tmp_path / "threads.parquet")
    tlt.transform_to_parquet(expected[1], tmp_path / "t.parquet", threads, workers=3)
    assert Path(threads).read_bytes() == Path(place).read_bytes()


def test_a_transform_that_fails_leaves_no_file(tmp_path: Path, expected: tuple[pa.Table, tlt.TransformOutput]) -> None:
    bad = pa.table({"fare": pa.array(["x"]), "company": pa.array(["a"]), "hour": pa.array([1])})
    with pytest.raises(FeedError):
        tlt.transform_to_parquet(expected[1], bad, str(tmp_path / "out.parquet"))
    assert list(tmp_path.iterdir()) == []


def test_frames_of_pandas_keep_their_missing_values() -> None:
    frame = pd.DataFrame({"x": [1.0, None, 3.0]})
    table, _ = tlt.analyze_and_transform(frame, lambda x: {"m": tlt.is_missing(x["x"])})
    assert table["m"].to_pylist() == [False, True, False]


def test_a_table_without_row_numbers_is_numbered_for_folds() -> None:
    """Out-of-fold values need to know which row is which: of a table in memory its order says so."""
    keys, labels = ["a", "b", "a", "b"] * 50, [1.0, 0.0, 1.0, 1.0] * 50
    table = pa.table({"k": keys, "y": labels})

    def encode(x: Any) -> dict[str, Any]:
        return {"e": tlt.target_encode(x["k"], x["y"])}

    made, output = tlt.analyze_and_transform(table, encode)
    assert made.schema.names == ["e"]
    assert len(set(made["e"].to_pylist())) > 2  # out of fold, so more values than keys
    assert len(set(output.transform(table)["e"].to_pylist())) == 2
    numbered, _ = tlt.analyze_and_transform(table.append_column("__row__", pa.array(range(200))), encode)
    assert numbered.schema.names == ["__row__", "e"]
    assert numbered["e"].equals(made["e"])
    assert tlt.analyze_and_transform(table.slice(0, 0), encode)[0].num_rows == 0

"""Statistics straight from files and tables: the same from every format, by upstream's names; what cannot be read."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2

import trueline.data_validation as dv
from trueline.data_validation import StatsOptions

SAMPLE = Path(__file__).parent / "taxi_sample.csv"
ROWS = 150_000  # three blocks, the last one short


def feature(statistics: Any, name: str) -> Any:
    """One feature of the only dataset."""
    return next(f for f in statistics.datasets[0].features if list(f.path.step) == [name])


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(3)
    return pa.table(
        {
            "f": pa.array(rng.normal(size=ROWS), mask=rng.random(ROWS) < 0.1),
            "i": pa.array(rng.integers(-5, 10**12, ROWS), mask=rng.random(ROWS) < 0.01),
            "s": pa.array(rng.choice(["a", "bb", "ccc,d", 'q"q', "ü"], ROWS), mask=rng.random(ROWS) < 0.2),
            "id": pa.array([f"id{k}" for k in rng.integers(0, 20_000, ROWS)]),
            "t": pa.array(1_600_000_000_000_000 + rng.integers(0, 10**13, ROWS), pa.timestamp("us")),
            "w": rng.random(ROWS),
        }
    )


OPTIONS = StatsOptions(
    weight_feature="w",
    slices=["f > 0", ("a or text", "s == 'a' or startswith(id, 'id1')")],
    slicing_config='slicing_specs { feature_keys: "s" }',
    sample_rate=0.7,
    num_top_values=4,
)


@pytest.fixture(scope="module")
def expected(table: pa.Table) -> dict[str, Any]:
    """The statistics of the table, plain, and with weights, a slice and a sample."""
    return {"plain": dv.generate_statistics(table), "more": dv.generate_statistics(table, OPTIONS)}


def check(expected: dict[str, Any], compute: Any) -> None:
    assert compute(None) == expected["plain"]
    assert compute(OPTIONS) == expected["more"]


def test_arrow_tables_batches_and_readers(table: pa.Table, expected: dict[str, Any]) -> None:
    check(expected, lambda options: dv.generate_statistics_from_arrow(table, options))
    check(
        expected,
        lambda options: dv.generate_statistics_from_arrow(
            pa.RecordBatchReader.from_batches(table.schema, table.to_batches(7_001)), stats_options=options
        ),
    )
    assert dv.generate_statistics_from_dataframe(table, n_jobs=1) == expected["plain"]
    assert dv.generate_statistics_from_dataframe(table, n_jobs=-1) == expected["plain"]


@pytest.mark.parametrize("row_group_size", [65_536, 7_001, 1_000_000])
def test_parquet_whatever_its_row_groups(
    table: pa.Table, expected: dict[str, Any], tmp_path: Path, row_group_size: int
) -> None:
    pq.write_table(table, tmp_path / "all.parquet", row_group_size=row_group_size)
    check(expected, lambda options: dv.generate_statistics_from_parquet(tmp_path / "all.parquet", None, options))


def test_files_of_a_folder_are_one_dataset(table: pa.Table, expected: dict[str, Any], tmp_path: Path) -> None:
    """CSV and Parquet in three files, plain and packed, by folder and by pattern, on this machine and in memory."""
    import fsspec

    for number, start in enumerate(range(0, ROWS, 50_000)):
        part = table.slice(start, 50_000)
        pq.write_table(part, tmp_path / f"part-{number}.parquet")
        pacsv.write_csv(part, tmp_path / f"part-{number}.csv")
    with (tmp_path / "part-1.csv").open("rb") as file, gzip.open(tmp_path / "part-1.csv.gz", "wb") as packed:
        shutil.copyfileobj(file, packed)
    (tmp_path / "part-1.csv").unlink()
    memory = fsspec.filesystem("memory")
    for path in tmp_path.iterdir():
        memory.put(str(path), f"/entry/{path.name}")
    try:
        check(
            expected,
            lambda options: dv.generate_statistics_from_csv(f"{tmp_path}/part-*.csv*", None, None, None, options),
        )
        check(expected, lambda options: dv.generate_statistics_from_parquet(f"{tmp_path}/*.parquet", None, options))
        remote = dv.generate_statistics_from_csv("memory://entry/part-?.csv*", n_jobs=1)
        assert remote == expected["plain"]
        assert dv.generate_statistics_from_parquet("memory://entry/*.parquet") == expected["plain"]
    finally:
        memory.rm("/entry", recursive=True)


def test_dataframes_of_pandas_and_polars(table: pa.Table, expected: dict[str, Any]) -> None:
    """Types that pandas itself keeps; a column of integers with gaps needs pandas' nullable type."""
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = table.to_pandas().astype({"i": "Int64"})
    frame["i"] = pd.array(table["i"].to_pylist(), "Int64")
    check(expected, lambda options: dv.generate_statistics_from_dataframe(frame, options))
    check(expected, lambda options: dv.generate_statistics_from_dataframe(pl.from_arrow(table), options))


def test_the_taxi_sample_is_the_same_in_every_format(tmp_path: Path) -> None:
    pl, pd = pytest.importorskip("polars"), pytest.importorskip("pandas")
    from_csv = dv.generate_statistics_from_csv(str(SAMPLE))
    frame = pl.read_csv(SAMPLE, infer_schema_length=None)
    frame.write_parquet(tmp_path / "taxi.parquet", row_group_size=37)
    assert from_csv.datasets[0].num_examples == 200
    assert len(from_csv.datasets[0].features) == 18
    assert dv.generate_statistics_from_parquet(tmp_path / "taxi.parquet") == from_csv
    assert dv.generate_statistics_from_dataframe(frame) == from_csv
    assert dv.generate_statistics_from_arrow(frame.to_arrow()) == from_csv
    assert dv.generate_statistics_from_dataframe(pd.read_csv(SAMPLE, dtype_backend="pyarrow")) == from_csv
    assert feature(from_csv, "fare").type == statistics_pb2.FeatureNameStatistics.FLOAT


def by_name(statistics: Any) -> dict[str, Any]:
    """The features; formats of named values give columns in an order of their own."""
    return {f.path.step[0]: f for f in statistics.datasets[0].features}


def test_the_taxi_sample_in_formats_of_named_values(tmp_path: Path) -> None:
    """JSON Lines, Avro and TFRecord written from the same rows; tf.Example knows float32 alone, so floats are cut."""
    fastavro = pytest.importorskip("fastavro")
    from trueline.data.tf_example_write import write_examples_tfrecord

    rows = pacsv.read_csv(SAMPLE)
    single = pa.table(
        {
            n: c.cast(pa.float32()) if c.type == pa.float64() else c
            for n, c in zip(rows.schema.names, rows.columns, strict=True)
        }
    )
    single = single.select([n for n in single.schema.names if n != "pickup_census_tract"])  # it has no value at all
    expected = by_name(dv.generate_statistics_from_arrow(single))
    write_examples_tfrecord(str(tmp_path / "taxi.tfrecord.gz"), single)
    assert by_name(dv.generate_statistics_from_tfrecord(tmp_path / "taxi.tfrecord.gz")) == expected
    kinds = {"int64": "long", "float": "double", "string": "string"}
    fields = [{"name": f.name, "type": ["null", kinds[str(f.type)]]} for f in single.schema]
    with (tmp_path / "taxi.avro").open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "row", "fields": fields}, single.to_pylist())
    assert by_name(dv.generate_statistics_from_avro(tmp_path / "taxi.avro")) == expected
    lines = (json.dumps({n: v for n, v in row.items() if v is not None}) + "\n" for row in single.to_pylist())
    (tmp_path / "taxi.jsonl").write_text("".join(lines))
    assert by_name(dv.generate_statistics_from_jsonl(tmp_path / "taxi.jsonl")) == expected


@pytest.mark.shared
def test_the_shared_taxi_data_is_the_same_in_every_format(shared: Path) -> None:
    """15,002 rows: CSV against polars, pandas, Arrow; Parquet, Avro and TFRecord as they were handed over."""
    pl, pd = pytest.importorskip("polars"), pytest.importorskip("pandas")
    path = shared / "data/taxi/taxi.csv"
    from_csv = dv.generate_statistics_from_csv(path)
    frame = pl.read_csv(path, infer_schema_length=None)
    assert from_csv.datasets[0].num_examples == frame.height
    assert dv.generate_statistics_from_dataframe(frame) == from_csv
    assert dv.generate_statistics_from_dataframe(pd.read_csv(path, dtype_backend="numpy_nullable")) == from_csv
    fare = feature(from_csv, "fare").num_stats
    assert fare.mean == pytest.approx(frame["fare"].mean(), rel=1e-12)
    assert fare.std_dev == pytest.approx(frame["fare"].std(ddof=0), rel=1e-9)
    assert feature(from_csv, "company").string_stats.unique == frame["company"].drop_nulls().n_unique()


@pytest.mark.shared
def test_files_that_others_wrote_are_read(shared: Path) -> None:
    """Parquet and Avro of the same 10,000 rows (Avro's floats are float32), TFRecords in shards and of sequences."""
    formats = shared / "data/formats"
    parquet = by_name(dv.generate_statistics_from_parquet(formats / "taxi.parquet"))
    avro = by_name(dv.generate_statistics_from_avro(formats / "taxi.avro"))
    assert parquet.keys() == avro.keys()
    for name, one in parquet.items():
        two = avro[name]
        assert one.type == two.type
        if name == "company":  # the Parquet file has "" where the Avro file has nothing
            assert one.string_stats.common_stats.num_missing == 0
            assert one.string_stats.unique == two.string_stats.unique + 1
        elif one.WhichOneof("stats") == "string_stats":
            assert one == two
        else:
            assert one.num_stats.common_stats == two.num_stats.common_stats
            assert one.num_stats.mean == pytest.approx(two.num_stats.mean, rel=1e-7)
    records = dv.generate_statistics_from_tfrecord(f"{formats}/taxi-*.tfrecord.gz")
    assert records.datasets[0].num_examples == 15_000
    sequence = dv.generate_statistics_from_tfrecord(formats / "sequence.tfrecord.gz", payload="sequence_example")
    assert ["##SEQUENCE##", "s"] in [list(f.path.step) for f in sequence.datasets[0].features]


def test_polars_and_pandas_are_not_needed(tmp_path: Path) -> None:
    """A process that can import neither reads CSV, Parquet and Arrow; polars is not even asked for."""
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "a.parquet")
    code = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        assert name != "polars"
        if name == "pandas":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import pyarrow as pa
import trueline.data_validation as dv
assert dv.generate_statistics_from_csv({str(SAMPLE)!r}).datasets[0].num_examples == 200
assert dv.generate_statistics_from_parquet({str(tmp_path / "a.parquet")!r}).datasets[0].num_examples == 2
assert dv.generate_statistics_from_arrow(pa.table({{"a": [1]}})).datasets[0].num_examples == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True)

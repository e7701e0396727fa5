"""Statistics straight from files and tables: the same from every format, by upstream's names; what cannot be read."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

import trueline.data_validation as dv
from trueline._core.errors import ArtifactError, ConfigError, DataError, SchemaError
from trueline.data.source import Reject, SchemaGrew, SourceBatch, SourceSpec
from trueline.data_validation import StatsOptions
from trueline.data_validation.source_pass import statistics_of_source

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


def test_nothing_is_needed_to_look_at_a_csv_of_no_rows(tmp_path: Path) -> None:
    """A header alone: statistics of no examples. Nothing at all: an error."""
    (tmp_path / "header.csv").write_text("a,b\n")
    found = dv.generate_statistics_from_csv(tmp_path / "header.csv")
    assert [d.num_examples for d in found.datasets] == [0]
    assert [list(f.path.step) for f in found.datasets[0].features] == [["a"], ["b"]]
    assert dv.infer_schema(found) is not None
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match=r"empty\.csv"):
        dv.generate_statistics_from_csv(tmp_path / "empty.csv")


def test_inputs_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for location in (tmp_path / "no.csv", tmp_path / "folder", f"{tmp_path}/*.csv", f"{tmp_path}/none-*/x.csv"):
        with pytest.raises(DataError):
            dv.generate_statistics_from_csv(location)
        with pytest.raises(DataError):
            dv.generate_statistics_from_parquet(location)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ArtifactError, match=r"bad\.parquet"):
        dv.generate_statistics_from_parquet(tmp_path / "bad.parquet")
    with pytest.raises(ConfigError, match="data_location"):
        dv.generate_statistics_from_csv("")
    with pytest.raises(DataError):
        dv.generate_statistics_from_dataframe([1, 2, 3])


def test_arguments_that_are_wrong() -> None:
    with pytest.raises(ConfigError, match="n_jobs is 0"):
        dv.generate_statistics_from_csv(SAMPLE, n_jobs=0)
    with pytest.raises(ConfigError, match="n_jobs is -2"):
        dv.generate_statistics_from_dataframe(pa.table({"a": [1]}), n_jobs=-2)
    with pytest.raises(ConfigError, match="max_rejects is -1"):
        dv.generate_statistics_from_csv(SAMPLE, max_rejects=-1)
    with pytest.raises(ConfigError, match="compression_type"):
        dv.generate_statistics_from_csv(SAMPLE, compression_type="rar")
    with pytest.raises(SchemaError, match="'fare'"):
        dv.generate_statistics_from_csv(SAMPLE, stats_options=StatsOptions(feature_allowlist=["fair"]))


def test_a_name_with_pattern_characters_may_be_a_file(tmp_path: Path) -> None:
    shutil.copy(SAMPLE, tmp_path / "taxi[1].csv")
    assert dv.generate_statistics_from_csv(tmp_path / "taxi[1].csv") == dv.generate_statistics_from_csv(SAMPLE)


def test_rows_that_cannot_be_read_count_against_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3\n4,5,6\n7,8\n")
    with pytest.raises(DataError, match="line 3"):
        dv.generate_statistics_from_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match="more than 1"):
        dv.generate_statistics_from_csv(tmp_path / "a.csv", max_rejects=1)
    found = dv.generate_statistics_from_csv(tmp_path / "a.csv", max_rejects=2)
    assert found.datasets[0].num_examples == 2


def test_types_are_those_of_all_rows_and_a_late_one_widens(tmp_path: Path) -> None:
    """As if the types had been known from the start."""
    rows = [f"{k},{k}" for k in range(30_000)]
    rows[29_000] = "2.5,x"
    (tmp_path / "a.csv").write_text("n,s\n" + "\n".join(rows) + "\n")
    found = dv.generate_statistics_from_csv(tmp_path / "a.csv", read_bytes=4096)
    table = pa.table(
        {
            "n": [2.5 if k == 29_000 else float(k) for k in range(30_000)],
            "s": ["x" if k == 29_000 else str(k) for k in range(30_000)],
        }
    )
    assert found == dv.generate_statistics(table)


def test_types_of_a_schema(tmp_path: Path) -> None:
    """`infer_type_from_schema`: its types, and only the columns that it names."""
    (tmp_path / "a.csv").write_text("id,n,other\n007,1,x\n008,2,y\n")
    schema = schema_pb2.Schema(
        feature=[
            schema_pb2.Feature(name="id", type=schema_pb2.BYTES),
            schema_pb2.Feature(name="n", type=schema_pb2.FLOAT),
            schema_pb2.Feature(name="gone", type=schema_pb2.INT),
        ]
    )
    guessed = dv.generate_statistics_from_csv(tmp_path / "a.csv", stats_options=StatsOptions(schema=schema))
    assert len(guessed.datasets[0].features) == 3
    options = StatsOptions(schema=schema, infer_type_from_schema=True)
    found = dv.generate_statistics_from_csv(tmp_path / "a.csv", stats_options=options)
    assert [list(f.path.step) for f in found.datasets[0].features] == [["id"], ["n"]]
    assert [b.value for b in feature(found, "id").string_stats.top_values] == ["008", "007"]
    assert feature(found, "n").type == statistics_pb2.FeatureNameStatistics.FLOAT
    allowed = StatsOptions(schema=schema, infer_type_from_schema=True, feature_allowlist=["n", "other"])
    only = dv.generate_statistics_from_csv(tmp_path / "a.csv", stats_options=allowed)
    assert [list(f.path.step) for f in only.datasets[0].features] == [["n"]]


def test_options_of_csv_reach_the_reader(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("1\té|x\n2\t\n", encoding="latin1")
    found = dv.generate_statistics_from_csv(
        tmp_path / "a.tsv",
        column_names=["n", "tags"],
        encoding="latin1",
        multivalent_columns=["tags"],
        secondary_delimiter="|",
    )
    assert feature(found, "tags").string_stats.common_stats.max_num_values == 2
    assert feature(found, "n").num_stats.mean == 1.5


@pytest.mark.parametrize("name", ["stats.pb", "stats.pbtxt", "stats.tfrecord", "stats.tfrecord.gz"])
def test_output_path_is_written_and_read_back(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / "deep" / name)
    found = dv.generate_statistics_from_csv(SAMPLE, output_path=path)
    assert dv.load_statistics(path) == found


class Growing:
    """A user's source of two parts; the second holds what the first schema has no room for."""

    def __init__(self, closed: list[int] | None = None) -> None:
        self.closed = closed if closed is not None else []

    def parts(self) -> list[str]:
        return ["one", "two"]

    def schema(self) -> pa.Schema:
        return pa.schema([("x", pa.int64()), ("empty", pa.null())])

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        try:
            x = schema.field("x").type
            yield SourceBatch(self._batch([1, 2], x), rejects=[Reject(2, "x", "no number", "?")] if part == 0 else ())
            if part == 1 and x != pa.float64():
                raise SchemaGrew(pa.schema([("x", pa.float64()), ("empty", pa.null())]))
            yield SourceBatch(self._batch([2.5] if part == 1 else [3], x))
        finally:
            self.closed.append(part)

    def _batch(self, values: list[Any], kind: pa.DataType) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays([pa.array(values, kind), pa.nulls(len(values))], names=["x", "empty"])

    def fingerprint(self) -> None:
        return None


def test_a_users_own_source() -> None:
    """It grows, has rejects and a column without values, and every reader is closed."""
    source = Growing()
    with pytest.raises(DataError, match="one record 3, column 'x': no number"):
        statistics_of_source(source)
    source.closed.clear()
    found = statistics_of_source(source, max_rejects=1, block_rows=2)
    assert source.closed == [0, 1, 0, 1]
    table = pa.table({"x": [1.0, 2, 3, 1, 2, 2.5], "empty": pa.nulls(6, pa.string())})
    assert found == dv.generate_statistics(dv_dataset(table, 2))
    spec = SourceSpec(f"{__name__}:Growing", {})
    sys.modules.setdefault(__name__, sys.modules[Growing.__module__])
    assert dv.generate_statistics_from_source(spec, max_rejects=1).datasets[0].num_examples == 6


def dv_dataset(table: pa.Table, rows: int) -> Any:
    """The table in blocks."""
    from trueline.engine import Dataset

    return Dataset.from_table(table, rows)


class Liar(Growing):
    """Says that its schema grew, and gives the same."""

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        raise SchemaGrew(schema)
        yield


def test_a_source_that_never_ends_growing_is_stopped() -> None:
    with pytest.raises(DataError, match="gives the same one"):
        statistics_of_source(Liar())


class ManyGrowing(Growing):
    """Part k needs columns up to k: a new one in every part."""

    def parts(self) -> list[str]:
        return [f"part {k}" for k in range(6)]

    def schema(self) -> pa.Schema:
        return pa.schema([("c0", pa.int64())])

    def read(self, part: int, schema: pa.Schema) -> Iterator[SourceBatch]:
        self.closed.append(part)
        if f"c{part}" not in schema.names:
            raise SchemaGrew(pa.schema([*schema, (f"c{part}", pa.int64())]))
        yield SourceBatch(pa.RecordBatch.from_pylist([{f"c{part}": part}], schema))


def test_a_source_that_grows_in_every_part_is_read_twice_not_once_a_part() -> None:
    source = ManyGrowing()
    found = statistics_of_source(source)
    assert source.closed == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]
    assert found.datasets[0].num_examples == 6
    assert {n: f.num_stats.common_stats.num_non_missing for n, f in by_name(found).items()} == {
        f"c{k}": 1 for k in range(6)
    }

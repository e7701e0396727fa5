"""What cannot be read, types that grow or are fixed, options that reach the reader, and a user's own source."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

import trueline.data_validation as dv
from trueline._core.errors import ArtifactError, ConfigError, DataError, SchemaError
from trueline.data.source import Reject, SchemaGrew, SourceBatch, SourceSpec
from trueline.data_validation import StatsOptions
from trueline.data_validation.source_pass import statistics_of_source
from trueline.engine import Dataset

SAMPLE = Path(__file__).parent / "taxi_sample.csv"


def by_name(statistics: Any) -> dict[str, Any]:
    """The features of the only dataset."""
    return {f.path.step[0]: f for f in statistics.datasets[0].features}


def feature(statistics: Any, name: str) -> Any:
    """One of them."""
    return by_name(statistics)[name]


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
    assert found == dv.generate_statistics(Dataset.from_table(table, 2))
    spec = SourceSpec(f"{__name__}:Growing", {})
    sys.modules.setdefault(__name__, sys.modules[Growing.__module__])
    assert dv.generate_statistics_from_source(spec, max_rejects=1).datasets[0].num_examples == 6


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

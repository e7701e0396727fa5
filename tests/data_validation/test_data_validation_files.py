"""Statistics and anomalies survive the disk byte for byte; files that do not parse are named."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import trueline.data_validation as dv
from trueline._core.errors import ArtifactError, SchemaError
from trueline.engine import LocalEngine


def test_round_trips(tmp_path: Path) -> None:
    table = pa.table({"x": [1, 2, None], "s": ["a", "b", "é"]})
    statistics = dv.generate_statistics(table, engine=LocalEngine(1))
    anomalies = dv.validate_statistics(statistics, dv.infer_schema(statistics, max_string_domain_size=1))
    stats_file, diff_file = str(tmp_path / "FeatureStats.pb"), str(tmp_path / "SchemaDiff.pb")
    dv.write_statistics(statistics, stats_file)
    dv.write_anomalies_binary(anomalies, diff_file)
    assert dv.load_statistics(stats_file) == statistics
    assert dv.load_anomalies_binary(diff_file) == anomalies
    first = Path(diff_file).read_bytes()
    dv.write_anomalies_binary(dv.load_anomalies_binary(diff_file), diff_file)
    assert Path(diff_file).read_bytes() == first
    dv.write_statistics_text(statistics, stats_file)
    dv.write_anomalies_text(anomalies, diff_file)
    assert dv.load_statistics_text(stats_file) == statistics
    assert dv.load_anomalies_text(diff_file) == anomalies


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "FeatureStats.pb"
    path.write_bytes(b"\x0a\xff no statistics")
    with pytest.raises(SchemaError, match=r"FeatureStats\.pb: the file is no binary DatasetFeatureStatisticsList"):
        dv.load_statistics(str(path))
    with pytest.raises(SchemaError, match=r"FeatureStats\.pb"):
        dv.load_statistics_text(str(path))
    with pytest.raises(SchemaError, match=r"FeatureStats\.pb: the file is no binary Anomalies"):
        dv.load_anomalies_binary(str(path))
    with pytest.raises(ArtifactError, match=r"gone\.pb"):
        dv.load_anomalies_binary(str(tmp_path / "gone.pb"))


def statistics_of_two_columns() -> Any:
    """Statistics with features of two kinds."""
    return dv.generate_statistics(pa.table({"x": [1, 2, None], "s": ["a", "b", "é"]}), engine=LocalEngine(1))


def test_load_statistics_knows_all_formats_by_their_content(tmp_path: Path) -> None:
    """Binary, text and TFRecord, plain and packed, whatever the file is called; upstream's names are the same."""
    statistics = statistics_of_two_columns()
    plain = str(tmp_path / "any")
    for name in ("a.pb", "a.pbtxt", "a.tfrecord", "a.tfrecord.gz"):
        dv.write_statistics(statistics, str(tmp_path / name))
        (tmp_path / "any").write_bytes((tmp_path / name).read_bytes())
        assert dv.load_statistics(plain) == statistics
    assert (tmp_path / "a.pbtxt").read_bytes()[:8] == b"datasets"
    assert gzip.decompress((tmp_path / "a.tfrecord.gz").read_bytes()) == (tmp_path / "a.tfrecord").read_bytes()
    dv.write_stats_text(statistics, plain)
    assert dv.load_stats_text(plain) == statistics
    (tmp_path / "any").write_bytes(b"\n\n# a comment\n" + (tmp_path / "any").read_bytes())
    assert dv.load_statistics(plain) == statistics
    assert dv.load_stats_binary(str(tmp_path / "a.pb")) == statistics
    empty = type(statistics)()
    dv.write_statistics(empty, plain)
    assert dv.load_statistics(plain) == empty


def test_a_tfrecord_file_of_statistics_holds_one_record(tmp_path: Path) -> None:
    """None, several, others than statistics, or a damaged one: an error that names the file."""
    from trueline.data.tfrecord_write import write_tfrecord

    path = str(tmp_path / "stats.tfrecord")
    one = statistics_of_two_columns().SerializeToString()
    for records, said in (([one, one], "2 records"), ([b"\xff\xff"], "no DatasetFeatureStatisticsList")):
        write_tfrecord(path, records)
        with pytest.raises(SchemaError, match=rf"stats\.tfrecord.*{said}"):
            dv.load_statistics(path)
    write_tfrecord(path, [one])
    data = bytearray(Path(path).read_bytes())
    data[40] ^= 1
    Path(path).write_bytes(data)
    with pytest.raises(SchemaError, match="checksum"):
        dv.load_statistics(path)
    with pytest.raises(ArtifactError, match="gone"):
        dv.load_statistics(str(tmp_path / "gone"))


def shards_of(statistics: Any, count: int) -> list[Any]:
    """The features dealt out, as upstream's partitions are; every shard has the datasets' heads."""
    shards = []
    for number in range(count):
        shard = type(statistics)()
        shard.CopyFrom(statistics)
        for dataset in shard.datasets:
            mine = [f for i, f in enumerate(dataset.features) if i % count == number]
            kept = [type(f).FromString(f.SerializeToString()) for f in mine]
            del dataset.features[:]
            dataset.features.extend(kept)
        shards.append(shard)
    return shards


@pytest.mark.parametrize("ending", ["", ".tfrecord", ".tfrecord.gz"])
def test_sharded_statistics_are_joined(tmp_path: Path, ending: str) -> None:
    table = pa.table({name: [1, 2, 3] for name in "abcde"})
    statistics = dv.generate_statistics(table, dv.StatsOptions(slices=["a > 1"]))
    for number, shard in enumerate(shards_of(statistics, 3)):
        dv.write_statistics(shard, str(tmp_path / f"stats-{number:05}-of-00003{ending}"))
    (tmp_path / "other.txt").write_text("no shard")
    for place in (str(tmp_path / "stats"), str(tmp_path), f"{tmp_path}/", f"{tmp_path}/*-of-*"):
        found = dv.load_sharded_statistics(place)
        assert [d.name for d in found.datasets] == ["All Examples", "a > 1"]
        for one, two in zip(found.datasets, statistics.datasets, strict=True):
            assert one.num_examples == two.num_examples
            assert sorted(str(f) for f in one.features) == sorted(str(f) for f in two.features)
    (tmp_path / f"stats-00001-of-00003{ending}").unlink()
    with pytest.raises(SchemaError, match=r"stats-00001-of-00003"):
        dv.load_sharded_statistics(str(tmp_path / "stats"))
    with pytest.raises(ArtifactError, match=r"none-\*-of-\*"):
        dv.load_sharded_statistics(str(tmp_path / "none"))


def test_shards_of_several_results_do_not_join(tmp_path: Path) -> None:
    for number in range(2):
        other = dv.generate_statistics(pa.table({f"c{number}": list(range(number + 1))}))
        dv.write_statistics(other, str(tmp_path / f"stats-{number:05}-of-00002"))
    with pytest.raises(SchemaError, match=r"\[1, 2\] examples"):
        dv.load_sharded_statistics(str(tmp_path / "stats"))

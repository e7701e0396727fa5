"""Statistics and anomalies survive the disk byte for byte; files that do not parse are named."""

from __future__ import annotations

from pathlib import Path

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

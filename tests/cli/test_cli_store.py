"""The commands `store` and `doctor`: what they say of a database, and when they say that something is wrong."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from runs_cli import make_database

from trueline.cli.app import run_command
from trueline.cli.doctor_packages import within
from trueline.cli.shapes import SHAPES
from trueline.metadata import Artifact, ArtifactState, MetadataStore


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_database(tmp_path / "metadata.db")


def told(capsys: pytest.CaptureFixture[str], code: int, *command: str) -> dict:
    assert run_command([*command, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_info_and_a_database_without_our_tables(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = told(capsys, 0, "store", "info")
    assert (found["kind"], found["current"], found["next"]) == ("ours", True, "")
    with closing(sqlite3.connect(database)) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'trueline_%'").fetchall():
            connection.execute(f'DROP TABLE IF EXISTS "{name}"') if "ix" not in name else None
    (found,) = told(capsys, 0, "store", "info")
    assert found["kind"] == "foreign"
    assert "store adopt" in found["next"]
    adopted = told(capsys, 0, "store", "adopt")
    assert SHAPES["store adopt"].fits(adopted)
    assert (adopted["kind"], adopted["changed"]) == ("ours", True)
    assert told(capsys, 0, "store", "upgrade")["changed"] is False


def test_check_names_an_artifact_without_files(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, 0, "store", "check")["problems"] == []
    with closing(MetadataStore(str(database))) as store:
        store.put_artifacts([Artifact("Model", uri=str(database.parent / "gone"), state=ArtifactState.LIVE)])
    found = told(capsys, 1, "store", "check", "--files")
    assert SHAPES["store check"].fits(found)
    assert len(found["problems"]) == 1
    assert "gone" in found["problems"][0]


def test_doctor_is_well_and_a_damaged_database_is_bad(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, 0, "doctor")
    assert SHAPES["doctor"].fits(found)
    assert {"python", "numpy", "[ray]", "store", "root"} <= {check["check"] for check in found["checks"]}
    shutil.copy(__file__, database)
    found = told(capsys, 1, "doctor")
    assert [check["check"] for check in found["checks"] if check["state"] == "bad"] == ["store"]


@pytest.mark.parametrize(
    ("version", "bounds", "fits"),
    [("2.0", ">=2,<3", True), ("3", ">=2,<3", False), ("1.9.9", ">=2", False), ("2.5.1", "~=2.4", True)],
)
def test_bounds(version: str, bounds: str, fits: bool) -> None:
    assert within(version, bounds) is fits

"""Trials in the metadata database: beside everything else, whole, once, as long as their search is not done."""

from __future__ import annotations

import importlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.schema import CreateTable

from trueline._core.errors import MetadataError
from trueline.metadata import MetadataStore, trial_journal
from trueline.metadata.trial_journal import TrialJournal

OURS = {"trueline_search", "trueline_trial"}


def tables(path: Path) -> dict[str, str]:
    with sqlite3.connect(path) as connection:
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())


def test_the_tables_come_with_the_first_search_and_change_no_other(store: MetadataStore, path: Path) -> None:
    before = tables(path)
    assert not OURS & set(before)
    TrialJournal(str(path), "Tuner/1").close()
    after = tables(path)
    assert set(after) - set(before) == OURS
    assert {name: after[name] for name in before} == before
    again = MetadataStore(str(path))
    assert not again.readonly
    again.close()


def test_a_search_goes_on_until_it_is_finished(store: MetadataStore, path: Path) -> None:
    first = TrialJournal(str(path), "Tuner/1")
    first.write(1, "one")
    first.write(0, "zero")
    first.write(1, "another one")
    first.close()
    second = TrialJournal(str(path), "Tuner/1")
    assert second.read() == ["zero", "one"]
    second.finish()
    second.close()
    other = TrialJournal(str(path), "Tuner/2")
    assert other.read() == []
    other.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM trueline_trial").fetchone() == (2,), "kept for those who look"
    anew = TrialJournal(str(path), "Tuner/1")
    assert anew.read() == []
    anew.close()


def test_writers_at_once_lose_nothing_and_keep_the_first(store: MetadataStore, path: Path) -> None:
    def write(worker: int) -> None:
        journal = TrialJournal(str(path), "Tuner/1")
        for number in range(25):
            journal.write(number, f"{number}:{worker}")
        journal.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    journal = TrialJournal(str(path), "Tuner/1")
    assert [record.split(":")[0] for record in journal.read()] == [str(n) for n in range(25)]
    journal.close()


def test_a_long_record_comes_back_whole(store: MetadataStore, path: Path) -> None:
    record = "größe " * 100_000
    journal = TrialJournal(str(path), "Tuner/1")
    journal.write(0, record)
    assert journal.read() == [record]
    journal.close()


@pytest.mark.parametrize(("dialect", "text"), [("postgresql", "TEXT"), ("mysql", "MEDIUMTEXT"), ("sqlite", "TEXT")])
def test_servers_are_given_types_that_they_have(dialect: str, text: str) -> None:
    """MySQL's TEXT ends at 64 KB; keys stay within its limit of 3,072 bytes."""
    chosen = importlib.import_module(f"sqlalchemy.dialects.{dialect}").dialect()
    made = {name: str(CreateTable(trial_journal._metadata.tables[name]).compile(dialect=chosen)) for name in OURS}
    assert f"record {text} NOT NULL" in made["trueline_trial"]
    assert "search_id VARCHAR(255) NOT NULL" in made["trueline_search"]
    assert "BIGINT" in made["trueline_search"]


def test_another_version_and_no_database_are_refused(store: MetadataStore, path: Path, tmp_path: Path) -> None:
    TrialJournal(str(path), "Tuner/1").close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE trueline_search SET version = 2")
    with pytest.raises(MetadataError, match="have version 2, this trueline reads 1"):
        TrialJournal(str(path), "Tuner/1")
    with pytest.raises(MetadataError, match="no metadata database"):
        TrialJournal(str(tmp_path / "none.db"), "Tuner/1")


def test_a_database_of_another_program_is_left_as_it_is(foreign: Path) -> None:
    before = tables(foreign)
    with pytest.raises(MetadataError, match="reading only"):
        TrialJournal(str(foreign), "Tuner/1")
    assert tables(foreign) == before


def test_an_address_is_told_without_its_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(MetadataError) as caught:
        TrialJournal("postgresql+psycopg://me:hunter2@127.0.0.1:1/db", "Tuner/1")
    assert "hunter2" not in str(caught.value)
    assert "me:***@127.0.0.1" in str(caught.value)

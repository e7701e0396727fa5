"""CSV under attack: abandoned readers, files that change while they are read, blanks that are delimiters."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

import pytest

from trueline._core.errors import DataError
from trueline.data import Examples, ingest_csv, ingest_parquet
from trueline.data.csv_source import CsvSource
from trueline.data.parquet_source import ParquetSource


def test_a_reader_that_is_let_go_of_waits_for_nobody(folder, monkeypatch):
    """The collector may end it in any thread: in one of its own workers, or under a lock that a worker waits for."""
    base = folder(a="x\n" + "".join(f"{n}\n" for n in range(5000)))
    source = CsvSource(base, read_bytes=256, threads=2)
    schema = source.schema()
    held = threading.Event()
    whole = CsvSource._columns

    def slow(self, names):
        columns = whole(self, names)
        before = columns.values

        def values(rows, classes):
            if threading.current_thread() is not threading.main_thread() and rows.positions.size:
                held.wait(5)
            return before(rows, classes)

        object.__setattr__(columns, "values", values)
        return columns

    reader = source.read(0, schema)
    next(reader)
    reader.close()
    monkeypatch.setattr(CsvSource, "_columns", slow)
    reader = source.read(0, schema)
    threading.Timer(0.2, held.set).start()
    next(reader)
    held.clear()
    threading.Timer(2, held.set).start()
    began = time.monotonic()
    reader.close()
    assert time.monotonic() - began < 1
    held.set()


# whoever drops a reader in a knot leaves it to the collector which of file and reader it ends first
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_readers_that_the_collector_ends_leave_no_thread(folder):
    base = folder(a="x\n" + "".join(f"{n}\n" for n in range(5000)))
    source = CsvSource(base, read_bytes=256, threads=2)
    schema, before = source.schema(), threading.active_count()
    for _ in range(20):
        knot = [source.read(0, schema)]
        next(knot[0])
        knot.append(knot)
        del knot
    gc.collect()
    until = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before  # a thread of another test may end meanwhile


@pytest.mark.parametrize("delimiter", ["\t", " "])
def test_a_row_of_empty_cells_is_a_row_where_a_blank_delimits(folder, tmp_path, delimiter):
    text = "a|b\n1|2\n|\n3|4\n5|6|7\n8|9\n".replace("|", delimiter)
    out = str(tmp_path / "out")
    with pytest.raises(DataError, match=r"line 5: 3 cells"):
        ingest_csv(folder(a=text), out, delimiter=delimiter, trim=True)
    report = ingest_csv(folder(a=text), out, delimiter=delimiter, trim=True, max_rejects=1, splits={"all": 1})
    assert report.rejects == 1
    assert Examples.open(out).table("all")["a"].to_pylist() == [1, None, 3, 8]


def test_a_csv_file_whose_columns_change_places_meanwhile_is_told(folder, tmp_path, monkeypatch):
    base = folder(a="a,b\n1,x\n2,y\n")
    look = CsvSource.schema

    def swapped(self):
        found = look(self)
        Path(base, "a.csv").write_text("b,a\n3,x\n4,y\n")
        return found

    monkeypatch.setattr(CsvSource, "schema", swapped)
    with pytest.raises(DataError, match="in another order"):
        ingest_csv(base, str(tmp_path / "out"))


def test_a_parquet_file_whose_columns_change_places_meanwhile_is_told(tmp_path, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = str(tmp_path / "a.parquet")
    pq.write_table(pa.table({"a": [1, 2], "b": [3, 4]}), place)
    look = ParquetSource.schema

    def swapped(self):
        found = look(self)
        pq.write_table(pa.table({"b": [3, 4], "a": [1, 2]}), place)
        return found

    monkeypatch.setattr(ParquetSource, "schema", swapped)
    with pytest.raises(DataError, match="in another order"):
        ingest_parquet(place, str(tmp_path / "out"))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_small_file_that_unpacks_to_one_endless_record_is_told_in_bounded_memory(tmp_path, kind):
    import gzip
    import subprocess
    import sys

    place = tmp_path / f"a.{kind}.gz"
    with gzip.open(place, "wb", compresslevel=1) as sink:
        sink.write(b"a\n" if kind == "csv" else b"")
        for _ in range(24):
            sink.write(bytes(8 << 20))
    code = (
        "import resource, sys\n"
        "from trueline._core.errors import DataError\n"
        f"from trueline.data import ingest_{kind} as ingest\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    ingest(sys.argv[1], sys.argv[2])\n"
        "except DataError as error:\n    print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(place), str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert "longer than 128 MiB" in done.stdout
    assert int(done.stdout.split()[-1]) < 1200


@pytest.mark.parametrize("change", ["other", "grown", "gone and back"])
def test_rows_of_two_states_of_a_file_are_never_mixed(folder, tmp_path, monkeypatch, change):
    base = folder(a="x\n1\n2\n", b="x\n3\n")
    look = CsvSource.schema

    def changed(self):
        found = look(self)
        place = Path(base, "b.csv")
        if change == "gone and back":
            place.unlink()
        with open(place, "a" if change == "grown" else "w") as sink:
            sink.write("4\n" if change == "grown" else "x\n7\n")
        return found

    monkeypatch.setattr(CsvSource, "schema", changed)
    out = str(tmp_path / "out")
    with pytest.raises(DataError, match="changed while it was read"):
        ingest_csv(base, out)
    assert not Path(out, "examples.json").exists()
    monkeypatch.undo()
    assert ingest_csv(base, out).rows in (3, 4)


@pytest.mark.parametrize("read_bytes", [1, 7, 1 << 20])
def test_an_escaped_blank_or_delimiter_is_text_where_blanks_are_cut_off(folder, tmp_path, read_bytes):
    text = "a,b\n1,x\\ \n2, y\\,  z \n3,\\ \\ w\\  \n4,v\n"
    out = str(tmp_path / "out")
    options = {"trim": True, "escape": "\\", "splits": {"all": 1}, "read_bytes": read_bytes}
    ingest_csv(folder(a=text), out, **options)
    assert Examples.open(out).table("all")["b"].to_pylist() == ["x ", "y,  z", "  w ", "v"]

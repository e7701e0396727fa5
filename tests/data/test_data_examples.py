"""Examples: splits that never move a row, blocks, bits equal for any engine, kills, memory; Parquet input."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_samples import bits_of, rows_of

from trueline._core.errors import ArtifactError, ConfigError, DataError, SchemaError
from trueline._core.hash import hash_rows
from trueline._core.manifest import write_manifest
from trueline.data import Examples, ExamplesWriter, ingest_csv, ingest_parquet, input_fingerprint
from trueline.engine import FunctionSpec, LocalEngine


@pytest.fixture
def four_files(folder):
    def text(start, n):
        rows = (f"{i},w{i % 11},{i / 4}" for i in range(start, start + n))
        return "i,w,f\n" + "".join(r + "\n" for r in rows)

    return folder(a=text(0, 700), b=text(700, 50), c=text(750, 1), d=text(751, 900) + "007,x,y\n")


def test_bits_are_equal_for_workers_threads_and_processes(four_files, tmp_path):
    seen = []
    with LocalEngine(2, processes=True) as processes:
        for number, engine in enumerate((LocalEngine(1), LocalEngine(4), processes)):
            out = str(tmp_path / f"out{number}")
            ingest_csv(four_files, out, block_rows=64, engine=engine)
            seen.append(bits_of(out))
    assert seen[0] == seen[1] == seen[2]
    assert "examples.json" in seen[0]
    assert not any(Path(name).name.startswith(".") for name in seen[0])


def test_a_killed_worker_leaves_the_same_bits(four_files, tmp_path, monkeypatch):
    quiet, out = str(tmp_path / "quiet"), str(tmp_path / "killed")
    ingest_csv(four_files, quiet, block_rows=64)
    mark = tmp_path / "mark"

    def deadly(name, params):
        if name.endswith(":ingest_part"):
            return FunctionSpec("data_samples:killed_once", {**params, "mark": str(mark)})
        return FunctionSpec(name, params)

    monkeypatch.setattr("trueline.data.ingestion.FunctionSpec", deadly)
    with LocalEngine(2, processes=True) as engine:
        ingest_csv(four_files, out, block_rows=64, engine=engine)
    assert mark.exists()
    assert bits_of(out) == bits_of(quiet)


def test_a_row_keeps_its_split_and_shares_follow_the_rule(four_files, folder, tmp_path):
    out = str(tmp_path / "out")
    report = ingest_csv(four_files, out, splits=(("train", 7), ("eval", 2), ("test", 1)))
    assert report.rows == sum(report.splits.values()) == 1652
    assert abs(report.splits["train"] / report.rows - 0.7) < 0.05
    examples = Examples.open(out)
    for number, (split, low, high) in enumerate((("train", 0, 7), ("eval", 7, 9), ("test", 9, 10))):
        batch = examples.table(split).combine_chunks().to_batches()[0]
        bucket = hash_rows(batch, ["i", "w", "f"]) % 10
        assert ((bucket >= low) & (bucket < high)).all(), number
    shuffled = Path(four_files, "a.csv").read_text().splitlines()
    other = str(tmp_path / "other")
    base = folder(a=shuffled[0] + "\n" + "\n".join(reversed(shuffled[1:])), d="i,w,f\n" + "007,x,y\n" * 3)
    ingest_csv(base, other, splits=(("train", 7), ("eval", 2), ("test", 1)))
    for split in examples.splits:
        before = set(examples.table(split)["i"].to_pylist())
        after = set(Examples.open(other).table(split)["i"].to_pylist())
        assert after <= before


def test_blocks_are_full_numbered_and_never_span_files(four_files, tmp_path):
    out = str(tmp_path / "out")
    ingest_csv(four_files, out, block_rows=64)
    examples = Examples.open(out)
    for split in examples.splits:
        blocks = examples.blocks[split]
        assert [b.number for b in blocks] == list(range(len(blocks)))
        assert [b.file for b in blocks] == sorted(b.file for b in blocks)
        for name in {b.file for b in blocks}:
            rows = [b.rows for b in blocks if b.file == name]
            assert all(r == 64 for r in rows[:-1])
        dataset = examples.dataset(split)
        assert dataset.num_rows == examples.num_rows(split) == examples.table(split, ["i"]).num_rows
        for block in dataset.blocks:
            assert len({i >> 40 for i in block.read(["__row__"]).column(0).to_pylist()}) == 1


def test_a_repeated_ingestion_replaces_the_old_one(folder, out):
    ingest_csv(folder(a="x\n1\n2\n3\n", b="x\n1\ny\n"), out)
    Path(out, "Split-train", ".part-00000.parquet.123").write_bytes(b"left over")
    base = Path(folder())
    (base / "b.csv").unlink()
    ingest_csv(str(base), out)
    assert rows_of(out).to_pydict() == {"x": [1, 2, 3]}
    ingest_csv(str(base), out, splits=(("all", 1),))
    assert not [name for name in bits_of(out) if name.startswith(("Split-train/", "Split-eval/"))]
    assert all("part-00001" not in name and ".123" not in name for name in bits_of(out))


def test_opening_checks_what_it_reads(folder, out):
    with pytest.raises(ArtifactError, match="never finished"):
        Examples.open(out)
    ingest_csv(folder(a="x\n1\n2\n3\n4\n"), out)
    with pytest.raises(ArtifactError, match=r"Did you mean 'train'\?"):
        Examples.open(out).dataset("trains")
    with pytest.raises(ArtifactError, match="MANIFEST"):
        Examples.open(out, verify=True)
    write_manifest(out, "Examples")
    assert Examples.open(out, verify=True) == Examples.open(out)
    path = Path(out, "examples.json")
    good = path.read_text()
    for bad in (
        good.replace('"format": 1', '"format": 9'),
        good.replace("Split-train/", "../x/"),
        good.replace('"int64"', '"int65"'),
        good.replace('"splits"', '"spits"'),
        good[:-20],
        "[]",
    ):
        path.write_text(bad)
        with pytest.raises(ArtifactError, match=r"examples.json|column type"):
            Examples.open(out)
    path.write_text(good)
    Path(out, Examples.open(out).blocks["train"][0].file).write_bytes(b"not parquet")
    with pytest.raises(ArtifactError, match="no readable Parquet"):
        Examples.open(out).table("train")
    with pytest.raises(ArtifactError, match=r"other contents|bytes"):
        Examples.open(out, verify=True)


def test_the_writer_keeps_rows_types_and_float32(out):
    schema = pa.schema([("x", pa.float32()), ("v", pa.list_(pa.float32(), 2)), ("s", pa.large_string())])
    with ExamplesWriter(out, schema, [{"name": "made"}], block_rows=10, splits=["train", "empty"]) as writer:
        for start in range(0, 25, 5):
            batch = pa.record_batch(
                [
                    pa.array(np.arange(start, start + 5), pa.float32()),
                    pa.array([[1, 2]] * 5, schema.field("v").type),
                    pa.array(["a"] * 5, pa.large_string()),
                ],
                schema=schema,
            )
            writer.write("train", batch)
    examples = Examples.open(out)
    assert examples.arrow_schema.types == [pa.float32(), pa.list_(pa.float32(), 2), pa.string(), pa.int64()]
    assert [b.rows for b in examples.blocks["train"]] == [10, 10, 5]
    assert examples.num_rows("empty") == 0
    table = examples.table("train")
    assert table["x"].to_pylist() == table["__row__"].to_pylist() == list(range(25))
    assert table.schema.field("x").type == pa.float32()


def test_the_writer_refuses_other_columns_and_leaves_nothing_on_failure(out):
    schema = pa.schema([("x", pa.int64())])

    def write_two():
        with ExamplesWriter(out, schema, block_rows=1) as writer:
            writer.write("train", pa.record_batch({"x": [1]}))
            writer.write("train", pa.record_batch({"y": [1]}))

    with pytest.raises(DataError, match="other columns"):
        write_two()
    assert bits_of(out) == {}
    with pytest.raises(ConfigError, match="split name"):
        ExamplesWriter(out, schema).write("../x", pa.record_batch({"x": [1]}))


def test_parquet_keeps_types_widened(tmp_path, out):
    folder = tmp_path / "pq"
    folder.mkdir()
    one = pa.table(
        {
            "i": pa.array([1, None], pa.int8()),
            "f": pa.array([0.5, None], pa.float32()),
            "s": pa.array(["007", None]).dictionary_encode(),
            "l": pa.array([[1, 2], None], pa.list_(pa.int32())),
            "d": pa.array([0, None], pa.date32()),
            "n": pa.nulls(2),
            "b": pa.array([b"\xff", None]),
        }
    )
    two = one.set_column(5, "n", pa.array([True, None]))
    pq.write_table(one, folder / "a.parquet")
    pq.write_table(two, folder / "b.parquet")
    report = ingest_parquet(str(folder), out)
    schema = Examples.open(out).arrow_schema
    assert schema.names == ["i", "f", "s", "l", "d", "n", "b", "__row__"]
    assert schema.types == [
        pa.int64(), pa.float64(), pa.string(), pa.list_(pa.int64()), pa.timestamp("us"), pa.bool_(), pa.binary(),
        pa.int64(),
    ]  # fmt: skip
    assert (report.rows, report.columns["f"]) == (4, "double")
    got = rows_of(out).to_pydict()
    assert got["i"] == [1, None, 1, None]
    assert got["s"] == ["007", None, "007", None]
    assert got["l"] == [[1, 2], None, [1, 2], None]
    assert got["n"] == [None, None, True, None]
    assert got["b"] == [b"\xff", None, b"\xff", None]


def test_parquet_files_that_do_not_fit_together(tmp_path, out):
    folder = tmp_path / "pq"
    folder.mkdir()
    pq.write_table(pa.table({"x": [1]}), folder / "a.parquet")
    pq.write_table(pa.table({"x": ["1"]}), folder / "b.parquet")
    with pytest.raises(DataError, match=r"column 'x': int64 in a.parquet; string in b.parquet"):
        ingest_parquet(str(folder), out)
    pq.write_table(pa.table({"y": [1]}), folder / "b.parquet")
    with pytest.raises(DataError, match="other columns"):
        ingest_parquet(str(folder), out)
    (folder / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match=r"b.parquet"):
        ingest_parquet(str(folder), out)
    pq.write_table(pa.table({"x": pa.array([1], pa.duration("s"))}), folder / "b.parquet")
    with pytest.raises(SchemaError, match="column 'x'"):
        ingest_parquet(str(folder), out, pattern="b*")


def test_csv_and_parquet_of_the_same_rows_split_alike(folder, tmp_path):
    rows = {"i": list(range(200)), "s": [f"w{i}" for i in range(200)]}
    base = folder(a="i,s\n" + "".join(f"{i},w{i}\n" for i in range(200)))
    pq.write_table(pa.table(rows), tmp_path / "a.parquet")
    ingest_csv(base, str(tmp_path / "one"))
    ingest_parquet(str(tmp_path / "a.parquet"), str(tmp_path / "two"))
    for split in ("train", "eval"):
        assert Examples.open(str(tmp_path / "one")).table(split) == Examples.open(str(tmp_path / "two")).table(split)


def test_the_fingerprint_is_that_of_names_and_contents(folder):
    base = folder(a="x\n1\n", b="x\n2\n")
    first = input_fingerprint(base)
    assert first == input_fingerprint(folder(a="x\n1\n"))
    assert input_fingerprint(folder(b="x\n3\n")) != first
    assert input_fingerprint(folder(b="x\n2\n")) == first
    assert input_fingerprint(base, pattern="a*") != first
    Path(base, "b.csv").rename(Path(base, "c.csv"))
    assert input_fingerprint(base) != first


MEMORY = """
import json, resource, sys
from trueline.data import Examples, ingest_csv
from trueline.engine import LocalEngine
sizes = []
for n, name in ((1, sys.argv[1]), (2, sys.argv[2])):
    ingest_csv(name, sys.argv[3] + str(n), block_rows=4096, engine=LocalEngine(1), read_bytes=1 << 18)
    sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(json.dumps(sizes))
"""


def test_memory_does_not_grow_with_rows(tmp_path):
    line = "".join(f"{i},some words that stand here,{i / 7}\n" for i in range(1000))
    for name, times in (("small", 20), ("big", 400)):
        with open(tmp_path / f"{name}.csv", "w") as file:
            file.write("i,t,f\n")
            for _ in range(times):
                file.write(line)
    assert (tmp_path / "big.csv").stat().st_size > 18_000_000
    arguments = [str(tmp_path / "small.csv"), str(tmp_path / "big.csv"), str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", MEMORY, *arguments], check=True, capture_output=True, text=True)
    small, big = json.loads(done.stdout)
    assert big - small < 40, f"peak memory rose from {small} to {big} MB with 20 times the rows"


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("taxi/taxi.csv", 15_002),
        ("penguin/penguins_raw.csv", 344),
        ("complaints/consumer_complaints.csv", 3_186),
        ("imdb/imdb_small.csv", 100),
        ("adult/adult.data", 32_560),
    ],
)
def test_real_data_goes_in_whole(shared_data, out, name, rows):
    """Row counts, nulls and texts against Python's own CSV reader."""
    report = ingest_csv(str(shared_data / name), out, read_bytes=50_000)
    with open(shared_data / name, encoding="utf8", newline="") as file:
        names, *cells = [row for row in csv.reader(file) if row]
    table = rows_of(out)
    assert (report.rows, report.rejects, table.num_rows, len(cells)) == (rows, 0, rows, rows)
    assert table.schema.names == names
    for column, texts in zip(names, zip(*cells, strict=True), strict=True):
        values = table[column].to_pylist()
        if table.schema.field(column).type == pa.string():
            assert [v or "" for v in values] == list(texts)
        else:
            assert [v is None for v in values] == [t == "" for t in texts]
            if report.columns[column] in ("int64", "double"):
                assert [v for v in values if v is not None] == [float(t) for t in texts if t]


@pytest.mark.shared
def test_taxi_as_csv_and_parquet_hold_the_same_values(shared_data, tmp_path):
    ingest_parquet(str(shared_data / "formats" / "taxi.parquet"), str(tmp_path / "p"))
    assert rows_of(str(tmp_path / "p")).num_rows == 10_000


def test_any_store_will_do():
    """The same bits in an object store as on disk."""
    import fsspec

    files = fsspec.filesystem("memory")
    files.pipe_file("/trueline-in/a.csv", b"x,y\n" + b"".join(b"%d,w%d\n" % (i, i) for i in range(100)) + b"bad\n")
    out = "memory://trueline-out/examples"
    report = ingest_csv("memory://trueline-in", out, block_rows=16, max_rejects=1)
    assert (report.rows, report.rejects) == (100, 1)
    examples = Examples.open(out)
    assert examples.table("train").num_rows + examples.table("eval").num_rows == 100
    write_manifest(out, "Examples")
    Examples.open(out, verify=True)
    assert len(input_fingerprint("memory://trueline-in")) == 64
    with pytest.raises(DataError, match="does not exist"):
        ingest_csv("memory://trueline-nowhere", out)

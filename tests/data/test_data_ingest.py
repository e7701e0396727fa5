"""The ingestion of any source: types that grow, rejects, filter, sample, input splits, faults; no good row is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_samples import bits_of, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spine_sources import rows_spec

from trueline._core.errors import ConfigError, DataError, EngineError
from trueline._core.rowid import split_row_ids
from trueline.data import Examples, IngestReport, SourceSpec, ingest, ingest_parquet, join_schemas, repartition
from trueline.data.widening import CLASS_MARK, final_schema, schema_from_text, schema_to_text
from trueline.engine import FunctionSpec, LocalEngine

VALUES = st.sampled_from([0, 0.0, -0.0, "", False, None, 1, 2.5, "x", True, float("inf")])


def kept_rejects(out):
    return [json.loads(line) for p in sorted(Path(out, "rejects").iterdir()) for line in p.read_text().splitlines()]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.tuples(VALUES, st.sampled_from([0, 0.0, "", False])), max_size=7), min_size=1, max_size=3),
    st.sampled_from([{}, {"shuffle": 3}, {"stratify_by": "b"}]),
)
def test_zero_empty_and_false_survive_beside_any_neighbour(tmp_path_factory, parts, options):
    """Every row comes out with the values that went in (as text where the column became text), in any part."""
    out = str(tmp_path_factory.mktemp("values") / "o")
    spec = rows_spec({f"p{n}": [list(r) for r in rows] for n, rows in enumerate(parts)}, ["a", "b"])
    report = ingest(spec, out, engine=LocalEngine(1), **options)
    rows = [row for part in parts for row in part]
    assert report.rows == len(rows)
    table = rows_of(out)
    for position, name in enumerate(("a", "b")):
        text = table.schema.field(name).type == pa.string()
        wanted = [row[position] for row in rows]
        if text:
            wanted = [v if v is None or isinstance(v, str) else str(v) for v in wanted]
        got = table[name].to_pylist()
        assert got == wanted or [str(float(g)) if g not in (None, "") else g for g in got] == [
            str(float(w)) if w not in (None, "") else w for w in wanted
        ]


def test_types_grow_over_parts_and_nulls_become_text(out):
    report = ingest(rows_spec({"a": [[1, None, None]], "b": [[2.5, None, 1]], "c": []}, ["x", "n", "i"]), out)
    assert report == IngestReport(2, 0, report.splits, 3, {"x": "double", "n": "string", "i": "int64"}, leaks=None)
    assert rows_of(out).to_pydict() == {"x": [1.0, 2.5], "n": [None, None], "i": [None, 1]}
    assert [s["rows"] for s in Examples.open(out).sources] == [1, 1, 0]


def test_rejects_are_kept_with_their_place_and_counted_over_all_parts(out):
    spec = rows_spec({"a": [[1], {"reject": "no row"}, [2]], "b": [{"reject": "bad"}, [3]]}, ["x"])
    with pytest.raises(DataError, match="a row cannot be taken in") as caught:
        ingest(spec, out)
    assert caught.value.problems == ("a line 2: no row: 'text'",)
    with pytest.raises(DataError, match="2 rows cannot be taken in, 1 are allowed") as caught:
        ingest(spec, out, max_rejects=1)
    assert len(caught.value.problems) == 2
    assert not Path(out, "examples.json").exists()
    report = ingest(spec, out, max_rejects=2)
    assert (report.rows, report.rejects) == (3, 2)
    assert [(r["source"], r["line"], r["record"], r["reason"]) for r in kept_rejects(out)] == [
        ("a", 2, 1, "no row"), ("b", 1, 0, "bad"),
    ]  # fmt: skip
    examples = Examples.open(out)
    ids = sorted(i for s in examples.splits for i in examples.table(s)["__row__"].to_pylist())
    assert [tuple(map(int, split_row_ids(i))) for i in ids] == [(0, 0), (0, 2), (1, 1)]
    clean = ingest(rows_spec({"a": [[1]]}, ["x"]), out)
    assert (clean.rejects, kept_rejects(out)) == (0, []), "rejects of an earlier run do not stay"


def test_a_filter_and_a_sample_leave_rows_out_and_count_them(out, tmp_path):
    rows = [[n, "odd" if n % 2 else None] for n in range(400)]
    spec = rows_spec({"a": rows[:100], "b": rows[100:]}, ["n", "s"], batch=50)
    report = ingest(spec, out, where="s == 'odd' and n >= 10", sample=0.25, seed=1)
    assert (report.filtered, report.rows + report.sampled_out) == (205, 195)
    assert 25 < report.rows < 75
    small = set(rows_of(out)["n"].to_pylist())
    more = str(tmp_path / "more")
    ingest(spec, more, where="s == 'odd' and n >= 10", sample=0.5, seed=1, engine=LocalEngine(1), block_rows=7)
    assert small < set(rows_of(more)["n"].to_pylist()), "a larger share keeps what a smaller one kept"
    ingest(spec, more, where="s == 'odd' and n >= 10", sample=0.25, seed=2)
    assert small != set(rows_of(more)["n"].to_pylist())
    assert Examples.open(out).info["kept"] == {"where": "s == 'odd' and n >= 10", "sample": 0.25, "seed": 1}
    assert sum(s["filtered"] for s in Examples.open(out).sources) == 205


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"where": "n >"}, "does not parse"),
        ({"where": "nn > 1"}, "Did you mean 'n'"),
        ({"sample": 0.0}, "sample is 0.0"),
        ({"sample": 1.5, "where": "(("}, r"(?s)does not parse.*sample is 1.5"),
        ({"max_rejects": -1, "block_rows": 0}, r"(?s)max_rejects.*block_rows"),
        ({"shuffle": "yes"}, "shuffle is 'yes'"),
    ],
)
def test_options_that_are_wrong_are_told_before_anything_is_read(out, options, problem):
    with pytest.raises(ConfigError, match=problem):
        ingest(rows_spec({"a": [{"raise": "read"}]}, ["n", "s"]), out, **options)


def test_a_filter_whose_types_do_not_fit_is_an_error(out):
    with pytest.raises(ConfigError, match="cannot be computed"):
        ingest_parquet_of({"n": [1]}, out, where="n == 'x'")


def ingest_parquet_of(data, out, **options):
    path = Path(out).with_name("in.parquet")
    pq.write_table(pa.table(data), path)
    return ingest_parquet(str(path), out, **options)


def test_sources_without_rows_or_columns(out):
    report = ingest(rows_spec({"a": []}, ["x"]), out)
    assert (report.rows, report.splits, report.columns) == (0, {"train": 0, "eval": 0}, {"x": "string"})
    assert Examples.open(out).table("train").num_rows == 0
    for options in ({"stratify_by": "x"}, {"shuffle": True}, {"group_by": "x"}):
        assert ingest(rows_spec({"a": []}, ["x"]), out, **options).rows == 0
    assert ingest_parquet_of({"ts": pa.array([], pa.int64())}, out, split_by="ts").rows == 0
    with pytest.raises(DataError, match="no part"):
        ingest(rows_spec({}, ["x"]), out)
    with pytest.raises(DataError, match="there is no column"):
        ingest(rows_spec({"a": []}, []), out)
    with pytest.raises(DataError, match="stands there twice") as caught:
        ingest(rows_spec({"a": []}, ["x", "x", "__row__"]), out)
    assert len(caught.value.problems) == 2
    with pytest.raises(EngineError, match="nothing_here"):
        ingest(SourceSpec("spine_sources:nothing_here"), out)


def test_input_splits_stay_what_they_are(out):
    parts = {
        "train": rows_spec({"t": [[1, 0], [2, 0]]}, ["x", "y"]),
        "eval": rows_spec({"e": [[1.5, None]]}, ["x", "y"]),
    }
    report = ingest(parts, out)
    assert report.splits == {"train": 2, "eval": 1}
    assert Examples.open(out).table("train")["x"].to_pylist() == [1.0, 2.0]
    assert [s["split"] for s in Examples.open(out).sources] == ["train", "eval"]
    assert ingest(parts, out, shuffle=True, where="y is not None or x > 1").splits == {"train": 2, "eval": 1}
    with pytest.raises(ConfigError) as caught:
        ingest({**parts, "../x": parts["eval"]}, out, group_by="x")
    assert len(caught.value.problems) == 2
    with pytest.raises(DataError, match="other columns"):
        ingest({"a": parts["train"], "b": rows_spec({"e": []}, ["z"])}, out)


def test_parquet_columns_are_projected(out):
    report = ingest_parquet_of({"a": [1, 2], "b": ["x", "y"], "c": [0.0, None]}, out, columns=["c", "a"])
    assert report.columns == {"c": "double", "a": "int64"}
    assert rows_of(out).to_pydict() == {"c": [0.0, None], "a": [1, 2]}
    with pytest.raises(DataError, match="Did you mean 'bb'"):
        ingest_parquet_of({"a": [1], "bb": [2], "b": [2]}, out, columns=["bbb"])


def test_a_typed_source_gives_only_what_loses_nothing(out, tmp_path):
    """Whole numbers become floats where another split has floats, unless a digit would be lost; none become text."""
    specs = {}
    for name, values in {"i": [1, 2], "f": [0.5], "s": ["x"], "wide": [(1 << 53) + 1]}.items():
        pq.write_table(pa.table({"v": values}), tmp_path / f"{name}.parquet")
        place = str(tmp_path / f"{name}.parquet")
        specs[name] = SourceSpec("trueline.data.parquet_source:ParquetSource", {"input_base": place})
    assert ingest({"train": specs["i"], "eval": specs["f"]}, out).columns == {"v": "double"}
    with pytest.raises(DataError, match=r"wide\.parquet.*'v' is int64 here and double elsewhere"):
        ingest({"train": specs["f"], "eval": specs["wide"]}, out)
    with pytest.raises(DataError, match=r"i\.parquet.*'v' is int64 here and string elsewhere"):
        ingest({"train": specs["s"], "eval": specs["i"]}, out)


def test_a_source_is_closed_when_the_reading_fails(out):
    spec = SourceSpec("spine_sources:OpenSource", {"mark": str(Path(out).with_name("closed"))})
    with pytest.raises(DataError, match="numbers its records wrongly"):
        ingest(spec, out, engine=LocalEngine(1))
    assert Path(out).with_name("closed").exists()


def test_joined_schemas():
    """The lattice's laws on samples of types, and that what has no join says where."""
    null, i, f, s = pa.null(), pa.int64(), pa.float64(), pa.string()
    kinds = [null, i, f, s, pa.bool_(), pa.timestamp("us"), pa.list_(i), pa.list_(null), pa.list_(f, 2)]

    def join(one, two, **options):
        try:
            schemas = (pa.schema([("c", kind)]) for kind in (one, two))
            return join_schemas(*schemas, **options).field("c").type
        except DataError as error:
            return None if "column 'c'" in error.problems[0] else pytest.fail(str(error))

    for one in kinds:
        assert join(one, one) == one == join(null, one)
        for two in kinds:
            assert join(one, two) == join(two, one)
            for three in kinds:
                left, right = join(one, two), join(two, three)
                if None not in (left, right):
                    assert join(left, three) == join(one, right)
    assert (join(i, f), join(i, s), join(pa.bool_(), i)) == (f, s, s)
    assert join(i, s, to_text=False) is None
    assert join(i, f, to_text=False) == f
    assert join(pa.list_(i), pa.list_(f, 2)) == pa.list_(f)
    assert join(i, pa.list_(i)) is None
    structs = pa.struct([("b", i), ("a", null)]), pa.struct([("a", f), ("c", s)])
    assert join(*structs) == pa.struct([("a", f), ("b", i), ("c", s)]) == join(*structs[::-1])


def test_classes_of_cells_join_better_than_their_types():
    def column(kind, name):
        return pa.schema([pa.field("c", kind, metadata={CLASS_MARK: name.encode()})])

    time = pa.timestamp("us")
    joined = join_schemas(column(time, "timestamp"), column(time, "zoned"))
    assert joined.field("c").type == pa.string()
    assert join_schemas(column(pa.int64(), "wide"), column(pa.float64(), "float")).field("c").type == pa.string()
    again = schema_from_text(schema_to_text(joined))
    assert again.equals(joined, check_metadata=True)
    assert final_schema(again).metadata is None
    assert final_schema(pa.schema([("c", pa.list_(pa.null()))])).field("c").type == pa.list_(pa.string())


OPTIONS = [{}, {"shuffle": True}, {"stratify_by": "x"}]


@pytest.mark.parametrize("options", OPTIONS)
def test_an_exception_in_mid_part_leaves_nothing_that_looks_finished(out, options):
    rows = [[n % 3] for n in range(30)]
    ingest(rows_spec({"a": rows}, ["x"]), out)
    broken = rows_spec({"a": rows, "b": [*rows, {"reject": "bad"}, {"raise": "struck"}, *rows]}, ["x"])
    with pytest.raises(EngineError, match="struck"):
        ingest(broken, out, max_rejects=5, **options)
    assert not Path(out, "examples.json").exists(), "the old one is gone and there is no new one"
    assert not Path(out, "_staged").exists()
    assert ingest(rows_spec({"a": rows, "b": rows}, ["x"]), out, **options).rows == 60
    assert all(not Path(name).name.startswith(".") for name in bits_of(out))


@pytest.mark.parametrize("options", OPTIONS)
def test_a_killed_worker_changes_no_bit(out, tmp_path, options):
    rows = [[n % 3] for n in range(40)]
    quiet = str(tmp_path / "quiet")
    mark = str(tmp_path / "mark")
    with LocalEngine(2, processes=True) as engine:
        spec = rows_spec({"a": rows, "b": [*rows, {"die": mark}, *rows]}, ["x"])
        report = ingest(spec, out, engine=engine, **options)
    assert Path(mark).exists()
    ingest(spec, quiet, **options)
    assert (report.rows, bits_of(out)) == (120, bits_of(quiet))


@pytest.mark.parametrize(
    ("module", "job", "options"),
    [
        ("repartition_job", "deal_file", {"stratify_by": "x"}),
        ("shuffle", "scatter_file", {"shuffle": 1}),
        ("shuffle", "gather", {"shuffle": 1}),
    ],
)
def test_a_worker_killed_in_the_second_pass_changes_no_bit(out, tmp_path, monkeypatch, module, job, options):
    """The dead attempt has written its files; the next one writes the same."""
    spec = rows_spec({"a": [[n % 3] for n in range(40)], "b": [[n % 5] for n in range(40)]}, ["x"])
    quiet, mark = str(tmp_path / "quiet"), tmp_path / "mark"
    ingest(spec, quiet, **options)

    def deadly(name, params):
        if name.endswith(f":{job}"):
            return FunctionSpec("spine_sources:killed_second", {**params, "real": name, "mark": str(mark)})
        return FunctionSpec(name, params)

    monkeypatch.setattr(f"trueline.data.{module}.FunctionSpec", deadly)
    with LocalEngine(2, processes=True) as engine:
        ingest(spec, out, engine=engine, **options)
    assert mark.exists()
    assert bits_of(out) == bits_of(quiet)


def test_a_full_disk_is_an_error_and_a_rerun_works(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system of its own can be had here")
    try:
        import numpy as np

        pq.write_table(pa.table({"x": np.random.default_rng(0).normal(size=60_000)}), tmp_path / "in.parquet")
        out = str(disk / "examples")
        with pytest.raises((EngineError, OSError), match="No space left"):
            ingest_parquet(str(tmp_path / "in.parquet"), out, shuffle=True)
        assert not Path(out, "examples.json").exists()
        assert not Path(out, "_staged").exists()
        assert ingest_parquet(str(tmp_path / "in.parquet"), out, sample=0.01, shuffle=True).rows > 300
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_examples_of_an_older_release_still_open_and_go_on(out, tmp_path):
    """The file as the first release wrote it, without the newer entries."""
    ingest(rows_spec({"a": [[0], [1], [2]]}, ["x"]), out)
    path = Path(out, "examples.json")
    content = json.loads(path.read_text())
    old = {k: content[k] for k in ("format", "schema", "sources", "splits")}
    old["sources"] = [{"name": "a", "rows": 3, "rejects": 0}]
    path.write_text(json.dumps(old))
    assert repartition(out, str(tmp_path / "new"), where="x > 0").rows == 2


def test_an_ingestion_into_any_store(tmp_path):
    import fsspec

    files = fsspec.filesystem("memory")
    out = "memory://trueline-spine/examples"
    spec = rows_spec({"a": [[n, {0: "p", 1: "q"}[n % 2]] for n in range(50)], "b": [{"reject": "bad"}]}, ["n", "g"])
    for options in ({"shuffle": 2}, {"group_by": "g"}, {"stratify_by": "g"}):
        assert ingest(spec, out, max_rejects=1, **options).rows == 50
        assert sorted(rows_of(out)["n"].to_pylist()) == list(range(50))
    assert not [f for f in files.find("/trueline-spine") if "_staged" in f]

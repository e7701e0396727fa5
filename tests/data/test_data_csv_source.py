"""CSV as a source: dialects, trimming, tabs, names given, lists, dictionaries, threads, broken and packed files."""

from __future__ import annotations

import bz2
import gzip
import itertools
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from data_samples import bits_of, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError, DataError
from trueline.data import CsvSource, Source, SourceSpec, ingest_csv
from trueline.data.source import SchemaGrew
from trueline.data.widening import final_schema
from trueline.engine import LocalEngine


def write(tmp_path, data: bytes | str, name: str = "in.csv") -> str:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return str(path)


def ingested(tmp_path, data, name="in.csv", **options):
    out = str(tmp_path / "out")
    ingest_csv(write(tmp_path, data, name), out, **options)
    return rows_of(out).to_pydict()


def test_a_csv_source_is_a_source_made_from_json_parameters(tmp_path):
    """The contract of sources: parts, schema, numbered batches, a fingerprint that follows content and options."""
    path = write(tmp_path, "a,b\n1,x\n\n2\n3,z\n")
    spec = SourceSpec("trueline.data.csv_source:CsvSource", {"input_base": path, "read_bytes": 8})
    source = spec.open()
    assert isinstance(source, Source)
    assert (list(source.parts()), source.schema().types) == (["in.csv"], [pa.int64(), pa.string()])
    batches = list(source.read(0, source.schema()))
    assert [r for b in batches for r in b.records] == [0, 2]
    assert [(r.record, r.line, r.text) for b in batches for r in b.rejects] == [(1, 4, "2")]
    other = CsvSource(path, trim=True)
    before = source.fingerprint()
    assert before == spec.open().fingerprint() != other.fingerprint()
    write(tmp_path, "a,b\n1,y\n")
    assert before != source.fingerprint() == spec.open().fingerprint()


@pytest.mark.parametrize("read_bytes", [1, 10, 1 << 20])
def test_trim_takes_blanks_from_unquoted_cells_and_names(tmp_path, read_bytes):
    data = 'age , "the, work",\tx\n 39, " in , quotes ",  a b \n50 ,  "two\n lines" , \n   \n\t7,"q""q",-'
    got = ingested(tmp_path, data, trim=True, read_bytes=read_bytes)
    assert got == {
        "age": [39, 50, 7], "the, work": [" in , quotes ", "two\n lines", 'q"q'], "x": ["a b", None, "-"],
    }  # fmt: skip


def test_without_trim_text_keeps_its_blanks_and_numbers_do_not_mind(tmp_path):
    assert ingested(tmp_path, "a,b\n 1, x\n2 ,y \n") == {"a": [1, 2], "b": [" x", "y "]}


def test_trimmed_lines_of_rejects_are_those_of_the_file(tmp_path):
    path = write(tmp_path, 'a , b\n\n  \n 1, "x\n\n y "\n   2\n')
    with pytest.raises(DataError, match=r"in.csv line 7: 1 cells, the header has 2: '2'"):
        ingest_csv(path, str(tmp_path / "out"), trim=True)


@pytest.mark.shared
def test_the_census_table_comes_out_right_when_trimmed(shared_data, tmp_path):
    """Names without blanks, whole numbers as such, text without its separators' blanks."""
    out = str(tmp_path / "out")
    report = ingest_csv(str(shared_data / "adult" / "adult.data"), out, trim=True, null_values=["", "?"])
    assert report.rows == 32_560 or report.rows == 32_561
    names = [
        "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship",
        "race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
    ]  # fmt: skip
    whole = {"age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"}
    assert dict(report.columns) == {n: "int64" if n in whole else "string" for n in names}
    got = rows_of(out)
    assert set(got["income"].to_pylist()) == {"<=50K", ">50K"}
    assert got["workclass"].null_count == 1836


@pytest.mark.parametrize("name", ["in.tsv", "in.TSV", "in.tab", "in.tsv.gz"])
def test_files_named_for_tabs_are_tab_separated(tmp_path, name):
    data = b"a\tb\n1\tx,y\n"
    assert ingested(tmp_path, gzip.compress(data) if name.endswith("gz") else data, name) == {"a": [1], "b": ["x,y"]}
    assert ingested(tmp_path, "a,b\n1,x\n", "in.tsv", delimiter=",") == {"a": [1], "b": ["x"]}


def test_files_of_both_kinds_in_one_folder_ask_for_a_delimiter(tmp_path):
    (tmp_path / "both").mkdir()
    write(tmp_path / "both", "a\n1\n", "x.csv")
    write(tmp_path / "both", "a\n1\n", "y.tsv")
    with pytest.raises(ConfigError, match=r"tab: y.tsv\n.*comma: x.csv(.|\n)*pass delimiter="):
        ingest_csv(str(tmp_path / "both"), str(tmp_path / "out"))


def test_names_can_be_given_and_lines_passed_over(tmp_path):
    assert ingested(tmp_path, "1,x\n2,y\n", column_names=["i", "s"]) == {"i": [1, 2], "s": ["x", "y"]}
    assert ingested(tmp_path, 'by "us\r\n\r\n# v2\ra,b\n1,2\n', skip_rows=3, read_bytes=1) == {"a": [1], "b": [2]}
    with pytest.raises(DataError, match="the file is empty"):
        ingested(tmp_path, "a,b\n1,2\n", skip_rows=9)
    with pytest.raises(DataError, match="column_names cannot name columns"):
        ingested(tmp_path, "1,x\n", column_names=["i", "i"])


def test_dialects_of_quotes_and_escapes(tmp_path):
    assert ingested(tmp_path, "a,b\n'x,''1',2\n", quote="'") == {"a": ["x,'1"], "b": [2]}
    assert ingested(tmp_path, 'a,b\n"x,2\n', quote=None) == {"a": ['"x'], "b": [2]}
    assert ingested(tmp_path, 'a,b\nx\\,y,2\n"a\\"\nb",3\n', escape="\\") == {"a": ["x,y", 'a"\nb'], "b": [2, 3]}


def test_types_can_be_fixed_by_name_without_a_schema(tmp_path):
    data = "zip,n,t,b\n007,+5,2013-01-01,true\n12,7,2013-01-02T00:00:00Z,\n"
    types = {"zip": "utf8", "n": "float64", "t": "utf8", "b": "bool"}
    assert ingested(tmp_path, data, column_types=types) == {
        "zip": ["007", "12"], "n": [5.0, 7.0], "t": ["2013-01-01", "2013-01-02T00:00:00Z"], "b": [True, None],
    }  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        CsvSource("x.csv", column_types={"a": "int"}, threads=0, skip_rows=-1, secondary_delimiter="|", quote=",")
    assert len(caught.value.problems) == 5
    with pytest.raises(ConfigError, match=r"there is no column 'zipp'. Did you mean 'zip'"):
        ingested(tmp_path, data, column_types={"zipp": "utf8"})


def test_cells_that_are_lists(tmp_path):
    """Split at the second delimiter; empty values say nothing, stay in text and are no numbers."""
    data = "i,f,s,e,t\n1|2,1|2.5,a|1,|,x\n3,,|b,,y\n|4||,7,,||,\n"
    got = ingested(tmp_path, data, multivalent_columns=["i", "f", "s", "e"], secondary_delimiter="|", read_bytes=12)
    assert got == {
        "i": [[1, 2], [3], [4]], "f": [[1.0, 2.5], None, [7.0]], "s": [["a", "1"], ["", "b"], None],
        "e": [None, None, None], "t": ["x", "y", None],
    }  # fmt: skip
    with pytest.raises(DataError, match=r"line 2, column 's': no int64: 'a\|1'"):
        ingested(tmp_path, data, multivalent_columns=["s"], secondary_delimiter="|", column_types={"s": "int64"})


def test_dictionaries_hold_the_same_text(tmp_path):
    path = write(tmp_path, "s,n\n" + "".join(f"w{i % 3},{i}\n" for i in range(99)) + ",5\n")
    plain, packed = (CsvSource(path, dictionaries=d, read_bytes=64) for d in (False, True))
    seen = [[b.batch for b in s.read(0, s.schema())] for s in (plain, packed)]
    assert all(pa.types.is_dictionary(b.schema.field("s").type) for b in seen[1])
    assert [b.to_pydict() for b in seen[0]] == [b.to_pydict() for b in seen[1]]


def test_a_zone_in_one_file_and_none_in_another_makes_text(tmp_path):
    """Both are timestamps by type; read together they cannot be compared, wherever they stand."""
    (tmp_path / "z").mkdir()
    write(tmp_path / "z", "t\n,\n".replace(",", '""') + "2020-01-01T00:00:00Z\n", "a.csv")
    naive = "t\n" + "".join(f"2020-01-01T00:00:0{i}\n" for i in range(9))
    for order in (("a.csv", "b.csv"), ("b.csv", "a.csv")):
        write(tmp_path / "z", "t\n\n2020-01-01T00:00:00Z\n", order[0])
        write(tmp_path / "z", naive, order[1])
        for read_bytes in (1, 1 << 20):
            out = str(tmp_path / "out")
            report = ingest_csv(str(tmp_path / "z"), out, read_bytes=read_bytes)
            assert dict(report.columns) == {"t": "string"}
            assert "2020-01-01T00:00:00Z" in rows_of(out)["t"].to_pylist()


def test_threads_change_nothing(tmp_path):
    """Rows, rejects, types and the bits on disk are those of one thread, also where types grow in mid-file."""
    lines = [f"{i},w{i % 9},{i / 8},{'' if i % 5 else 'x'}" for i in range(3000)]
    lines[2900] = "007,w,1e3,x"
    lines[1000] = "ragged"
    path = write(tmp_path, "i,w,f,s\n" + "\n".join(lines))
    seen = []
    for threads, read_bytes in itertools.product((1, 2, 4), (300, 5000)):
        source = CsvSource(path, threads=threads, read_bytes=read_bytes)
        with pytest.raises(SchemaGrew) as grown:
            list(source.read(0, source.schema()))
        batches = list(source.read(0, grown.value.schema))
        rows = [(r, *v) for b in batches for r, v in zip(b.records, b.batch.to_pylist(), strict=True)]
        rejects = [r for b in batches for r in b.rejects]
        seen.append((grown.value.schema, len(rows), hash(str(rows)), str(rejects)))
    assert all(s == seen[0] for s in seen)
    bits = []
    for number, engine in enumerate((LocalEngine(1), LocalEngine(2))):
        out = str(tmp_path / f"out{number}")
        ingest_csv(path, out, max_rejects=1, engine=engine)
        bits.append(bits_of(out))
    assert bits[0] == bits[1]


def test_a_quote_that_is_never_closed_cannot_swallow_rows(tmp_path):
    """A last line that is cut inside quotes is a reject; where lines follow in the quote, the file is refused."""
    data = 'a,b\n1,x\n2,"cut'
    assert ingested(tmp_path, data, max_rejects=1) == {"a": [1], "b": ["x"]}
    with pytest.raises(DataError, match=r"line 3: the file ends inside a quoted cell: '2,\"cut'"):
        ingested(tmp_path, data)
    with pytest.raises(DataError, match=r"in.csv line 3: a quote is opened and never closed"):
        ingested(tmp_path, data + "\n3,good\n", max_rejects=9)
    with pytest.raises(DataError, match=r"line 1: the file ends inside a quoted cell"):
        ingested(tmp_path, 'a,"b\n1,x\n')


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("zst", None)])
def test_packed_files_that_are_cut_or_changed_are_refused(tmp_path, ending, pack):
    data = b"a,b\n" + b"".join(b"%d,%d\n" % (i * 7919 % 1009, i) for i in range(500))
    packed = pack(data) if pack else pa.compress(data, "zstd", asbytes=True)
    assert len(ingested(tmp_path, packed, f"in.csv.{ending}")["a"]) == 500
    for cut in (packed[:-1], packed[: len(packed) // 2], packed[:3], b"a,b\n1,2\n"):
        with pytest.raises(DataError, match=rf"in.csv.{ending} line \d+ or below: the file cannot be read"):
            ingested(tmp_path, cut, f"in.csv.{ending}")


def test_nul_bytes_are_text(tmp_path):
    assert ingested(tmp_path, b"a,b\n1,\x00\n2,x\x00y\n") == {"a": [1, 2], "b": ["\x00", "x\x00y"]}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["1", "-0", "-0.5", "0", "00", "+1", "1e400", "inf", "0x1F", "9007199254740993", "", " 2",
                              "2013-01-01", "2013-01-01T00:00:00Z", "true", "a", "1e5", ".5", "nan", '"1"', '""']),
             min_size=1, max_size=8),
    st.integers(1, 40), st.integers(1, 2),
)  # fmt: skip
def test_what_is_read_at_a_time_and_by_how_many_changes_no_value(tmp_path_factory, cells, read_bytes, threads):
    """One column of every kind of cell: the type and the values are those of reading all at once."""
    base = tmp_path_factory.mktemp("pieces")
    path = write(base, "x,y\n" + "".join(f"{c},.\n" for c in cells))
    seen = []
    for size, workers in ((1 << 20, 1), (read_bytes, threads)):
        source = CsvSource(path, read_bytes=size, threads=workers)
        schema = source.schema()
        while True:
            try:
                batches = [b.batch for b in source.read(0, schema)]
                break
            except SchemaGrew as grown:
                schema = grown.schema
        seen.append((schema, str([v for b in batches for v in b.column(0).to_pylist()])))
    assert final_schema(seen[0][0]) == final_schema(seen[1][0])
    assert seen[0][1] == seen[1][1]


def test_a_process_may_end_while_a_file_is_being_read(tmp_path):
    """A reader that is left in the middle, with threads at work, does not keep or abort the interpreter."""
    path = write(tmp_path, "a,b\n" + "1,x\n" * 200_000)
    code = (
        "from trueline.data import CsvSource\n"
        f"s = CsvSource({path!r}, threads=2, read_bytes=4096)\n"
        "it = s.read(0, s.schema())\nprint(next(it).batch.num_rows > 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "True", "")


def test_rejects_of_a_fixed_type_do_not_move_the_numbers_of_rows(tmp_path):
    path = write(tmp_path, "a,b\n" + "".join(f"{'x' if i % 7 == 3 else i},{i}\n" for i in range(100)))
    source = CsvSource(path, column_types={"a": "int64"}, read_bytes=50)
    batches = list(source.read(0, source.schema()))
    records = np.concatenate([b.records for b in batches])
    assert [v for b in batches for v in b.batch.column(1).to_pylist()] == records.tolist()
    assert sorted([*records.tolist(), *(r.record for b in batches for r in b.rejects)]) == list(range(100))
    assert all(r.line == r.record + 2 for b in batches for r in b.rejects)

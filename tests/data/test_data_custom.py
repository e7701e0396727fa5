"""A user's own source, a function or a class: what it may yield, and what it is told when it yields something else."""

from __future__ import annotations

import own_sources
import pytest
from data_samples import bits_of, rows_of

from trueline._core import store
from trueline._core.errors import ConfigError, DataError, EngineError
from trueline._core.rowid import split_row_ids
from trueline.data import Examples, FunctionSource, Source, SourceSpec, ingest, ingest_rows
from trueline.engine import LocalEngine

ONE = {"splits": (("all", 1),)}


def test_dicts_become_rows_and_late_values_widen_their_columns(out):
    report = ingest_rows("own_sources:rides", out, params={"rows": 20_001, "late": 0.5}, **ONE)
    assert report.columns == {"id": "int64", "amount": "double", "text": "string", "ok": "bool", "late": "double"}
    rows = rows_of(out)
    assert rows["id"].to_pylist() == list(range(20_001))
    assert rows.slice(0, 2).to_pylist() == [
        {"id": 0, "amount": 0.0, "text": "x", "ok": False, "late": None},
        {"id": 1, "amount": 1.0, "text": "", "ok": False, "late": None},
    ]
    assert rows["late"].null_count == 15_000
    assert rows["amount"][-1].as_py() == 0.5


def test_how_many_rows_are_gathered_at_a_time_changes_nothing(out, tmp_path):
    for folder, rows in ((out, 7), (str(tmp_path / "other"), 1000)):
        params = {"function": "own_sources:rides", "params": {"rows": 60, "late": 1.5}, "batch_rows": rows}
        ingest(SourceSpec("trueline.data:FunctionSource", params), folder)
    assert bits_of(out) == bits_of(str(tmp_path / "other"))


def test_tuples_with_names_arrow_batches_and_tables(out):
    ingest_rows("own_sources:tuples", out, columns=["p", "q"], **ONE)
    assert rows_of(out).to_pydict() == {"p": [0.0, 2.5], "q": ["x", None]}
    ingest_rows("own_sources:batches", out, **ONE)
    assert rows_of(out).to_pydict() == {"a": [1.0, 1.5], "b": ["x", None]}
    ingest_rows("own_sources:batches", out, columns=["b"], **ONE)
    assert rows_of(out).to_pydict() == {"b": ["x", None]}
    ingest_rows("own_sources:table", out, **ONE)
    assert rows_of(out).to_pydict() == {"a": [1, 2]}


def test_chosen_columns_and_declared_types(out):
    types = {"id": "utf8", "late": "float64"}
    ingest_rows("own_sources:rides", out, params={"rows": 2}, columns=["late", "id"], types=types, **ONE)
    assert rows_of(out).to_pydict() == {"late": [None, None], "id": ["0", "1"]}
    assert ingest_rows("own_sources:no_rows", out, columns=["a"], types={"a": "list<int64>"}).rows == 0
    with pytest.raises(DataError, match=r"row 0, column 'amount': values of type string stand where int64 is declared"):
        ingest_rows("own_sources:rides", out, params={"rows": 1, "late": "x"}, types={"id": "int64", "amount": "int64"})


@pytest.mark.parametrize(
    ("function", "columns", "said"),
    [
        (
            "other_keys",
            None,
            r"other_keys, row 1: the row has other columns.*\n  - column 'b' is missing\n  - column 'c' is new",
        ),
        ("other_keys", ["a", "b"], r"row 1: the row has other columns.*\n  - column 'b' is missing\nHint"),
        ("short_tuple", None, "row 0: a tuple is no row"),
        ("short_tuple", ["a", "b"], "row 1: the row has 1 values, there are 2 columns"),
        ("numbers", None, "row 0: a int is no row: 5"),
        ("not_iterable", None, "the function gives a int, no rows"),
        ("no_rows", None, "the function yields no row"),
        ("breaks", None, "breaks, after 1 rows: the function failed: KeyError: 'gone'"),
        ("rides", None, "the function failed: TypeError: .*missing 1 required positional argument: 'rows'"),
        ("other_batches", None, "row 1: column 'a' turns from int64 to string"),
        ("CALLS", None, "is no function"),
    ],
)
def test_what_is_no_source_is_told_with_its_place(out, function, columns, said):
    with pytest.raises((DataError, ConfigError), match=said):
        ingest_rows(f"own_sources:{function}", out, columns=columns)
    assert not store.exists(store.join(out, "examples.json"))


def test_values_of_several_types_are_an_error_that_names_the_row(out):
    with pytest.raises(
        DataError, match=r"rides, row 2, column 'amount': the value 'x' is text; those before it are a whole"
    ):
        ingest_rows("own_sources:rides", out, params={"rows": 3, "late": "x"})
    with pytest.raises(DataError, match=r"row 20000, column 'amount': .*int64.*string|row \d+, column 'amount'"):
        ingest_rows("own_sources:rides", out, params={"rows": 20_001, "late": "x"})


def test_options_written_wrongly(out):
    with pytest.raises(ConfigError, match=r"'int'.*\n.*'list<int64'"):
        ingest_rows("own_sources:table", out, types={"a": "int", "b": "list<int64"})
    with pytest.raises(ConfigError, match="two columns have the same name"):
        ingest_rows("own_sources:tuples", out, columns=["a", "a"])
    with pytest.raises(EngineError, match="cannot be imported"):
        ingest_rows("own_sources:nothing", out)


def test_the_fingerprint_is_none_or_the_users_own():
    assert FunctionSource("own_sources:rides", {"rows": 3}).fingerprint() is None
    assert FunctionSource("own_sources:rides", {"rows": 3}, fingerprint="own_sources:stamp").fingerprint() == "v3"
    with pytest.raises(DataError, match="the fingerprint is 7"):
        FunctionSource("own_sources:rides", {"rows": 3}, fingerprint="own_sources:no_stamp").fingerprint()


def test_what_the_function_holds_is_closed_as_soon_as_no_more_rows_are_asked_for():
    own_sources.CALLS.clear()
    source = FunctionSource("own_sources:holding", batch_rows=10)
    schema = source.schema()
    assert own_sources.CALLS == ["opened", "closed"]
    rows = source.read(0, schema)
    assert next(rows).batch.num_rows == 10
    rows.close()
    assert own_sources.CALLS == ["opened", "closed"] * 2


def test_a_class_of_ones_own_has_parts_and_record_numbers(out):
    assert isinstance(own_sources.Days(1), Source)
    report = ingest(SourceSpec("own_sources:Days", {"days": 3}), out, **ONE)
    assert (report.rows, report.files) == (6, 3)
    sources, records = split_row_ids(Examples.open(out).table("all")["__row__"].combine_chunks())
    assert list(sources) == [0, 0, 1, 1, 2, 2]
    assert list(records) == [3, 9] * 3
    assert rows_of(out)["x"].to_pylist() == [0.0, None] * 3


def test_worker_processes_import_it_by_its_name(out, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(own_sources.__file__.rpartition("/")[0]))
    ingest_rows("own_sources:rides", out, params={"rows": 10})
    with LocalEngine(1, processes=True) as engine:
        ingest_rows("own_sources:rides", str(tmp_path / "other"), params={"rows": 10}, engine=engine)
    assert bits_of(out) == bits_of(str(tmp_path / "other"))

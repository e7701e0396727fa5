"""The files of an input: nested patterns, hidden files, no way out of the folder, a fingerprint that can be trusted."""

from __future__ import annotations

import fnmatch
import os
import re
import time
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueline._core.errors import ConfigError, DataError
from trueline.data import SourceSpec, input_fingerprint, inputs, list_inputs
from trueline.data.inputs import glob_regex


@pytest.fixture
def tree(tmp_path):
    """A folder with these files: ``tree("a/b.csv", ...)``."""

    def make(*names: str) -> str:
        for name in names:
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"x\n{name}\n")
        return str(tmp_path / "in")

    return make


def test_patterns_go_one_step_of_the_path_at_a_time(tree):
    base = tree(
        "train/b.csv",
        "train/a.csv",
        "eval/a.csv",
        "day-10/part-1.csv",
        "day-9/part-2.csv",
        "day-9/part-10.csv",
        "t.csv",
    )
    assert list_inputs(base) == ["t.csv"]
    assert list_inputs(base, "train/*") == ["train/a.csv", "train/b.csv"]
    assert list_inputs(base, "*/a.csv") == ["eval/a.csv", "train/a.csv"]
    assert list_inputs(base, "day-*/part-?.csv") == ["day-10/part-1.csv", "day-9/part-2.csv"]
    assert list_inputs(base, "[!t]*/*[0-9].csv") == ["day-10/part-1.csv", "day-9/part-10.csv", "day-9/part-2.csv"]
    assert list_inputs(f"{base}/t.csv") == [""]


def test_hidden_files_and_folders_are_never_taken(tree):
    base = tree("a.csv", ".b.csv", "_c.csv", "_d/a.csv", ".e/a.csv", "f/.g", "f/_h", "f/i")
    assert list_inputs(base, "*") == ["a.csv"]
    assert list_inputs(base, "*/*") == ["f/i"]
    with pytest.raises(DataError, match="no file matches"):
        list_inputs(base, "_d/*")


@pytest.mark.parametrize("pattern", ["../*", "a/../../*", "/etc/*", "", "a//b", "./*", "s3://b/*", "a/", "a\0b"])
def test_no_pattern_leads_out_of_the_folder(tree, pattern):
    base = tree("in/a.csv", "a/b.csv")
    with pytest.raises(ConfigError, match="must lie in the input's folder"):
        list_inputs(base, pattern)
    if pattern:
        with pytest.raises(ConfigError, match="must lie in the input's folder"):
            list_inputs(base, files=[pattern])


def test_named_files_are_taken_in_their_order_and_must_be_there(tree):
    base = tree("b.csv", "a.csv", "c/d.csv")
    assert list_inputs(base, files=["b.csv", "c/d.csv"]) == ["b.csv", "c/d.csv"]
    with pytest.raises(DataError, match=r"1 files are not there\n  - x\.csv\nHint: there is: a\.csv, b\.csv, c/"):
        list_inputs(base, files=["a.csv", "x.csv"])
    with pytest.raises(DataError, match="no file is named"):
        list_inputs(base, files=[])


def test_what_is_not_there_is_told_with_what_is(tree):
    base = tree("a.csv")
    with pytest.raises(DataError, match="There is: in"):
        list_inputs(base[:-1] + "m")
    with pytest.raises(DataError, match=r"no file matches '\*\.parquet'\nHint: there is: a\.csv"):
        list_inputs(base, "*.parquet")


_LETTERS = "ab-[]!*?^\\.&|~c"


@given(st.text(_LETTERS, max_size=8), st.text("ab-[]!^\\.c&|~", max_size=6))
def test_one_step_matches_as_a_shell_does(pattern, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = fnmatch.fnmatchcase(name, pattern)
    assert bool(re.fullmatch(glob_regex(pattern), name)) == expected


@given(st.text(st.characters(exclude_characters="*?[\0/", exclude_categories=["Cs"]), min_size=1, max_size=12))
def test_any_other_character_stands_for_itself(name):
    assert re.fullmatch(glob_regex(name), name)
    assert not re.fullmatch(glob_regex(name), name + "x")


def test_the_fingerprint_is_that_of_names_and_contents(tree):
    base = tree("a.csv", "d/b.csv")
    first = input_fingerprint(base, "*/*")
    tree("a.csv")
    assert input_fingerprint(base, "*/*") == first == input_fingerprint(base, files=["d/b.csv"])
    os.rename(f"{base}/d/b.csv", f"{base}/d/c.csv")
    assert input_fingerprint(base, "*/*") != first
    assert input_fingerprint(base, files=["a.csv", "d/c.csv"]) != input_fingerprint(base, files=["d/c.csv", "a.csv"])


def test_an_unchanged_file_is_hashed_once_and_a_changed_one_again(tree, monkeypatch):
    base = tree("a.csv")
    path = f"{base}/a.csv"
    _settle(monkeypatch, later=10)
    hashed = []
    real = inputs.file_sha256
    monkeypatch.setattr(inputs, "file_sha256", lambda uri: hashed.append(uri) or real(uri))
    first = input_fingerprint(base)
    assert input_fingerprint(base) == first
    assert len(hashed) == 1
    before = os.stat(path)
    with open(path, "r+b") as handle:
        handle.write(b"y")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # same size and time: the inode's own time tells
    assert input_fingerprint(base) != first
    assert len(hashed) == 2


def test_a_file_that_has_just_changed_is_always_hashed(tree, monkeypatch):
    base = tree("a.csv")
    hashed = []
    real = inputs.file_sha256
    monkeypatch.setattr(inputs, "file_sha256", lambda uri: hashed.append(uri) or real(uri))
    _settle(monkeypatch, later=0)
    input_fingerprint(base)
    input_fingerprint(base)
    assert len(hashed) == 2


def _settle(monkeypatch, later: int) -> None:
    """The clock that `inputs` sees runs so many seconds ahead."""

    class Clock:
        @staticmethod
        def time_ns() -> int:
            return time.time_ns() + later * 10**9

    monkeypatch.setattr(inputs, "time", Clock)


@pytest.mark.parametrize("source", ["CsvSource", "JsonlSource", "ParquetSource", "AvroSource", "TfRecordSource"])
def test_every_source_of_files_takes_named_files_and_hashes_those(tree, source):
    """What spans are resolved to: files in folders below, which the default pattern does not take."""
    base = tree("a.csv", "d/b.csv", "d/c.csv")

    def fingerprint(*files: str) -> str:
        params = {"payload": "example"} if source == "TfRecordSource" else {}
        opened = SourceSpec(f"trueline.data:{source}", {**params, "input_base": base, "files": list(files)}).open()
        assert list(opened.parts()) == list(files)
        return opened.fingerprint()

    first = fingerprint("d/b.csv", "d/c.csv")
    assert first != fingerprint("d/b.csv")
    tree("a.csv", "d/b.csv")
    assert fingerprint("d/b.csv", "d/c.csv") == first
    with open(f"{base}/d/c.csv", "a") as handle:
        handle.write("more\n")
    assert fingerprint("d/b.csv", "d/c.csv") != first


def test_a_pattern_for_each_split_is_told_where_to_go(tree):
    """One list of files has one pattern; several are resolved to a source each."""
    with pytest.raises(ConfigError, match=r"a text is needed[\s\S]*resolve_spans"):
        list_inputs(tree("a.csv"), {"train": "a*"})

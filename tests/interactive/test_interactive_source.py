"""Values come back from their source as they were; cells become modules, and what may not become one is refused."""

from __future__ import annotations

import ast
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError
from trueline.interactive.magics import public_names, write_module
from trueline.interactive.source import Imports, Writer, free, identifier
from trueline.interactive.user_files import UserFiles

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.binary(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30)
    | st.sampled_from(["'''", '"""', "\\", "\u2028", "\x00", "{x}", "%s", "a\nb", "\ud800", "l'été"])
)  # fmt: skip
KEYS = st.text(max_size=10) | st.integers() | st.booleans() | st.none()
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=12) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=25,
)


def written(value: object) -> tuple[str, list[str]]:
    problems: list[str] = []
    writer = Writer({}, Imports(set()), UserFiles(Path.cwd(), problems), problems)
    return writer.value(value, "here"), problems


def same(one: object, other: object) -> bool:
    """Equal, and of one type all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = zip(one.items(), other.items(), strict=True)
        return len(one) == len(other) and all(same(a, b) for pair in pairs for a, b in zip(*pair, strict=True))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one == other and math.copysign(1, one) == math.copysign(1, other) if isinstance(one, float) else one == other


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_a_plain_value_comes_back_with_its_type(value):
    source, problems = written(value)
    assert problems == []
    source.encode("utf-8")
    assert same(ast.literal_eval(source), value)


def test_sets_and_odd_numbers_are_written_alike_each_time():
    assert written({"b", "a"})[0] == 'set(["a", "b"])'
    assert written(frozenset([3, 1]))[0] == "frozenset([1, 3])"
    assert [written(x)[0] for x in (math.inf, -math.inf, math.nan)] == ['float("inf")', 'float("-inf")', 'float("nan")']
    import numpy as np

    assert written([np.int64(3), np.float32(0.5)]) == ("[3, 0.5]", [])


@pytest.mark.parametrize(
    "value", [object(), lambda: 1, 3 + 4j, iter([])], ids=["object", "lambda", "complex", "iterator"]
)
def test_what_has_no_source_is_noted_with_its_place(value):
    _, problems = written({"deep": [value]})
    assert len(problems) == 1
    assert "here['deep'][0]" in problems[0]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40))
def test_a_variable_is_a_name_whatever_the_node_is_called(node_id):
    taken: set[str] = set()
    names = [free(identifier(node_id), taken) for _ in range(3)]
    assert len(set(names)) == 3
    for name in names:
        compile(f"{name} = 1", "x", "exec")


def test_a_cell_becomes_a_module_that_is_read_anew_each_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "cell_steps", raising=False)
    module = write_module("cell_steps.py", "limit = 1\n_hidden = 2\n")
    assert public_names(module) == {"limit": 1}
    assert write_module("cell_steps.py", "limit = 2\n").limit == 2
    assert sys.modules["cell_steps"].limit == 2
    with pytest.raises(SyntaxError):
        write_module("cell_steps.py", "limit =\n")
    assert (tmp_path / "cell_steps.py").read_text() == "limit = 2\n", "nothing was written"
    with pytest.raises(ZeroDivisionError):
        write_module("cell_steps.py", "limit = 1 / 0\n")
    assert sys.modules["cell_steps"].limit == 2, "the former module stays"
    assert list(tmp_path.glob("*.part")) == []
    del sys.modules["cell_steps"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "../a.py",
        "/tmp/a.py",
        "a/b.py",
        "a b.py",
        "class.py",
        "1a.py",
        "a.txt",
        "json.py",
        "numpy.py",
        "trueline.py",
    ],
)
def test_a_cell_becomes_no_file_elsewhere_and_stands_in_no_modules_way(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"is no name for a module|would stand in the way"):
        write_module(name, "x = 1\n")
    assert list(tmp_path.rglob("*.py")) == []

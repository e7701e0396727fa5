"""Which edits of code the cache sees: the ways that code reaches other code, and edits while the line is running."""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from trueline.pipeline.artifacts import VALUE_FILE
from trueline.pipeline.results import NodeResult
from trueline.pipeline.user_function import UserFunction
from trueline.runners import LocalRunner

USES_X = "def f():\n    return X\n"

REACHED: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "star import": ({"m.py": f"from h import *\n{USES_X}", "h.py": "X = 1"}, {"h.py": "X = 2"}),
    "import in a function": ({"m.py": "def f():\n    import h\n    return h.X", "h.py": "X = 1"}, {"h.py": "X = 2"}),
    "helper's helper": (
        {"m.py": f"from h import X\n{USES_X}", "h.py": "from g import X", "g.py": "X = 1"},
        {"g.py": "X = 2"},
    ),
    "package around a module": (
        {"m.py": f"from p.q.a import X\n{USES_X}", "p/__init__.py": "", "p/q/__init__.py": "", "p/q/a.py": "X = 1"},
        {"p/__init__.py": "import p.q.a\np.q.a.X = 2"},
    ),
    "importlib": (
        {"m.py": "import importlib\ndef f():\n    return importlib.import_module('h').X", "h.py": "X = 1"},
        {"h.py": "X = 2"},
    ),
    "__import__": ({"m.py": "def f():\n    return __import__('h').X", "h.py": "X = 1"}, {"h.py": "X = 2"}),
    "globals": (
        {"m.py": "X = 1\ndef f():\n    return globals()['X']"},
        {"m.py": "X = 2\ndef f():\n    return globals()['X']"},
    ),
    "sys.modules": (
        {"m.py": "import sys\nX = 1\ndef f():\n    return sys.modules[__name__].X"},
        {"m.py": "import sys\nX = 2\ndef f():\n    return sys.modules[__name__].X"},
    ),
    "method called in an assignment": (
        {"m.py": f"X = [1]\n_ = X.append(2)\n{USES_X}"},
        {"m.py": f"X = [1]\n_ = X.append(3)\n{USES_X}"},
    ),
    "class in a try": (
        {"m.py": "try:\n    class A:\n        x = 1\nfinally:\n    pass\ndef f():\n    return A.x"},
        {"m.py": "try:\n    class A:\n        x = 2\nfinally:\n    pass\ndef f():\n    return A.x"},
    ),
    "function in an if": (
        {"m.py": "if True:\n    def g():\n        y = 1\n        return y\ndef f():\n    return g()"},
        {"m.py": "if True:\n    def g():\n        y = 2\n        return y\ndef f():\n    return g()"},
    ),
    "not the main guard": (
        {"m.py": f"if __name__ != '__main__':\n    X = 1\n{USES_X}"},
        {"m.py": f"if __name__ != '__main__':\n    X = 2\n{USES_X}"},
    ),
}


def put(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize("case", REACHED)
def test_code_that_is_reached_counts(case: str, tmp_path: Path) -> None:
    before, after = REACHED[case]
    function = UserFunction("f", None, str(tmp_path / "m.py"))
    put(tmp_path, before)
    fingerprint = function.fingerprint()
    assert function.fingerprint() == fingerprint
    put(tmp_path, after)
    assert function.fingerprint() != fingerprint


def test_a_logger_of_the_module_does_not_reach_the_whole_file(tmp_path: Path) -> None:
    text = "import logging\nlog = logging.getLogger(__name__)\nOTHER = 1\ndef f():\n    log.info('x')\n    return 1\n"
    function = UserFunction("f", None, str(tmp_path / "m.py"))
    put(tmp_path, {"m.py": text})
    fingerprint = function.fingerprint()
    put(tmp_path, {"m.py": text.replace("OTHER = 1", "OTHER = 2")})
    assert function.fingerprint() == fingerprint


LINE = """
import time
from pathlib import Path

from helper_of_edits import K
from trueline.pipeline import Pipeline, component

HERE = Path(__file__).parent


@component
def first() -> int:
    (HERE / "first").touch()
    while not (HERE / "go").exists():
        time.sleep(0.01)
    return 1


@component
def use(a: int) -> int:
    return 10 * a + K


def line() -> Pipeline:
    return Pipeline("edits", [use(a=first().outputs["result"])], root=str(HERE / "line"))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    put(tmp_path, {"line_of_edits.py": LINE, "helper_of_edits.py": "K = 1\n"})
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield importlib.import_module("line_of_edits")
    for name in ("line_of_edits", "helper_of_edits"):
        sys.modules.pop(name, None)


def value(node: NodeResult) -> str:
    return Path(node.outputs["result"][0].path(VALUE_FILE)).read_text()


def edit_during_first(project: ModuleType, files: Mapping[str, str]) -> threading.Thread:
    """Edits files once the first node says that it has begun, then lets it go on."""
    here = Path(str(project.__file__)).parent

    def work() -> None:
        while not (here / "first").exists():
            time.sleep(0.01)
        put(here, files)
        (here / "go").touch()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_an_edit_before_a_node_begins_is_what_the_node_runs(project: ModuleType) -> None:
    """The module was imported before the edit; the cache key speaks of the file after it."""
    editor = edit_during_first(project, {"helper_of_edits.py": "K = 2\n"})
    result = LocalRunner().run(project.line())
    editor.join()
    assert value(result.nodes["use"]) == "12"
    put(Path(str(project.__file__)).parent, {"helper_of_edits.py": "K = 3\n"})
    again = LocalRunner().run(project.line())
    assert again.nodes["use"].state == "COMPLETE"
    assert value(again.nodes["use"]) == "13"


def test_a_result_whose_code_was_edited_while_it_was_made_is_not_taken_again(project: ModuleType) -> None:
    editor = edit_during_first(project, {"line_of_edits.py": LINE.replace("return 1\n", "return 5\n")})
    begun = LocalRunner().run(project.line())
    editor.join()
    assert begun.nodes["first"].state == "COMPLETE"
    put(Path(str(project.__file__)).parent, {"line_of_edits.py": LINE})
    back = LocalRunner().run(project.line()).nodes["first"]
    assert back.state == "COMPLETE"
    assert back.cached_reason == "its code was edited while it ran the last time"
    assert LocalRunner().run(project.line()).nodes["first"].state == "CACHED"

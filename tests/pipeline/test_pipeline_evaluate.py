"""Placeholders: every operation, what cannot be computed, what only the executor's process may know."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_nodes import Source, describe

from trueline._core.errors import ArtifactError, ConfigError
from trueline.pipeline import ArtifactHandle, Pipeline
from trueline.pipeline.compile import compile_pipeline
from trueline.pipeline.evaluate import ExecutorScope, evaluate
from trueline.pipeline.params import encode_params
from trueline.pipeline.placeholders import (
    Placeholder,
    RunInfo,
    Secret,
    environment_variable,
    exec_property,
    input,
    join,
    leaves,
    logical_and,
    logical_not,
    logical_or,
    make_dict,
    make_list,
    output,
)
from trueline.pipeline.runtime_parameter import RuntimeParameter
from trueline.runners import LocalRunner

N, TEXT, FLAG = RuntimeParameter("n", int), RuntimeParameter("t"), RuntimeParameter("f", bool)
LIST, DICT = RuntimeParameter("l", list), RuntimeParameter("d", dict)
VALUES = {"n": 3, "t": "abc", "f": True, "l": [1, 2], "d": {"a": {"b": 5}}, "nan": math.nan, "none": None, "x": 0.5}


class Known:
    """A scope of values given in the test; it never knows secrets."""

    def __init__(self, artifacts: list[ArtifactHandle] | None = None) -> None:
        self.found, self.asked = artifacts or [], list[str]()

    def leaf(self, op: str, args: list[Any]) -> Any:
        self.asked.append(op)
        if op == "artifacts":
            return self.found
        assert op == "parameter", f"{op} is asked for in the launcher"
        return VALUES[args[0]]


def value_of(expression: Any, scope: Known | None = None) -> Any:
    encoded = json.loads(json.dumps(encode_params({"x": expression})))
    return evaluate(encoded, scope or Known())["x"]


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (N == 3, True),
        (N != 3, False),
        (N < 3, False),
        (N <= 3, True),
        (N > 2, True),
        (N >= 4, False),
        (N + 1, 4),
        (1 + N, 4),
        (TEXT + "/x", "abc/x"),
        ("x/" + TEXT, "x/abc"),
        ((N == 3) & (TEXT == "abc"), True),
        ((N == 4) | FLAG, True),
        (~FLAG, False),
        (logical_and(FLAG, N == 4), False),
        (logical_or(N == 4, N == 5), False),
        (logical_not(N == 4), True),
        (LIST[1], 2),
        (LIST[-1], 2),
        (DICT["a"]["b"], 5),
        (DICT["a"], {"b": 5}),
        (join([N, TEXT, "z"], "-"), "3-abc-z"),
        (make_list([N, 7, [TEXT]]), [3, 7, ["abc"]]),
        (make_dict({"k": N, "m": {"deep": TEXT}}), {"k": 3, "m": {"deep": "abc"}}),
        (LIST.to_json(), "[1, 2]"),
        (TEXT.b64encode(), base64.b64encode(b"abc").decode()),
        ([N, {"in": TEXT}], [3, {"in": "abc"}]),
        (RuntimeParameter("none") == None, True),  # noqa: E711 - a placeholder
        (RuntimeParameter("nan", float) == 1.0, False),
    ],
    ids=lambda value: "",
)
def test_each_operation(expression: Any, wanted: Any) -> None:
    found = value_of(expression)
    assert found == wanted
    assert type(found) is type(wanted)


@given(st.integers(), st.integers())
def test_comparisons_are_those_of_python(left: int, right: int) -> None:
    made = [Placeholder(op, left, right) for op in ("eq", "ne", "lt", "le", "gt", "ge")]
    assert value_of(made) == [left == right, left != right, left < right, left <= right, left > right, left >= right]


def test_the_second_condition_is_not_looked_at_where_the_first_decides() -> None:
    scope = Known()
    assert value_of((N == 3) | (LIST[9] == 1), scope) is True
    assert value_of((N != 3) & (LIST[9] == 1), scope) is False
    with pytest.raises(ArtifactError, match="2 items, and none at 9"):
        value_of((N == 3) & (LIST[9] == 1), scope)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        (RuntimeParameter("none") < 3, "cannot be computed"),
        (N + "a", "cannot be computed"),
        (TEXT < 3, "cannot be computed"),
        (N["a"], "cannot be computed"),
        (N & FLAG, "3 is neither true nor false"),
        (~N, "3 is neither true nor false"),
        (RuntimeParameter("nan", float) > 1.0, "NaN is neither less nor more"),
        (RuntimeParameter("nan", float) <= 1.0, "NaN is neither less nor more"),
        (N.value, "3 is no artifact"),
        (Placeholder("pow", N, 2), "no operation 'pow'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_computed_is_said(expression: Placeholder, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        value_of(expression)


@pytest.mark.parametrize(
    ("expression", "says"),
    [(LIST[2], "there are 2 items, and none at 2"), (DICT["b"], "there is no 'b'"), (TEXT[9], "there is no 9")],
)
def test_an_item_that_is_not_there(expression: Placeholder, says: str) -> None:
    with pytest.raises(ArtifactError, match=says):
        value_of(expression)


def test_artifacts_are_read(tmp_path: Path) -> None:
    handles = [ArtifactHandle("Integer", str(tmp_path / str(n)), {"span": n}) for n in (1, 2)]
    for handle in handles:
        Path(handle.uri).mkdir()
        handle.value = handle.properties["span"] * 10
    channel = Placeholder("artifacts", Source(path="x").outputs["examples"])
    assert value_of(channel.value, Known(handles)) == 10
    assert value_of(channel[1].value, Known(handles)) == 20
    assert value_of(channel.property("span"), Known(handles)) == 1
    assert value_of(channel[1].custom_property("span"), Known(handles)) == 2
    assert value_of(channel.uri, Known(handles)) == handles[0].uri
    assert value_of(channel[1].split_uri("eval"), Known(handles)) == f"{handles[1].uri}/Split-eval"
    assert value_of(channel, Known(handles)) == [handle.uri for handle in handles]
    assert value_of(make_dict({"all": channel}), Known(handles)) == {"all": [handle.uri for handle in handles]}
    with pytest.raises(ArtifactError, match=r"has no property 'spam'\n.*'span'"):
        value_of(channel.property("spam"), Known(handles))
    with pytest.raises(ArtifactError, match="there are 2 items, and none at 2"):
        value_of(channel[2].value, Known(handles))
    with pytest.raises(ArtifactError, match="does not exist"):
        value_of(channel.value, Known([ArtifactHandle("Integer", str(tmp_path / "gone"))]))


def test_a_secret_is_never_asked_for_in_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hush")
    assert value_of(Secret("TOKEN")) == {"__placeholder__": {"op": "secret", "args": ["TOKEN"]}}
    mixed = value_of(make_list([TEXT + ":" + Secret("TOKEN"), N + 1]))
    assert "hush" not in json.dumps(mixed)
    assert "parameter" not in json.dumps(mixed), "all but the secret is known in the launcher"
    scope = ExecutorScope({}, {}, {})
    assert evaluate(mixed, scope, deferred=True) == ["abc:hush", 4]
    assert scope.secrets == {"hush"}


def test_a_failure_does_not_show_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hush")
    with pytest.raises(ConfigError, match="cannot be computed") as caught:
        evaluate(value_of(Secret("TOKEN") + 1), ExecutorScope({}, {}, {}), deferred=True)
    assert "hush" not in str(caught.value)


def test_what_a_container_knows_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = ArtifactHandle("Model", "/a"), ArtifactHandle("Model", "/b")
    scope = ExecutorScope({"model": [one], "many": [one, two]}, {"out": two}, {"steps": 5})
    command = value_of([input("model").uri, output("out").uri, exec_property("steps"), input("many")[1].uri])
    assert evaluate(command, scope, deferred=True) == ["/a", "/b", 5, "/b"]
    with pytest.raises(ConfigError, match="there is no input 'modle'"):
        evaluate(value_of(input("modle").uri), scope, deferred=True)
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(ConfigError, match="NOT_SET is not set"):
        evaluate(value_of(Secret("NOT_SET")), scope, deferred=True)


def test_what_python_would_misunderstand_is_refused() -> None:
    for wrong, says in (
        (lambda: bool(N == 3), "use Cond"),
        (lambda: (N == 3) and FLAG, "use Cond"),
        (lambda: 3 in [N], "no truth value"),
        (lambda: 3 in LIST, "use ForEach"),
        (lambda: list(LIST), "use ForEach"),
        (lambda: f"{TEXT}/x", "join it with +"),
        (lambda: str(TEXT), "join it with +"),
        (lambda: "%s" % TEXT, "join it with +"),  # noqa: UP031 - the very mistake
        (lambda: 1 < N < 5, "no truth value"),
    ):
        with pytest.raises(ConfigError, match="placeholder") as caught:
            wrong()
        assert says in str(caught.value)


def test_a_channel_among_operands_stands_for_its_value() -> None:
    channel = Source(path="x").outputs["examples"]
    made = N + channel
    assert [p.op for p in leaves(made, Placeholder)] == ["add", "parameter", "value", "index", "artifacts"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: RuntimeParameter("a b"), "letters, digits"),
        (lambda: RuntimeParameter("a", bytes), "has the type"),
        (lambda: RuntimeParameter("a", int, "x"), "takes int, but was given 'x'"),
        (lambda: RuntimeParameter("a", int, True), "takes int, but was given True"),
        (lambda: RuntimeParameter("a", int, N), "a default is a value"),
        (lambda: Secret("A=B"), "no name of an environment variable"),
        (lambda: RunInfo("time"), "a run has no 'time'"),
    ],
)
def test_placeholders_that_cannot_be(make: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make()


def test_a_secret_reaches_the_node_and_no_record(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hush-hush")
    pipeline = Pipeline("line", [describe(n=1, label=TEXT_X + Secret("TOKEN"))], root=root)
    assert "hush-hush" not in compile_pipeline(pipeline).to_json()
    result = LocalRunner().run(pipeline)
    # The node itself may put it into what it makes; nothing around it may.
    assert result.nodes["describe"].outputs["result"][0].value == "a:hush-hush=1"
    recorded = (root / "metadata.db").read_bytes() + Path(result.nodes["describe"].log or "").read_bytes()
    assert b"hush-hush" not in recorded


TEXT_X = RuntimeParameter("prefix", str, "a:")


def test_environment_variables_are_recorded_and_their_absence_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGION", "north")
    pipeline = Pipeline("line", [describe(n=1, label=environment_variable("REGION"))], root=root)
    assert LocalRunner().run(pipeline).nodes["describe"].outputs["result"][0].value == "north=1"
    assert LocalRunner().run(pipeline).nodes["describe"].state == "CACHED"
    monkeypatch.setenv("REGION", "south")
    assert LocalRunner().run(pipeline).nodes["describe"].state == "COMPLETE"
    monkeypatch.delenv("REGION")
    assert "REGION is not set" in str(LocalRunner().run(pipeline).nodes["describe"].message)

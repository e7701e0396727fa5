"""Files of models: TensorFlow Serving's text format, TOML and JSON; every problem at once with line and column."""

from __future__ import annotations

import json
import string
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError
from trueline.serving.config import (
    AllVersions,
    BatchSettings,
    Latest,
    ModelConfig,
    RequestLogging,
    ServerConfig,
    Specific,
)
from trueline.serving.config_file import read_config_file, read_models
from trueline.serving.config_places import json_places, toml_places
from trueline.serving.config_text import read_model_config_list

TEXT = """
# two models
model_config_list {
  config {
    name: 'taxi'
    base_path: "/models/" "taxi"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: [3, 0x4] versions: 5 } }
    version_labels { key: 'stable' value: 3 }
    version_labels: < key: "canary" value: 4 >
    logging_config {
      log_collector_config { type: "tfrecord" filename_prefix: "/logs/taxi" }
      sampling_config { sampling_rate: 0.25 }
    }
  }
  config: { name: "b", base_path: "s3://bucket/b"; model_platform: "onnx" model_version_policy: { latest: {} } },
  config { name: "c" base_path: "/c" model_platform: "trueline" model_version_policy { all { } } }
  config { name: "d" base_path: "/d" model_type: TENSORFLOW model_version_policy { latest { num_versions: 2 } } }
}
"""

TOML = """
format = 1
[[models]]
name = "taxi"
base = "sub/taxi"
versions = [3, 4]
resource_preserving = true
[models.labels]
stable = 3
"canary" = 4
[models.batching]
allowed_batch_sizes = [
  16,
  64, # the largest
]
timeout_micros = 500

[[models]]
name = "b"
source = "pipeline:churn@champion"
policy = "all"
logging = { sampling_rate = 1, filename_prefix = "x" }
"""


def test_the_text_format_is_read_as_tensorflow_serving_reads_it() -> None:
    taxi, b, c, d = read_model_config_list(TEXT).models
    assert taxi == ModelConfig(
        "taxi",
        "/models/taxi",
        Specific((3, 4, 5)),
        {"stable": 3, "canary": 4},
        logging=RequestLogging(0.25, "/logs/taxi"),
    )
    assert b == ModelConfig("b", "s3://bucket/b", Latest(1))
    assert c == ModelConfig("c", "/c", AllVersions())
    assert d == ModelConfig("d", "/d", Latest(2))


def test_all_problems_of_a_text_are_told_at_once_with_their_places() -> None:
    text = """model_config_list {
  config { name: "a" base_path: "models/a" model_platform: "tensorflow" }
  config { name: "b" base_path: "/b" }
  config { name: "a" base_path: "/c" model_platform: "tensorflo" }
  config { base_path: "/d" model_platform: "onnx" version_labels { key: "a/b" value: -1 }
    logging_config { sampling_config { sampling_rate: 1.5 } } }
}"""
    with pytest.raises(ConfigError) as caught:
        read_model_config_list(text, "models.config")
    assert str(caught.value).startswith("models.config: the models to serve are wrong")
    assert list(caught.value.problems) == [
        "line 2, column 18: the name 'a' is given twice",
        "line 2, column 33: model 'a': expected an absolute path or a URL, got 'models/a'",
        "line 3, column 10: model 'b': model_platform is missing; expected one of tensorflow, onnx, trueline",
        "line 4, column 18: the name 'a' is given twice",
        "line 4, column 54: model 'a': unknown platform 'tensorflo'. Did you mean 'tensorflow'? There is: onnx, "
        "tensorflow, trueline.",
        "line 5, column 10: model '': model name '': expected text without '/' and ':'",
        "line 5, column 66: model '': label 'a/b': expected a version from 0 to 2^63-1, got -1",
        "line 5, column 66: model '': label 'a/b': expected text without '/' and ':'",
        "line 6, column 20: model '': sampling_rate: expected a number from 0 to 1, got 1.5",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1, column 1: expected model_config_list"),
        ("model_config_list {}", "line 1, column 1: expected model_config_list"),
        ("model_config_lst { config { name: 1 } }", "line 1, column 1: ModelServerConfig has no field"),
        ("model_config_list { config { name: 7 } }", "line 1, column 36: 'name' takes a text in quotes, not 7"),
        ("model_config_list { config { name: 'a' ", "line 1, column 28: '}' is missing for this '{'"),
        ("model_config_list { config { model_version_policy { all {} latest {} } } }", "exclude each other"),
        (
            "model_config_list { config { model_version_policy { latest { num_versions: -1 } } } }",
            "takes a whole number of 32 bits without sign, not -1",
        ),
        ("model_config_list {\n config { name: 'a\n' } }", "line 2, column 17: the text that starts here has no end"),
        ("model_config_list { config { name: 'a' name: 'b' } }", "line 1, column 40: 'name' of ModelConfig is given"),
        (
            "model_config_list { config { version_labels { key: 'a' value: 1 } version_labels { key: 'a' } } }",
            "'version_labels' has the key 'a' twice",
        ),
    ],
)
def test_a_text_that_is_none_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_model_config_list(text)
    assert any(problem in line for line in caught.value.problems), caught.value.problems


def test_protobuf_reads_the_same_and_what_it_writes_is_read() -> None:
    text_format = pytest.importorskip("google.protobuf.text_format")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="c.proto", syntax="proto3")
    kinds = {"string": 9, "uint32": 13, "int64": 3}
    for name, members in {
        "Latest": [("num_versions", "uint32", 1, 1)],
        "Specific": [("versions", "int64", 3, 1)],
        "Policy": [("latest", ".Latest", 1, 100), ("specific", ".Specific", 1, 102)],
        "Model": [("name", "string", 1, 1), ("base_path", "string", 1, 2), ("model_platform", "string", 1, 4),
                  ("model_version_policy", ".Policy", 1, 7)],
        "List": [("config", ".Model", 3, 1)],
        "Server": [("model_config_list", ".List", 1, 1)],
    }.items():  # fmt: skip
        message = file.message_type.add(name=name)
        for field, kind, label, number in members:
            extra = {"type_name": kind} if kind.startswith(".") else {}
            message.field.add(name=field, number=number, label=label, type=kinds.get(kind, 11), **extra)
    pool.Add(file)
    made = message_factory.GetMessageClass(pool.FindMessageTypeByName("Server"))()
    model = made.model_config_list.config.add(name="ü\n'x\"", base_path="/é\\", model_platform="onnx")
    model.model_version_policy.specific.versions.extend([1, 2**63 - 1])
    written = text_format.MessageToString(made)
    (read,) = read_model_config_list(written).models
    assert (read.name, read.base, read.policy) == ("ü\n'x\"", "/é\\", Specific((1, 2**63 - 1)))


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(TOML)
    (tmp_path / "models.json").write_text(json.dumps(tomllib.loads(TOML)))
    taxi, b = read_config_file(str(tmp_path / "models.toml")).models
    assert taxi == ModelConfig(
        "taxi",
        str(tmp_path / "sub/taxi"),
        Specific((3, 4)),
        {"stable": 3, "canary": 4},
        resource_preserving=True,
        batching=BatchSettings(max_batch_rows=64, timeout_micros=500, allowed_batch_sizes=(16, 64)),
    )
    assert b == ModelConfig("b", "pipeline:churn@champion", AllVersions(), logging=RequestLogging(1.0, "x"))
    assert read_config_file(str(tmp_path / "models.json")) == ServerConfig((taxi, b))
    (tmp_path / "models.config").write_text(TEXT)
    assert read_config_file(str(tmp_path / "models.config")) == read_model_config_list(TEXT)


WRONG: dict[str, Any] = {
    "format": 2,
    "modles": 1,
    "models": [
        {"name": "a", "base": "/a", "polcy": "all", "labels": {"x": "1"}},
        {"name": "a", "base": "/b", "source": "pipeline:p", "num_versions": True},
        {"name": "c/d", "base": "/c", "policy": "newest"},
        {"name": "e", "versions": [1], "policy": "all"},
        {"name": "f", "base": "/f", "num_versions": 0},
        {"name": "g", "base": "/g", "batching": {"max_batch_rows": 8, "allowed_batch_sizes": [4, 2]}},
        "h",
    ],
}
WRONG_TOML = """format = 2
modles = 1
models = [
  { name = "a", base = "/a", polcy = "all", labels = { x = "1" } },
  { name = "a", base = "/b", source = "pipeline:p", num_versions = true },
  { name = "c/d", base = "/c", policy = "newest" },
  { name = "e", versions = [1], policy = "all" },
  { name = "f", base = "/f", num_versions = 0 },
  { name = "g", base = "/g", batching = { max_batch_rows = 8, allowed_batch_sizes = [4, 2] } },
  "h",
]
"""


def test_all_problems_of_toml_and_json_are_told_at_once_with_their_places() -> None:
    with pytest.raises(ConfigError) as toml:
        read_models(WRONG_TOML, "toml", where="x.toml")
    with pytest.raises(ConfigError) as plain:
        read_models(json.dumps(WRONG, indent=1), "json", where="x.json")
    told = list(toml.value.problems)
    assert sorted(p.split(": ", 1)[1] for p in told) == sorted(p.split(": ", 1)[1] for p in plain.value.problems)
    assert [p.split(": ", 1)[0] for p in told] == [
        "line 1, column 1",
        "line 2, column 1",
        "line 4, column 5",
        "line 4, column 30",
        "line 4, column 45",
        "line 5, column 5",
        "line 5, column 30",
        "line 5, column 53",
        "line 6, column 5",
        "line 6, column 32",
        "line 7, column 3",
        "line 7, column 17",
        "line 8, column 30",
        "line 9, column 30",
        "line 10, column 3",
    ]
    for word in (
        "modles: no such key. Did you mean 'models'?",
        "format: expected 1, got 2",
        "models[0].polcy: no such key. Did you mean 'policy'?",
        "models[0].labels: expected a table of whole numbers, got {'x': '1'}",
        "models[1]: 'base' and 'source' exclude each other",
        "models[1].num_versions: expected a whole number, got True",
        "models[2]: unknown policy 'newest'",
        "models[3]: 'versions' goes with the policy specific alone",
        "models[4]: num_versions: expected 1 or more, got 0",
        "models[5]: allowed_batch_sizes: expected growing numbers",
        "models[6]: expected a table, got 'h'",
    ):
        assert any(word in problem for problem in told), (word, told)


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        ("toml", "a = = 1", "line 1, column 5: Invalid value"),
        ("toml", "[[models]]\nname = 'a", "line 2, column 10: Expected"),
        ("json", '{"models": [}', "line 1, column 13: Expecting value"),
        ("json", '{"models": [],\n "models": []}', "line 2, column 2: the key models stands twice"),
        ("json", "[1]", "line 1, column 1: the file: expected a table, got [1]"),
        ("json", '{"models": ' + "9" * 5000 + "}", "Exceeds the limit"),
        ("json", "[" * 100_000, "nested too deeply"),
        ("toml", "a = " + "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_text_that_is_no_toml_or_json_is_refused_with_its_place(kind: str, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_models(text, kind)
    assert problem in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_config_file(str(tmp_path / "none.toml"))
    (tmp_path / "bytes.config").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no UTF-8 text"):
        read_config_file(str(tmp_path / "bytes.config"))


_SCRAPS = st.sampled_from(
    ["model_config_list", "config", "name", "base_path", "version_labels", "key", "value", "model_version_policy",
     "latest", "specific", "versions", "{", "}", "<", ">", "[", "]", ":", ",", ";", "'a'", '"b"', "1", "-1", "1.5",
     "all", "sampling_rate", "logging_config", "sampling_config", "'", "\\", "#", "\n", "\x00", "é", "true",
     "0x", "9" * 40]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(scraps=st.lists(_SCRAPS, max_size=40), cut=st.integers(0, len(TEXT)), at=st.integers(0, len(TEXT)))
def test_no_text_breaks_the_reader(scraps: list[str], cut: int, at: int) -> None:
    for text in (" ".join(scraps), TEXT[:cut] + "".join(scraps[:2]) + TEXT[at:]):
        problems = problems_of(lambda text=text: read_model_config_list(text))  # type: ignore[misc]
        assert all(problem.startswith(("line ", "and ")) for problem in problems)


def problems_of(read: Callable[[], ServerConfig]) -> tuple[str, ...]:
    """What a reader finds wrong; none, when it reads at least one model."""
    try:
        config = read()
    except ConfigError as error:
        return error.problems or (error.message,)
    assert config.models
    return ()


_EDITS = st.tuples(
    st.integers(0, len(TEXT)),
    st.integers(0, 5),
    st.sampled_from(["", "{", "}", "<", ">", "[", "]", ":", ",", ";", "'a'", '"b"', "7", "-1", "0x1F", "017", "1e3",
                     "inf", " ", "\n", "# c\n", "'\\x41'", '"\\u00e9"', "all {}", "latest { num_versions: 3 }",
                     "config { }", "versions: [ ]", "versions: [1,]", "sampling_rate: 1f", "model_type: OTHER"]),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(edits=st.lists(_EDITS, min_size=1, max_size=3))
def test_protobuf_accepts_the_same_texts(edits: list[tuple[int, int, str]]) -> None:
    text_format = pytest.importorskip("google.protobuf.text_format")
    from trueline.serving.grpc_descriptors import message

    text = TEXT
    for at, length, scrap in edits:
        text = text[:at] + scrap + text[at + length :]
    theirs = message("tensorflow.serving.ModelServerConfig")()
    try:
        text_format.Parse(text, theirs)
    except text_format.ParseError:
        with pytest.raises(ConfigError):
            read_model_config_list(text)
        return
    for problem in problems_of(lambda: read_model_config_list(text)):  # of meaning, not of grammar
        assert not any(
            word in problem for word in ("expected, not", "is missing for", "takes a", "no field", "no place")
        )


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(string.printable, max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(value=_VALUES, indent=st.sampled_from([None, 0, 2]))
def test_every_value_of_a_json_text_has_its_place(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    places, twice = json_places(text)
    assert twice == []

    def check(value: Any, path: tuple[str | int, ...]) -> None:
        found = json.JSONDecoder().raw_decode(text, places[path])[0]
        assert found == (path[-1] if path and isinstance(path[-1], str) else value)
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            check(inner, (*path, key))

    check(value, ())


def test_every_key_of_a_toml_text_has_its_place() -> None:
    text = (
        TOML
        + '[x."y.z"]\na.b = """\nq = 1 ] }"""  # c\n'
        + "c = '''[''' \nd = [ {e = 1}, { f = '}' } ]\ng = 1979-05-27\n"
    )
    places = toml_places(text)

    def check(value: Any, path: tuple[str | int, ...]) -> None:
        if path:
            shown = text[places[path] :]
            assert isinstance(path[-1], int) or path[-1] in shown.split("\n", 1)[0], path
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            check(inner, (*path, key))

    check(tomllib.loads(text), ())
    assert text[places[("models", 0, "labels", "canary")] :].startswith('"canary"')
    assert text[places[("d", 1, "f")] if ("d", 1, "f") in places else places[("x", "y.z", "d", 1, "f")] :].startswith(
        "f ="
    )


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, len(TOML)), at=st.integers(0, len(TOML)), scrap=st.text(string.printable, max_size=4))
def test_no_toml_breaks_the_reader(cut: int, at: int, scrap: str) -> None:
    problems = problems_of(lambda: read_models(TOML[:cut] + scrap + TOML[at:], "toml"))
    assert all(problem.startswith("line ") for problem in problems)

"""Mistaken calls, unusable columns and damaged graphs end in one clear error, never in a foreign traceback."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline import RawFeature
from trueline._core.errors import ArtifactError, FeedError, ModelError, TransformError
from trueline._core.host import HostStep, run_host_steps
from trueline.engine import Dataset
from trueline.engine.state import pack_state
from trueline.transform.accumulator import STATE_VERSION
from trueline.transform.output import TransformOutput
from trueline.transform.tracer import Tracer

RAW = [
    RawFeature("number", "float64"),
    RawFeature("whole", "int64"),
    RawFeature("flag", "bool"),
    RawFeature("text", "utf8"),
    RawFeature("time", "timestamp"),
    RawFeature("list", "float64", "ragged"),
    RawFeature("words", "utf8", "ragged"),
    RawFeature("vector", "float64", "fixed", 4),
    RawFeature("raw", "bytes"),
]
WITH_DATA = {
    "analyze",
    "analyze_and_transform",
    "as_transformer",
    "fold_of_rows",
    "get_analyze_input_columns",
    "get_transform_input_columns",
    "lookup_version",
    "trace",
    "transform_to_parquet",
    "write_lookup_version",
}
FUNCTIONS = sorted(n for n in tlt.__all__ if inspect.isfunction(getattr(tlt, n)) and n not in WITH_DATA)


def _values(mine: Tracer, other: Tracer) -> list[Any]:
    columns = [mine.input(f) for f in RAW]
    constants = [mine.constant(2.5), mine.table([1.0, 2.0], "float64"), mine.table(["a"], "utf8"), tlt.mean(columns[0])]
    plain = [None, "", "foo", "\ud800", 0, -1, 10**12, 10**30, True, float("nan"), 0.5, [], [1], ["a", None], [[1.0]]]
    odd = [{}, {"a": 1}, {1, 2}, (1, 2), np.int64(3), np.ones((2, 2)), np.array(1.0), 1j, b"a", object(), object, len]
    return [*columns, *constants, other.input(RAW[0]), [columns[0]], [other.input(RAW[0])], *plain, *odd]


def _ends_well(name: str, call: Callable[[], Any], told: str) -> None:
    problem = None
    try:
        call()
    except TransformError as error:
        problem = error
    if problem is not None:
        assert __file__ in str(problem.where), f"{name}({told}): {problem}"
        assert "object has no attribute" not in problem.message, f"{name}({told}): {problem}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_whatever_a_function_is_called_with_the_error_is_told_at_the_users_line(name: str) -> None:
    mine, other = Tracer(RAW), Tracer(RAW)
    function = getattr(tlt, name)
    values = _values(mine, other)
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
    good = [values[3] if i == 0 else 2 for i, p in enumerate(places) if p.default is p.empty]
    also = [values[0] if i == 0 else [0.5] for i, p in enumerate(places) if p.default is p.empty]
    with mine.active():
        for value in values:
            for at in range(len(places)):
                for base in (good, also):
                    arguments = [*base[:at], *[values[3]] * (at - len(base)), value, *base[at + 1 :]]
                    _ends_well(name, lambda a=arguments: function(*a), f"{arguments!r:.200}")
            for p in parameters:
                if p.kind is p.KEYWORD_ONLY:
                    _ends_well(name, lambda p=p, v=value: function(*good, **{p.name: v}), f"{p.name}={value!r:.100}")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda c: tlt.scale_to_z_score("text"), r"scale_to_z_score: x is 'text' \(str\)\n.*takes a column as x"),
        (lambda c: tlt.hash_strings(c["text"], "ten"), r"hash_strings: hash_buckets is 'ten' \(str\)"),
        (lambda c: tlt.hash_strings(c["text"], c["whole"]), "hash_buckets is 'whole' .int64"),
        (lambda c: tlt.abs(), "missing a required argument: 'x'\n.*abs.x."),
        (lambda c: tlt.apply_vocabulary(c["text"], {"b", "a"}), "a list"),
        (lambda c: tlt.apply_buckets(c["number"], {1.0, 2.0}), "a set has no order"),
        (lambda c: tlt.apply_vocabulary(c["text"], ["\ud800"]), "surrogate"),
        (lambda c: tlt.bucketize(c["number"], 10**12), "num_buckets must be at most 1,000,000"),
        (lambda c: tlt.one_hot(c["whole"], 10**12), "a vector of 1000000000000 values is too long"),
        (lambda c: tlt.pad(c["list"], 10**12, 0.0), "a vector of 1000000000000 values is too long"),
        (lambda c: tlt.regex_replace(c["text"], "", "a"), "the pattern is empty"),
        (lambda c: tlt.scale_to_z_score_per_key(c["number"], c["text"], output_dtype="int8"), "output_dtype must be"),
        (lambda c: tlt.compute_and_apply_vocabulary(c["text"], vocab_filename="n" * 500), "too long for a file"),
        (lambda c: tlt.experimental.get_vocabulary_size_by_name(5), "vocab_filename is 5"),
    ],
)
def test_a_mistake_names_the_argument_and_what_it_takes(call: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(TransformError, match=told) as caught:
        tlt.trace(lambda columns: {"y": call(columns)}, RAW)
    assert __file__ in str(caught.value.where)


def test_a_column_that_escaped_from_another_trace_is_refused_at_its_use() -> None:
    kept: list[Any] = []
    tlt.trace(lambda c: kept.append(c["number"]) or {"y": c["number"]}, RAW)
    with pytest.raises(TransformError, match="abs: x is a column of another trace"):
        tlt.trace(lambda c: {"y": tlt.abs(kept[0])}, RAW)


def test_numpys_scalars_and_arrays_do_as_arguments() -> None:
    plain = tlt.trace(lambda c: {"y": tlt.bucketize(c["number"], 3), "z": tlt.clip(c["number"], 0.5, 1.5)}, RAW)
    numpys = tlt.trace(
        lambda c: {"y": tlt.bucketize(c["number"], np.int32(3)), "z": tlt.clip(c["number"], np.float64(0.5), 1.5)}, RAW
    )
    assert plain.content_hash == numpys.content_hash


@pytest.mark.parametrize("dtype", [[], {}, 5, None, "float32", "int", b"x"])
def test_a_cast_to_what_is_no_type_is_told_at_its_line(dtype: Any) -> None:
    with pytest.raises(TransformError, match="cast") as caught:
        tlt.trace(lambda c: {"y": c["number"].cast(dtype)}, RAW)
    assert __file__ in str(caught.value.where)


def test_a_literal_may_stand_before_any_operator() -> None:
    table = pa.table({"b": [True, False, None], "f": [1.5, -2.0, None]})
    made, _ = tlt.analyze_and_transform(table, lambda c: {"x": True ^ c["b"], "p": +c["f"], "q": +c["b"]})
    assert made.to_pydict() == {"x": [False, True, None], "p": [1.5, -2.0, None], "q": [1, 0, None]}


STRANGE = {
    "struct": pa.array([{"q": 1}, None]),
    "list of structs": pa.array([[{"q": 1}], None]),
    "nested list": pa.array([[[1]], None]),
}


@pytest.mark.parametrize("column", STRANGE.values(), ids=STRANGE)
def test_a_column_that_is_no_feature_stops_only_a_transform_that_reads_it(column: Any) -> None:
    table = pa.table({"a": [1.0, 3.0], "s": column})
    made, _ = tlt.analyze_and_transform(table, lambda c: {"y": tlt.scale_to_z_score(c["a"])})
    assert made.to_pydict() == {"y": [-1.0, 1.0]}
    with pytest.raises(TransformError, match=r"the column 's' cannot be read: .*which is no feature") as caught:
        tlt.analyze_and_transform(table, lambda c: {"y": tlt.scale_to_z_score(c["s"])})
    assert __file__ in str(caught.value.where)


@pytest.mark.parametrize("name", ["a:present", "host:x", ""])
def test_columns_with_names_of_the_lines_own_stop_only_a_transform_that_reads_them(name: str) -> None:
    table = pa.table({"a": [1.0, None], name: [1.0, 2.0]})
    assert tlt.analyze_and_transform(table, lambda c: {"y": c["a"]})[0].to_pydict() == {"y": [1.0, None]}
    with pytest.raises(TransformError, match="cannot be read"):
        tlt.analyze_and_transform(table, lambda c: {"y": c[name] + c["a"]})


@pytest.mark.parametrize("name", ["a:length", "x:y", "\"q'", "日本 ", "n\nl", "a/b", "..", "-x", "\0", "n" * 5000])
def test_any_other_name_goes_down_the_line_and_through_a_file(name: str, tmp_path: Path) -> None:
    table = pa.table({name: ["u", "v", None], "a": [1.0, 2.0, 3.0]})
    words = lambda c: tlt.compute_and_apply_vocabulary(c[name])  # noqa: E731
    made, output = tlt.analyze_and_transform(table, lambda c: {"y": words(c), "z": c["a"]})
    output.save(str(tmp_path))
    loaded = TransformOutput.load(str(tmp_path))
    assert loaded.transform(table).equals(made)
    assert len(loaded.vocabularies) == 1


@pytest.mark.parametrize("name", ["-x", " x", "..", "ä"])
def test_a_vocabulary_of_any_given_name_is_read_again(name: str, tmp_path: Path) -> None:
    table = pa.table({"t": ["u", "v"]})
    _, output = tlt.analyze_and_transform(
        table, lambda c: {"y": tlt.compute_and_apply_vocabulary(c["t"], vocab_filename=name)}
    )
    output.save(str(tmp_path))
    assert TransformOutput.load(str(tmp_path)).vocabulary_by_name(name) == output.vocabulary_by_name(name)


def test_vectors_of_no_values_do_not_end_the_process() -> None:
    table = pa.table({"v": pa.array([[], None], pa.list_(pa.float64(), 0))})
    made, _ = tlt.analyze_and_transform(table, lambda c: {"y": c["v"]})
    assert made.to_pydict() == {"y": [[], None]}


def _output() -> tuple[pa.Table, TransformOutput]:
    table = pa.table({"a": [1.0, 2.0, None], "t": ["x", "y", None]})
    _, output = tlt.analyze_and_transform(
        table, lambda c: {"z": tlt.scale_to_z_score(c["a"]), "w": tlt.compute_and_apply_vocabulary(c["t"])}
    )
    return table, output


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (None, "no form of rows"),
        ("abc", "no form of rows"),
        ([[1]], "no form of rows"),
        ([{1: 2}], "no form of rows"),
        ({"a": 1.0}, "'a' to a single value"),
        ([{"t": "\ud800"}], "column 't': expected utf8"),
        ({"a": [1.0], "t": ["x", "y"]}, "different lengths"),
    ],
)
def test_rows_in_no_known_form_are_refused(rows: Any, told: str) -> None:
    with pytest.raises((TransformError, FeedError), match=told):
        _output()[1].transform_raw_features(rows)


def test_what_is_no_table_or_has_a_column_twice_is_refused() -> None:
    table, output = _output()
    twice = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0]), pa.array(["x"])], names=["a", "a", "t"])
    with pytest.raises(FeedError, match="same name"):
        output.transform(twice)
    with pytest.raises(TransformError, match="takes an Arrow table"):
        output.transform({"a": [1.0]})  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(TransformError, match="give a list of names"):
        output.transform(table, "z")


def test_trace_refuses_what_is_no_function_and_no_feature() -> None:
    with pytest.raises(TransformError, match="no function"):
        tlt.trace(5, RAW)  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(TransformError, match="a feature is a str"):
        tlt.trace(lambda c: {"y": c["a"]}, ["a"])  # type: ignore[list-item]  # the mistake under test
    with pytest.raises(TransformError, match="same name: 'number'"):
        tlt.trace(lambda c: {"y": c["number"]}, [*RAW, RAW[0]])


def test_a_file_that_cannot_be_written_is_told_as_such(tmp_path: Path) -> None:
    table, output = _output()
    with pytest.raises(ArtifactError, match="cannot be written"):
        tlt.transform_to_parquet(output, table, str(tmp_path / "no" / "x.parquet"))


def _saved(folder: Path) -> dict[str, Any]:
    table = pa.table({"a": [1.0, 2.0, 4.0], "l": [[1.0], [2.0, 3.0], []], "t": ["x", "y", None]})
    _, output = tlt.analyze_and_transform(
        table,
        lambda c: {
            "z": tlt.scale_to_z_score(c["a"]),
            "p": tlt.pad(c["l"], 3, 0.0),
            "w": tlt.compute_and_apply_vocabulary(c["t"], vocab_filename="w"),
            "s": tlt.join(c["t"], "end", separator="-"),
            "k": tlt.take(tlt.bucketize(c["a"], 2), [[1.0, 2.0], [3.0, 4.0]], default=[0.0, 0.0]),
        },
    )
    output.save(str(folder))
    return dict(json.loads((folder / "graph.json").read_text()))


ODD: list[Any] = [None, 0, -1, 10**12, 10**30, 1.5, "", "x", "../../etc/passwd", [], [None], ["a"], {}, {"a": 1}, True]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [path, *(p for k in keys for p in _places(value[k], (*path, k)))]


def _changed(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(document))
    at: Any = copied
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copied


def test_a_graph_that_was_changed_by_hand_is_refused_or_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one who knows the content hash would write it: the hash always fits."""
    document = _saved(tmp_path)
    table = pa.table({"a": [1.0, None], "l": [[1.0], [2.0]], "t": ["x", None]})
    places = [p for p in _places(document) if p and p[0] in ("nodes", "results", "features", "outputs")]
    dice, ran = random.Random(11), 0
    for _ in range(400):
        path = dice.choice([p for p in places if not {"where", "scope"} & set(p)])
        changed = json.dumps(_changed(document, path, dice.choice(ODD)))
        (tmp_path / "graph.json").write_text(changed)
        with monkeypatch.context() as patch:
            patch.setattr(TransformOutput, "content_hash", document["content_hash"])
            try:
                output = TransformOutput.load(str(tmp_path))
            except (ArtifactError, TransformError):
                continue
        with contextlib.suppress(TransformError, FeedError, ModelError):
            output.transform(table)
            ran += 1
    assert ran > 20


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"format": 2}', '{"format": 2, "nodes": 5}', "\0"])
def test_a_file_that_is_no_graph_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "graph.json").write_text(text)
    with pytest.raises((ArtifactError, TransformError)):
        TransformOutput.load(str(tmp_path))


@pytest.mark.parametrize("name", ["../w", "/etc/passwd", "..", ".", "", "w/../w", "w\0"])
def test_a_vocabulary_is_read_from_its_folder_alone(name: str, tmp_path: Path) -> None:
    document = _saved(tmp_path)
    (index,) = [i for i, v in document["results"].items() if isinstance(v, dict)]
    changed = _changed(document, ("results", index, "vocabulary"), name)
    (tmp_path / "graph.json").write_text(json.dumps(changed))
    with pytest.raises(ArtifactError, match="a vocabulary is named"):
        TransformOutput.load(str(tmp_path))


@pytest.mark.parametrize(
    ("function", "inputs", "told"),
    [
        ("os:system", ["t"], "standard library"),
        ("pip:main", [], "reads no column"),
        ("trueline.transform.lookup_tables:dataclass", ["t"], "no function of that package"),
        ("numpy:random", ["t"], "no function of that package"),
        ("trueline.transform.host_library:lru_cache", ["t"], "no function of that package"),
        ("trueline.transform.host_library:_zone", ["t"], "standard library"),
    ],
)
def test_a_graph_cannot_call_whatever_a_module_imports(function: str, inputs: list[str], told: str) -> None:
    step = HostStep("made", tuple(inputs), function, "utf8", params={} if inputs else {"args": ["list"]})
    with pytest.raises(ModelError, match=told):
        run_host_steps([step], {"t": ["id"]}, 1, allow={step.module})


def test_columns_without_any_value_keep_the_types_that_they_were_traced_with() -> None:
    table = pa.table({"a": [1.0, None], "l": [[1.0], None], "t": ["x", None]})
    _, output = tlt.analyze_and_transform(table, lambda c: {"a": c["a"], "l": c["l"], "t": c["t"]})
    nothing = pa.table({"a": pa.nulls(2), "l": pa.array([[], None]), "t": pa.nulls(2)})
    expected = {"a": [None, None], "l": [[], None], "t": [None, None]}
    assert output.transform(nothing).to_pydict() == expected
    assert output.oracle(nothing).to_pydict() == expected


def test_states_of_something_else_are_refused_with_a_remedy(tmp_path: Path) -> None:
    dataset = Dataset.from_table(pa.table({"a": [1.0, 2.0]}))
    graph = tlt.trace(lambda c: {"z": tlt.scale_to_z_score(c["a"])}, [RawFeature("a", "float64")])
    cache = tlt.AnalyzerCache(tmp_path)
    tlt.analyze(graph, {"k": dataset}, cache=cache)
    (file,) = tmp_path.rglob("*.state")
    head = json.loads(file.read_bytes().partition(b"\n")[0])
    cache.put("k", head["phase"], pack_state("transform-phase", STATE_VERSION, [], {}))
    with pytest.raises(ArtifactError, match="delete it, and everything is read again"):
        tlt.analyze(graph, {"k": dataset}, cache=cache)


def test_one_output_serves_eight_threads_at_once() -> None:
    table, output = _output()
    table = pa.concat_tables([table] * 200)
    _, alone = _output()
    expected = alone.transform(table)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: output.transform(table.slice(i % 7)), range(64)))
    assert all(m.equals(expected.slice(i % 7)) for i, m in enumerate(made))


def test_processes_with_other_hash_seeds_save_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import sys, pyarrow as pa, trueline.transform as tlt\n"
        "table = pa.table({'t': list('abcabca'), 'f': [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]})\n"
        "_, out = tlt.analyze_and_transform(table, lambda c: {\n"
        "    'v': tlt.compute_and_apply_vocabulary(c['t']), 'k': tlt.scale_to_z_score_per_key(c['f'], c['t']),\n"
        "    'm': tlt.map_values(c['t'], {'a': 'x', 'b': 'y'}), 'e': tlt.target_encode(c['t'], c['f'])})\n"
        "out.save(sys.argv[1])\n"
    )
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", program, str(tmp_path / seed)]
        subprocess.run(command, check=True, env=environment, timeout=120)
    files = [{p.name: p.read_bytes() for p in (tmp_path / s).rglob("*") if p.is_file()} for s in ("0", "1")]
    assert files[0] == files[1]
    assert "graph.json" in files[0]


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (pa.array(["x"]), "column 'a' is string, it was traced as double"),
        (pa.array([[1.0]]), "column 'a' is list<item: double>, it was traced as double"),
        (pa.array([{"q": 1}]), "which is no feature"),
    ],
)
def test_data_of_other_types_than_were_traced_is_refused_before_it_is_read(column: Any, told: str) -> None:
    graph = tlt.trace(lambda c: {"z": tlt.scale_to_z_score(c["a"])}, [RawFeature("a", "float64")])
    with pytest.raises(TransformError, match=told):
        tlt.analyze(graph, Dataset.from_table(pa.table({"a": column})))


def test_a_host_step_that_reads_an_unknown_column_is_refused() -> None:
    graph = tlt.trace(lambda c: {"h": tlt.hour(tlt.to_local(c["time"], "Europe/Berlin"))}, RAW)
    changed = _changed(graph.to_json(), ("host_steps", 0, "inputs"), ["nothing"])
    with pytest.raises(TransformError, match="reads the unknown column 'nothing'"):
        tlt.Graph.from_json(changed)


@pytest.mark.parametrize("form", ["text", "tfrecord_gzip"])
def test_any_change_of_a_vocabularys_files_is_an_artifact_error(form: Any, tmp_path: Path) -> None:
    """Also where the file's own hash was made to fit."""
    table = pa.table({"t": ["a", "b", "ab", "日本"]})
    _, output = tlt.analyze_and_transform(
        table, lambda c: {"w": tlt.compute_and_apply_vocabulary(c["t"], vocab_filename="w", file_format=form)}
    )
    output.save(str(tmp_path))
    graph, dice = (tmp_path / "graph.json").read_text(), random.Random(3)
    for file in sorted((tmp_path / "vocabularies").iterdir()):
        whole = file.read_bytes()
        for turn in range(60):
            changed = bytearray(whole)
            changed[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
            file.write_bytes(changed if turn % 3 else changed[: dice.randrange(len(whole))])
            digests = [hashlib.sha256(b).hexdigest() for b in (whole, file.read_bytes())]
            (tmp_path / "graph.json").write_text(graph.replace(*digests) if turn % 2 else graph)
            try:
                loaded = TransformOutput.load(str(tmp_path))
            except ArtifactError:
                continue
            assert loaded.content_hash == output.content_hash, "bytes that gzip ignores, and counts, change no token"
        file.write_bytes(whole)

"""Vocabularies: the right tokens in the right order, limits, weights and files; approximate ones within their bound."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from key_functions_transform import first_letter

import trueline.transform as tlt
from trueline._core.errors import ArtifactError, TransformError
from trueline._core.values import raw_feature_of
from trueline.data.tfrecord import read_tfrecord
from trueline.engine import Dataset, LocalEngine, check_accumulator
from trueline.engine.base import AccumulatorSpec
from trueline.transform.analysis import analyze
from trueline.transform.analyzers import Vocabulary
from trueline.transform.analyzers.heavy_hitters import HeavyHitters
from trueline.transform.analyzers.inputs import Inputs, PlainColumn
from trueline.transform.analyzers.tally import Tally
from trueline.transform.analyzers.tokens import Tokens
from trueline.transform.graph import Graph, ValueType
from trueline.transform.tracer import trace

Function = Callable[[Any], dict[str, Any]]


def traced(function: Function, table: pa.Table) -> Graph:
    return trace(function, [raw_feature_of(f) for f in table.schema if f.name != "__row__"])


def analysed(function: Function, table: pa.Table) -> tlt.TransformOutput:
    return analyze(traced(function, table), Dataset.from_table(table), LocalEngine(workers=1))


def vocabulary_of(table: pa.Table, column: str = "s", **options: Any) -> Vocabulary:
    def preprocessing(x: Any) -> dict[str, Any]:
        given = {k: x[v] if k in ("weights", "labels") else v for k, v in options.items()}
        return {"id": tlt.compute_and_apply_vocabulary(x[column], **given)}

    (found,) = analysed(preprocessing, table).vocabularies.values()
    return found


def order(counts: Counter[Any]) -> list[Any]:
    return sorted(counts, key=lambda t: (counts[t], str(t).encode()), reverse=True)


TOKENS = st.none() | st.sampled_from(["a", "b", "c", "aa", "Ä", "日本", "", "x\ny", "x\ry", " "])


@given(st.lists(st.tuples(TOKENS, st.none() | st.integers(-4, 40)), max_size=50), st.integers(0, 6), st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_tokens_by_brute_force(rows: list[tuple[Any, Any]], top_k: int, threshold: int) -> None:
    """Text and integers; ids are places, missing stays missing, what is not kept is unknown."""
    table = pa.table(
        {"s": pa.array([s for s, _ in rows], pa.string()), "i": pa.array([i for _, i in rows], pa.int64())}
    )

    def preprocessing(x: Any) -> dict[str, Any]:
        limits = {"top_k": top_k, "frequency_threshold": threshold}
        return {c: tlt.compute_and_apply_vocabulary(x[c], **limits, default_value=-5) for c in ("s", "i")}

    output = analysed(preprocessing, table)
    out = output.transform(table)
    for column, values in (("s", [s for s, _ in rows]), ("i", [i for _, i in rows])):
        counts = Counter(v for v in values if v is not None and v != "" and not ({"\n", "\r"} & set(str(v))))
        kept = [t for t in order(counts) if counts[t] >= threshold][:top_k]
        found = output.vocabularies[f"vocab_{column}"]
        assert found == Vocabulary(tuple(kept), tuple(counts[t] for t in kept), len(counts))
        places = {t: i for i, t in enumerate(kept)}
        assert out[column].to_pylist() == [None if v is None else places.get(v, -5) for v in values]


def test_lists_and_vectors_count_each_element() -> None:
    table = pa.table(
        {"s": [["a", "b", "a"], [], None, ["c", "a"]], "v": pa.array([[1, 2]] * 3 + [None], pa.list_(pa.int64(), 2))}
    )
    assert vocabulary_of(table) == Vocabulary(("a", "c", "b"), (3, 1, 1), 3)
    assert vocabulary_of(table, "v") == Vocabulary((2, 1), (3, 3), 2)


def test_limits_may_be_written_as_text() -> None:
    table = pa.table({"s": ["a", "a", "b"]})
    assert vocabulary_of(table, top_k="1").tokens == ("a",)
    assert vocabulary_of(table, frequency_threshold="2").tokens == ("a",)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.integers(-3, 9)), max_size=40))
@settings(max_examples=20, deadline=None)
def test_weights_by_brute_force(rows: list[tuple[str, int | None]]) -> None:
    """Rows without a weight do not count."""
    table = pa.table(
        {"s": pa.array([s for s, _ in rows], pa.string()), "w": pa.array([w for _, w in rows], pa.int64())}
    )
    sums: Counter[str] = Counter()
    for token, weight in rows:
        if weight is not None:
            sums[token] += weight
    assert vocabulary_of(table, weights="w").tokens == tuple(order(sums))
    assert vocabulary_of(table, weights="w").counts == tuple(float(sums[t]) for t in order(sums))


def test_weights_one_a_row_or_one_for_each_element() -> None:
    table = pa.table({"s": [["a", "b"], ["b", "c"]], "row": [2.0, 5.0], "each": [[1.0, 2.0], [float("nan"), 9.0]]})
    assert vocabulary_of(table, weights="row") == Vocabulary(("b", "c", "a"), (7.0, 5.0, 2.0), 3)
    assert vocabulary_of(table, weights="each") == Vocabulary(("c", "b", "a"), (9.0, 2.0, 1.0), 3)
    wrong = pa.table({"s": [["a", "b"]], "w": [[1.0]]})
    with pytest.raises(Exception, match=r"has 2 values and .* has 1 in the same row"):
        vocabulary_of(wrong, weights="w")


def test_reserved_tokens_come_first() -> None:
    """In their order, with the count -1, out of the counted part, and beyond top_k."""
    table = pa.table({"s": ["b", "b", "a", "c", "c", "c"]})
    found = vocabulary_of(table, reserved_tokens=["[PAD]", "b"], top_k=1)
    assert found == Vocabulary(("[PAD]", "b", "c"), (-1, -1, 3), 3)


def test_reserved_tokens_of_integers() -> None:
    """Whole numbers stay numbers; a word makes the vocabulary one of text, in which numbers are still found."""
    table = pa.table({"i": [9, 9, 10, 7]})
    assert vocabulary_of(table, "i", reserved_tokens=[7, "-1"]).tokens == (7, -1, 9, 10)
    output = analysed(lambda x: {"id": tlt.compute_and_apply_vocabulary(x["i"], reserved_tokens=["UNK"])}, table)
    assert output.vocabulary_by_name("vocab_i") == ["UNK", "9", "7", "10"]
    assert output.transform(table)["id"].to_pylist() == [1, 1, 3, 2]


def test_reserved_tokens_that_cannot_be() -> None:
    table = pa.table({"s": ["a"]})
    with pytest.raises(TransformError, match="comes twice"):
        vocabulary_of(table, reserved_tokens=["a", "a"])
    with pytest.raises(TransformError, match="cannot stand in a text file"):
        vocabulary_of(table, reserved_tokens=["a\nb"])
    with pytest.raises(TransformError, match="is one text"):
        vocabulary_of(table, reserved_tokens="abc")
    assert vocabulary_of(table, reserved_tokens=[""], file_format="tfrecord_gzip").tokens == ("", "a")


@given(
    st.lists(st.sampled_from(["a1", "a2", "a3", "b1", "b2", "c1"]), max_size=40), st.integers(0, 3), st.integers(0, 2)
)
@settings(max_examples=20, deadline=None)
def test_coverage_by_brute_force(words: list[str], top_k: int, coverage: int) -> None:
    """The first of all, and the first of each key, in the one order."""
    counts = Counter(words)
    ordered = order(counts)
    by_key: dict[str, list[str]] = defaultdict(list)
    for token in ordered:
        by_key[token[:1]].append(token)
    kept = set(ordered[:top_k]).union(*(tokens[:coverage] for tokens in by_key.values()))
    table = pa.table({"s": pa.array(words, pa.string())})
    found = vocabulary_of(table, top_k=top_k, coverage_top_k=coverage, key_fn=first_letter)
    assert list(found.tokens) == [t for t in ordered if t in kept]


def test_coverage_threshold() -> None:
    table = pa.table({"s": ["a1"] * 5 + ["a2"] * 4 + ["b1"] * 2 + ["c1"]})
    options = {"top_k": 1, "coverage_frequency_threshold": 2, "key_fn": "key_functions_transform:first_letter"}
    assert vocabulary_of(table, **options).tokens == ("a1", "a2", "b1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coverage_top_k": 1}, "need a key_fn"),
        ({"key_fn": first_letter}, "needs coverage_top_k or coverage_frequency_threshold"),
        ({"key_fn": lambda t: t, "coverage_top_k": 1}, "lambda"),
        ({"key_fn": "nowhere:f", "coverage_top_k": 1}, "nowhere"),
        ({"top_k": -1}, "top_k must not be negative"),
        ({"top_k": "many"}, "top_k must be a number"),
        ({"frequency_threshold": float("nan")}, "frequency_threshold must not be negative"),
        ({"file_format": "csv"}, "there is no file format 'csv'"),
        ({"use_adjusted_mutual_info": True}, "need labels"),
        ({"num_oov_buckets": -1}, "num_oov_buckets must not be negative"),
    ],
)
def test_wrong_arguments_are_named_at_the_users_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TransformError, match=rf"(?s)test_transform_vocabulary.py.*{message}"):
        traced(lambda x: {"id": tlt.compute_and_apply_vocabulary(x["s"], **options)}, pa.table({"s": ["a"]}))


def test_a_key_function_that_fails_is_named() -> None:
    with pytest.raises(TransformError, match=r"key_functions_transform:fails.*KeyError: 'a'"):
        vocabulary_of(pa.table({"s": ["a"]}), coverage_top_k=1, key_fn="key_functions_transform:fails")


def test_fingerprint_shuffle_orders_what_is_kept() -> None:
    words = ["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d"] * 2 + ["e"]
    found = vocabulary_of(pa.table({"s": words}), top_k=4, fingerprint_shuffle=True)
    assert list(found.tokens) == sorted("abcd", key=lambda t: hashlib.sha1(t.encode()).digest())
    assert found.counts == tuple(Counter(words)[t] for t in found.tokens)


def test_an_empty_vocabulary_shifts_no_ids() -> None:
    table = pa.table({"s": ["a", None]})

    def preprocessing(x: Any) -> dict[str, Any]:
        found = tlt.vocabulary(x["s"], frequency_threshold=9, vocab_filename="none")
        size = tlt.experimental.get_vocabulary_size_by_name("none")
        return {
            "id": tlt.apply_vocabulary(x["s"], found),
            "oov": tlt.apply_vocabulary(x["s"], found, num_oov_buckets=1),
            "size": size,
        }

    output = analysed(preprocessing, table)
    assert output.vocabulary_by_name("none") == []
    assert output.transform(table).to_pylist() == [
        {"id": -1, "oov": 0, "size": 0},
        {"id": None, "oov": None, "size": 0},
    ]


def test_vocabulary_size_by_name_needs_a_trace_and_a_name() -> None:
    with pytest.raises(TransformError, match="only inside a preprocessing function"):
        tlt.experimental.get_vocabulary_size_by_name("v")
    with pytest.raises(TransformError, match="there is no vocabulary 'v' so far"):
        traced(lambda x: {"y": x["s"], "n": tlt.experimental.get_vocabulary_size_by_name("v")}, pa.table({"s": ["a"]}))


def test_names() -> None:
    """As TensorFlow Transform writes them; equal vocabularies share one, different ones may not have the same."""

    def preprocessing(x: Any) -> dict[str, Any]:
        return {
            "a": tlt.compute_and_apply_vocabulary(x["s"], vocab_filename="my vocab/1.txt"),
            "b": tlt.compute_and_apply_vocabulary(x["s"], vocab_filename="my vocab/1.txt", num_oov_buckets=1),
            "c": tlt.compute_and_apply_vocabulary(x["s"]),
            "d": tlt.compute_and_apply_vocabulary(x["s"], top_k=1),
            "e": tlt.compute_and_apply_vocabulary(x["s"], store_frequency=True),
            "f": tlt.compute_and_apply_vocabulary(x["s"], name="named", top_k=2),
        }

    output = analysed(preprocessing, pa.table({"s": ["a"]}))
    assert output.vocabulary_by_name("my vocab/1.txt") == ["a"]
    assert sorted(output.vocabularies) == ["my-vocab_1_txt", "vocab_frequency_s", "vocab_named", "vocab_s", "vocab_s_2"]

    def clash(x: Any) -> dict[str, Any]:
        return {str(k): tlt.compute_and_apply_vocabulary(x["s"], vocab_filename="v", top_k=k) for k in (1, 2)}

    with pytest.raises(TransformError, match="two different vocabularies are named 'v'"):
        traced(clash, pa.table({"s": ["a"]}))


FILES: dict[str, dict[str, Any]] = {
    "plain": {},
    "counted": {"store_frequency": True},
    "records": {"file_format": "tfrecord_gzip"},
    "both": {"file_format": "tfrecord_gzip", "store_frequency": True},
    "weighted": {"store_frequency": True, "weights": "w"},
}


def many_files(x: Any) -> dict[str, Any]:
    made = {}
    for name, options in FILES.items():
        given = {k: x[v] if k == "weights" else v for k, v in options.items()}
        made[name] = tlt.compute_and_apply_vocabulary(x["s"], vocab_filename=name, **given)
    return {**made, "int": tlt.compute_and_apply_vocabulary(x["i"], vocab_filename="int", store_frequency=True)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tlt.TransformOutput, pa.Table]:
    table = pa.table(
        {"s": ["a b", "a b", "ü", "", "x\ny", "x\ry"], "i": [3, 3, -1, 3, -1, 7], "w": [0.5, 0.25, 1e-9, 1.0, 1.0, 1.0]}
    )
    output = analysed(many_files, table)
    folder = tmp_path_factory.mktemp("graph")
    output.save(str(folder))
    return folder, output, table


def test_files_as_they_lie_on_disk(saved: tuple[Path, tlt.TransformOutput, pa.Table]) -> None:
    folder = saved[0] / "vocabularies"
    assert (folder / "plain").read_text() == "a b\nü\n"
    assert (folder / "plain.counts").read_text() == "2\n1\n"
    assert (folder / "counted").read_text() == "2 a b\n1 ü\n"
    assert not (folder / "counted.counts").exists()
    assert (folder / "weighted").read_text() == "0.75 a b\n1e-09 ü\n"
    assert (folder / "int").read_text() == "3 3\n2 -1\n1 7\n"
    records = [r.decode() for r in read_tfrecord(str(folder / "records.tfrecord.gz"))]
    assert records == ["a b", "ü", "x\ry", "x\ny", ""]
    assert [r.decode() for r in read_tfrecord(str(folder / "both.tfrecord.gz"))][:2] == ["2 a b", "1 ü"]
    assert gzip.decompress((folder / "records.tfrecord.gz").read_bytes())[:8] == (3).to_bytes(8, "little")


def test_files_come_back(saved: tuple[Path, tlt.TransformOutput, pa.Table], tmp_path: Path) -> None:
    folder, output, table = saved
    loaded = tlt.TransformOutput.load(str(folder))
    assert loaded.vocabularies == output.vocabularies
    assert loaded.transform(table).equals(output.transform(table))
    loaded.save(str(tmp_path))
    for path in (folder / "vocabularies").iterdir():
        assert (tmp_path / "vocabularies" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["plain", "counted", "records.tfrecord.gz", "plain.counts"])
def test_a_changed_file_is_found(name: str, tmp_path: Path) -> None:
    table = pa.table({"s": ["a b"], "i": [3], "w": [0.5]})
    analysed(many_files, table).save(str(tmp_path))
    path = tmp_path / "vocabularies" / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ArtifactError, match="changed after it was written"):
        tlt.TransformOutput.load(str(tmp_path))


def test_a_vocabulary_outside_the_artifact_is_refused(tmp_path: Path) -> None:
    table = pa.table({"s": ["a"]})
    analysed(lambda x: {"id": tlt.compute_and_apply_vocabulary(x["s"])}, table).save(str(tmp_path))
    graph = tmp_path / "graph.json"
    document = json.loads(graph.read_text())
    (entry,) = document["results"].values()
    entry["vocabulary"] = "../../etc/passwd"
    graph.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="a vocabulary is named"):
        tlt.TransformOutput.load(str(tmp_path))


def state(make: Any, words: list[Any], weights: list[float] | None = None, **params: Any) -> Any:
    types = [ValueType("utf8"), ValueType("float64")]
    columns = [PlainColumn(pa.array(words, pa.string()))]
    if weights is not None:
        columns.append(PlainColumn(pa.array(weights, pa.float64())))
    made = make(types[: len(columns)], params)
    made.update(Inputs(columns))
    return made


def in_tree(states: list[Any]) -> Any:
    while len(states) > 1:
        for a, b in zip(states[::2], states[1::2], strict=False):
            a.merge(b)
        states = states[::2]
    return states[0]


@given(st.lists(st.lists(st.integers(0, 12_000), max_size=3000), min_size=1, max_size=5), st.randoms())
@settings(max_examples=10, deadline=None)
def test_approximate_counts_within_their_bound(blocks: list[list[int]], random: Any) -> None:
    """More distinct values than the summary holds, merged in a tree: no estimate too low, none too high by more than
    total / (capacity + 1), no frequent token missed."""
    blocks = [[*block, *range(7000 * i, 7000 * i + 5000)] + [1] * 50 for i, block in enumerate(blocks)]
    true = Counter(str(t) for block in blocks for t in block)
    summary = in_tree([state(HeavyHitters, [str(t) for t in block], top_k=10) for block in blocks])
    bound = true.total() / (summary.capacity + 1)
    assert len(summary.tally.tokens) <= summary.capacity
    assert 0 <= summary.error <= bound
    found = summary.arranged({})
    for token, estimate in zip(found.tokens, found.counts, strict=True):
        assert true[token] <= estimate <= true[token] + bound
    missed = set(true) - set(found.tokens)
    assert all(true[token] <= bound for token in missed)


@given(st.lists(st.tuples(TOKENS, st.floats(0, 10)), max_size=60), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_approximate_is_exact_while_there_is_room(rows: list[tuple[Any, float]], top_k: int) -> None:
    words = [w for w, _ in rows]
    exact = state(Tokens, words).arranged({"top_k": top_k})
    assert state(HeavyHitters, words, top_k=top_k).arranged({"top_k": top_k}) == exact


def test_approximate_vocabulary_in_a_graph() -> None:
    """TensorFlow Transform's names; the cut-off, reserved tokens and weights."""
    table = pa.table({"s": ["a", "b", "b", "c", "a", "", None], "w": [5.0, 1, 1, 9, 1, 1, 1]})

    def preprocessing(x: Any) -> dict[str, Any]:
        apply = tlt.experimental.compute_and_apply_approximate_vocabulary
        return {
            "plain": apply(x["s"], 2, num_oov_buckets=1, vocab_filename="plain"),
            "weighted": apply(x["s"], top_k=1, weights=x["w"], reserved_tokens=["R"], vocab_filename="weighted"),
        }

    output = analysed(preprocessing, table)
    assert output.vocabularies["plain"] == Vocabulary(("b", "a"), (2, 2), 3)
    assert output.vocabularies["weighted"] == Vocabulary(("R", "c"), (-1, 9.0), 3)
    assert output.transform(table)["plain"].to_pylist() == [1, 0, 0, 2, 1, 2, None]
    with pytest.raises(TransformError, match="top_k must lie between 1 and 200000"):
        traced(lambda x: {"y": tlt.approximate_vocabulary(x["s"], 0)}, table)


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-1e3, 1e3)), max_size=12), max_size=8))
@settings(max_examples=40, deadline=None)
def test_waiting_does_not_change_sums(blocks: list[list[tuple[str, float]]]) -> None:
    """Float sums have the same bits whether blocks are joined one by one or many at a time."""
    lazy, eager = Tally("utf8", exact=False), Tally("utf8", exact=False)
    for block in blocks:
        tokens = pa.array([t for t, _ in block], pa.string())
        numbers = np.array([w for _, w in block], np.float64)
        lazy.count(tokens, numbers)
        eager.count(tokens, numbers)
        assert len(eager.tokens) <= 3  # asking joins what waits
    (a, b), (c, d) = lazy.sorted(), eager.sorted()
    assert a.equals(c)
    np.testing.assert_array_equal(b, d)


def test_computed_texts_are_counted_too() -> None:
    """Many rows, few distinct texts: the analysers are given codes, in which two codes may be one token."""
    words = ["A", "a", "", "b\n", "B", "b"] * 100
    table = pa.table({"s": words, "w": [1.0] * 600})

    def preprocessing(x: Any) -> dict[str, Any]:
        lower = tlt.lower(x["s"])
        return {
            "exact": tlt.compute_and_apply_vocabulary(lower, vocab_filename="exact"),
            "near": tlt.compute_and_apply_approximate_vocabulary(lower, 5, vocab_filename="near"),
            "weighted": tlt.compute_and_apply_vocabulary(lower, weights=x["w"], vocab_filename="weighted"),
        }

    found = analysed(preprocessing, table).vocabularies
    assert found["exact"] == found["near"] == found["weighted"] == Vocabulary(("b", "a"), (200, 200), 2)


@pytest.mark.parametrize("weighted", [False, True])
def test_same_bits_for_any_shards_and_workers(weighted: bool) -> None:
    rng = np.random.default_rng(2)
    table = pa.table({"s": rng.choice([f"t{i}" for i in range(50)], 4000), "w": rng.random(4000)})

    def preprocessing(x: Any) -> dict[str, Any]:
        weights = {"weights": x["w"]} if weighted else {}
        return {
            "exact": tlt.compute_and_apply_vocabulary(x["s"], **weights, store_frequency=True),
            "approximate": tlt.compute_and_apply_approximate_vocabulary(x["s"], 7, **weights),
        }

    graph, whole = traced(preprocessing, table), Dataset.from_table(table, block_rows=300)
    runs = [analyze(graph, whole.deal(s), LocalEngine(workers=w)) for s, w in ((1, 1), (7, 3), (2, 4))]
    assert runs[0].vocabularies == runs[1].vocabularies == runs[2].vocabularies
    assert len({run.content_hash for run in runs}) == 1


def test_states_obey_the_protocol() -> None:
    """The engine's own check, bit for bit, also for other block borders: of target sums and document counts too."""
    rng = np.random.default_rng(12)
    words = pa.array(rng.choice(["a", "b", "", None], 60))
    table = pa.table(
        {"__row__": np.arange(60), "s": words, "l": rng.integers(0, 3, 60), "d": [[i % 4] * (i % 3) for i in range(60)]}
    )

    def preprocessing(x: Any) -> dict[str, Any]:
        return {
            "a": tlt.compute_and_apply_vocabulary(x["s"], labels=x["l"]),
            "b": tlt.compute_and_apply_approximate_vocabulary(x["s"], 2),
            "c": tlt.compute_and_apply_vocabulary(x["s"]),
            "d": tlt.target_encode(x["s"], x["l"], folds=3),
            "e": tlt.experimental.document_frequency(x["d"], 4),
        }

    graph = traced(preprocessing, table)
    inputs = {n.op.removeprefix("analyze."): list(n.inputs) for n in graph.nodes if n.is_analyzer}
    states = [
        ["labelled_tokens", inputs["vocabulary_information"], {}],
        ["heavy_hitters", inputs["vocabulary_approximate"], {"top_k": 2}],
        ["tokens", inputs["vocabulary"], {}],
        ["targets", inputs["target_keys"], {"folds": 3, "seed": 0}],
        ["document_frequency", inputs["document_frequency"], {}],
    ]
    spec: AccumulatorSpec[Any] = AccumulatorSpec(
        "trueline.transform.phases:PhaseAccumulator", {"graph": json.dumps(graph.to_json()), "states": states}
    )
    check_accumulator(spec, table)


def test_many_distinct_tokens_stay_in_arrow() -> None:
    """A million distinct tokens in fifty blocks: the state is bytes and numbers, and joins are few."""
    tally = Tally("int64")
    joins = 0
    known = 0
    for block in range(50):
        tally.add(pa.array(np.arange(block * 20_000, block * 20_000 + 20_000)), np.ones((20_000, 1), np.int64))
        joins += len(tally._tokens) != known
        known = len(tally._tokens)
    assert len(tally.tokens) == 1_000_000
    assert int(tally.sums.sum()) == 1_000_000
    assert joins <= 10


def test_apply_to_lists_of_tokens_given_by_hand() -> None:
    table = pa.table({"s": [["a", "z"], [], None], "i": [3, 4, None]})

    def preprocessing(x: Any) -> dict[str, Any]:
        return {
            "s": tlt.apply_vocabulary(x["s"], ["z", "a"]),
            "i": tlt.apply_vocabulary(x["i"], [4]),
            "text": tlt.apply_vocabulary(x["i"], ["UNK", "4"], default_value=0),
        }

    assert analysed(preprocessing, table).transform(table).to_pylist() == [
        {"s": [1, 0], "i": -1, "text": 0},
        {"s": [], "i": 0, "text": 1},
        {"s": None, "i": None, "text": None},
    ]
    with pytest.raises(TransformError, match="holds a token twice"):
        traced(lambda x: {"y": tlt.apply_vocabulary(x["s"], ["a", "a"])}, table)
    with pytest.raises(TransformError, match="holds 3"):
        traced(lambda x: {"y": tlt.apply_vocabulary(x["s"], ["a", 3])}, table)

"""Natural-language statistics against counting by hand, and vocabularies of both kinds of file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import text_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from trueline._core.errors import ArtifactError, ConfigError, DataError
from trueline.data.tfrecord_write import write_tfrecord
from trueline.data_validation import StatsOptions, generate_statistics, validate_statistics
from trueline.data_validation.generators.vocabularies import load_vocabulary, vocabulary_digest
from trueline.engine import Dataset, LocalEngine

VOCABULARY = ["the", "a", "cat", "[UNK]", "[PAD]"]
SCHEMA = """
feature {{ name: "t" type: {type} natural_language_domain {{ vocabulary: "v"
  coverage {{ excluded_string_tokens: "[PAD]" oov_string_tokens: "[UNK]" min_coverage: {least} }}
  sequence_length_constraints {{ excluded_string_value: "[PAD]" excluded_int_value: 4 }}
  token_constraints {{ string_value: "cat" max_per_sequence: 1 }} token_constraints {{ int_value: 0 }} }} }}
"""


def schema(kind: str, least: float = 0.0) -> Any:
    return text_format.Parse(SCHEMA.format(type=kind, least=least), schema_pb2.Schema())


def written(folder: Path) -> str:
    path = folder / "v.txt"
    path.write_text("".join(f" {token} \n" for token in VOCABULARY), encoding="utf-8")
    return str(path)


def language(column: pa.Array, path: str, block_rows: int = 1000) -> Any:
    kind = "INT" if pa.types.is_integer(column.type.value_type) else "BYTES"
    options = StatsOptions(schema=schema(kind), vocab_paths={"v": path})
    dataset = Dataset.from_table(pa.table({"t": column}), block_rows)
    feature = generate_statistics(dataset, options, LocalEngine(1)).datasets[0].features[0]
    found = statistics_pb2.NaturalLanguageStatistics()
    assert next(stat for stat in feature.custom_stats if stat.name == "nl_statistics").any.Unpack(found)
    return found


TOKENS = st.none() | st.lists(st.sampled_from([*VOCABULARY, "dog", "é"]), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(TOKENS, min_size=1, max_size=20), block_rows=st.integers(1, 25))
def test_text_is_counted_as_by_hand(rows: list[Any], block_rows: int, tmp_path: Path) -> None:
    """Coverage, lengths, frequencies and constrained tokens; padding is passed over, unknown tokens are not known."""
    found = language(pa.array(rows, pa.list_(pa.string())), written(tmp_path), block_rows)
    full = [row for row in rows if row]
    counted = [token for row in full for token in row if token != "[PAD]"]
    known = [token for token in counted if token in VOCABULARY and token != "[UNK]"]
    assert found.feature_coverage == pytest.approx(len(known) / len(counted) if counted else 0.0)
    assert found.avg_token_length == pytest.approx(sum(map(len, known)) / len(known) if known else 0.0)
    lengths = [sum(token != "[PAD]" for token in row) for row in full] or [0]
    assert (found.min_sequence_length, found.max_sequence_length) == (min(lengths), max(lengths))
    assert {b.label: b.sample_count for b in found.rank_histogram.buckets} == {t: known.count(t) for t in set(known)}
    assert sum(b.sample_count for b in found.token_length_histogram.buckets) == pytest.approx(len(known))
    present = [row for row in rows if row is not None]
    by_token = {token.string_token or token.int_token: token for token in found.token_statistics}
    for name, token in ((0, "the"), ("cat", "cat")):
        times = [row.count(token) for row in full]
        if sum(times):
            one = by_token[name]
            assert one.frequency == sum(times)
            assert one.fraction_of_sequences == pytest.approx(sum(t > 0 for t in times) / len(present))
            assert (one.per_sequence_min_frequency, one.per_sequence_max_frequency) == (min(times), max(times))
            assert sum(b.sample_count for b in one.positions.buckets) == sum(times)
    assert all(read_back(text) in full for text in found.reported_sequences)


def read_back(text: str) -> Any:
    """A reported sequence, read back (its tokens hold no quotes)."""
    return json.loads(text.replace("'", '"'))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.none() | st.lists(st.integers(-1, 6), max_size=5), min_size=1, max_size=15))
def test_numbers_are_their_tokens(rows: list[Any], tmp_path: Path) -> None:
    """A column of numbers has the figures of the texts that they stand for; numbers outside are unknown."""
    path = written(tmp_path)
    texts = [None if r is None else [VOCABULARY[i] if 0 <= i < 5 else f"#{i}" for i in r] for r in rows]
    numbers, words = (language(pa.array(v, pa.list_(t)), path) for v, t in ((rows, pa.int64()), (texts, pa.string())))
    for name in ("feature_coverage", "avg_token_length", "min_sequence_length", "max_sequence_length"):
        assert getattr(numbers, name) == getattr(words, name)
    assert numbers.rank_histogram == words.rank_histogram
    assert numbers.token_statistics == words.token_statistics


def test_the_worst_sequences_are_distinct_and_bounded(tmp_path: Path) -> None:
    """Five of lowest coverage, then five of lowest average length; repeated ones once, long ones cut."""
    rows = [["dog"] * n for n in (1, 1, 1, 2)] + [["the", "cat"]] * 50 + [["cat"] * 5000] + [["a"]]
    found = language(pa.array(rows), written(tmp_path), 7)
    assert found.reported_sequences[0] == "['dog']"
    assert len(found.reported_sequences) == 10
    assert len(set(found.reported_sequences[:5])) == 5
    assert found.reported_sequences[5] == "['a']"
    assert max(map(len, found.reported_sequences)) < 1000
    assert any(text.endswith(", ...]") for text in found.reported_sequences)


def test_bytes_that_are_no_utf8_are_unknown_tokens(tmp_path: Path) -> None:
    """They are counted, not known, and shown under upstream's name for them."""
    found = language(pa.array([[b"the", b"\xff"]], pa.list_(pa.binary())), written(tmp_path))
    assert found.feature_coverage == 0.5
    assert found.reported_sequences[0] == "['the', '__BYTES_VALUE__']"


def test_figures_reach_the_rules(tmp_path: Path) -> None:
    """What the schema asks of coverage and tokens is checked against these statistics, end to end."""
    rule = schema("BYTES", least=0.9)
    table = pa.table({"t": [["dog", "the"], ["cat", "cat"]]})
    options = StatsOptions(schema=rule, vocab_paths={"v": written(tmp_path)})
    found = validate_statistics(generate_statistics(table, options, LocalEngine(1)), rule)
    names = {
        anomalies_pb2.AnomalyInfo.Type.Name(reason.type)
        for info in found.anomaly_info.values()
        for reason in info.reason
    }
    assert {"FEATURE_COVERAGE_TOO_LOW", "SEQUENCE_VALUE_TOO_MANY_OCCURRENCES"} <= names


def test_vocabularies_of_text_and_of_records(tmp_path: Path) -> None:
    """Lines without blanks around them, or records of a TFRecord file; the first of two equal tokens counts."""
    text = written(tmp_path)
    records = str(tmp_path / "v.tfrecord.gz")
    assert write_tfrecord(records, [token.encode() for token in VOCABULARY], "gzip") == len(VOCABULARY)
    one, two = (load_vocabulary(path, vocabulary_digest(path)) for path in (text, records))
    assert one == two
    assert one.tokens == tuple(VOCABULARY)
    assert one.numbers["cat"] == 2
    twice = tmp_path / "twice.txt"
    twice.write_text("x\ny\nx\n", encoding="utf-8")
    assert load_vocabulary(str(twice), vocabulary_digest(str(twice))).numbers == {"x": 0, "y": 1}


def test_vocabularies_that_cannot_be_used(tmp_path: Path) -> None:
    """Missing, changed since planning, or no UTF-8: an error that names the file; an unknown name, the feature."""
    gone = str(tmp_path / "gone.txt")
    with pytest.raises(ArtifactError, match=r"gone\.txt"):
        vocabulary_digest(gone)
    path = Path(written(tmp_path))
    digest = vocabulary_digest(str(path))
    path.write_text("other\n", encoding="utf-8")
    with pytest.raises(DataError, match="has changed"):
        load_vocabulary(str(path), digest)
    path.write_bytes(b"\xff\n")
    with pytest.raises(DataError, match="UTF-8"):
        load_vocabulary(str(path), vocabulary_digest(str(path)))
    options = StatsOptions(schema=schema("BYTES"), vocab_paths={"w": str(path)})
    with pytest.raises(ConfigError, match="'t'"):
        generate_statistics(pa.table({"t": [["a"]]}), options, LocalEngine(1))

"""TensorFlow's hashes: published vectors, what TensorFlow gave for each class of lengths, buckets in a transform."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trueline.transform as tlt
from trueline._core.errors import TransformError
from trueline._core.values import RawFeature
from trueline.engine import Dataset, LocalEngine
from trueline.transform.analysis import analyze
from trueline.transform.farmhash import fingerprint64, siphash64
from trueline.transform.tracer import trace

LONG = "Grüße aus Köln, 日本語テキスト, und noch viel mehr Text, damit es lang genug ist"
BY_TENSORFLOW = {
    "x" * 15: 0x189DF0D822ED3C8E,
    "x" * 16: 0x2E1630F1FCF7781C,
    "x" * 17: 0x9CE745A1F3812FA5,
    "x" * 32: 0xB30B9BACCC74DC05,
    "x" * 33: 0xAA49185443E61637,
    "x" * 64: 0x5FFB3C754F6913B8,
    "x" * 65: 0x447CB9FD96F25F39,
    "x" * 127: 0xA846F0FDBA7928A8,
    "x" * 128: 0x5170AF09FD870C17,
    "x" * 129: 0xF6EDF54559A5FEB6,
    "x" * 1000: 0x1A8C8AB6295A3220,
    LONG: 0x778BF63EDBED3E38,
}


def test_fingerprints_that_are_published() -> None:
    """The three rows in the documentation of BigQuery's FARM_FINGERPRINT."""
    found = fingerprint64(["1footrue", "2applefalse", "3true"]).astype(np.int64)
    assert found.tolist() == [-1541654101129638711, 2794438866806483259, -4880158226897771312]


def test_fingerprints_of_every_class_of_lengths() -> None:
    assert fingerprint64(list(BY_TENSORFLOW)).tolist() == list(BY_TENSORFLOW.values())


def test_no_texts_and_the_empty_text() -> None:
    assert fingerprint64([]).tolist() == []
    assert siphash64([], (1, 2)).tolist() == []
    assert (fingerprint64([""]) % 1000).tolist() == [263]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=90), max_size=12))
@settings(max_examples=60, deadline=None)
def test_texts_do_not_change_each_other(texts: list[str]) -> None:
    """Hashed together, each text has the hash that it has alone."""
    assert fingerprint64(texts).tolist() == [int(fingerprint64([t])[0]) for t in texts]
    assert siphash64(texts, (7, 2**64 - 1)).tolist() == [int(siphash64([t], (7, 2**64 - 1))[0]) for t in texts]


def test_siphash_vectors_of_its_authors() -> None:
    """SipHash-2-4 with the key 00 .. 0f of the bytes 00 .. n - 1, from the reference's list."""
    key = struct.unpack("<QQ", bytes(range(16)))
    texts = [bytes(range(n)).decode() for n in (0, 8, 15)]
    assert siphash64(texts, key).tolist() == [0x726FDB47DD0E0E31, 0x93F5F5799A932462, 0xA129CA6149BE45E5]


def outputs_of(function: Any, rows: dict[str, list[Any]], profile: str | None) -> tuple[pa.Table, tlt.TransformOutput]:
    table = pa.table(rows)
    features = [
        RawFeature(n, "int64" if t == pa.int64() else "utf8") for n, t in zip(rows, table.schema.types, strict=True)
    ]
    output = analyze(trace(function, features, profile=profile), Dataset.from_table(table), LocalEngine(workers=1))
    return output.transform(table), output


def test_buckets_are_tensorflows_in_its_profile() -> None:
    """939, 822, 263 in TensorFlow Transform; MurmurHash3 elsewhere; integers by their decimal text."""
    rows = {"s": ["a", "b", "", None], "i": [1, -2, 3, None]}

    def preprocessing(x: Any) -> dict[str, Any]:
        return {"h": tlt.hash_strings(x["s"], 1000), "i": tlt.hash_strings(x["i"], 1000)}

    found, output = outputs_of(preprocessing, rows, "tensorflow")
    assert found["h"].to_pylist() == [939, 822, 263, None]
    assert found["i"].to_pylist()[:3] == (fingerprint64(["1", "-2", "3"]) % 1000).tolist()
    assert output.num_buckets_for_transformed_feature("h") == 1000
    assert outputs_of(preprocessing, rows, None)[0]["h"].to_pylist() != [939, 822, 263, None]


def test_a_key_gives_siphash() -> None:
    """The buckets that TensorFlow Transform's own tests have."""
    found, output = outputs_of(
        lambda x: {"h": tlt.hash_strings(x["s"], 11, key=[123, 456])}, {"s": ["Cake", "Pie", "Sundae"]}, None
    )
    assert found["h"].to_pylist() == [6, 5, 6]
    with pytest.raises(TransformError, match="no ONNX form"):
        output.to_onnx()


def test_unknown_tokens_get_tensorflows_buckets() -> None:
    """TensorFlow Transform's own case: one token kept, three buckets."""
    documents = [["hello", "hello", "world", "world"], ["hello", "tarkus", "toccata"], ["hello", "goodbye", "foo"]]
    table = pa.table({"x": documents})
    features = [RawFeature("x", "utf8", "ragged")]

    def preprocessing(x: Any) -> dict[str, Any]:
        return {"ids": tlt.compute_and_apply_vocabulary(x["x"], top_k=1, num_oov_buckets=3)}

    output = analyze(
        trace(preprocessing, features, profile="tensorflow"), Dataset.from_table(table), LocalEngine(workers=1)
    )
    assert output.transform(table)["ids"].to_pylist() == [[0, 0, 2, 2], [0, 3, 1], [0, 2, 1]]
    domain = output.output_schema.feature[0].int_domain
    assert (domain.min, domain.max) == (0, 3)


def test_buckets_are_computed_once_for_each_distinct_text() -> None:
    """In bulk the oracle gets the distinct texts of a column, not its rows."""
    from trueline.transform.operations import OPERATIONS

    seen: list[int] = []
    record = OPERATIONS["farm_bucket"]

    def counting(values: Any, attrs: Any) -> Any:
        seen.append(len(values[0].data))
        return record.numpy(values, attrs)

    import dataclasses

    OPERATIONS["farm_bucket"] = dataclasses.replace(record, numpy=counting)
    try:
        found, _ = outputs_of(lambda x: {"h": tlt.hash_strings(x["s"], 50)}, {"s": ["a", "b"] * 500}, "tensorflow")
    finally:
        OPERATIONS["farm_bucket"] = record
    assert seen == [2]
    assert found["h"].to_pylist() == (fingerprint64(["a", "b"]) % 50).tolist() * 500


@pytest.mark.parametrize("key", [[1], [1, 2**64], [-1, 0]])
def test_a_wrong_key_is_an_error_at_the_users_line(key: list[int]) -> None:
    with pytest.raises(TransformError, match=r"test_transform_farmhash.py.*a key is two whole numbers"):
        trace(lambda x: {"h": tlt.hash_strings(x["s"], 11, key=key)}, [RawFeature("s", "utf8")])


def test_another_profile_refuses_what_only_tensorflow_has() -> None:
    with pytest.raises(TransformError, match=r"needs the `tensorflow` profile.*MurmurHash3"):
        trace(lambda x: {"h": tlt.hash_strings(x["s"], 11, key=[1, 2])}, [RawFeature("s", "utf8")], profile="portable")

"""Hashes and text at TensorFlow's edges: MurmurHash3 in its operations, its own hashes in ours, NUL characters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

tf = pytest.importorskip("tensorflow", reason="NOT TESTED HERE: no TensorFlow; run `make test-tensorflow`")

from helpers_tf_lowering import in_tensorflow  # noqa: E402
from helpers_transform import assert_same, by_oracle, graph_of  # noqa: E402

import trueline.transform as tlt  # noqa: E402
from trueline._core.errors import TransformError  # noqa: E402
from trueline.transform.farmhash import fingerprint64, siphash64  # noqa: E402
from trueline.transform.operations.murmur import murmur3_32 as by_python  # noqa: E402
from trueline.transform.output import TransformOutput  # noqa: E402
from trueline.transform.tensorflow import to_tf_module  # noqa: E402
from trueline.transform.tensorflow.murmur import murmur3_32  # noqa: E402
from trueline.transform.tensorflow.tokens import greedy_is_longest  # noqa: E402

RANDOM = np.random.default_rng(11)
LETTERS = np.array(list("abcxyz0189 .-_ÄßéЖ日本語😀\0\n"))


def texts() -> list[str]:
    """Ten of each length from 0 to 300 characters, of one to four bytes each; and of each length in bytes."""
    mixed = ["".join(RANDOM.choice(LETTERS, n)) for n in range(301) for _ in range(10)]
    plain = ["".join(RANDOM.choice(list("abcdefgh"), n)) for n in range(301) for _ in range(5)]
    return mixed + plain


TEXTS = texts()


def test_murmur_in_tensorflow_is_onnx_runtimes() -> None:
    found = tf.function(murmur3_32)(tf.constant(TEXTS)).numpy()
    assert found.tolist() == [by_python(t) for t in TEXTS]


@pytest.mark.parametrize("buckets", [1, 2, 1000, 2**31 - 1, 2**62])
def test_farmhash_in_numpy_is_tensorflows(buckets: int) -> None:
    """`tf.strings.to_hash_bucket_fast` gives the same ids as our profile ``tensorflow`` in bulk."""
    ours = (fingerprint64(TEXTS) % np.uint64(buckets)).astype(np.int64)
    assert tf.strings.to_hash_bucket_fast(TEXTS, buckets).numpy().tolist() == ours.tolist()


@pytest.mark.parametrize("key", [(0, 0), (1, 2), (2**64 - 1, 2**63)])
def test_siphash_in_numpy_is_tensorflows(key: tuple[int, int]) -> None:
    ours = (siphash64(TEXTS, key) % np.uint64(997)).astype(np.int64)
    signed = [k - (k >> 63 << 64) for k in key]
    assert tf.strings.to_hash_bucket_strong(TEXTS, 997, signed).numpy().tolist() == ours.tolist()


@pytest.mark.parametrize(
    "function",
    [
        lambda a: tlt.join(a, a, separator="\0-"),
        lambda a: tlt.matches(a, "[\0x]+"),
        lambda a: tlt.reduce_join(tlt.characters(a), "+\0"),
        lambda a: tlt.ngrams(tlt.characters(a), (1, 2), "\0"),
        lambda a: tlt.split(a, "\0"),
        lambda a: tlt.strip(a, "\0"),
        lambda a: tlt.apply_vocabulary(a, ["\0", "x\0", "x"], num_oov_buckets=3),
    ],
)
def test_nul_characters_end_nothing(function: Callable[[Any], Any]) -> None:
    """In texts, separators, patterns and vocabularies; TensorFlow's attributes end at them."""
    table = pa.table({"a": ["", "\0", "x\0", "\0x\0", "x", "é\0\0y", None]})
    graph = graph_of(lambda x: {"y": function(x["a"])}, table)
    assert_same(in_tensorflow(graph)(table)["y"], by_oracle(graph, table)["y"])


def test_patterns_whose_first_match_is_the_longest() -> None:
    safe = ["[a-z']+", r"\d{3}-\w+", r"[A-Z][a-z]*", r"[a-z]+|[0-9]+|[^\sa-z0-9]", "x", ".", r"\S+", r"[]a]+"]
    unsafe = ["a|ab", "a?ab", "a+?", "(a|ab)c", "[a-z]+|[x-z]", r"\w+|\d+", "(?i)a", "^a", r"\ba"]
    assert [p for p in safe if not greedy_is_longest(p)] == []
    assert [p for p in unsafe if greedy_is_longest(p)] == []


def test_other_patterns_are_refused_with_the_reason() -> None:
    table = pa.table({"a": ["ab"]})
    output = TransformOutput(graph_of(lambda x: {"y": tlt.tokenize(x["a"], "a|ab")}, table), {})
    with pytest.raises(TransformError, match=r"the longest matches of 'a\|ab' are wanted"):
        to_tf_module(output)


def test_subnormal_numbers_are_zero_in_tensorflow() -> None:
    """What no graph can change: TensorFlow's kernels flush them, in inputs and in results."""
    table = pa.table({"x": [5e-324, -1e-310, 1e-308, 3e-308]})
    graph = graph_of(lambda x: {"y": x["x"] * 1.0, "z": x["x"] > 0.0}, table, optional=False)
    found = in_tensorflow(graph)(table)
    assert found["y"].data.tolist() == [0.0, 0.0, 0.0, 3e-308]
    assert found["z"].data.tolist() == [False, False, False, True]

"""Vocabularies by TensorFlow Transform's names: the distinct values of a column, and the place of a value among them.

Deviations, all deliberate: an empty vocabulary is empty (no placeholder entry, no id is shifted); hash buckets are
MurmurHash3, and TensorFlow's FarmHash only in the profile ``tensorflow``; missing stays missing instead of being
sparse; a space in a token stays a space in files with counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypedDict, Unpack

from trueline._core.values import DType
from trueline.transform.column import Column
from trueline.transform.functions import as_float
from trueline.transform.hoststeps import importable
from trueline.transform.vocabulary_names import free_name

__all__ = [
    "FileFormat",
    "apply_vocabulary",
    "compute_and_apply_vocabulary",
    "file_attrs",
    "made",
    "reserve",
    "vocabulary",
]

FileFormat = Literal["text", "tfrecord_gzip"]
KeyFn = Callable[[Any], Any] | str


class VocabularyOptions(TypedDict, total=False):
    """The arguments of `vocabulary`."""

    top_k: int | None
    frequency_threshold: float | None
    vocab_filename: str | None
    store_frequency: bool
    reserved_tokens: Sequence[str | int] | None
    weights: Column | None
    labels: Column | None
    use_adjusted_mutual_info: bool
    min_diff_from_avg: float | None
    coverage_top_k: int | None
    coverage_frequency_threshold: float | None
    key_fn: KeyFn | None
    fingerprint_shuffle: bool
    file_format: FileFormat
    name: str | None


def vocabulary(
    x: Column,
    *,
    top_k: int | None = None,
    frequency_threshold: float | None = None,
    vocab_filename: str | None = None,
    store_frequency: bool = False,
    reserved_tokens: Sequence[str | int] | None = None,
    weights: Column | None = None,
    labels: Column | None = None,
    use_adjusted_mutual_info: bool = False,
    min_diff_from_avg: float | None = None,
    coverage_top_k: int | None = None,
    coverage_frequency_threshold: float | None = None,
    key_fn: KeyFn | None = None,
    fingerprint_shuffle: bool = False,
    file_format: FileFormat = "text",
    name: str | None = None,
) -> Column:
    """The column's distinct values by descending count, then descending bytes (integers as decimal text): a table.

    Lists and vectors count each element. Counting is exact; its state holds every distinct value, see
    `trueline.transform.analyzers.tally.Tally` for the bytes; `approximate_vocabulary` needs fixed memory.

    Args:
        x: text or integers.
        top_k: keep the first so many.
        frequency_threshold: keep tokens that occur at least so often; with `weights` or `labels` a limit on those.
        vocab_filename: the vocabulary's name; by default ``vocab_<name>``, or after the raw column that it reads.
        store_frequency: the file has ``count token`` in each line.
        reserved_tokens: come first, in this order, whether they occur or not; their count is -1. Text that is no
            whole number makes the vocabulary of an integer column one of text.
        weights: numbers, one a row or one for each element: tokens are ordered by their sums. NaN does not count.
        labels: whole numbers, one a row: tokens are ordered by their mutual information with it, in bits times rows.
            A token must not come twice in a row.
        use_adjusted_mutual_info: take off what chance alone gives.
        min_diff_from_avg: with `labels`: a label whose count beside a token is closer than this to what the average
            says adds nothing; by default 2 up to 10,000 rows, up to 25 from 1,000,000 rows on.
        coverage_top_k: keep also the first so many of each key that `key_fn` gives.
        coverage_frequency_threshold: for that second arm, tokens that occur at least so often.
        key_fn: a function of one token, importable by its name (or ``"package.module:name"``); it runs once, in the
            analysis. A graph holds its name alone.
        fingerprint_shuffle: order the kept tokens by their SHA-1 instead.
        file_format: ``text``: empty texts and texts with a line break are no tokens; ``tfrecord_gzip``: all are.
        name: see `vocab_filename`.

    Raises:
        TransformError: for arguments that do not fit together, and two different vocabularies of one name. In analysis:
            a token twice in a row beside `labels`, and a `key_fn` that fails.
    """
    tracer = x.tracer
    attrs = _limits(x, top_k=top_k, frequency_threshold=frequency_threshold)
    attrs |= _coverage(x, coverage_top_k, coverage_frequency_threshold, key_fn)
    attrs |= file_attrs(x, file_format, store_frequency)
    if fingerprint_shuffle:
        attrs["fingerprint_shuffle"] = True
    x = reserve(x, reserved_tokens, attrs)
    op, inputs = "analyze.vocabulary", [x]
    if labels is not None:
        op = "analyze.vocabulary_information"
        inputs.append(_labels(labels))
        attrs["use_adjusted_mutual_info"] = bool(use_adjusted_mutual_info)
        attrs["min_diff_from_avg"] = None if min_diff_from_avg is None else float(min_diff_from_avg)
    elif use_adjusted_mutual_info or min_diff_from_avg is not None:
        raise tracer.error("use_adjusted_mutual_info and min_diff_from_avg need labels")
    if weights is not None:
        op = "analyze.vocabulary_weighted" if labels is None else op
        inputs.append(as_float(weights))
    return made(op, inputs, attrs, vocab_filename, name)


def made(op: str, inputs: list[Column], attrs: dict[str, Any], given: str | None, name: str | None) -> Column:
    """The analyzer's node, under a free name."""
    stem = "vocab_frequency_" if attrs.get("store_frequency") else "vocab_"
    wanted = given if given is not None or name is None else stem + name
    named = {**attrs, "name": free_name(inputs[0], op, inputs, attrs, wanted, stem)}
    return inputs[0].tracer.op(op, *inputs, **named)


def _limits(x: Column, **given: Any) -> dict[str, Any]:
    """Limits as numbers; text that is a number is one, as in TensorFlow Transform."""
    found: dict[str, Any] = {}
    for key, limit in given.items():
        whole = key.endswith("top_k")
        try:
            value = None if limit is None else int(limit) if whole else float(limit)
        except (TypeError, ValueError):
            raise x.tracer.error(f"{key} must be a number, it is {limit!r}") from None
        if value is not None and (value != value or value < 0):
            raise x.tracer.error(f"{key} must not be negative, it is {limit}")
        found[key] = int(value) if isinstance(value, float) and value.is_integer() else value
    return found


def _coverage(x: Column, top_k: int | None, threshold: float | None, key_fn: KeyFn | None) -> dict[str, Any]:
    if key_fn is None:
        if top_k is not None or threshold is not None:
            raise x.tracer.error("coverage_top_k and coverage_frequency_threshold need a key_fn")
        return {}
    if isinstance(key_fn, Column):
        raise x.tracer.error("key_fn is a column", "give a function of one token that can be imported by its name.")
    if top_k is None and threshold is None:
        raise x.tracer.error("a key_fn needs coverage_top_k or coverage_frequency_threshold")
    limits = _limits(x, coverage_top_k=top_k, coverage_frequency_threshold=threshold)
    return {**limits, "key_fn": importable(x.tracer, key_fn)}


def file_attrs(x: Column, file_format: str, store_frequency: bool) -> dict[str, Any]:
    """How the vocabulary's file is written."""
    if file_format not in ("text", "tfrecord_gzip"):
        raise x.tracer.error(f"there is no file format {file_format!r}", "file formats: text, tfrecord_gzip.")
    found: dict[str, Any] = {} if file_format == "text" else {"file_format": file_format}
    return {**found, "store_frequency": True} if store_frequency else found


def reserve(x: Column, tokens: Sequence[str | int] | None, attrs: dict[str, Any]) -> Column:
    """The column, as text if a reserved token is no number; the tokens go into the attributes."""
    if not tokens:
        return x
    if isinstance(tokens, str):
        raise x.tracer.error("reserved_tokens is one text", "give a list of tokens.")
    texts = [str(t) for t in tokens]
    if len(set(texts)) != len(texts):
        raise x.tracer.error(f"a reserved token comes twice: {texts}")
    if x.dtype == "int64":
        if all(_is_int(t) for t in texts):
            attrs["reserved"] = [int(t) for t in texts]
            return x
        x = x.cast("utf8", implied=True)
    broken = [t for t in texts if not t or "\n" in t or "\r" in t]
    if broken and "file_format" not in attrs:
        raise x.tracer.error(
            f"the reserved token {broken[0]!r} cannot stand in a text file", 'use file_format="tfrecord_gzip".'
        )
    attrs["reserved"] = texts
    return x


def _is_int(text: str) -> bool:
    """Whether a text is an integer as a cast to text writes it."""
    return text.removeprefix("-").isdecimal() and text.isascii() and str(int(text)) == text and abs(int(text)) < 2**63


def _labels(labels: Column) -> Column:
    if labels.dtype == "bool":
        return labels.cast("int64", implied=True)
    if labels.dtype != "int64" or labels.type.kind != "scalar":
        raise labels.tracer.error(
            f"labels must be whole numbers, one a row, and {labels.tracer.describe(labels)} is not",
            "give numbers a bucket (tlt.bucketize) and text an id (tlt.compute_and_apply_vocabulary) first.",
        )
    return labels


def apply_vocabulary(
    x: Column,
    deferred_vocab_filename_tensor: Column | Sequence[str] | Sequence[int],
    *,
    default_value: int = -1,
    num_oov_buckets: int = 0,
    file_format: str = "text",
    name: str | None = None,
) -> Column:
    """The place of each value in a vocabulary, int64; missing stays missing; lists and vectors keep their structure.

    Args:
        x: text or integers; integers are looked up in a vocabulary of text by their decimal text.
        deferred_vocab_filename_tensor: what `vocabulary` gave, or a list of distinct tokens.
        default_value: id of an unknown value where there are no buckets.
        num_oov_buckets: unknown values get vocabulary size + hash % num_oov_buckets; the hash is MurmurHash3, in the
            profile ``tensorflow`` FarmHash's Fingerprint64, as TensorFlow has it.
        file_format: accepted as TensorFlow Transform does; the vocabulary itself knows its file.
        name: makes no difference.
    """
    tracer, table = x.tracer, deferred_vocab_filename_tensor
    if int(num_oov_buckets) < 0:
        raise tracer.error(f"num_oov_buckets must not be negative, it is {num_oov_buckets}")
    if isinstance(table, str):
        raise tracer.error(
            f"the vocabulary is the text {table!r}",
            "give what tlt.vocabulary returned, or a list of tokens; of a file: its lines.",
        )
    if not isinstance(table, Column):
        table = _listed(x, list(table))
    attrs = {"default": int(default_value), "oov": int(num_oov_buckets)}
    with tracer.scope("apply_vocabulary"):
        if x.dtype == "int64" and table.dtype == "utf8":
            x = x.cast("utf8", implied=True)
        farm = tracer.profile == "tensorflow" and attrs["oov"] > 0
        return tracer.op("farm_vocabulary" if farm else "apply_vocabulary", x, table, **attrs)


def _listed(x: Column, tokens: list[Any]) -> Column:
    """A list of tokens as a table."""
    if len(set(tokens)) != len(tokens):
        raise x.tracer.error("the vocabulary holds a token twice")
    dtype: DType = x.dtype if x.dtype == "int64" and not (tokens and isinstance(tokens[0], str)) else "utf8"
    wrong = [t for t in tokens if type(t) is not (int if dtype == "int64" else str)]
    if wrong:
        raise x.tracer.error(f"the vocabulary of {x.tracer.describe(x)} holds {wrong[0]!r}")
    return x.tracer.table(tokens, dtype)


def compute_and_apply_vocabulary(
    x: Column, *, default_value: int = -1, num_oov_buckets: int = 0, **of_vocabulary: Unpack[VocabularyOptions]
) -> Column:
    """`vocabulary` and `apply_vocabulary` in one.

    Args:
        x: text or integers.
        default_value: id of an unknown value where there are no buckets.
        num_oov_buckets: how many buckets unknown values are hashed to.
        of_vocabulary: the arguments of `vocabulary`: top_k, frequency_threshold, vocab_filename, weights, labels, ...
            Beside labels `min_diff_from_avg` is 0 by default here; None chooses it by the number of rows.
    """
    if of_vocabulary.get("labels") is not None:
        of_vocabulary.setdefault("min_diff_from_avg", 0.0)
    with x.tracer.scope("compute_and_apply_vocabulary"):
        found = vocabulary(x, **of_vocabulary)
        return apply_vocabulary(x, found, default_value=default_value, num_oov_buckets=num_oov_buckets)

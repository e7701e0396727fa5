"""TensorFlow Serving's file of ``BatchingParameters``, and what of it means something here.

| there                          | here                                                                              |
|--------------------------------|-----------------------------------------------------------------------------------|
| max_batch_size (1000)          | `BatchSettings.max_batch_rows`                                                    |
| batch_timeout_micros (0)       | `BatchSettings.timeout_micros`                                                    |
| max_enqueued_batches (10)      | `BatchSettings.max_queue_rows`: that many batches of rows                         |
| allowed_batch_sizes            | `BatchSettings.allowed_batch_sizes`; the last must be the largest batch           |
| enable_large_batch_splitting   | `BatchSettings.split_large`; without it a request of more rows runs whole         |
| max_execution_batch_size       | the largest run, where large requests are split                                   |
| pad_variable_length_inputs     | always so: lists of a batch are filled up to the longest                          |
| num_batch_threads              | one run at a time for each version; the number is ignored, which is said          |
| thread_pool_name               | ignored, which is said                                                            |
"""

from __future__ import annotations

from types import MappingProxyType

from trueline._core import store
from trueline._core.errors import ConfigError, TruelineError
from trueline._core.proto_text import Field, Message, Types, place_in, read_text
from trueline.serving.config import BatchSettings

__all__ = ["PER_MODEL_NAME", "read_batching_file", "read_batching_text"]

PER_MODEL_NAME = "batching_params.pbtxt"
_TYPES = Types(
    messages=MappingProxyType(
        {
            "BatchingParameters": {
                "max_batch_size": Field("Int64Value"),
                "batch_timeout_micros": Field("Int64Value"),
                "max_enqueued_batches": Field("Int64Value"),
                "num_batch_threads": Field("Int64Value"),
                "thread_pool_name": Field("StringValue"),
                "allowed_batch_sizes": Field("int64", many=True),
                "pad_variable_length_inputs": Field("bool"),
                "enable_large_batch_splitting": Field("BoolValue"),
                "max_execution_batch_size": Field("Int64Value"),
            }
        }
    ),
    wrappers=MappingProxyType({"Int64Value": "int64", "BoolValue": "bool", "StringValue": "string"}),
)
_LEAST = {"max_batch_size": 1, "batch_timeout_micros": 0, "max_enqueued_batches": 1, "num_batch_threads": 1,
          "max_execution_batch_size": 1}  # fmt: skip
_LONGEST_MICROS = 60_000_000


def read_batching_file(uri: str) -> tuple[BatchSettings, list[str]]:
    """The settings in a file; see `read_batching_text`.

    Raises:
        ConfigError: a file that cannot be read or is wrong.
    """
    try:
        text = store.read_text(uri)
    except (TruelineError, OSError) as error:
        raise ConfigError(f"the file cannot be read: {error}", where=uri) from error
    return read_batching_text(text, uri)


def read_batching_text(text: str, where: str | None = None) -> tuple[BatchSettings, list[str]]:
    """The settings of ``BatchingParameters`` in text format, and sentences on what has no meaning here.

    Raises:
        ConfigError: all problems at once, each with line and column.
    """
    try:
        tree = read_text(text, "BatchingParameters", _TYPES)
    except ConfigError as error:
        raise ConfigError(error.message, where=where, problems=error.problems) from None
    found = _problems(tree)
    if found:
        plain = text.removeprefix("\ufeff")
        problems = [f"{place_in(plain, tree.places[name][0])}: {name}: {why}" for name, why in found]
        raise ConfigError("the batching parameters are wrong", where=where, problems=problems)
    largest = tree.get("max_batch_size", 1000)
    split = tree.get("enable_large_batch_splitting", False)
    settings = BatchSettings(
        max_batch_rows=tree.get("max_execution_batch_size", largest) if split else largest,
        max_queue_rows=tree.get("max_enqueued_batches", 10) * largest,
        timeout_micros=tree.get("batch_timeout_micros", 0),
        allowed_batch_sizes=tuple(tree.get("allowed_batch_sizes", ())),
        split_large=split,
    )
    return settings, _notes(tree)


def _problems(tree: Message) -> list[tuple[str, str]]:
    """What is wrong, by field."""
    found = []
    for name, least in _LEAST.items():
        if tree.get(name, least) < least:
            found.append((name, f"expected {least} or more, got {tree[name]}"))
    if tree.get("batch_timeout_micros", 0) > _LONGEST_MICROS:
        found.append(
            ("batch_timeout_micros", f"expected at most {_LONGEST_MICROS}, got {tree['batch_timeout_micros']}")
        )
    split = tree.get("enable_large_batch_splitting", False)
    largest = tree.get("max_batch_size", 1000)
    run = tree.get("max_execution_batch_size", largest)
    if "max_execution_batch_size" in tree and not split:
        found.append(("max_execution_batch_size", "goes with enable_large_batch_splitting alone"))
    elif run > largest:
        found.append(("max_execution_batch_size", f"expected at most max_batch_size, {largest}, got {run}"))
    sizes = tree.get("allowed_batch_sizes", [])
    expected = run if split else largest
    if sizes != sorted(set(sizes)) or (sizes and sizes[0] < 1):
        found.append(("allowed_batch_sizes", f"expected growing numbers of 1 or more, got {sizes}"))
    elif sizes and sizes[-1] != expected:
        found.append(
            ("allowed_batch_sizes", f"expected the last to equal the largest run, {expected}, got {sizes[-1]}")
        )
    return found


def _notes(tree: Message) -> list[str]:
    notes = []
    if "num_batch_threads" in tree:
        notes.append(f"num_batch_threads {tree['num_batch_threads']} is ignored: each version runs one batch at a time")
    if "thread_pool_name" in tree:
        notes.append("thread_pool_name is ignored: each version has its own thread")
    if tree.get("pad_variable_length_inputs") is False:
        notes.append("pad_variable_length_inputs false is ignored: lists of a batch are always filled up")
    return notes

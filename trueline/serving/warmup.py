"""What a version answers before its first request: recorded rows, recorded requests, or made-up rows.

| in the version's folder                     | what it holds                                                     |
|---------------------------------------------|-------------------------------------------------------------------|
| ``warmup.json``                             | ``{"rows": [{...}, ...]}``: rows as REST takes them               |
| ``assets.extra/tf_serving_warmup_requests`` | TensorFlow Serving's recorded requests, ``PredictionLog`` records |
| neither                                     | a few rows made from the signature                                |

A row or request that the model does not answer fails the load, and so do more than 1000 of them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ModelError, TruelineError
from trueline._core.runtime import ModelRuntime
from trueline._core.values import RawFeature
from trueline.serving.options import ServerOptions
from trueline.serving.warmup_records import read_records

if TYPE_CHECKING:
    from trueline.serving.service import Given

__all__ = ["REQUESTS_NAME", "WARMUP_NAME", "answer_rows", "replay_requests", "synthetic_rows", "warm_up", "warmup_rows"]

WARMUP_NAME = "warmup.json"
REQUESTS_NAME = "assets.extra/tf_serving_warmup_requests"
_MOST = 1000
_SAMPLES: dict[str, tuple[Any, ...]] = {
    "float64": (0.0, 1.5, -3.0),
    "float32": (0.0, 1.5, -3.0),
    "int64": (0, 1, -7),
    "bool": (False, True, True),
    "utf8": ("", "a", "warm-up"),
    "bytes": (b"", b"a", b"warm-up"),
    "timestamp": (0, 1_000_000, 1_600_000_000_000_000),
}


def warm_up(runtime: ModelRuntime, options: ServerOptions) -> int:
    """Lets a model answer what it was given for that, as often as the options say; how many rows and requests.

    Raises:
        TruelineError: a file that does not parse or holds too much, or something that the model does not answer.
    """
    rows = warmup_rows(runtime)
    replayed = 0
    for _ in range(options.num_request_iterations_for_warmup):
        for batch in (rows[:1], rows):
            answer_rows(runtime, batch)
        replayed = replay_requests(runtime, options)
    return len(rows) + replayed


def synthetic_rows(features: tuple[RawFeature, ...]) -> list[dict[str, Any]]:
    """A few rows that fit a signature: ordinary values, and one row with every optional value missing."""
    rows = [{f.name: _value(f, i) for f in features} for i in range(3)]
    rows.append({f.name: None if f.optional else _value(f, 1) for f in features})
    return rows


def _value(feature: RawFeature, index: int) -> Any:
    value = _SAMPLES[feature.dtype][index]
    if feature.kind == "scalar":
        return value
    return [value] * (feature.size or 0 if feature.kind == "fixed" else index)


def warmup_rows(runtime: ModelRuntime) -> list[dict[str, Any]]:
    """The recorded rows of a model, or made-up ones.

    Raises:
        ModelError: the file is not what it should be.
    """
    uri = store.join(runtime.uri, WARMUP_NAME)
    if not store.exists(uri):
        return synthetic_rows(runtime.inputs)
    try:
        rows = json.loads(store.read_text(uri))["rows"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f'expected {{"rows": [...]}}: {type(error).__name__}: {error}', where=uri) from error
    if not isinstance(rows, list) or not 0 < len(rows) <= _MOST:
        raise ModelError(f"expected a list of 1 to {_MOST} rows", where=uri)
    return rows


def answer_rows(runtime: ModelRuntime, rows: list[dict[str, Any]]) -> None:
    """Lets the model answer rows.

    Raises:
        TruelineError: it does not, or not with as many rows.
    """
    _check_rows(runtime, runtime.predict_rows(rows), len(rows))


def _check_rows(runtime: ModelRuntime, outputs: Any, rows: int) -> None:
    for name, array in outputs.items():
        if array.ndim == 0 or array.shape[0] != rows:
            raise ModelError(
                f"output {name!r} has shape {list(array.shape)} for {rows} warm-up rows",
                where=runtime.uri,
                hint="the first dimension of every output must be the row.",
            )


def replay_requests(runtime: ModelRuntime, options: ServerOptions) -> int:
    """Lets the model answer TensorFlow Serving's recorded requests; how many. Recorded answers are not looked at.

    Raises:
        ModelError: the file is damaged or holds too many requests, or one that the model does not answer.
    """
    uri = store.join(runtime.uri, REQUESTS_NAME)
    if not store.exists(uri):
        return 0
    count = 0
    for record in read_records(uri):
        count += 1
        if count > _MOST:
            raise ModelError(f"expected at most {_MOST} recorded requests", where=uri)
        try:
            given = _given(runtime, record, options)
            _check_rows(runtime, runtime.graph.run_packed(given.packed), given.rows)
        except TruelineError as error:
            raise ModelError(f"recorded request {count} is not answered: {error}", where=uri) from error
    return count


def _given(runtime: ModelRuntime, record: bytes, options: ServerOptions) -> Given:
    """The data of one ``PredictionLog``, whatever model name it was recorded for."""
    from google.protobuf.message import DecodeError

    from trueline.serving.grpc_descriptors import message
    from trueline.serving.grpc_examples import given_of_input
    from trueline.serving.grpc_inputs import given_of_tensors
    from trueline.serving.signatures import check_signature

    try:
        log: Any = message("tensorflow.serving.PredictionLog").FromString(record)
    except DecodeError as error:
        raise ModelError("it is no PredictionLog") from error
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        check_signature(runtime, request.model_spec.signature_name, "predict")
        return given_of_tensors(runtime.graph, request.inputs, options)
    if kind in ("classify_log", "regress_log"):
        request = getattr(log, kind).request
        check_signature(runtime, request.model_spec.signature_name, kind.removesuffix("_log"))
        return given_of_input(runtime.graph, request.input, options)
    if kind == "multi_inference_log":
        request = log.multi_inference_log.request
        for task in request.tasks:
            verb = task.method_name.rpartition("/")[2]
            check_signature(runtime, task.model_spec.signature_name, verb if verb == "classify" else "regress")
        return given_of_input(runtime.graph, request.input, options)
    raise ModelError("it asks for something else than predict, classify, regress and multi-inference")

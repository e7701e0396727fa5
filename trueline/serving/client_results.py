"""What the clients' calls give: records, and how they are read from an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from trueline.serving.client_http import Reply

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Classification",
    "Prediction",
    "Regression",
    "TablePrediction",
    "classification_of",
    "prediction_of",
    "regression_of",
    "table_prediction_of",
]


@dataclass(frozen=True)
class Prediction:
    """One answer.

    Attributes:
        outputs: one list of values a row, by output name.
        version: the version that answered.
        request_id: the id of the request, in the server's log too.
        errors: with ``on_error="row"``, by number of the row what is wrong with it; its outputs are None.
    """

    outputs: dict[str, list[Any]]
    version: int
    request_id: str
    errors: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TablePrediction:
    """The answer to a table.

    Attributes:
        table: one column an output, one row a row.
        version: the version that answered.
        request_id: the id of the request.
    """

    table: pa.Table
    version: int
    request_id: str


@dataclass(frozen=True)
class Classification:
    """Classes and scores.

    Attributes:
        results: one list a row, of pairs of class and score.
        version: the version that answered.
        request_id: the id of the request.
    """

    results: list[list[tuple[str, float]]]
    version: int
    request_id: str


@dataclass(frozen=True)
class Regression:
    """Values of a regression.

    Attributes:
        values: one a row.
        version: the version that answered.
        request_id: the id of the request.
    """

    values: list[float]
    version: int
    request_id: str


def _told(reply: Reply) -> tuple[int, str]:
    return int(reply.headers["x-model-version"]), reply.headers["x-request-id"]


def prediction_of(reply: Reply) -> Prediction:
    """The answer to `predict`."""
    data = json.loads(reply.body)
    errors = {int(e["row"]): str(e["error"]) for e in data.get("errors", ())}
    outputs = data["outputs"] if "outputs" in data else _of_rows(data["predictions"])
    if not isinstance(outputs, dict):
        outputs = {unquote(reply.headers["x-model-outputs"]): outputs}
    version, request_id = _told(reply)
    return Prediction(outputs, version, request_id, errors)


def _of_rows(rows: list[Any]) -> Any:
    first = next((row for row in rows if row is not None), None)
    if not isinstance(first, Mapping):
        return rows
    return {name: [None if row is None else row[name] for row in rows] for name in first}


def table_prediction_of(reply: Reply) -> TablePrediction:
    """The answer to `predict_table`."""
    import pyarrow as pa

    with pa.ipc.open_stream(pa.py_buffer(reply.body)) as reader:
        table = reader.read_all()
    table.validate(full=True)
    return TablePrediction(table, *_told(reply))


def classification_of(reply: Reply) -> Classification:
    """The answer to `classify`."""
    results = [[(str(name), float(score)) for name, score in row] for row in json.loads(reply.body)["results"]]
    return Classification(results, *_told(reply))


def regression_of(reply: Reply) -> Regression:
    """The answer to `regress`."""
    return Regression([float(value) for value in json.loads(reply.body)["results"]], *_told(reply))

"""``:explain``: how much each raw feature moves a row's score, by asking the model with features replaced.

A request is one batch like any other: the rows, the background rows that stand for "unknown", and mixtures of both.
``ablation`` replaces one feature at a time: what the score loses without it. ``exact`` and ``sampling`` are Shapley
values, the same numbers as `trueline.model_analysis.explain.shap_values` finds for the same background: over the
features they add up to the score less the base.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import FeedError, did_you_mean
from trueline._core.runtime import ModelRuntime, OnnxGraph
from trueline.serving.codec import decode, dump_outputs, with_bytes
from trueline.serving.errors import Code, RequestError
from trueline.serving.explain_games import MOST_EXACT, Floats, Game, game_of
from trueline.serving.options import ServerOptions
from trueline.serving.predict import check_cells, check_rows, json_object, named_rows, refusal, with_texts
from trueline.serving.rest_reply import Parsed, Reply
from trueline.serving.service import Answered
from trueline.serving.tasks import probabilities_output, regression_output

__all__ = ["parse_explain"]

_KEYS = ("instances", "method", "background", "output_class", "link", "permutations", "seed")
_METHODS = ("ablation", "exact", "sampling")
_LINKS = ("identity", "log_odds")
_TINY = float(np.finfo(np.float32).tiny)
_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class _Score:
    """What is explained: columns of an output.

    Attributes:
        output: the output.
        columns: of a classifier's probabilities; None where the output is one number a row.
        names: what each is, for people.
        link: ``identity`` or ``log_odds``.
    """

    output: str
    columns: tuple[int, ...] | None
    names: tuple[str, ...]
    link: str

    def of(self, outputs: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """The scores ``[N, K]``."""
        values: Floats = outputs[self.output].astype(np.float64)
        if self.columns is None:
            return values.reshape(-1, 1)
        if self.link == "log_odds":
            logs = np.log(np.clip(values, _TINY, 1.0))
            values = logs - (logs[:, ::-1] if values.shape[1] == 2 else logs.mean(axis=1, keepdims=True))
        return values[:, list(self.columns)]


def parse_explain(runtime: ModelRuntime, body: bytes, options: ServerOptions) -> Parsed:
    """The rows that an explanation asks the model, and how its answers become one.

    Args:
        runtime: the model.
        body: ``{"instances": [...]}``, with ``method``, ``background`` (rows; by default one in which everything is
            missing), ``output_class``, ``link``, ``permutations`` and ``seed``.
        options: the limits.

    Raises:
        RequestError: 404 where explanations are off, 400 for what does not fit or asks for too many rows.
        ModelError: a host step of the model failed.
    """
    if not options.explain:
        raise RequestError(Code.NOT_FOUND, "this server gives no explanations", hint="it has the option explain.")
    request = json_object(decode(body))
    for key in request:
        if key not in _KEYS:
            raise _bad(f"unknown key {key!r}", did_you_mean(key, _KEYS))
    graph = runtime.graph
    rows = _rows(graph, request, "instances", b'"b64"' in body, options)
    background = [dict[str, Any]()]
    if "background" in request:
        background = _rows(graph, request, "background", b'"b64"' in body, options)
    score = _score(runtime, request)
    names = [feature.name for feature in graph.raw.features]
    method = _choice(request, "method", _METHODS)
    if method == "exact" and len(names) > MOST_EXACT:
        raise _bad(f"exact values are for up to {MOST_EXACT} features, this model has {len(names)}", "use sampling.")
    pairs = _whole(request, "permutations", 16, 1, options.explain_max_rows)
    _affordable(method, len(rows), len(background), len(names), pairs, options)
    game = game_of(method, len(names), pairs, _whole(request, "seed", 0, 0, _LARGEST))
    evaluations = game.evaluations(len(rows), len(background))
    if evaluations > options.explain_max_rows:
        raise _too_many(f"{evaluations:,}", options)
    _check_background(graph, background, "background" in request)
    asked = _mixed(game, names, rows, background)
    for feature in graph.raw.features:
        if feature.kind == "ragged":
            check_cells(feature, len(asked), (row.get(feature.name) for row in [*rows, *background]), options)
    try:
        graph.packed_from_rows(rows)  # an error then names the row that was sent
        packed = graph.packed_from_rows(asked)
    except FeedError as error:
        raise refusal(error, rows) from None

    def encode(answered: Answered) -> bytes:
        found = _explained(game, score, names, len(rows), len(background), answered.outputs)
        return dump_outputs("explanation", {"method": method, **found, "evaluations": evaluations})

    return Parsed(packed, len(asked), Reply(encode))


def _explained(
    game: Game, score: _Score, names: Sequence[str], rows: int, background: int, outputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Named as in the file of `shap_values`: values ``[N, K, F]``, scores ``[N, K]``, base ``[K]``."""
    found = score.of(outputs)
    own, others, mixed = found[:rows], found[rows : rows + background], found[rows + background :]
    values, errors = game.values(own, others, mixed)
    return {
        "features": list(names),
        "outputs": list(score.names),
        "values": np.ascontiguousarray(values),
        "scores": np.ascontiguousarray(own),
        "base": others.mean(axis=0),
        "errors": None if errors is None else np.ascontiguousarray(errors),
    }


def _rows(
    graph: OnnxGraph, request: Mapping[str, Any], key: str, with_b64: bool, options: ServerOptions
) -> list[dict[str, Any]]:
    if key not in request:
        raise _bad(f"Missing {key!r} key")
    try:
        given = with_bytes(request[key]) if with_b64 else request[key]
        if with_b64 or graph.steps:
            given = with_texts(graph.raw.features, given)
    except RecursionError:
        raise _bad("the request is nested too deeply") from None
    if not isinstance(given, list):
        raise _bad(f"{key!r} is a list of rows")
    check_rows(len(given), options)
    rows = named_rows(graph, given, options)
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise _bad(f"row {i} of {key!r}: expected an object of named values, got {type(row).__name__}")
    return rows


def _check_background(graph: OnnxGraph, background: Sequence[Mapping[str, Any]], given: bool) -> None:
    required = [feature.name for feature in graph.raw.features if not feature.optional]
    if not given and required:
        names = ", ".join(map(repr, required[:20]))
        raise _bad(f"no value may be missing for {names}", "give 'background': rows whose values stand for unknown.")
    try:
        graph.packed_from_rows(background)
    except FeedError as error:
        told = refusal(error, background)
        raise RequestError(told.code, f"'background': {told.message}", hint=told.hint, problems=told.problems) from None


def _mixed(
    game: Game, names: Sequence[str], rows: Sequence[Mapping[str, Any]], background: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The rows, the background, and for each row and coalition each background row with the coalition's values."""
    asked = [dict(row) for row in [*rows, *background]]
    masks = game.asked.tolist()
    asked += [
        {name: (row if own else other).get(name) for name, own in zip(names, mask, strict=True)}
        for row in rows
        for mask in masks
        for other in background
    ]
    return asked


def _affordable(method: str, rows: int, background: int, features: int, pairs: int, options: ServerOptions) -> None:
    """Refuses before coalitions are made what would need too many even so; walks share few coalitions."""
    least = {"ablation": features, "exact": 2**features - 2, "sampling": min(pairs, 2**features - 2)}[method]
    if rows * background * least > options.explain_max_rows:
        raise _too_many(f"more than {rows * background * least:,}", options)


def _too_many(count: str, options: ServerOptions) -> RequestError:
    return _bad(
        f"this explanation would ask the model {count} rows, {options.explain_max_rows:,} is the limit",
        "send fewer rows, a smaller background or fewer permutations, or use the method ablation.",
    )


def _score(runtime: ModelRuntime, request: Mapping[str, Any]) -> _Score:
    """As `trueline.model_analysis.explain` chooses it: the second of two classes, each of more, or the number."""
    link, wanted = _choice(request, "link", _LINKS), request.get("output_class")
    number = regression_output(runtime)
    if number is not None:
        if wanted is not None or link != "identity":
            raise _bad("this model has no classes, so no output_class and no log odds")
        name = "score" if runtime.info.get("task") == "ranking" else "prediction"
        return _Score(number, None, (name,), link)
    output, classes = probabilities_output(runtime), runtime.classes
    if output is None or not classes:
        raise _bad(f"a model of the task {runtime.info.get('task')} has no score that could be explained")
    places = [i for i, c in enumerate(classes) if type(c) is type(wanted) and c == wanted]
    if wanted is not None and not places:
        raise _bad(f"{wanted!r:.60} is no class of the model", f"the classes are {classes!r:.500}.")
    if wanted is None:
        places = [1] if len(classes) == 2 else list(range(len(classes)))
    said = "log odds" if len(classes) == 2 else "centred log probability"
    said = "probability" if link == "identity" else said
    return _Score(output, tuple(places), tuple(f"{said} of {classes[i]!r}" for i in places), link)


def _choice(request: Mapping[str, Any], key: str, choices: Sequence[str]) -> str:
    value = request.get(key, choices[0])
    if value not in choices:
        raise _bad(f"{key}: there is no {value!r:.60}", did_you_mean(str(value), choices))
    return str(value)


def _whole(request: Mapping[str, Any], key: str, default: int, least: int, most: int) -> int:
    value = request.get(key, default)
    if type(value) is not int or not least <= value <= most:
        raise _bad(f"{key}: expected a whole number from {least} to {most}, got {value!r:.60}")
    return value


def _bad(message: str, hint: str | None = None) -> RequestError:
    return RequestError(Code.INVALID_ARGUMENT, message, hint=hint)

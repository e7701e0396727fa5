"""The table of a resolver's functions: each with its parameters, their checks, and the function over candidates.

``Resolver(strategy="rolling_range", config={"num_spans": 3}, examples=Examples)`` names a function by text;
``Resolver(strategy=[where("country == 'DE'"), rolling_range(num_spans=3)], examples=Examples)`` puts several one after
the other. Names are TFX's, where TFX has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from trueline.pipeline import resolvers_choose as choose
from trueline.pipeline import resolvers_spans as spans
from trueline.pipeline.resolvers_where import matching, problem_of

__all__ = ["FUNCTIONS", "POLICIES", "REQUIRED", "Function", "Param", "Step"]

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "REQUIRED"})()
"""Stands for a parameter that has no default."""

Check = Callable[[Any], bool]


@dataclass(frozen=True)
class Step:
    """One function with its parameters, as JSON holds it."""

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {"name": self.name, "params": dict(self.params)}


@dataclass(frozen=True)
class Param:
    """A parameter: its default, what a good value is, and how that is told."""

    default: Any
    good: Check
    told: str


@dataclass(frozen=True)
class Function:
    """A resolver function.

    Attributes:
        name: TFX's name, or ours.
        params: parameters by name.
        apply: called with candidates and the parameters.
        over: ``list``: one output's candidates to candidates; ``windows``: to several groups of candidates;
            ``together``: all outputs at once; ``runs``: it looks for itself among the runs.
        head: how many of the candidates suffice, where the rest cannot matter.
        least: how many candidates there must be, or spans where `counts` says so; None: no least number.
        counts: what `least` counts.
        spans: whether candidates without a span are passed over.
        tells: whether the function takes a `tell`, for what it leaves out with a reason.
    """

    name: str
    params: Mapping[str, Param]
    apply: Callable[..., Any]
    over: Literal["list", "windows", "together", "runs"] = "list"
    head: Callable[[Mapping[str, Any]], int | None] = lambda params: None
    least: Callable[[Mapping[str, Any]], int | None] = lambda params: None
    counts: Literal["artifact", "span"] = "artifact"
    spans: bool = False
    tells: bool = False


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _scalar(value: Any) -> bool:
    return isinstance(value, bool | int | float | str)


_COUNT = Param(1, lambda v: _is_int(v) and v >= 1, "a whole number from 1 on")
_SIZE = Param(1, _is_int, "a whole number; 0 or less is all")
_SKIP = Param(0, lambda v: _is_int(v) and v >= 0, "a whole number from 0 on")
_BOUND = Param(None, lambda v: v is None or _is_int(v), "a span or None")
_FLAG = Param(False, lambda v: isinstance(v, bool), "True or False")
_YES = Param(True, lambda v: isinstance(v, bool), "True or False")
_SPAN_LIST = Param((), lambda v: isinstance(v, list | tuple) and all(map(_is_int, v)), "a list of spans")
_MIN = Param(None, lambda v: v is None or _is_int(v), "a number of spans or None")
_NAME = Param(REQUIRED, lambda v: isinstance(v, str) and v != "", "a property's name")
_ANY = Param(REQUIRED, _scalar, "a number, a text, True or False")
_PLACE = Param(REQUIRED, _is_int, "a whole number")
_END = Param(None, lambda v: v is None or _is_int(v), "a whole number or None")

_ROLLING = {
    "num_spans": _SIZE,
    "start_span_number": _BOUND,
    "skip_num_recent_spans": _SKIP,
    "keep_all_versions": _FLAG,
    "exclude_span_numbers": _SPAN_LIST,
}
_STATIC = {
    "start_span_number": _BOUND,
    "end_span_number": _BOUND,
    "keep_all_versions": _FLAG,
    "exclude_span_numbers": _SPAN_LIST,
}

POLICIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "exported": (),
        "evaluator_blessed": ("ModelBlessing",),
        "infra_validator_blessed": ("InfraBlessing",),
        "blessed": ("ModelBlessing", "InfraBlessing"),
        "pushed": ("PushedModel",),
    }
)
"""What the model of a policy must have been given; TFX writes them ``LATEST_EVALUATOR_BLESSED``."""


def _least_rolling(params: Mapping[str, Any]) -> int | None:
    given = params.get("min_spans")
    return int(given) if given is not None else max(1, int(params["num_spans"]))


def _least_static(params: Mapping[str, Any]) -> int | None:
    if params.get("min_spans") is not None:
        return int(params["min_spans"])
    start, end = params["start_span_number"], params["end_span_number"]
    if start is None or end is None:
        return 1
    return int(end - start + 1 - len({span for span in params["exclude_span_numbers"] if start <= span <= end}))


def _without_least(function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(found: Any, min_spans: int | None = None, **params: Any) -> Any:
        return function(found, **params)

    return apply


def _by_runs(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("functions over runs are carried out by the resolver")


def _n(params: Mapping[str, Any]) -> int | None:
    return int(params["n"])


_ALL = (
    Function("latest", {"n": _COUNT}, choose.latest, head=_n, least=_n),
    Function("latest_created", {"n": _COUNT}, choose.latest_created, least=_n),
    Function("latest_version", {"n": _COUNT}, spans.latest_version, least=_n),
    Function(
        "newest_by_property",
        {
            "property": _NAME,
            "order": Param("descending", lambda v: v in ("descending", "ascending"), "'descending' or 'ascending'"),
            "n": _COUNT,
        },
        choose.newest_by_property,
        least=_n,
    ),
    Function(
        "static_range",
        {**_STATIC, "min_spans": _MIN},
        _without_least(spans.static_range),
        least=_least_static,
        counts="span",
        spans=True,
    ),
    Function(
        "rolling_range",
        {**_ROLLING, "min_spans": _MIN},
        _without_least(spans.rolling_range),
        least=_least_rolling,
        counts="span",
        spans=True,
    ),
    Function("all_spans", {"keep_all_versions": _FLAG}, spans.all_spans, least=lambda _: 1, counts="span", spans=True),
    Function("sequential_rolling_range", _ROLLING, spans.sequential_rolling_range, over="windows", spans=True),
    Function("sliding_window", {"window_size": _COUNT, "stride": _COUNT}, spans.sliding_window, over="windows"),
    Function(
        "paired_spans",
        {"match_version": _YES, "keep_all_versions": _FLAG},
        spans.paired_spans,
        over="together",
        least=lambda _: 1,
        spans=True,
    ),
    Function("latest_pipeline_run_outputs", {}, choose.latest_pipeline_run_outputs, over="together", least=lambda _: 1),
    Function("filter_property_equal", {"key": _NAME, "value": _ANY}, choose.filter_property_equal),
    Function("filter_custom_property_equal", {"key": _NAME, "value": _ANY}, choose.filter_custom_property_equal),
    Function(
        "where",
        {"expression": Param(REQUIRED, lambda v: isinstance(v, str) and problem_of(v) is None, "an expression")},
        matching,
        tells=True,
    ),
    Function("pick", {"i": _PLACE}, choose.pick, least=lambda _: 1),
    Function(
        "pick_range",
        {"start": _END, "stop": _END, "min_count": _SKIP},
        lambda found, start, stop, min_count: choose.pick_range(found, start, stop),
        least=lambda params: params["min_count"],
    ),
    Function("shuffle", {"seed": Param(0, _is_int, "a whole number")}, choose.shuffle),
    Function(
        "latest_blessed",
        {"policy": Param("evaluator_blessed", lambda v: v in POLICIES, f"one of {', '.join(POLICIES)}")},
        _by_runs,
        over="runs",
    ),
    Function("custom", {"function": Param(REQUIRED, lambda v: v is not None, "a function")}, _by_runs, over="runs"),
)

FUNCTIONS: Mapping[str, Function] = MappingProxyType({function.name: function for function in _ALL})

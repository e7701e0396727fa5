"""What a `Resolver` can do: its functions as constructors, under TFX's names, to be put one after the other.

    from trueline.pipeline import Resolver
    from trueline.pipeline.resolvers import rolling_range, where

    Resolver(strategy=rolling_range(num_spans=7), examples=Examples)
    Resolver(strategy=[where("country == 'DE'"), rolling_range(num_spans=7)], examples=Examples)

Each gives a `Step`, which is data; parameters are checked when the pipeline is built. A step gets the artifacts that
the one before it left, those first that a run put out last. Functions that speak of spans put them in the order of
span and version, ascending. ``Resolver(strategy="rolling_range", config={"num_spans": 7}, ...)`` is the same in text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trueline.pipeline.resolvers_table import Step

if TYPE_CHECKING:
    from trueline.metadata.records import Artifact
    from trueline.pipeline.compile import CompiledNode
    from trueline.pipeline.resolvers_run import Resolution
    from trueline.pipeline.run_context import RunContext
    from trueline.pipeline.user_function import UserFunction

__all__ = [
    "Step",
    "all_spans",
    "custom",
    "filter_custom_property_equal",
    "filter_property_equal",
    "latest",
    "latest_blessed",
    "latest_created",
    "latest_pipeline_run_outputs",
    "latest_version",
    "newest_by_property",
    "paired_spans",
    "pick",
    "pick_range",
    "resolve",
    "resolve_system",
    "rolling_range",
    "sequential_rolling_range",
    "shuffle",
    "sliding_window",
    "static_range",
    "where",
]


def latest(n: int = 1) -> Step:
    """The n artifacts that a run put out last, made anew or taken from the cache; the last comes first."""
    return Step("latest", {"n": n})


def latest_created(n: int = 1) -> Step:
    """The n artifacts that were made last: taken from the cache does not count; the last comes first."""
    return Step("latest_created", {"n": n})


def latest_version(n: int = 1) -> Step:
    """The n artifacts with the largest property ``version``; the largest comes first."""
    return Step("latest_version", {"n": n})


def latest_blessed(policy: str = "evaluator_blessed") -> Step:
    """The newest model that was blessed, and the verdicts on it; empty where there is none.

    Args:
        policy: ``exported``, ``evaluator_blessed``, ``infra_validator_blessed``, ``blessed`` (both) or ``pushed``;
            TFX's ``LATEST_BLESSED`` and so on are taken too.
    """
    return Step("latest_blessed", {"policy": policy})


def newest_by_property(property: str, *, order: str = "descending", n: int = 1) -> Step:
    """The n artifacts with the largest value of a property, or with ``order="ascending"`` the smallest.

    Of equal values the one that was put out last. Artifacts without the property, or with NaN there, are left out.
    """
    return Step("newest_by_property", {"property": property, "order": order, "n": n})


def static_range(
    start_span_number: int | None = None,
    end_span_number: int | None = None,
    *,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
    min_spans: int | None = None,
) -> Step:
    """Spans from start to end, both inclusive, each with its largest version.

    Args:
        start_span_number, end_span_number: None is open.
        keep_all_versions: every version of a span.
        exclude_span_numbers: spans to leave out.
        min_spans: fewer is a failure, or with ``optional=True`` an empty output. None: as many as the range has
            where both ends are given, else 1; with ``optional=True`` fewer are then taken as they are.
    """
    return Step(
        "static_range",
        {
            "start_span_number": start_span_number,
            "end_span_number": end_span_number,
            "keep_all_versions": keep_all_versions,
            "exclude_span_numbers": exclude_span_numbers,
            "min_spans": min_spans,
        },
    )


def rolling_range(
    num_spans: int = 1,
    *,
    start_span_number: int | None = None,
    skip_num_recent_spans: int = 0,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
    min_spans: int | None = None,
) -> Step:
    """The `num_spans` largest spans that exist, each with its largest version. Gaps are not counted.

    Args:
        num_spans: 0 or less is all.
        start_span_number: spans before it do not count.
        skip_num_recent_spans: how many of the largest spans are left out first.
        keep_all_versions: every version of a span.
        exclude_span_numbers: spans to leave out at the end, so that fewer than `num_spans` may remain.
        min_spans: as in `static_range`; None: `num_spans`.
    """
    return Step(
        "rolling_range",
        {
            "num_spans": num_spans,
            "start_span_number": start_span_number,
            "skip_num_recent_spans": skip_num_recent_spans,
            "keep_all_versions": keep_all_versions,
            "exclude_span_numbers": exclude_span_numbers,
            "min_spans": min_spans,
        },
    )


def all_spans(*, keep_all_versions: bool = False) -> Step:
    """Every span with its largest version, or with all."""
    return Step("all_spans", {"keep_all_versions": keep_all_versions})


def sequential_rolling_range(
    num_spans: int = 1,
    *,
    start_span_number: int | None = None,
    skip_num_recent_spans: int = 0,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
) -> Step:
    """Windows of `num_spans` spans over the oldest spans without a gap, one span further each time: for a loop.

    A span that is missing ends them until it arrives, or is excluded.
    """
    return Step(
        "sequential_rolling_range",
        {
            "num_spans": num_spans,
            "start_span_number": start_span_number,
            "skip_num_recent_spans": skip_num_recent_spans,
            "keep_all_versions": keep_all_versions,
            "exclude_span_numbers": exclude_span_numbers,
        },
    )


def sliding_window(window_size: int = 1, stride: int = 1) -> Step:
    """Windows of neighbours in the order that they have: for a loop, as the last step."""
    return Step("sliding_window", {"window_size": window_size, "stride": stride})


def paired_spans(*, match_version: bool = True, keep_all_versions: bool = False) -> Step:
    """For several outputs: artifacts of the same span and version, at the same place of each list, ascending."""
    return Step("paired_spans", {"match_version": match_version, "keep_all_versions": keep_all_versions})


def latest_pipeline_run_outputs() -> Step:
    """For several outputs: what one run put out, the last run that put out something for every one of them.

    ``Resolver(strategy=latest_pipeline_run_outputs(), pipeline="other", runs="complete", ...)`` is TFX's function.
    """
    return Step("latest_pipeline_run_outputs")


def filter_property_equal(key: str, value: bool | int | float | str) -> Step:
    """Artifacts whose declared property has exactly this value."""
    return Step("filter_property_equal", {"key": key, "value": value})


def filter_custom_property_equal(key: str, value: bool | int | float | str) -> Step:
    """Artifacts whose custom property has exactly this value."""
    return Step("filter_custom_property_equal", {"key": key, "value": value})


def where(expression: str) -> Step:
    """Artifacts for which an expression over their properties holds: ``where("span >= 3 and country == 'DE'")``.

    ``id``, ``name``, ``uri`` and ``created`` (milliseconds) can be asked for too. A missing property is unknown.
    """
    return Step("where", {"expression": expression})


def pick(i: int) -> Step:
    """The artifact at that place; negative counts from the end. A place beyond the ends is a failure."""
    return Step("pick", {"i": i})


def pick_range(start: int | None = None, stop: int | None = None, *, min_count: int = 0) -> Step:
    """A slice as Python takes it; fewer than `min_count` is a failure, or with ``optional=True`` an empty output."""
    return Step("pick_range", {"start": start, "stop": stop, "min_count": min_count})


def shuffle(seed: int = 0) -> Step:
    """The artifacts in another order, the same one for the same seed and number."""
    return Step("shuffle", {"seed": seed})


def custom(function: Callable[..., Any] | str | UserFunction) -> Step:
    """A function of one's own: ``(query: ArtifactQuery) -> {output: [artifacts]}``.

    Raises:
        ConfigError: another process could not find the function.
    """
    from trueline.pipeline.user_function import UserFunction as Reference

    return Step("custom", {"function": Reference.of(function)})


def resolve(run: RunContext, node: CompiledNode, params: Mapping[str, Any] | None = None) -> Resolution:
    """Carries a compiled `Resolver` out; see `trueline.pipeline.resolvers_run.resolve`."""
    from trueline.pipeline.resolvers_run import resolve as carry_out

    return carry_out(run, node, params)


def resolve_system(
    run: RunContext, node: CompiledNode, params: Mapping[str, Any] | None = None
) -> tuple[dict[str, list[Artifact]], list[str]]:
    """The outputs of a `Resolver`, and sentences on what it passed over."""
    found = resolve(run, node, params)
    return found.outputs, found.passed

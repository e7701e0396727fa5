"""Statistics against a baseline's: the gate for distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from trueline.components.common import split_path, splits_of
from trueline.components.example_validator import ANOMALIES_FILE
from trueline.components.sampled import close_or_tell
from trueline.components.split_pairs import pair_path, pairs_of
from trueline.components.statistics_gen import STATISTICS_FILE
from trueline.pipeline.artifacts import ExampleAnomalies, ExampleStatistics
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

__all__ = ["BLESSED", "NOT_BLESSED", "NO_BASELINE", "DistributionValidator", "execute"]

NOT_BLESSED, BLESSED, NO_BASELINE = 0, 1, 2
"""What ``blessed`` says of a pair of splits; 2: there was nothing to compare with."""


class DistributionValidator(Component):
    """Compares distributions with those of a baseline, feature by feature, and closes the line where they moved.

    Unlike TFX's, which only writes its findings, a distance above its threshold stops the line here; in a sampled run
    it is told and stops nothing.

    Args:
        statistics: what was measured.
        baseline_statistics: what it is compared with; without any (a first run) nothing is compared, and the pairs
            are marked as having no baseline.
        features: by feature the thresholds of its distances, such as ``{"company": {"infinity_norm": 0.01}, "fare":
            {"jensen_shannon_divergence": 0.1}}``.
        num_examples: bounds of rows / rows of the baseline: ``{"min_fraction": 0.8, "max_fraction": 1.5}``.
        include_split_pairs: pairs of a split and a baseline's split; those of the same name by default.
        confidence: between 0 and 1: a distance counts only where it exceeds its threshold with this confidence, so
            that a small sample does not cry wolf.
        fail_on_anomalies: False lets the line go on whatever was found.

    Outputs: ``anomalies``, one ``SplitPair-<split>_<baseline>/SchemaDiff.pb`` a pair; the property ``blessed`` is pair
        -> 1, 0, or 2 where there was no baseline.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {
        "statistics": In(ExampleStatistics),
        "baseline_statistics": In(ExampleStatistics, optional=True),
    }
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"anomalies": Out(ExampleAnomalies)}
    EXECUTOR = "trueline.components.distribution_validator:execute"

    def __init__(
        self,
        *,
        statistics: Channel,
        baseline_statistics: Channel | None = None,
        features: Mapping[str, Mapping[str, float]],
        num_examples: Mapping[str, float] | None = None,
        include_split_pairs: Sequence[Sequence[str]] | None = None,
        confidence: float | None = None,
        fail_on_anomalies: bool = True,
        node_id: str | None = None,
    ) -> None:
        from trueline.data_validation.distribution import check_comparators

        pairs = None if include_split_pairs is None else [list(pair) for pair in include_split_pairs]
        params = {
            "features": {name: dict(limits) for name, limits in features.items()},
            "num_examples": None if num_examples is None else dict(num_examples),
            "include_split_pairs": pairs,
            "confidence": confidence,
            "fail_on_anomalies": fail_on_anomalies,
        }
        inputs = {"statistics": statistics, "baseline_statistics": baseline_statistics}
        super().__init__(node_id=node_id, inputs=inputs, params=params)
        problems = check_comparators(features, num_examples)
        problems += [f"pair {pair} is none: give (split, baseline split)" for pair in pairs or () if len(pair) != 2]
        if confidence is not None and not 0 < confidence < 1:
            problems.append(f"confidence is {confidence}, give a number between 0 and 1")
        for problem in problems:
            self.note(f"is set up wrongly: {problem}")


def execute(ctx: ExecutionContext) -> None:
    """Compares each pair of splits, publishes what was found, and closes the gate where a threshold is exceeded."""
    from trueline.data_validation import load_statistics, write_anomalies_binary
    from trueline.data_validation.distribution import validate_distributions

    source, base, out = ctx.input("statistics"), ctx.optional_input("baseline_statistics"), ctx.output("anomalies")
    blessed: dict[str, int] = {}
    sentences: list[str] = []
    if base is None:
        blessed = dict.fromkeys(splits_of(source), NO_BASELINE)
        pairs = []
    else:
        pairs = pairs_of(source, base, ctx.params["include_split_pairs"], every=False)
    for pair in pairs:
        assert base is not None
        anomalies = validate_distributions(
            load_statistics(split_path(source, pair[0], STATISTICS_FILE)),
            load_statistics(split_path(base, pair[1], STATISTICS_FILE)),
            ctx.params["features"],
            ctx.params["num_examples"],
            confidence=ctx.params["confidence"],
        )
        write_anomalies_binary(anomalies, pair_path(out, pair, ANOMALIES_FILE))
        found = _sentences(anomalies, pair)
        blessed["_".join(pair)] = NOT_BLESSED if found else BLESSED
        sentences += found
    out.properties.update(span=source.properties.get("span", 0), split_names=list(blessed), blessed=blessed)
    ctx.report(pairs=len(pairs), anomalies=len(sentences))
    if base is None:
        ctx.log.warning("there are no baseline statistics: nothing was compared")
    if sentences and ctx.params["fail_on_anomalies"]:
        more = f" ({len(sentences) - 1} more)" if len(sentences) > 1 else ""
        close_or_tell(ctx, f"The distributions moved: {sentences[0].rstrip('.')}{more}.")


def _sentences(anomalies: Any, pair: tuple[str, str]) -> list[str]:
    named = [(f"feature {name!r}", info) for name, info in sorted(anomalies.anomaly_info.items())]
    if anomalies.dataset_anomaly_info.reason:
        named.append(("the number of rows", anomalies.dataset_anomaly_info))
    where = f"in split {pair[0]!r} against {pair[1]!r}"
    return [f"{name} {where}: {info.description or info.short_description}" for name, info in named]

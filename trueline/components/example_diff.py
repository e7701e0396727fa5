"""Two sets of Examples compared row by row: does the same request carry the same values?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from trueline._core import store
from trueline.components.sampled import close_or_tell
from trueline.components.split_pairs import pair_path, pairs_of
from trueline.pipeline.artifacts import Examples, ExamplesDiff
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

__all__ = ["PAIRS_FILE", "SKEW_FILE", "ExampleDiff", "execute"]

SKEW_FILE, PAIRS_FILE = "skew.json", "sample_pairs.jsonl"


class ExampleDiff(Component):
    """Joins the rows of two sets of Examples by identifiers and counts, feature by feature, where they differ.

    Args:
        examples_test: the rows that are judged, such as those that a server logged.
        examples_base: the rows taken for right, such as those that a model was trained on.
        identifier_features: the columns that together name a row.
        features_to_ignore: columns not to compare.
        float_round_ndigits: compare floats rounded to so many digits.
        allow_duplicate_identifiers: compare all pairs of rows with the same identifiers.
        confusion_features: text columns whose pairs of values are counted.
        sample_size: how many pairs that differ are kept, with their rows.
        include_split_pairs: pairs of a test split and a base split; all of them by default.
        max_difference: the largest share of pairs in which a feature may differ; above it the line stops. None never.

    Outputs: ``examples_diff``, one ``SplitPair-<test>_<base>/`` a pair with ``skew.json`` and ``sample_pairs.jsonl``.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {"examples_test": In(Examples), "examples_base": In(Examples)}
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"examples_diff": Out(ExamplesDiff)}
    EXECUTOR = "trueline.components.example_diff:execute"

    def __init__(
        self,
        *,
        examples_test: Channel,
        examples_base: Channel,
        identifier_features: Sequence[str],
        features_to_ignore: Sequence[str] = (),
        float_round_ndigits: int | None = None,
        allow_duplicate_identifiers: bool = False,
        confusion_features: Sequence[str] = (),
        sample_size: int = 0,
        include_split_pairs: Sequence[Sequence[str]] | None = None,
        max_difference: float | None = None,
        node_id: str | None = None,
    ) -> None:
        pairs = None if include_split_pairs is None else [list(pair) for pair in include_split_pairs]
        params = {
            "identifier_features": list(identifier_features),
            "features_to_ignore": list(features_to_ignore),
            "float_round_ndigits": float_round_ndigits,
            "allow_duplicate_identifiers": allow_duplicate_identifiers,
            "confusion_features": list(confusion_features),
            "sample_size": sample_size,
            "include_split_pairs": pairs,
            "max_difference": max_difference,
        }
        inputs = {"examples_test": examples_test, "examples_base": examples_base}
        super().__init__(node_id=node_id, inputs=inputs, params=params)
        if not identifier_features:
            self.note("has no identifier_features; name the columns that together name a row")
        if sample_size < 0:
            self.note(f"sample_size is {sample_size}; give 0 or more")
        if max_difference is not None and not 0 <= max_difference <= 1:
            self.note(f"max_difference is {max_difference}; give a share from 0 to 1")
        for pair in pairs or ():
            if len(pair) != 2:
                self.note(f"pair {pair} is none: give (test split, base split)")


def execute(ctx: ExecutionContext) -> None:
    """Compares each pair of splits, and closes the gate where a feature differs too often."""
    from trueline.data import Examples as ExamplesReader
    from trueline.data_validation import detect_feature_skew

    test, base, out = ctx.input("examples_test"), ctx.input("examples_base"), ctx.output("examples_diff")
    options = dict(ctx.params)
    wanted, limit = options.pop("include_split_pairs"), options.pop("max_difference")
    opened = ExamplesReader.open(test.uri), ExamplesReader.open(base.uri)
    sentences: list[str] = []
    matched = 0
    pairs = pairs_of(test, base, wanted, every=True)
    for pair in pairs:
        result = detect_feature_skew(
            opened[1].dataset(pair[1]), opened[0].dataset(pair[0]), engine=ctx.engine, **options
        )
        text = json.dumps(result.to_json(), indent=1, sort_keys=True) + "\n"
        store.write_text(pair_path(out, pair, SKEW_FILE), text)
        lines = [json.dumps(asdict(p), default=str, sort_keys=True, ensure_ascii=False) for p in result.skew_pairs]
        store.write_text(pair_path(out, pair, PAIRS_FILE), "".join(f"{line}\n" for line in lines))
        matched += result.match_stats.matching_pairs_count
        sentences += _sentences(result, pair, limit)
    out.properties.update(split_names=["_".join(pair) for pair in pairs])
    ctx.report(pairs=len(pairs), rows_matched=matched, features_over_limit=len(sentences))
    if not matched:
        ctx.log.warning("no row of the one has the identifiers of a row of the other: nothing was compared")
    if sentences:
        more = f" ({len(sentences) - 1} more)" if len(sentences) > 1 else ""
        close_or_tell(ctx, f"The rows differ: {sentences[0]}{more}.")
    if limit is not None and not matched:
        close_or_tell(ctx, "The rows cannot be compared: no identifiers occur in both sets of Examples.")


def _sentences(result: Any, pair: tuple[str, str], limit: float | None) -> list[str]:
    """The features that differ in too many pairs, one sentence each."""
    if limit is None:
        return []
    found = []
    for skew in result.skew_results:
        pairs = skew.match_count + skew.diff_count
        share = skew.diff_count / pairs if pairs else 0.0
        if share > limit:
            found.append(
                f"feature {skew.feature_name!r} differs in {share:.1%} of {pairs:,} pairs of split {pair[0]!r} and "
                f"{pair[1]!r}, at most {limit:.1%} may"
            )
    return found

"""Skew of single rows: training and serving data joined by identifiers, feature by feature.

Distributions can agree while rows do not: the same request may be logged with another value than the training data
hold. Both data sets are read once; every row becomes a key and one 64-bit fingerprint a feature, dealt into buckets by
key on disk, and each bucket is joined in memory, so memory does not grow with the rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError, did_you_mean
from trueline._core.values import HIDDEN_PREFIX
from trueline.data_validation.feature_skew_types import (
    ConfusionCount,
    FeatureSkew,
    FeatureSkewResult,
    MatchStats,
    SkewPair,
)
from trueline.data_validation.given import dataset_of
from trueline.engine.base import Block, Dataset, Engine, FunctionSpec, Shard

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["detect_feature_skew"]

MISSING_VALUE = "__MISSING_VALUE__"
"""Stands in a confusion count for a row that lacks the feature."""
BUCKET_BYTES = 32 << 20
"""How many bytes of keys and fingerprints a bucket is meant to hold."""
_MAX_BUCKETS = 4096
_PRINTS = "trueline.data_validation.feature_skew_prints"
_JOIN = "trueline.data_validation.feature_skew_join"


@dataclass
class _Found:
    """What the buckets gave, added up."""

    features: dict[str, list[int]]
    stats: dict[str, int] = field(default_factory=dict)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    confusion: dict[tuple[str, int, int], int] = field(default_factory=dict)
    words: dict[str, dict[int, str]] = field(default_factory=dict)

    def add(self, bucket: Mapping[str, Any], sample_size: int) -> None:
        for name, counts in bucket["features"].items():
            self.features[name] = [a + b for a, b in zip(self.features[name], counts, strict=True)]
        for name, count in bucket["stats"].items():
            self.stats[name] = self.stats.get(name, 0) + count
        self.pairs = sorted([*self.pairs, *bucket["pairs"]], key=lambda p: p["order"])[:sample_size]
        for name, base, test, count in bucket["confusion"]:
            self.confusion[name, base, test] = self.confusion.get((name, base, test), 0) + count


def detect_feature_skew(
    base: Dataset | pa.Table | Any,
    test: Dataset | pa.Table | Any,
    identifier_features: Sequence[str],
    features_to_ignore: Sequence[str] | None = None,
    sample_size: int = 0,
    float_round_ndigits: int | None = None,
    allow_duplicate_identifiers: bool = False,
    confusion_features: Sequence[str] = (),
    engine: Engine | None = None,
) -> FeatureSkewResult:
    """Compares two data sets row by row, joined by identifiers.

    The semantics are TensorFlow Data Validation's ``DetectFeatureSkew``. A row that lacks an identifier is counted and
    left out. Values are compared by 64-bit fingerprints: two that differ are taken for equal once in 2**64. Integers
    and floats of the same value differ. The rows of pairs that are shown are a fixed sample, not a random one.

    Args:
        base: a dataset, or a table in memory: the rows taken for right, for instance those that a model was trained on.
        test: the rows compared with them, for instance those that it was served.
        identifier_features: the columns that together name a row.
        features_to_ignore: columns not to compare.
        sample_size: how many pairs of rows that differ are given back.
        float_round_ndigits: compare floats rounded to so many digits.
        allow_duplicate_identifiers: compare all pairs of rows with the same identifiers; else identifiers that occur
            more than once on a side are left out.
        confusion_features: text columns with one value a row, whose pairs of values are counted.
        engine: runs the passes; it must share this machine's disk.

    Raises:
        SchemaError: an unknown column, or a confusion feature that is no text; all at once.
        DataError: a confusion feature with several values in a row, or too many distinct ones.
    """
    sides = {"base": dataset_of(base, "base"), "test": dataset_of(test, "test")}
    plan = _plan(sides, list(identifier_features), list(features_to_ignore or ()), list(confusion_features))
    plan["digits"] = float_round_ndigits
    width = 8 * (len(plan["features"]) + 2)
    rows = sum(d.num_rows for d in sides.values())
    plan["buckets"] = max(1, min(_MAX_BUCKETS, -(-rows * width // BUCKET_BYTES)))
    if engine is None:
        from trueline.engine.local import default_engine

        engine = default_engine()
    found = _Found({f["name"]: [0] * 7 for f in plan["features"]})
    with tempfile.TemporaryDirectory(prefix="trueline-skew-") as folder:
        for side, dataset in sides.items():
            function = FunctionSpec(f"{_PRINTS}:fingerprint_block", {"folder": folder, "side": side, "plan": plan})
            for told in engine.map_blocks(function, dataset):
                found.stats[f"{side}_missing_id_count"] = (
                    found.stats.get(f"{side}_missing_id_count", 0) + told["lacking"]
                )
                for name, words in told["words"].items():
                    found.words.setdefault(name, {}).update((int(k), v) for k, v in words.items())
        params = {
            "folder": folder,
            "blocks": {side: [b.number for b in dataset.blocks] for side, dataset in sides.items()},
            "plan": plan,
            "duplicates": allow_duplicate_identifiers,
            "sample_size": sample_size,
        }
        buckets = tuple(Block(n, "", 0, 0) for n in range(plan["buckets"]))
        job = FunctionSpec(f"{_JOIN}:join_bucket", params)
        engine.map_blocks(
            job, Dataset((Shard(0, buckets),), sides["base"].arrow_schema), lambda r: found.add(r, sample_size)
        )
    return _result(found, sides)


def _plan(
    sides: Mapping[str, Dataset], identifiers: list[str], ignored: list[str], confusion: list[str]
) -> dict[str, Any]:
    """What is compared and how, as JSON."""
    from trueline.data_validation.feature_skew_prints import describe_column

    schemas = {side: dataset.arrow_schema for side, dataset in sides.items()}
    columns = {s: [n for n in schema.names if not n.startswith(HIDDEN_PREFIX)] for s, schema in schemas.items()}
    every = sorted({*columns["base"], *columns["test"]})
    problems = [] if identifiers else ["no identifier feature is given"]
    for side, names in columns.items():
        if names:
            problems += [
                f"{side} has no identifier {n!r}: {did_you_mean(n, names)}" for n in identifiers if n not in names
            ]
    problems += [
        f"there is no column {n!r}: {did_you_mean(n, every)}" for n in [*ignored, *confusion] if n not in every
    ]
    features = []
    for name in every:
        if name in identifiers or name in ignored:
            continue
        kinds = [describe_column(schema.field(name).type) for schema in schemas.values() if name in schema.names]
        if name in confusion and any(kind["type"] != "text" for kind in kinds):
            problems.append(f"confusion feature {name!r} is {kinds[0]['type']}, it must be text")
        features.append({"name": name, "lists": any(k["list"] for k in kinds), "confusion": name in confusion})
    if problems:
        raise SchemaError("the data sets cannot be compared so", problems=problems)
    return {"identifiers": identifiers, "features": features}


def _result(found: _Found, sides: Mapping[str, Dataset]) -> FeatureSkewResult:
    from trueline.data_validation.feature_skew_prints import ABSENT, EMPTY

    skews = [FeatureSkew(name, *counts[:6]) for name, counts in sorted(found.features.items()) if counts[6]]
    confusion = []
    for (name, base, test), count in found.confusion.items():
        words = {ABSENT: MISSING_VALUE, EMPTY: MISSING_VALUE, **found.words.get(name, {})}
        confusion.append(ConfusionCount(name, words[base], words[test], count))
    confusion.sort(key=lambda c: (c.feature_name, c.base, c.test))
    pairs = tuple(_pair(p, sides) for p in found.pairs)
    return FeatureSkewResult(tuple(skews), MatchStats(**found.stats), pairs, tuple(confusion))


def _pair(told: Mapping[str, Any], sides: Mapping[str, Dataset]) -> SkewPair:
    rows = {}
    for side, dataset in sides.items():
        number, row = told[side]
        block = next(b for b in dataset.blocks if b.number == number)
        found: dict[str, Any] = block.read().slice(row, 1).to_pylist()[0]
        rows[side] = {name: value for name, value in found.items() if not name.startswith(HIDDEN_PREFIX)}
    names = ("base_only_features", "test_only_features", "matched_features", "mismatched_features")
    return SkewPair(rows["base"], rows["test"], *(tuple(told[name]) for name in names))

"""Which generators the options of a pass ask for, and which features each of them looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline._core.rowid import ROW_COLUMN
from trueline._core.values import HIDDEN_PREFIX
from trueline.data_validation.generators.base import Plan, features_spec, parts_spec
from trueline.data_validation.generators.lengths import composite_plan
from trueline.data_validation.generators.tokens import domain_options
from trueline.data_validation.plan import FeaturePlan, plan_features
from trueline.data_validation.sampling import sampled_spec
from trueline.engine.base import AccumulatorSpec
from trueline.schema.index import SchemaIndex
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data_validation.options import StatsOptions

__all__ = ["planned", "sample_columns", "sampled_features"]


@dataclass(frozen=True)
class _Asked:
    """What a planner looks at.

    Attributes:
        arrow_schema: the columns.
        options: the options.
        features: the features of the columns that may be read.
    """

    arrow_schema: pa.Schema
    options: StatsOptions
    features: tuple[FeaturePlan, ...]

    def label(self) -> FeaturePlan:
        """The label.

        Raises:
            ConfigError: where it is no column that may be read.
        """
        name = self.options.label_feature
        found = next((feature for feature in self.with_label if feature.path == (name,)), None)
        if found is None or found.type == "STRUCT":
            names = [f.path[0] for f in self.features if len(f.path) == 1 and f.type != "STRUCT"]
            raise ConfigError(f"label_feature {name!r} is no column", hint=did_you_mean(str(name), names))
        return found

    @property
    def with_label(self) -> tuple[FeaturePlan, ...]:
        """The features, and the label though no allowlist names it."""
        name = self.options.label_feature
        allowed = self.options.feature_allowlist
        if name is None or allowed is None or name in allowed or name not in self.arrow_schema.names:
            return self.features
        alone = replace(self.options, feature_allowlist=[name])
        return (*self.features, *plan_features(self.arrow_schema, alone))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that may be read."""
        allowed = self.options.feature_allowlist
        names = self.arrow_schema.names if allowed is None else allowed
        return tuple(name for name in names if not name.startswith(HIDDEN_PREFIX))


def planned(arrow_schema: pa.Schema, options: StatsOptions) -> dict[str, Plan]:
    """The accumulators by name, with the columns that each reads.

    Raises:
        ConfigError, SchemaError: when options or schema ask for what the columns cannot give.
    """
    wanted = {name: plan for name, (wants, plan) in _PLANNERS.items() if wants(options)}
    if not wanted:
        return {}
    asked = _Asked(arrow_schema, options, plan_features(arrow_schema, options))
    found = {name: plan(asked) for name, plan in wanted.items()}
    return {name: plan for name, plan in found.items() if plan is not None}


def _composites(asked: _Asked) -> Plan | None:
    return composite_plan(asked.options.schema, asked.columns, asked.options.feature_allowlist)


def _empties(asked: _Asked) -> Plan | None:
    paths = [f.path for f in asked.features if f.type != "STRUCT" and not f.source]
    return features_spec("empties:EmptyValues", paths, {})


def _lift(asked: _Asked) -> Plan | None:
    """Lift of the categorical features that the schema names; none for a numeric label without boundaries."""
    from trueline.data_validation.generators.lift import Lift

    options, label = asked.options, asked.label()
    known = SchemaIndex(options.schema).features
    categorical = [f for f in asked.features if f.kind == "string" and FeaturePath(f.path) in known]
    numeric = label.type in ("INT", "FLOAT") and label.kind != "string" and label.source != "bool"
    boundaries = options.lift_boundaries
    if boundaries is not None and not numeric:
        raise ConfigError(
            f"lift_boundaries cut numeric labels, {label.path[0]!r} is categorical", hint="leave them out."
        )
    paths = [f.path for f in categorical if f.path != label.path]
    if (numeric and boundaries is None) or not paths:
        return None
    weights = [options.weight_of(path) for path in paths]
    params = {
        "y_path": list(label.path),
        "x_paths": [list(path) for path in paths],
        "y_boundaries": None if boundaries is None else [float(b) for b in boundaries],
        "y_weight": options.weight_of(label.path),
        "x_weights": weights,
        "min_x_count": options.lift_min_count,
        "top_k_per_y": options.lift_top_k,
        "bottom_k_per_y": options.lift_bottom_k,
        "output_custom_stats": True,
    }
    columns = [label.path[0], *(p[0] for p in paths), options.weight_of(label.path), *weights]
    spec = AccumulatorSpec[Any](f"{Lift.__module__}:Lift", params)
    return spec, tuple(dict.fromkeys(name for name in columns if name is not None))


def _cross(asked: _Asked) -> Plan | None:
    """Pairs of numeric columns, all or those named."""
    from trueline.data_validation.generators.cross import MAX_PAIRS, CrossMoments, crossed_pairs

    numeric = [f.path[0] for f in asked.features if _is_crossed(f)]
    chosen = asked.options.cross_features
    if not isinstance(chosen, bool):
        wrong = [name for name in chosen if name not in numeric]
        if wrong:
            raise ConfigError(
                "cross_features names what is no numeric column",
                problems=[f"{name!r}: {did_you_mean(name, numeric)}" for name in wrong],
            )
        numeric = list(chosen)
    pairs = crossed_pairs(numeric)
    if len(pairs) > MAX_PAIRS:
        raise ConfigError(
            f"{len(numeric)} numeric columns make {len(pairs)} pairs, at most {MAX_PAIRS} can be crossed",
            hint="name the columns in cross_features.",
        )
    spec = AccumulatorSpec[Any](f"{CrossMoments.__module__}:CrossMoments", {"pairs": pairs})
    return (spec, tuple(sorted(set(numeric)))) if pairs else None


def sampled_features(features: Sequence[FeaturePlan], arrow_schema: pa.Schema) -> list[dict[str, Any]]:
    """The features that a `RowSample` can keep: one entry a row, numbers at most one list deep."""
    found = []
    for feature in features:
        if feature.type == "STRUCT" or not _one_a_row(arrow_schema, feature.path):
            continue
        number = feature.kind == "numeric" and feature.type in ("INT", "FLOAT") and feature.levels <= 1
        kind = "number" if number and feature.source != "bool" else "category"
        found.append({"path": list(feature.path), "kind": kind})
    return found


def _one_a_row(arrow_schema: pa.Schema, path: Sequence[str]) -> bool:
    """Whether no list lies around the structs on the way to a feature."""
    import pyarrow.types as t

    kind = arrow_schema.field(path[0]).type
    for step in path[1:]:
        if not t.is_struct(kind):
            return False
        kind = kind.field(step).type
    return True


def sample_columns(features: Sequence[dict[str, Any]], arrow_schema: pa.Schema) -> tuple[str, ...]:
    """The columns that a sample of these features reads."""
    rows = [ROW_COLUMN] if ROW_COLUMN in arrow_schema.names else []
    return tuple(dict.fromkeys([*(feature["path"][0] for feature in features), *rows]))


def _information(asked: _Asked) -> Plan | None:
    """Mutual information of every feature with the label."""
    label = asked.label()
    features = sampled_features(asked.with_label, asked.arrow_schema)
    places = [i for i, feature in enumerate(features) if tuple(feature["path"]) == label.path]
    if not places or len(features) < 2:
        return None
    params = {"features": features, "label": places[0]}
    spec = AccumulatorSpec[Any]("trueline.data_validation.generators.mutual:MutualInformation", params)
    return spec, sample_columns(features, asked.arrow_schema)


def _leakage(asked: _Asked) -> Plan | None:
    """The leakage report as custom statistics."""
    from trueline.data_validation.leakage_accumulator import leakage_plan

    features = sampled_features(asked.with_label, asked.arrow_schema)
    options = asked.options
    spec = leakage_plan(features, asked.label().path[0], options.leakage_threshold, statistics=True)
    return spec, sample_columns(features, asked.arrow_schema)


def _language(asked: _Asked) -> Plan | None:
    """Statistics of the features to which the schema gives a natural-language domain that asks for something."""
    options = asked.options
    paths = dict(options.vocab_paths or {})
    known = SchemaIndex(options.schema).features
    domains = {
        feature.path: found.natural_language_domain
        for feature in asked.features
        if (found := known.get(FeaturePath(feature.path))) is not None
        and found.WhichOneof("domain_info") == "natural_language_domain"
    }
    problems = [
        f"feature {'.'.join(path)!r} names vocabulary {domain.vocabulary!r}: {did_you_mean(domain.vocabulary, paths)}"
        for path, domain in domains.items()
        if domain.vocabulary and domain.vocabulary not in paths
    ]
    if problems:
        raise ConfigError("vocab_paths lacks vocabularies that the schema names", problems=problems)
    counts = ("num_histogram_buckets", "num_quantiles_histogram_buckets", "num_rank_histogram_buckets")
    buckets = {name: int(getattr(options, name)) for name in counts}
    features = []
    for path, domain in domains.items():
        rules = domain_options(domain, paths)
        if rules is not None:
            features.append({"path": list(path), "options": {"rules": rules, **buckets}})
    return parts_spec("language:LanguageStatistics", features)


def _is_crossed(feature: FeaturePlan) -> bool:
    return (
        len(feature.path) == 1
        and feature.levels <= 1
        and feature.type in ("INT", "FLOAT")
        and feature.source in ("", "bool")
    )


def _guess(part: str, types: tuple[str, ...]) -> Callable[[_Asked], Plan | None]:
    def plan(asked: _Asked) -> Plan | None:
        rate = asked.options.semantic_domain_stats_sample_rate or 1.0
        paths = [f.path for f in asked.features if f.type in types and not f.source]
        if rate == 1.0 or ROW_COLUMN not in asked.arrow_schema.names:
            return features_spec(part, paths, {"sample_rate": rate})
        found = features_spec(part, paths, {})
        return None if found is None else (sampled_spec(found[0], rate), (*found[1], ROW_COLUMN))

    return plan


def _semantic(options: StatsOptions) -> bool:
    return bool(options.enable_semantic_domain_stats)


def _with_schema(options: StatsOptions) -> bool:
    return options.schema is not None


_TEXT = ("STRING", "BYTES")
_Planner = tuple[Callable[["StatsOptions"], Any], Callable[[_Asked], Plan | None]]
_PLANNERS: dict[str, _Planner] = {
    "composite features": (_with_schema, _composites),
    "cross features": (lambda options: options.cross_features, _cross),
    "empty values": (lambda options: options.count_empty_values, _empties),
    "image domains": (_semantic, _guess("images:ImageGuess", _TEXT)),
    "leakage": (lambda options: options.leakage, _leakage),
    "lift": (lambda options: options.schema is not None and options.label_feature is not None, _lift),
    "mutual information": (lambda options: options.mutual_information, _information),
    "natural language": (_with_schema, _language),
    "natural language domains": (_semantic, _guess("texts:NaturalLanguageGuess", _TEXT)),
    "time domains": (_semantic, _guess("times:TimeGuess", (*_TEXT, "INT"))),
}

"""The least change of a schema that accepts one anomaly: the mending side of its rule, taken singly.

Each remedy is worked out on a small schema of the feature, what stands around it and the domains it uses; the change
is the difference of that schema before and after.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trueline.data_validation.judge import CONTENT_RULES, Controls, Terms, Verdict, judge_present, run_rules
from trueline.data_validation.rules import Case, retire_feature
from trueline.data_validation.rules_feature import IDENTITY_RULES
from trueline.data_validation.views import DatasetView
from trueline.schema.changes import SchemaChange, diff_schemas
from trueline.schema.features import deprecated, walk_features
from trueline.schema.index import SchemaIndex
from trueline.schema.paths import FeaturePath

__all__ = ["Workshop"]

_COMPOSITES = {
    "SPARSE_FEATURE_MISSING_VALUE": ("sparse_feature",),
    "SPARSE_FEATURE_MISSING_INDEX": ("sparse_feature",),
    "SPARSE_FEATURE_LENGTH_MISMATCH": ("sparse_feature",),
    "SPARSE_FEATURE_NAME_COLLISION": ("sparse_feature", "feature"),
    "WEIGHTED_FEATURE_MISSING_VALUE": ("weighted_feature",),
    "WEIGHTED_FEATURE_MISSING_WEIGHT": ("weighted_feature",),
    "WEIGHTED_FEATURE_LENGTH_MISMATCH": ("weighted_feature",),
    "WEIGHTED_FEATURE_NAME_COLLISION": ("weighted_feature", "sparse_feature", "feature"),
}
"""Which features of the name are deprecated."""

_RULES = (*IDENTITY_RULES, *CONTENT_RULES)
_ROUNDS = 5  # of remedies that call for others; each round silences at least one rule


@dataclass(frozen=True)
class Workshop:
    """Works out remedies.

    Attributes:
        schema: what the anomalies were found against.
        dataset: the data, or None: then only remedies that need no figures are known.
        controls: what the data were compared with.
        terms: how they were judged.
    """

    schema: Any
    dataset: DatasetView | None
    controls: Controls
    terms: Terms

    @cached_property
    def index(self) -> SchemaIndex:
        """The whole schema by names; read only."""
        return SchemaIndex(self.schema)

    @cached_property
    def _users(self) -> dict[str, list[str]]:
        """Names of the columns that use each string domain."""
        found: dict[str, list[str]] = {}
        for path, feature in self.index.features.items():
            if feature.WhichOneof("domain_info") == "domain":
                found.setdefault(feature.domain, []).append(path.steps[0])
        return found

    def remedy(self, type_name: str, path: FeaturePath | None) -> tuple[SchemaChange, ...]:
        """The change that accepts an anomaly of a type at a feature, or at the dataset; empty if none is known."""
        before = self._part(path)
        after = type(before)()
        after.CopyFrom(before)
        index = SchemaIndex(after)
        if path is None:
            self._mend_dataset(type_name, after)
        elif type_name in _COMPOSITES:
            for field in _COMPOSITES[type_name]:
                for feature in getattr(after, field):
                    if feature.name == path.name:
                        retire_feature(feature)
        elif type_name == "SCHEMA_MISSING_COLUMN" and path in index.features:
            retire_feature(index.features[path])
        elif type_name == "SCHEMA_NEW_COLUMN":
            self._add(index, path)
        elif self.dataset is not None and path in index.features and path in self.dataset.features:
            self._mend(index, path, type_name)
        return tuple(diff_schemas(before, after))

    def _part(self, path: FeaturePath | None) -> Any:
        """A small schema: the feature, all that shares its name or its domains, and what holds for the whole."""
        part = type(self.schema)()
        part.default_environment.extend(self.schema.default_environment)
        if path is None:
            part.dataset_constraints.CopyFrom(self.schema.dataset_constraints)
            if not self.schema.HasField("dataset_constraints"):
                part.ClearField("dataset_constraints")
            return part
        names = [path.steps[0]]
        domains = [f.domain for p, f in self._fields(path.steps[0]) if f.WhichOneof("domain_info") == "domain"]
        for domain in dict.fromkeys(domains):
            names += self._users.get(domain, [])
            if domain in self.index.domains:
                part.string_domain.add().CopyFrom(self.index.domains[domain])
        if path not in self.index.features:  # names that a new domain cannot have
            taken = [d for n, d in self.index.domains.items() if n.startswith(str(path)) and n not in domains]
            for found in taken:
                part.string_domain.add().CopyFrom(found)
        for name in dict.fromkeys(names):
            root = self.index.features.get(FeaturePath((name,)))
            if root is not None:
                part.feature.add().CopyFrom(root)
        for field in ("sparse_feature", "weighted_feature"):
            for composite in getattr(self.schema, field):
                if composite.name == path.steps[0]:
                    getattr(part, field).add().CopyFrom(composite)
        return part

    def _fields(self, name: str) -> Iterator[tuple[FeaturePath, Any]]:
        """A column and the fields inside it."""
        root = self.index.features.get(FeaturePath((name,)))
        if root is not None:
            alone = type(self.schema)()
            alone.feature.add().CopyFrom(root)
            yield from walk_features(alone)

    def _case(self, index: SchemaIndex, path: FeaturePath) -> Case:
        assert self.dataset is not None
        view, terms = self.dataset.features[path], self.terms
        named = self.controls.named()
        feature = index.features[path]
        return Case(index, feature, view, path, terms.environment, terms.max_domain, named, terms.confidence)

    def _hits(self, schema: Any, path: FeaturePath) -> list[int]:
        """The rules that find something at a feature, one after the other mending what they find."""
        copy = type(schema)()
        copy.CopyFrom(schema)
        case = self._case(SchemaIndex(copy), path)
        found: list[int] = []
        for i, rule in enumerate(_RULES):
            silent = i >= len(IDENTITY_RULES) and case.view.num_present == 0
            if silent or deprecated(case.feature):
                break
            if rule.find(case):
                found.append(i)
                rule.mend(case)
        return found

    def _mend(self, index: SchemaIndex, path: FeaturePath, type_name: str) -> None:
        """Mends what the rules of a type find, and what that brings to light and was not found before."""
        known = self._hits(index.schema, path)
        wanted = [i for i in known if _RULES[i].type == type_name]
        if type_name == "UNEXPECTED_DATA_TYPE" and wanted and self._take_type(index.features[path], path):
            wanted = [i for i in self._hits(index.schema, path) if i not in known]
            if not wanted:
                return
        for _ in range(_ROUNDS):
            case = self._case(index, path)
            for i in wanted:
                if _RULES[i].find(case):
                    _RULES[i].mend(case)
            hits = self._hits(index.schema, path)
            still = [i for i in hits if _RULES[i].type == type_name]
            # What is found only once something before it is mended needs that mended too.
            wanted = hits[: hits.index(still[-1]) + 1] if still else [i for i in hits if i not in known]
            if not wanted:
                return

    def _take_type(self, feature: Any, path: FeaturePath) -> bool:
        """Gives a feature the type of its values: a person accepts it, where `update_schema` would look away.

        Structs are left to the rule: their fields would be columns that nobody has described.
        """
        assert self.dataset is not None
        from tensorflow_metadata.proto.v0 import schema_pb2

        name = self.dataset.features[path].schema_type
        if "STRUCT" in (name, schema_pb2.FeatureType.Name(feature.type)):
            return False
        feature.type = schema_pb2.FeatureType.Value(name)
        return True

    def _add(self, index: SchemaIndex, path: FeaturePath) -> None:
        """Adds a column with its fields, or its environment."""
        environment = self.terms.environment
        if path in index.features:
            if environment is not None:
                index.features[path].in_environment.append(environment)
                if self.dataset is not None and path in self.dataset.features:
                    for _ in range(_ROUNDS):
                        if not run_rules(self._case(index, path)):
                            break
            return
        terms = Terms(environment, self.terms.max_domain, confidence=self.terms.confidence)
        for view in self.dataset or ():
            if view.path.starts_with(path):
                judge_present(Verdict(index.schema), index, view, self.controls.named(), terms)

    def _mend_dataset(self, type_name: str, schema: Any) -> None:
        if self.dataset is not None and schema.HasField("dataset_constraints"):
            mend = _DATASET.get(type_name)
            if mend is not None:
                mend(schema.dataset_constraints, self.dataset.num_examples, self.controls.named())


# --- the dataset as a whole ---


def _few(constraints: Any, count: float, controls: Any) -> None:
    constraints.min_examples_count = math.floor(count)


def _many(constraints: Any, count: float, controls: Any) -> None:
    constraints.max_examples_count = math.ceil(count)


def _ratios(constraints: Any, count: float, controls: Any) -> Iterator[tuple[Any, float | None]]:
    """Each comparator whose other dataset is there, and the ratio of examples; None without any to compare with."""
    pairs = (("num_examples_drift_comparator", "previous"), ("num_examples_version_comparator", "version"))
    for field, name in pairs:
        if constraints.HasField(field) and name in controls:
            base = controls[name].num_examples
            yield getattr(constraints, field), count / base if base else None


def _fewer(constraints: Any, count: float, controls: Any) -> None:
    for comparator, ratio in _ratios(constraints, count, controls):
        if comparator.HasField("min_fraction_threshold") and ratio is not None:
            comparator.min_fraction_threshold = min(comparator.min_fraction_threshold, ratio)


def _more(constraints: Any, count: float, controls: Any) -> None:
    for comparator, ratio in _ratios(constraints, count, controls):
        if not comparator.HasField("max_fraction_threshold"):
            continue
        if ratio is None:
            comparator.ClearField("max_fraction_threshold")
        else:
            comparator.max_fraction_threshold = max(comparator.max_fraction_threshold, ratio)


_DATASET: dict[str, Callable[[Any, float, Any], None]] = {
    "DATASET_LOW_NUM_EXAMPLES": _few,
    "DATASET_HIGH_NUM_EXAMPLES": _many,
    "COMPARATOR_LOW_NUM_EXAMPLES": _fewer,
    "COMPARATOR_HIGH_NUM_EXAMPLES": _more,
}

"""Every row judged by the rules of `validate_instance`: each kind of row once, and all rows of the kind with it.

Rules look at one column at a time, or at the columns of one sparse or weighted feature. So a row's anomalies are those
of its columns, and a column's anomalies follow from the row's signature there (see `example_level_signatures`). The
rules themselves are asked, by `validate_instance`, of the first row of each signature that comes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline.data_validation.arrow_numpy import from_numpy
from trueline.data_validation.example_level_leaves import LeafReader
from trueline.data_validation.example_level_readers import leaf_reader
from trueline.data_validation.example_level_signatures import Signatures, lengths_of, signatures_of
from trueline.data_validation.instance import validate_instance
from trueline.data_validation.options import StatsOptions
from trueline.data_validation.plan import FeaturePlan, plan_features

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Anomaly", "RowJudge", "judging_options"]

Rows = npt.NDArray[np.int64]
_COMPOSITE = ("SPARSE_FEATURE_", "WEIGHTED_FEATURE_")
_MOST_KNOWN = 100_000


@dataclass(frozen=True, order=True)
class Anomaly:
    """What may be wrong with a row.

    Attributes:
        feature: the feature's path as text, as anomalies name it.
        type: name of the `AnomalyInfo.Type`.
        short: a few words.
    """

    feature: str
    type: str
    short: str = field(compare=False)

    @property
    def key(self) -> str:
        """``<feature>_<TYPE>``: the name of the slice of rows that have it."""
        return f"{self.feature}_{self.type}"


def judging_options(options: StatsOptions) -> StatsOptions:
    """The options by which one row is judged: what makes statistics of many rows together is left out.

    A weight says how much a row counts, not whether it is right, so weights are left out too: a row of weight 0 is
    judged like any other.
    """
    return StatsOptions(**{name: getattr(options, name) for name in _KEPT})


_KEPT = (
    "schema",
    "frequency_threshold",
    "num_rank_histogram_buckets",
    "num_histogram_buckets",
    "num_quantiles_histogram_buckets",
    "epsilon",
    "enable_semantic_domain_stats",
    "vocab_paths",
    "add_default_generators",
    "feature_allowlist",
    "per_feature_stats_config",
    "max_quantile_points",
    "max_distinct",
    "max_distinct_bytes",
)


@dataclass
class _Unit:
    """What is judged by itself: a column, or the columns of one sparse or weighted feature."""

    columns: tuple[str, ...]
    options: StatsOptions
    composite: str = ""
    readers: dict[tuple[str, ...], LeafReader] = field(default_factory=dict)
    known: dict[Hashable, tuple[Anomaly, ...]] = field(default_factory=dict)

    def signatures(self, batch: pa.RecordBatch) -> Signatures:
        """The signatures of a batch's rows."""
        if not self.composite:
            name = self.columns[0]
            return signatures_of(batch.column(name), self.readers, (name,))
        found = np.stack([lengths_of(batch.column(name)) for name in self.columns], axis=1)
        kinds, codes = np.unique(found, axis=0, return_inverse=True)
        return Signatures(codes.reshape(-1).astype(np.int64), lambda code: tuple(kinds[code].tolist()))

    def owns(self, anomaly: Anomaly, top: str) -> bool:
        """Whether an anomaly at a feature below this column or composite is this unit's to find."""
        of_composite = anomaly.type.startswith(_COMPOSITE)
        return of_composite and top == self.composite if self.composite else not of_composite and top in self.columns


class RowJudge:
    """Judges every row of batches of one schema of columns; remembers what it has learnt of each kind of row.

    Args:
        arrow_schema: the columns in the contract's types.
        options: with the schema; see `judging_options`.
        environment: one of the schema's default environments.

    Raises:
        SchemaError: for columns whose type has no statistics.
    """

    def __init__(self, arrow_schema: pa.Schema, options: StatsOptions, environment: str | None = None) -> None:
        self._options = judging_options(options)
        self._environment = environment
        plans = plan_features(arrow_schema, self._options)
        self._columns = tuple(dict.fromkeys(plan.path[0] for plan in plans))
        self._units = [*self._column_units(plans), *self._composite_units()]
        self._constant: tuple[Anomaly, ...] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are looked at."""
        return self._columns

    def _column_units(self, plans: Sequence[FeaturePlan]) -> Iterator[_Unit]:
        from trueline.schema.features import find_feature

        schema = self._options.schema
        domains = {domain.name: domain for domain in schema.string_domain}
        for name in self._columns:
            part = _part_of_schema(schema, name)
            unit = _Unit((name,), replace(self._options, schema=part, feature_allowlist=(name,)))
            for plan in plans:
                if plan.path[0] == name:
                    feature = find_feature(schema, plan.path)
                    unit.readers[plan.path] = leaf_reader(feature, plan, domains, self._options)
            yield unit

    def _composite_units(self) -> Iterator[_Unit]:
        schema = self._options.schema
        found = [(s.name, [s.value_feature.name, *(i.name for i in s.index_feature)]) for s in schema.sparse_feature]
        found += [(w.name, [w.feature.step[0], w.weight_feature.step[0]]) for w in schema.weighted_feature]
        for name, columns in found:
            present = tuple(column for column in dict.fromkeys(columns) if column in self._columns)
            allowed = self._options.feature_allowlist
            if present and (allowed is None or set(columns) <= set(allowed)):
                yield _Unit(present, replace(self._options, feature_allowlist=None), composite=name)

    def judge(self, batch: pa.RecordBatch) -> dict[Anomaly, Rows]:
        """The anomalies of a batch's rows, in order, each with the places of the rows that have it."""
        found: dict[Anomaly, list[Rows]] = {}
        if not batch.num_rows:
            return {}
        everywhere = np.arange(batch.num_rows, dtype=np.int64)
        for anomaly in self._constants(batch):
            found.setdefault(anomaly, []).append(everywhere)
        for unit in self._units:
            signatures = unit.signatures(batch)
            for code in signatures.present().tolist():
                rows: Rows | None = None
                name = signatures.names(code)
                anomalies = None if name is None else unit.known.get(name)
                if anomalies is None:
                    rows = np.flatnonzero(signatures.codes == code)
                    anomalies = self._ask(unit, batch, int(rows[0]))
                    if name is not None and len(unit.known) < _MOST_KNOWN:
                        unit.known[name] = anomalies
                if anomalies:
                    rows = np.flatnonzero(signatures.codes == code) if rows is None else rows
                    for anomaly in anomalies:
                        found.setdefault(anomaly, []).append(rows)
        return {anomaly: np.sort(np.concatenate(parts)) for anomaly, parts in sorted(found.items())}

    def _constants(self, batch: pa.RecordBatch) -> tuple[Anomaly, ...]:
        """What every row has, whatever its values: above all columns that are not there."""
        if self._constant is None:
            row = _row(batch, self._columns, 0)
            pairs = _anomalies(validate_instance(row, self._options, self._environment))
            owned = [a for a, top in pairs if any(unit.owns(a, top) for unit in self._units)]
            self._constant = tuple(anomaly for anomaly, _ in pairs if anomaly not in owned)
        return self._constant

    def _ask(self, unit: _Unit, batch: pa.RecordBatch, place: int) -> tuple[Anomaly, ...]:
        row = _row(batch, unit.columns, place)
        pairs = _anomalies(validate_instance(row, unit.options, self._environment))
        return tuple(anomaly for anomaly, top in pairs if unit.owns(anomaly, top))


def _part_of_schema(schema: Any, name: str) -> Any:
    """What of a schema bears on one column: its feature, the string domains, sparse and weighted features."""
    part = type(schema)()
    part.default_environment.extend(schema.default_environment)
    for feature in schema.feature:
        if feature.name == name:
            part.feature.add().CopyFrom(feature)
    part.string_domain.MergeFrom(schema.string_domain)
    part.sparse_feature.MergeFrom(schema.sparse_feature)
    part.weighted_feature.MergeFrom(schema.weighted_feature)
    return part


def _row(batch: pa.RecordBatch, columns: Sequence[str], place: int) -> pa.Table:
    """One row, its columns as they are typed, text in place of codes."""
    import pyarrow as pa

    found = {}
    for name in columns:
        value = batch.column(name).take(from_numpy(np.array([place], np.int64)))
        found[name] = value.cast(value.type.value_type) if pa.types.is_dictionary(value.type) else value
    return pa.table(found)


def _anomalies(anomalies: Any) -> list[tuple[Anomaly, str]]:
    """Anomalies with the names of their columns, each type once a feature."""
    found: dict[Anomaly, str] = {}
    for name, info in anomalies.anomaly_info.items():
        top = info.path.step[0] if info.path.step else name
        for reason in info.reason:
            found.setdefault(Anomaly(name, info.Type.Name(reason.type), reason.short_description), top)
    return sorted(found.items())

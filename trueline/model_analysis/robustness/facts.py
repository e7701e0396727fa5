"""What is known of each feature before it is disturbed: its spread and range as seen, its domain as the schema says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trueline.engine.state import pack_state, unpack_state
from trueline.model_analysis.robustness.spec import NUMBERS

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline._core.values import RawFeature

__all__ = ["FEATURE_FACTS", "FeatureFacts", "with_domains"]

FEATURE_FACTS = "trueline.model_analysis.robustness.facts:FeatureFacts"
_KEPT = 256


class FeatureFacts:
    """Mean, standard deviation, least and greatest of numbers; some values of texts: those of the least hashes.

    Args:
        dtypes: name -> dtype of the features to look at.
    """

    def __init__(self, dtypes: Mapping[str, str]) -> None:
        self._dtypes = dict(dtypes)
        self._moments = {n: np.array([0.0, 0.0, 0.0, np.inf, -np.inf]) for n, d in dtypes.items() if d in NUMBERS}
        self._values: dict[str, dict[str, int]] = {n: {} for n, d in dtypes.items() if d == "utf8"}

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        for name in self._moments:
            self._add(name, _numbers(batch.column(batch.schema.get_field_index(name))))
        for name in self._values:
            self._keep(name, _texts(batch.column(batch.schema.get_field_index(name))))

    def _add(self, name: str, x: Any) -> None:
        if len(x):
            mean = x.mean()
            part = np.array([len(x), mean, np.square(x - mean).sum(), x.min(), x.max()])
            self._moments[name] = _joined(self._moments[name], part)

    def _keep(self, name: str, texts: list[str]) -> None:
        from trueline._core.hash import hash_strings

        fresh = [t for t in texts if t not in self._values[name]]
        every = self._values[name] | dict(zip(fresh, hash_strings(fresh).tolist(), strict=True))
        self._values[name] = dict(sorted(every.items(), key=lambda item: (item[1], item[0]))[:_KEPT])

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow (Chan, Golub and LeVeque 1979 for the moments)."""
        for name, part in other._moments.items():
            self._moments[name] = _joined(self._moments[name], part)
        for name, values in other._values.items():
            self._keep(name, list(values))

    def state(self) -> bytes:
        """Moments and values."""
        header = {"values": {name: list(values) for name, values in self._values.items()}}
        return pack_state("robustness-facts", 1, header, dict(self._moments))

    @classmethod
    def load(cls, state: bytes, dtypes: Mapping[str, str]) -> Self:
        """The accumulator that gave this state."""
        self = cls(dtypes)
        _, header, arrays = unpack_state(state, "robustness-facts", 1)
        self._moments = {name: arrays[name] for name in self._moments}
        for name, values in header["values"].items():
            self._keep(name, values)
        return self

    def finish(self) -> dict[str, dict[str, Any]]:
        """By feature, as JSON: ``std``, ``seen`` [least, greatest] or None; ``values`` of texts, sorted."""
        found: dict[str, dict[str, Any]] = {}
        for name, (count, _, squares, low, high) in self._moments.items():
            std = float(np.sqrt(squares / count)) if count else 0.0
            found[name] = {"std": std, "seen": [float(low), float(high)] if count else None}
        return found | {name: {"values": sorted(values)} for name, values in self._values.items()}


def _joined(a: Any, b: Any) -> Any:
    count = a[0] + b[0]
    if not count:
        return a
    gap = b[1] - a[1]
    squares = a[2] + b[2] + gap * gap * a[0] * b[0] / count
    mean = b[1] if not a[0] else a[1] + gap * b[0] / count
    return np.array([count, mean, squares, min(a[3], b[3]), max(a[4], b[4])])


def _flat(column: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    nested = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    return pc.list_flatten(column) if nested or pa.types.is_fixed_size_list(column.type) else column


def _numbers(column: Any) -> Any:
    import pyarrow as pa

    x = _flat(column).drop_null().cast(pa.float64()).to_numpy(zero_copy_only=False)
    return x[np.isfinite(x)]


def _texts(column: Any) -> list[str]:
    import pyarrow as pa

    flat = _flat(column).drop_null()
    texts: list[str] = (flat.cast(pa.string()) if pa.types.is_dictionary(flat.type) else flat).unique().to_pylist()
    return texts


def with_domains(
    facts: Mapping[str, Mapping[str, Any]], features: Sequence[RawFeature], schema: schema_pb2.Schema | None
) -> dict[str, dict[str, Any]]:
    """The facts with each feature's ``dtype`` and, where the schema has one, ``domain``.

    ``domain`` is [low, high], either of them None where it is open; for texts ``values`` become those of the domain.
    """
    known = {} if schema is None else {f.name: f for f in schema.feature}
    made: dict[str, dict[str, Any]] = {}
    for feature in features:
        entry: dict[str, Any] = dict(facts.get(feature.name, {})) | {"dtype": feature.dtype, "domain": [None, None]}
        said = known.get(feature.name)
        kind = said.WhichOneof("domain_info") if said is not None else None
        if said is not None and kind in ("int_domain", "float_domain"):
            domain = getattr(said, kind)
            ends = [getattr(domain, end) if domain.HasField(end) else None for end in ("min", "max")]
            entry["domain"] = [None if e is None or not np.isfinite(e) else float(e) for e in ends]
        if said is not None and schema is not None and (values := _allowed(schema, said, kind)):
            entry["values"] = sorted(values)
        made[feature.name] = entry
    parsed: dict[str, dict[str, Any]] = json.loads(json.dumps(made))  # only what workers can be told
    return parsed


def _allowed(schema: Any, said: Any, kind: str | None) -> list[str]:
    if kind == "string_domain":
        return list(said.string_domain.value)
    if kind == "domain":
        return [v for domain in schema.string_domain if domain.name == said.domain for v in domain.value]
    return []

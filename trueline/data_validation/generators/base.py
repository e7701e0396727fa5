"""The accumulator of generators that look at each feature by itself: one small mergeable part a feature."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from trueline._core.errors import ConfigError, EngineError
from trueline.data_validation.generators.leaves import Leaf, leaf_at
from trueline.engine.base import AccumulatorSpec
from trueline.engine.state import pack_state, unpack_state

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["FeatureParts", "Part", "Plan", "check_share", "features_spec", "nested", "parts_spec", "split_nested"]

State = tuple[dict[str, Any], dict[str, Any]]
Plan = tuple[AccumulatorSpec[Any], tuple[str, ...]]
_KIND, _VERSION = "feature parts", 1
_PACKAGE = "trueline.data_validation.generators."


class Part(Protocol):
    """What is known of one feature: a mergeable piece that writes itself into the feature's message."""

    def update(self, leaf: Leaf) -> None: ...
    def merge(self, other: Self) -> None: ...
    def parts(self) -> State: ...
    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None: ...
    def fill(self, message: statistics_pb2.FeatureNameStatistics) -> None: ...


class FeatureParts:
    """The accumulator of generators that look at each feature by itself.

    Args:
        part: ``module:Class`` inside this package, called with the options of a feature.
        features: ``{"path": [...], "options": {...}}`` each.

    Its result is a `DatasetFeatureStatistics` with the features whose part had something to say.
    """

    def __init__(self, part: str, features: Sequence[Mapping[str, Any]]) -> None:
        factory = _factory(part)
        self._paths = [tuple(feature["path"]) for feature in features]
        self._parts = [factory(**feature["options"]) for feature in features]

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        for path, part in zip(self._paths, self._parts, strict=True):
            leaf = leaf_at(batch, path)
            if leaf is not None:
                part.update(leaf)

    def merge(self, other: Self) -> None:
        """Takes in the blocks that follow."""
        for mine, theirs in zip(self._parts, other._parts, strict=True):
            mine.merge(theirs)

    def state(self) -> bytes:
        """The state; `load` is its inverse."""
        headers: list[Any] = []
        arrays: dict[str, Any] = {}
        for number, part in enumerate(self._parts):
            header, inner = part.parts()
            headers.append(header)
            arrays.update(nested(str(number), inner))
        return pack_state(_KIND, _VERSION, headers, arrays)

    @classmethod
    def load(cls, state: bytes, part: str, features: Sequence[Mapping[str, Any]]) -> FeatureParts:
        """The accumulator that gave this state.

        Raises:
            EngineError: for a damaged state, or one of other features.
        """
        _, headers, arrays = unpack_state(state, _KIND, _VERSION)
        made = cls(part, features)
        if not isinstance(headers, list) or len(headers) != len(made._parts):
            raise EngineError(f"the state is not one of {len(made._parts)} features", where=f"generator {part!r}")
        inner = split_nested(arrays)
        try:
            for number, (one, header) in enumerate(zip(made._parts, headers, strict=True)):
                one.restore(header, inner.get(str(number), {}))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise EngineError(f"the state has another form: {error!r}", where=f"generator {part!r}") from error
        return made

    def finish(self) -> statistics_pb2.DatasetFeatureStatistics:
        """The partial statistics."""
        from tensorflow_metadata.proto.v0 import statistics_pb2

        dataset = statistics_pb2.DatasetFeatureStatistics()
        for path, part in zip(self._paths, self._parts, strict=True):
            message = statistics_pb2.FeatureNameStatistics()
            part.fill(message)
            if message.custom_stats:
                message.path.step.extend(path)
                dataset.features.append(message)
        return dataset


def features_spec(part: str, paths: Sequence[Sequence[str]], options: Mapping[str, Any]) -> Plan | None:
    """The spec of `FeatureParts` with the same options for each feature; None for no features."""
    return parts_spec(part, [{"path": list(path), "options": dict(options)} for path in paths])


def parts_spec(part: str, features: Sequence[Mapping[str, Any]]) -> Plan | None:
    """The spec of `FeatureParts`; None for no features."""
    if not features:
        return None
    spec = AccumulatorSpec[Any](f"{__name__}:FeatureParts", {"part": part, "features": list(features)})
    return spec, tuple(dict.fromkeys(feature["path"][0] for feature in features))


def nested(prefix: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays of a part of a state, their names with a prefix."""
    return {f"{prefix}/{name}": array for name, array in arrays.items()}


def split_nested(arrays: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Arrays by prefix, the inverse of `nested`."""
    found: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        prefix, _, rest = name.partition("/")
        found.setdefault(prefix, {})[rest] = array
    return found


def check_share(generator: str, **numbers: float) -> None:
    """Checks options of a generator: shares lie in (0, 1], counts (integers) are at least 1.

    Raises:
        ConfigError: naming every option that is out of range.
    """
    problems = [
        f"{name} is {value!r}, it must {'be at least 1' if isinstance(value, int) else 'lie above 0 and up to 1'}"
        for name, value in numbers.items()
        if not (value >= 1 if isinstance(value, int) else 0.0 < value <= 1.0)
    ]
    if problems:
        raise ConfigError(f"these options of {generator} cannot be used", problems=problems)


def _factory(part: str) -> Callable[..., Any]:
    module, _, name = part.partition(":")
    factory: Callable[..., Any] = getattr(importlib.import_module(_PACKAGE + module), name)
    return factory

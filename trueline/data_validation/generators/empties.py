"""Values that stand for "nothing" though they are not missing: -1, the empty text, the empty list.

Custom statistics ``int_-1`` (numbers equal to -1), ``str_empty`` (texts and bytes of length 0) and ``list_empty``
(empty lists inside a row, for lists of lists, where nothing else is counted); only counts above zero are written.
Source of names and rule: TensorFlow Data Validation's empty value counter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trueline.data_validation.generators.leaves import Leaf, is_listlike

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["EmptyValues"]

_NAMES = ("int_-1", "str_empty", "list_empty")


class EmptyValues:
    """Counts of one feature's empty values."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(_NAMES, 0)

    def update(self, leaf: Leaf) -> None:
        """Takes in the values of a block."""
        import pyarrow.compute as pc

        inner = leaf.entries.array
        if is_listlike(inner.type) and is_listlike(inner.type.value_type):
            lengths = pc.list_value_length(pc.list_flatten(inner))
            self._counts["list_empty"] += _count(pc.equal(lengths, 0))
        elif leaf.kind == "text":
            self._counts["str_empty"] += _count(pc.equal(pc.binary_length(leaf.values), 0))
        elif leaf.kind in ("int", "float"):
            numbers = leaf.values.to_numpy(zero_copy_only=False)
            self._counts["int_-1"] += int(np.count_nonzero(numbers == -1))

    def merge(self, other: EmptyValues) -> None:
        """Takes in other blocks."""
        for name, count in other._counts.items():
            self._counts[name] += count

    def parts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The state: a JSON header and no arrays."""
        return dict(self._counts), {}

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        self._counts = {name: int(header[name]) for name in _NAMES}

    def fill(self, message: statistics_pb2.FeatureNameStatistics) -> None:
        """Writes the counts."""
        for name, count in self._counts.items():
            if count:
                message.custom_stats.add(name=name, num=float(count))


def _count(mask: Any) -> int:
    import pyarrow.compute as pc

    return int(pc.sum(mask).as_py() or 0)

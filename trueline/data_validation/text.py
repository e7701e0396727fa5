"""Statistics of strings and categories: frequencies, bytes, and how many are no UTF-8, plain and weighted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from trueline.data_validation.arrow_numpy import take, to_numpy
from trueline.data_validation.columns import Floats, Limits, PartOptions, State
from trueline.data_validation.frequencies import Frequencies, distinct_estimate, hashes_of, smallest

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LARGE_BYTES", "LONG", "Strings"]

LARGE_BYTES = "__LARGE_BYTES__"
"""Under this value all strings of more than `LONG` bytes are counted, unless the schema calls them categorical."""
LONG = 1024

Ints = npt.NDArray[np.int64]


class Strings:
    """Strings, or categorical numbers as decimal text.

    Attributes:
        bytes: bytes of all values.
        invalid: values that are no UTF-8.
        frequencies: how often each value occurs; None for kind ``text``, free text that the schema calls not
            categorical.
        weighted: the sum of the weights of the rows in which each value occurs; None without weights.
        long: the smallest hashes of distinct long strings: they are counted together, but told apart in `unique`.
    """

    takes_nulls: ClassVar[bool] = False

    def __init__(self, limits: Limits, options: PartOptions) -> None:
        self.bytes = self.invalid = 0
        self.keep_long = options.long_strings
        size = (limits["max_distinct"], limits["max_distinct_bytes"])
        counted = options.kind != "text"
        self.frequencies = Frequencies(*size) if counted else None
        self.weighted = Frequencies(*size, weighted=True) if counted and options.weight else None
        self.long = np.empty(0, np.uint64)

    def update(self, values: pa.Array, weights: Floats | None) -> None:
        """Takes in strings or bytes, plain or dictionary-encoded, integers, floats or booleans."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_boolean(values.type) or pa.types.is_temporal(values.type):
            values = pc.cast(values, pa.int64())
        settled = not pa.types.is_dictionary(values.type)
        encoded = pc.dictionary_encode(values) if settled else values
        codes, distinct = to_numpy(encoded.indices), encoded.dictionary
        counts = np.bincount(codes, minlength=len(distinct)).astype(np.int64, copy=False)
        heavy = None
        if self.weighted is not None and weights is not None:
            heavy = np.bincount(codes, weights, minlength=len(distinct)).astype(np.float64, copy=False)
        if len(counts) and counts.min() == 0:  # a dictionary may hold values that no row uses
            used = np.flatnonzero(counts)
            distinct, counts = take(distinct, used), counts[used]
            heavy = heavy[used] if heavy is not None else None
        self._add(_as_text(distinct), counts, heavy, settled)

    def _add(self, distinct: pa.Array, counts: Ints, heavy: Floats | None, settled: bool) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        lengths = to_numpy(pc.binary_length(distinct))
        self.bytes += int((lengths.astype(np.int64, copy=False) * counts).sum())
        if pa.types.is_binary(distinct.type) or pa.types.is_large_binary(distinct.type):
            self.invalid += _count_invalid(distinct, counts)
        if self.frequencies is None:
            return
        if len(lengths) and not self.keep_long and int(lengths.max()) > LONG:
            distinct, counts, heavy = self._without_long(distinct, lengths > LONG, counts, heavy)
        self.frequencies.add(distinct, counts, settled)
        if self.weighted is not None and heavy is not None:
            self.weighted.add(distinct, heavy, settled)

    def _without_long(
        self, distinct: pa.Array, long: npt.NDArray[np.bool_], counts: Ints, heavy: Floats | None
    ) -> tuple[pa.Array, Ints, Floats | None]:
        """The same with one value in the place of all long ones, whose hashes are kept."""
        import pyarrow as pa
        import pyarrow.compute as pc

        words = pc.cast(distinct, pa.binary())
        self.long = smallest(self.long, hashes_of(take(words, np.flatnonzero(long))))
        one = pa.array([LARGE_BYTES.encode()], pa.binary())
        words = pa.concat_arrays([take(words, np.flatnonzero(~long)), one])
        counts = np.append(counts[~long], counts[long].sum())
        return words, counts, np.append(heavy[~long], heavy[long].sum()) if heavy is not None else None

    @property
    def unique(self) -> int:
        """The number of distinct values: exact, or the sketches' estimate."""
        if self.frequencies is None:
            return 0
        return self.frequencies.unique + (distinct_estimate(self.long) - 1 if len(self.long) else 0)

    def merge(self, other: Strings) -> None:
        """Takes in other strings."""
        self.bytes += other.bytes
        self.invalid += other.invalid
        if len(other.long):
            self.long = smallest(self.long, other.long)
        for mine, theirs in ((self.frequencies, other.frequencies), (self.weighted, other.weighted)):
            if mine is not None and theirs is not None:
                mine.merge(theirs)

    def parts(self) -> State:
        """The state: a JSON header and arrays."""
        header: dict[str, Any] = {"bytes": self.bytes, "invalid": self.invalid}
        arrays: dict[str, Any] = {"long": self.long} if len(self.long) else {}
        for name, found in (("frequencies", self.frequencies), ("weighted", self.weighted)):
            if found is not None:
                header[name], own = found.parts()
                arrays |= {f"{name}_{key}": array for key, array in own.items()}
        return header, arrays

    def restore(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Takes the state that `parts` gave."""
        self.bytes, self.invalid = int(header["bytes"]), int(header["invalid"])
        self.long = arrays.get("long", self.long)
        for name, found in (("frequencies", self.frequencies), ("weighted", self.weighted)):
            if found is not None:
                start = f"{name}_"
                own = {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
                found.restore(header[name], own)


def _as_text(distinct: pa.Array) -> pa.Array:
    """Numbers as decimal text, floats as Python writes them; strings and bytes as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(distinct.type):
        return pc.cast(distinct, pa.string())
    if pa.types.is_floating(distinct.type):
        return pa.array([repr(value) for value in distinct.to_pylist()], pa.string())
    return distinct


def _count_invalid(distinct: pa.Array, counts: Ints) -> int:
    """How many byte values are no UTF-8, given the distinct ones and how often each occurs."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.cast(distinct, pa.large_string() if pa.types.is_large_binary(distinct.type) else pa.string())
    except pa.ArrowInvalid:
        wrong = [not _is_utf8(value) for value in distinct.to_pylist()]
        return int(counts[np.array(wrong)].sum())
    return 0


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True

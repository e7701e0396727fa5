"""One pass for permutation importance: sums of losses as the data are, and with a feature's values dealt anew.

Values are dealt anew within each block, by hashes of ``__row__``: memory does not grow with the rows, and shards,
workers and the order of rows cannot change a bit. Rows of a block that stand in an order (by time, say) are dealt among
their neighbours alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from trueline.engine.state import pack_state, unpack_state
from trueline.model_analysis.config import SlicingSpec
from trueline.model_analysis.explain.losses import labels_of, loss_of, predictions_of
from trueline.model_analysis.explain.rows import shuffled
from trueline.model_analysis.explain.target import Floats
from trueline.model_analysis.slices import SliceKey, group_rows, key_text, parse_key

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime

__all__ = ["LossSums", "PermutationAccumulator", "permuted_predictions", "seed_of"]

_KIND, _VERSION = "model_analysis.explain.permutation", 1
_HEAD = 6  # rows, w, w^2, w*loss, w^2*loss, w^2*loss^2
_EACH = 3  # w*d, w^2*d, w^2*d^2 of the mean of d over the repeats


def seed_of(seed: int, group: int, repeat: int) -> int:
    """The seed of one dealing; groups and repeats are dealt independently."""
    return ((seed * 1_000_003 + group) * 10_007 + repeat) % (1 << 62)


def permuted_predictions(
    runtime: ModelRuntime, batch: pa.RecordBatch, groups: Sequence[Sequence[str]], repeats: int, seed: int
) -> Iterator[tuple[int, int, Floats]]:
    """(group, repeat, predictions) with the group's columns dealt anew together."""
    import pyarrow as pa

    names = [f.name for f in runtime.inputs]
    table = pa.Table.from_batches([batch])
    for g, members in enumerate(groups):
        for r in range(repeats):
            order = pa.array(shuffled(batch, names, seed_of(seed, g, r)))
            dealt = table
            for name in members:
                dealt = dealt.set_column(table.schema.get_field_index(name), name, table.column(name).take(order))
            yield g, r, predictions_of(runtime, runtime.predict_arrow(dealt))


@dataclass(frozen=True, eq=False)
class LossSums:
    """Sums of one slice: what the mean loss, the mean change of each group and their errors are made of.

    Attributes:
        head: rows, weights, their squares; weighted losses, losses and their squares with squared weights.
        each: by group, weighted changes (mean over the repeats), and the same with squared weights, and squares.
        repeats: by group and repeat, weighted changes.
    """

    head: Floats
    each: Floats
    repeats: Floats

    @classmethod
    def of(cls, values: Floats, groups: int, repeats: int) -> Self:
        """The parts of ``[6 + G * (3 + R)]`` sums."""
        rest = values[_HEAD:].reshape(groups, _EACH + repeats)
        return cls(values[:_HEAD], rest[:, :_EACH], rest[:, _EACH:])

    @property
    def rows(self) -> int:
        """Rows with a label."""
        return int(self.head[0])

    def loss(self) -> tuple[float, float]:
        """Mean loss and its standard error; NaN where no row has a weight."""
        return self._mean(self.head[3:6])

    def change(self, group: int) -> tuple[float, float]:
        """Mean rise of the loss and its standard error, of pairs of the same row."""
        return self._mean(self.each[group])

    def by_repeat(self, group: int) -> list[float]:
        """The mean rise in each repeat."""
        weight = self.head[1]
        return [float(v / weight) if weight > 0 else float("nan") for v in self.repeats[group]]

    def _mean(self, sums: Floats) -> tuple[float, float]:
        """The weighted mean, and its error by linearisation: sqrt(n/(n-1) * sum w^2 (x - m)^2) / sum w."""
        n, weight, squares = self.head[:3]
        if not weight > 0:
            return float("nan"), float("nan")
        mean = sums[0] / weight
        spread = max(sums[2] - 2 * mean * sums[1] + mean * mean * squares, 0.0)
        error = float(np.sqrt(spread * n / (n - 1)) / weight) if n > 1 else float("nan")
        return float(mean), error


class PermutationAccumulator:
    """Sums of losses by slice; an engine rebuilds it from JSON.

    Args:
        model: ``{"uri", "fingerprint", "allow_host"}``.
        groups: columns that are dealt anew together, a list a group.
        repeats: how often each group is.
        seed: of the dealing.
        loss: a name of `LOSSES`.
        slices: slicing specs as JSON; the overall slice is always there.
    """

    def __init__(
        self,
        model: Mapping[str, Any],
        groups: Sequence[Sequence[str]],
        repeats: int,
        seed: int,
        loss: str,
        slices: Sequence[Mapping[str, Any]],
    ) -> None:
        self._model, self._groups, self._repeats, self._seed, self._loss = model, groups, repeats, seed, loss
        self._specs = [slice_spec(s) for s in slices]
        self._size = _HEAD + len(groups) * (_EACH + repeats)
        self.slices: dict[SliceKey, Floats] = {(): np.zeros(self._size)}
        self.unlabelled = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        from trueline.model_analysis.sources import load_runtime

        if not batch.num_rows:
            return
        m = self._model
        runtime = load_runtime(m["uri"], m["fingerprint"], m["allow_host"])
        rows = self._rows(runtime, batch)
        good = np.isfinite(rows[1])
        self.unlabelled += int((~good).sum())
        for grouping in group_rows(batch, self._specs):
            taken = good[grouping.rows]
            places, codes = grouping.rows[taken], grouping.codes[taken]
            for row in range(self._size):
                sums = np.bincount(codes, rows[row, places], len(grouping.keys))
                for code, key in enumerate(grouping.keys):
                    self.slices.setdefault(key, np.zeros(self._size))[row] += sums[code]

    def _rows(self, runtime: ModelRuntime, batch: pa.RecordBatch) -> Floats:
        """What every row adds, ``[size, N]``."""
        loss = loss_of(self._loss, str(runtime.info["task"]))
        base = predictions_of(runtime, runtime.predict_arrow(batch))
        label, weight = labels_of(runtime, batch) if loss.labelled else (np.zeros(len(base)), np.ones(len(base)))
        y = np.nan_to_num(label)
        own = loss.of(y, base, base)
        changes = np.zeros((len(self._groups), self._repeats, len(base)))
        for g, r, made in permuted_predictions(runtime, batch, self._groups, self._repeats, self._seed):
            changes[g, r] = loss.of(y, made, base) - own
        out = np.empty((self._size, len(base)))
        out[:_HEAD] = weight**0, weight, weight**2, weight * own, weight**2 * own, (weight * own) ** 2
        for g, change in enumerate(changes):
            start, mean = _HEAD + g * (_EACH + self._repeats), change.mean(axis=0)
            out[start : start + _EACH] = weight * mean, weight**2 * mean, (weight * mean) ** 2
            out[start + _EACH : start + _EACH + self._repeats] = weight * change
        return out

    def merge(self, other: Self) -> None:
        """Takes in the state of the blocks that follow."""
        self.unlabelled += other.unlabelled
        for key, sums in other.slices.items():
            self.slices[key] = self.slices[key] + sums if key in self.slices else sums

    def state(self) -> bytes:
        """Sums, slices in the order of their texts."""
        ordered = sorted(self.slices.items(), key=lambda item: key_text(item[0]))
        header = {"slices": [key_text(key) for key, _ in ordered], "unlabelled": self.unlabelled}
        return pack_state(_KIND, _VERSION, header, {"sums": np.stack([sums for _, sums in ordered])})

    @classmethod
    def load(cls, state: bytes, **params: Any) -> Self:
        """The accumulator that gave this state."""
        _, header, arrays = unpack_state(state, _KIND, _VERSION)
        self = cls(**params)
        self.unlabelled = int(header["unlabelled"])
        self.slices = {parse_key(t): arrays["sums"][i] for i, t in enumerate(header["slices"])}
        return self

    def finish(self) -> tuple[dict[SliceKey, LossSums], int]:
        """Sums by slice, and how many rows have no label."""
        ordered = sorted(self.slices.items(), key=lambda item: key_text(item[0]))
        return {k: LossSums.of(v, len(self._groups), self._repeats) for k, v in ordered}, self.unlabelled


def slice_spec(data: Mapping[str, Any]) -> SlicingSpec:
    """The spec of a JSON object with `SlicingSpec`'s own names."""
    return SlicingSpec(**dict(data))

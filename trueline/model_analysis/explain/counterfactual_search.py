"""The search for changed rows: few changes first, then small ones.

Level by level every promising row gets one more change (a beam of the rows nearest to the goal). Of what reaches the
goal, changes that are not needed are taken back, and numbers are moved back towards the row's own by halving, while
the goal holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.values import RawFeature, arrow_type_of
from trueline.model_analysis.explain.distance import Gower, numbers_of
from trueline.model_analysis.explain.domains import Domain
from trueline.model_analysis.explain.rows import Ints, Pool
from trueline.model_analysis.explain.target import Floats, Target

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Goal", "Hit", "Search"]

Goal = Callable[[dict[str, npt.NDArray[Any]]], tuple[npt.NDArray[np.bool_], Floats]]
"""Outputs of the model -> which rows reach the goal ``[N]``, and how near each is to it (greater is nearer)."""
_BEAM = 24
_HALVINGS = 14
_ASKED = 8192


@dataclass(frozen=True)
class Hit:
    """A row that reaches the goal: its values, and what was changed."""

    values: dict[str, Any]
    changed: tuple[int, ...]
    distance: float


class Search:
    """Rows near one row.

    Args:
        target: the model.
        row: the raw values.
        domains: what may change.
        gower: distances between raw rows.
        goal: when a row is what is looked for.
    """

    def __init__(
        self, target: Target, row: dict[str, Any], domains: Sequence[Domain], gower: Gower, goal: Goal
    ) -> None:
        self._target, self._row, self._domains, self._gower, self._goal = target, row, domains, gower, goal
        self._pool, self._apart = self._candidates()

    def _table(self, rows: Sequence[dict[str, Any]]) -> pa.Table:
        import pyarrow as pa

        names = self._target.features
        return pa.table({f.name: pa.array([r[f.name] for r in rows], arrow_type_of(f)) for f in names})

    def _candidates(self) -> tuple[Pool, Floats]:
        """The row, then row by row one candidate of every feature; and each value's distance ``[P, F]``."""
        most = max((len(d.values) for d in self._domains), default=0)
        rows = [self._row, *(self._candidate(i) for i in range(most))]
        table = self._table(rows)
        encoded = self._gower.encode(table)
        own = [type(e)(e.values[:1], e.present[:1]) for e in encoded]
        return Pool(self._target, table), self._gower.each(own, encoded)[0]

    def _candidate(self, place: int) -> dict[str, Any]:
        """The row with every feature at its candidate of this number, where it has one."""
        made = dict(self._row)
        made.update({d.feature.name: d.values[place] for d in self._domains if place < len(d.values)})
        return made

    def find(self, count: int, max_changes: int) -> tuple[list[Hit], int]:
        """Hits, those of few changes and a small distance first; and how many rows the model was asked for."""
        hits: dict[tuple[int, ...], tuple[float, Ints]] = {}
        features = len(self._domains)
        beam = np.zeros((1, features), np.int64)
        weights, asked = self._gower.weights / self._gower.weights.sum(), 0
        for _ in range(max_changes):
            places = self._extended(beam)
            if not len(places):
                break
            asked += len(places)
            reached, near = self._ask(places)
            apart = (np.take_along_axis(self._apart, places, axis=0) * weights).sum(axis=1)
            for i in np.flatnonzero(reached):
                key = tuple(np.flatnonzero(places[i]).tolist())
                if any(set(other) < set(key) for other in hits):
                    continue  # fewer changes do
                if key not in hits or apart[i] < hits[key][0]:
                    hits[key] = (float(apart[i]), places[i])
            if len(hits) >= count:
                break
            beam = self._best(places, reached, near, apart)
        ordered = sorted(hits.items(), key=lambda item: (len(item[0]), item[1][0], item[0]))
        refined = [self._refined(place) for _, (_, place) in ordered[: 3 * count]]
        refined.sort(key=lambda hit: (len(hit.changed), hit.distance, hit.changed))
        unique: dict[tuple[int, ...], Hit] = {}
        for hit in refined:
            unique.setdefault(hit.changed, hit)
        return list(unique.values()), asked

    def _extended(self, beam: Ints) -> Ints:
        """Every row of the beam with one more feature changed to each of its values, each row once."""
        parts = []
        for f, domain in enumerate(self._domains):
            if not domain.values:
                continue
            free = beam[beam[:, f] == 0]
            made = np.repeat(free, len(domain.values), axis=0)
            made[:, f] = np.tile(np.arange(1, len(domain.values) + 1), len(free))
            parts.append(made)
        return np.unique(np.concatenate(parts), axis=0) if parts else np.zeros((0, len(self._domains)), np.int64)

    def _ask(self, places: Ints) -> tuple[npt.NDArray[np.bool_], Floats]:
        found = [self._goal(self._pool.outputs(places[s : s + _ASKED])) for s in range(0, len(places), _ASKED)]
        return np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])

    def _best(self, places: Ints, reached: npt.NDArray[np.bool_], near: Floats, apart: Floats) -> Ints:
        """The rows to go on from: nearest to the goal, at most a third of the beam for one set of features."""
        left: list[int] = []
        used: dict[tuple[int, ...], int] = {}
        for i in np.lexsort((apart, -near)):
            key = tuple(np.flatnonzero(places[i]).tolist())
            if reached[i] or used.get(key, 0) >= max(_BEAM // 3, 1):
                continue
            used[key] = used.get(key, 0) + 1
            left.append(int(i))
            if len(left) == _BEAM:
                break
        return places[left]

    def _refined(self, place: Ints) -> Hit:
        """The same changes, less those that are not needed, and as small as they may be."""
        table = self._pool.made(place[None, :])
        values: dict[str, Any] = table.to_pylist()[0]
        changed = [int(f) for f in np.flatnonzero(place)]
        for f in list(changed):
            name = self._domains[f].feature.name
            without = {**values, name: self._row[name]}
            if len(changed) > 1 and self._reaches([without])[0]:
                values = without
                changed.remove(f)
        for f in changed:
            if self._domains[f].number:
                values = self._moved_back(values, self._domains[f])
        return Hit(values, tuple(changed), self._distance(values))

    def _moved_back(self, values: dict[str, Any], domain: Domain) -> dict[str, Any]:
        """A number as near to the row's own as goal and bounds allow, found by halving."""
        feature = domain.feature
        own, far = (self._number(feature, v[feature.name]) for v in (self._row, values))
        if own is None or far is None:
            return values
        start = min(max(own, domain.low), domain.high)  # the row's own value may lie beyond the bounds
        best, low, high = values, 0.0, 1.0  # the share of the way from there
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            value = self._value(domain, start + (far - start) * middle, start)
            if value == self._row[feature.name] or value == best[feature.name]:
                break
            tried = {**values, feature.name: value}
            if self._reaches([tried])[0]:
                best, high = tried, middle
            else:
                low = middle
        return best

    def _number(self, feature: RawFeature, value: Any) -> float | None:
        import pyarrow as pa

        if value is None:
            return None
        found = float(numbers_of(pa.array([value], arrow_type_of(feature)), feature.dtype)[0])
        return found if np.isfinite(found) else None

    def _value(self, domain: Domain, value: float, start: float) -> Any:
        """A number in the feature's type and within the bounds: whole ones are rounded away from where it started."""
        import pyarrow as pa

        if domain.feature.dtype == "float64":
            short = _short(value, start)
            return short if domain.low <= short <= domain.high else value
        whole = int(np.ceil(value)) if value > start else int(np.floor(value))
        if not domain.low <= whole <= domain.high:
            whole = int(np.floor(value)) if value > start else int(np.ceil(value))
        return whole if domain.feature.dtype == "int64" else pa.array([whole], pa.timestamp("us")).to_pylist()[0]

    def _reaches(self, rows: Sequence[dict[str, Any]]) -> list[bool]:
        found: list[bool] = self._goal(self._target.runtime.predict_arrow(self._table(rows)))[0].tolist()
        return found

    def _distance(self, values: dict[str, Any]) -> float:
        encoded = self._gower.encode(self._table([self._row, values]))
        one, other = ([type(e)(e.values[i : i + 1], e.present[i : i + 1]) for e in encoded] for i in (0, 1))
        return float(self._gower.between(one, other)[0, 0])


def _short(value: float, own: float) -> float:
    """A number that people can read: so few digits as do not bring it nearer to the row's own value than it was."""
    for digits in range(3, 17):
        text = float(f"{value:.{digits}g}")
        if (text - own) / (value - own or 1.0) >= 1 and abs(text - value) <= 0.01 * abs(value - own):
            return text
    return value

"""Rows disturbed, one function a kind; all but the adversarial kind, which must ask the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.robustness.draw import Draw
from trueline.model_analysis.robustness.spec import Perturbation

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["moved_numbers", "perturb", "within"]

Facts = Mapping[str, Any]
_INT = np.iinfo(np.int64)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def perturb(batch: pa.RecordBatch, perturbation: Perturbation, facts: Mapping[str, Facts], seed: int) -> pa.RecordBatch:
    """The batch with the perturbation's features disturbed; missing values stay missing.

    Args:
        batch: raw rows, with ``__row__`` where they have it.
        perturbation: what to do; its `features` name the columns.
        facts: by feature: ``dtype``, ``std``, ``seen``, ``domain``; see `trueline.model_analysis.robustness.facts`.
        seed: of the draws.

    Raises:
        ConfigError: an unknown kind.
    """
    change = _CHANGES.get(perturbation.kind)
    if change is None:
        raise ConfigError(
            f"no rows can be disturbed by {perturbation.kind!r}", hint=did_you_mean(perturbation.kind, _CHANGES)
        )
    draw = Draw(batch, seed)
    for name in perturbation.features:
        place = batch.schema.get_field_index(name)
        if place < 0:
            continue
        use = f"{perturbation.label}/{name}"
        column = _missing if perturbation.kind == "missing" else _on_values(change)
        made = column(batch.column(place), draw, use, perturbation, facts.get(name, {}))
        batch = batch.set_column(place, batch.schema.field(place).with_type(made.type), made)
    return batch


def _missing(column: Any, draw: Draw, use: str, p: Perturbation, facts: Facts) -> Any:
    import pyarrow as pa

    dropped = draw.uniform(use) < p.share
    return column.take(pa.array(np.arange(len(column)), mask=dropped))


def _on_values(change: Callable[..., Any]) -> Callable[..., Any]:
    """The change of scalars, made on the elements of lists too."""

    def run(column: Any, draw: Draw, use: str, p: Perturbation, facts: Facts) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if not (pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type)):
            return change(column, draw, use, p, facts)
        kind, gone = column.type, np.asarray(pc.is_null(column))
        lists = column.cast(pa.list_(kind.value_type))
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        owners = np.repeat(np.arange(len(lists)), lengths)
        inner = draw.of(owners, np.arange(len(owners)) - offsets[owners])
        made = change(pc.list_flatten(lists), inner, use, p, facts)
        return pa.ListArray.from_arrays(pa.array(offsets), made, mask=pa.array(gone)).cast(kind)

    return run


def within(values: npt.NDArray[Any], clean: npt.NDArray[Any], domain: Any) -> npt.NDArray[Any]:
    """Values brought into the domain; one that lay outside already is not moved further out."""
    low, high = domain or (None, None)
    if low is not None:
        values = np.maximum(values, np.minimum(clean, low))
    if high is not None:
        values = np.minimum(values, np.maximum(clean, high))
    return values


def moved_numbers(clean: npt.NDArray[Any], by: npt.NDArray[np.float64], facts: Facts) -> npt.NDArray[Any]:
    """Numbers moved within the domain; ints by whole steps, saturating at the ends of int64."""
    domain = facts.get("domain")
    if clean.dtype.kind != "i":
        return within(clean + by, clean, domain)
    step = np.rint(np.clip(by, -(2.0**62), 2.0**62)).astype(np.int64)
    room_up, room_down = _INT.max - np.maximum(clean, 0), _INT.min - np.minimum(clean, 0)
    moved = clean + np.clip(step, room_down, room_up)
    ends = [None if e is None else int(np.clip(e, _INT.min / 2, _INT.max / 2)) for e in domain or (None, None)]
    return within(moved, clean, ends)


def _numbers(column: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    gone = np.asarray(pc.is_null(column))
    filled = pc.fill_null(column, pa.scalar(0, column.type)).to_numpy(zero_copy_only=False)
    return filled, gone


def _noise(column: Any, draw: Draw, use: str, p: Perturbation, facts: Facts) -> Any:
    import pyarrow as pa

    clean, gone = _numbers(column)
    uniform = p.kind == "uniform_noise"
    noise = (2 * draw.uniform(use) - 1) * np.sqrt(3.0) if uniform else draw.normal(use)  # of standard deviation 1
    moved = moved_numbers(clean, noise * p.scale * float(facts.get("std", 0.0)), facts)
    return pa.array(moved, column.type, mask=gone)


def _out_of_range(column: Any, draw: Draw, use: str, p: Perturbation, facts: Facts) -> Any:
    """Beyond what was seen and, where the schema has a domain, beyond that: a client can send such numbers."""
    import pyarrow as pa

    clean, gone = _numbers(column)
    ends = [e for e in (facts.get("seen") or []) + list(facts.get("domain") or []) if e is not None]
    if not ends:
        return column
    low, high = min(ends), max(ends)
    beyond = max(high - low, 1.0) * p.scale * draw.uniform(use + "/far")
    whole = clean.dtype.kind == "i"
    beyond = np.maximum(np.ceil(beyond), 1.0) if whole else beyond
    thrown = np.where(draw.uniform(use + "/side") < 0.5, low - beyond, high + beyond)
    if whole:
        thrown = np.clip(thrown, -(2.0**62), 2.0**62).astype(np.int64)
    chosen = draw.uniform(use) < p.share
    return pa.array(np.where(chosen, thrown, clean), column.type, mask=gone)


def _each_text(column: Any, chosen: npt.NDArray[np.bool_], make: Callable[[int, str], str]) -> Any:
    import pyarrow as pa

    values = column.to_pylist()
    for row in np.flatnonzero(chosen).tolist():
        if values[row] is not None:
            values[row] = make(row, values[row])
    return pa.array(values, column.type)


def _unseen(column: Any, draw: Draw, use: str, p: Perturbation, facts: Facts) -> Any:
    bits = draw.bits(use + "/text").tolist()
    return _each_text(column, draw.uniform(use) < p.share, lambda row, _: f"unseen-{bits[row]:016x}")


def _typos(column: Any, draw: Draw, use: str, p: Perturbation, facts: Facts) -> Any:
    drawn = [draw.bits(f"{use}/{edit}").tolist() for edit in range(p.edits)]

    def misspell(row: int, text: str) -> str:
        for edit in range(p.edits):
            text = _typo(text, drawn[edit][row])
        return text

    return _each_text(column, draw.uniform(use) < p.share, misspell)


def _typo(text: str, bits: int) -> str:
    """One letter dropped, doubled, swapped with the next, or replaced."""
    kind, letter, at = bits & 3, _LETTERS[(bits >> 2) % 26], bits >> 16
    if not text:
        return letter
    i = at % len(text)
    if kind == 0 and len(text) > 1:
        return text[:i] + text[i + 1 :]
    if kind == 1:
        return text[: i + 1] + text[i:]
    if kind == 2 and i + 1 < len(text) and text[i] != text[i + 1]:
        return text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    other = letter if letter != text[i] else _LETTERS[(_LETTERS.index(letter) + 1) % 26]
    return text[:i] + other + text[i + 1 :]


_CHANGES: dict[str, Callable[..., Any]] = {
    "gaussian_noise": _noise,
    "uniform_noise": _noise,
    "missing": _missing,
    "out_of_range": _out_of_range,
    "unseen_category": _unseen,
    "typos": _typos,
}

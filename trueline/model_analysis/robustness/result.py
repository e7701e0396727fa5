"""What disturbances cost, slice by slice, and which of it is too much."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core.errors import ConfigError
from trueline.display.viewed import Viewed
from trueline.model_analysis.config_json import decode, freeze
from trueline.model_analysis.validation import GateFailure

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.display.html import Html

__all__ = ["ROBUSTNESS_FORMAT", "RobustnessResult", "SliceLoss"]

ROBUSTNESS_FORMAT = 1


@dataclass(frozen=True)
class SliceLoss:
    """One perturbation on one slice.

    Attributes:
        perturbation: its name.
        slice: the slice's name.
        rows: labelled rows.
        clean, perturbed: the metric; None where undefined.
        loss: how much worse it got, positive is worse; None where one of them is undefined.
        relative: the loss as a share of the clean value; None where that is undefined or 0.
        standard_error, low, high: of the loss, the same rows paired; None where fewer than two noise groups hold rows.
        undefined: why there is no loss.
    """

    perturbation: str
    slice: str
    rows: int
    clean: float | None
    perturbed: float | None
    loss: float | None
    relative: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    undefined: str | None = None


@dataclass(frozen=True)
class RobustnessResult(Viewed):
    """All losses, and the gate's verdict.

    Attributes:
        metric: the metric's key.
        direction: ``HIGHER_IS_BETTER`` or ``LOWER_IS_BETTER``.
        rows: labelled rows that were used.
        losses: by perturbation, then by slice.
        failures: one for each slice whose worst perturbation is beyond a bound.
        gated: whether there is any bound.
        notes: sentences that a reader should see.
    """

    TITLE: ClassVar[str] = "Robustness"

    metric: str
    direction: str
    rows: int
    losses: tuple[SliceLoss, ...]
    failures: tuple[GateFailure, ...] = ()
    gated: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def worst(self) -> tuple[SliceLoss, ...]:
        """The greatest loss of each slice, in the order of slices; of equals the first perturbation's."""
        found: dict[str, SliceLoss] = {}
        for loss in self.losses:
            known = found.get(loss.slice)
            if known is None or _size(loss) > _size(known):
                found[loss.slice] = loss
        return tuple(found.values())

    def loss(self, perturbation: str, slice_name: str = "Overall") -> SliceLoss:
        """One perturbation on one slice.

        Raises:
            KeyError: there is none of these names.
        """
        for found in self.losses:
            if (found.perturbation, found.slice) == (perturbation, slice_name):
                return found
        raise KeyError(f"{perturbation} on {slice_name}")

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `from_dict` is the inverse. Equal work gives equal ones: nothing of it is a time or a place."""
        return {"format": ROBUSTNESS_FORMAT, **asdict(self)}

    def to_json(self) -> str:
        """JSON text."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RobustnessResult:
        """The result that `to_dict` described.

        Raises:
            ConfigError: another format, or another structure.
        """
        if not isinstance(data, Mapping) or data.get("format") != ROBUSTNESS_FORMAT:
            raise ConfigError(f"the robustness result is not of format {ROBUSTNESS_FORMAT}")
        return decode(cls, {k: v for k, v in data.items() if k != "format"})

    def to_table(self) -> pa.Table:
        """A row for each perturbation and slice."""
        import pyarrow as pa

        return pa.Table.from_pylist([asdict(loss) for loss in self.losses])

    def view(self) -> Html:
        """The result as a piece of HTML."""
        from trueline.model_analysis.robustness.html import robustness_view

        return robustness_view(self)


def _size(loss: SliceLoss) -> float:
    """An undefined loss is the worst."""
    return float("inf") if loss.loss is None else loss.loss

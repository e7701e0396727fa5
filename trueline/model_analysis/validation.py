"""The verdict of the gates as data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from trueline._core.errors import ConfigError
from trueline.model_analysis.config_json import decode, freeze

__all__ = ["VALIDATION_FORMAT", "GateFailure", "ValidationResult"]

VALIDATION_FORMAT = 1


@dataclass(frozen=True)
class GateFailure:
    """Why a gate is closed.

    Attributes:
        metric: the metric's key, empty where it concerns none.
        slice: the slice's name.
        kind: ``value_lower``, ``value_upper``, ``change_absolute``, ``change_relative``, ``missing_metric``,
            ``missing_slice``, ``undefined``, ``no_direction`` or ``no_thresholds``.
        value: what was found: the value, or the change.
        bound: what was demanded.
        by: how far it is off, positive.
        sentence: all of it in one sentence.
    """

    metric: str
    slice: str
    kind: str
    value: float | None
    bound: float | None
    by: float | None
    sentence: str


@dataclass(frozen=True)
class ValidationResult:
    """The verdict.

    Attributes:
        ok: whether the candidate may go on.
        failures: every reason why not.
        rubber_stamp: change thresholds were configured and not applied, for there was no baseline.
        missing_thresholds: no threshold was configured at all.
        missing_slices: gated slices that the data does not have.
        within_noise: changes beyond their margin that sampling noise explains; sentences.
        too_small: slices below the minimum size, neither reported nor gated.
        checks: how many (threshold, slice) pairs were judged.
    """

    ok: bool
    failures: tuple[GateFailure, ...] = ()
    rubber_stamp: bool = False
    missing_thresholds: bool = False
    missing_slices: tuple[str, ...] = ()
    within_noise: tuple[str, ...] = ()
    too_small: tuple[str, ...] = ()
    checks: int = 0

    def __post_init__(self) -> None:
        freeze(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"format": VALIDATION_FORMAT, **asdict(self)}

    def to_json(self) -> str:
        """JSON text with a format number."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> ValidationResult:
        """The verdict that `to_json` wrote.

        Raises:
            ConfigError: no JSON, another format, or another structure.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"the validation result is no JSON: {error}") from error
        if not isinstance(data, dict) or data.pop("format", None) != VALIDATION_FORMAT:
            raise ConfigError(f"the validation result is not of format {VALIDATION_FORMAT}")
        return decode(cls, data)

"""The verdict of the gates as data: what was judged, with which evidence, and why a gate is closed.

`ValidationResult` reads in two ways: by its own fields, one sentence a failure; and in the shape of TFMA's message of
the same name (`validation_ok`, `metric_validations_per_slice`, `to_tfma`), which `gates_tfma` builds from them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from trueline._core.errors import ConfigError
from trueline.model_analysis.config import CrossSlicingSpec, MetricThreshold, SlicingSpec
from trueline.model_analysis.config_json import decode, encode, freeze

__all__ = ["VALIDATION_FORMAT", "GateCheck", "GateFailure", "SlicingDetail", "ValidationResult"]

VALIDATION_FORMAT = 2
_READ = (1, 2)
_ALWAYS = ("ok", "failures", "rubber_stamp", "missing_thresholds", "checks")


@dataclass(frozen=True)
class GateFailure:
    """Why a gate is closed.

    Attributes:
        metric: the metric's key, empty where it concerns none.
        slice: the slice's name.
        kind: ``value_lower``, ``value_upper``, ``change_absolute``, ``change_relative``, ``missing_metric``,
            ``missing_slice``, ``missing_cross_slice``, ``undefined``, ``no_direction`` or ``no_thresholds``.
        value: what was compared with the bound: the value, the change, or the end of its interval.
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
class GateCheck:
    """One bound judged on one slice, with its evidence.

    Attributes:
        metric: the metric's key.
        slice: the slice's name.
        slice_key: the slice, as `slices.key_text` writes it; the baseline slice of a cross-slice pair.
        compared_key: the other slice of a cross-slice pair, None for a slice.
        kind: which bound: ``value_lower``, ``value_upper``, ``change_absolute``, ``change_relative``; ``defined`` where
            there was no baseline to judge a change against.
        outcome: ``passed``, ``failed``, ``within_noise`` (beyond the bound, and noise explains it) or
            ``undefined_passed`` (undefined, and configured to pass).
        reason: for a failure its kind, see `GateFailure`.
        sentence: what was found, in one sentence.
        threshold: place of its threshold in `ValidationResult.thresholds`.
        rows: labelled rows of the slice; of a pair, of the smaller slice.
        value: the candidate's value.
        baseline: the baseline's.
        change: candidate minus baseline.
        compared: the number that was compared with the bound.
        bound: what was demanded.
        by: how far a failure is off, positive.
        low, high: the interval of the value, or of the change in the bound's unit.
        standard_error: sampling noise of the value or of the change.
        p_value: one-sided: of "it did not get worse" for the test ``worse``, of "it is worse than the margin" for
            ``non_inferior``.
        p_adjusted: `p_value` after the control of multiplicity.
        confidence: the level of the check.
        test: how noise was treated, see `GenericChangeThreshold`.
        direction: in which direction the metric improves.
        weighted: whether the metric is weighted, where the configuration says so.
    """

    metric: str
    slice: str
    slice_key: str
    kind: str
    outcome: str
    sentence: str
    compared_key: str | None = None
    reason: str | None = None
    threshold: int = 0
    rows: int | None = None
    value: float | None = None
    baseline: float | None = None
    change: float | None = None
    compared: float | None = None
    bound: float | None = None
    by: float | None = None
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    confidence: float | None = None
    test: str | None = None
    direction: str | None = None
    weighted: bool | None = None


@dataclass(frozen=True)
class SlicingDetail:
    """A spec that thresholds asked for, and how many slices (or pairs) of it were judged; 0 means that it is missing.

    Exactly one of both specs is set. The empty `SlicingSpec` also stands for thresholds on every slice, as in TFMA.
    """

    slicing_spec: SlicingSpec | None = None
    cross_slicing_spec: CrossSlicingSpec | None = None
    num_matching_slices: int = 0


@dataclass(frozen=True)
class ValidationResult:
    """The verdict.

    Attributes:
        ok: whether the candidate may go on.
        failures: every reason why not.
        rubber_stamp: thresholds on changes were configured and not applied, for there was no baseline.
        missing_thresholds: no threshold was configured at all.
        missing_slices: gated slices that the data does not have.
        within_noise: changes beyond their margin that sampling noise explains; sentences.
        too_small: slices below the minimum size, neither reported nor gated.
        checks: how many (threshold, slice) pairs were judged.
        missing_cross_slices: gated pairs of slices that the data does not have.
        undefined_passed: undefined values that a threshold lets through; sentences.
        notes: what else has to be said of the verdict; sentences.
        judged: every bound on every slice with its evidence.
        thresholds: what `GateCheck.threshold` counts in.
        details: the specs that thresholds asked for.
        model: the candidate's name where the configuration names several models.
    """

    ok: bool
    failures: tuple[GateFailure, ...] = ()
    rubber_stamp: bool = False
    missing_thresholds: bool = False
    missing_slices: tuple[str, ...] = ()
    within_noise: tuple[str, ...] = ()
    too_small: tuple[str, ...] = ()
    checks: int = 0
    missing_cross_slices: tuple[str, ...] = ()
    undefined_passed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    judged: tuple[GateCheck, ...] = ()
    thresholds: tuple[MetricThreshold, ...] = ()
    details: tuple[SlicingDetail, ...] = ()
    model: str = ""

    def __post_init__(self) -> None:
        freeze(self)

    @property
    def validation_ok(self) -> bool:
        """`ok`, by TFMA's name."""
        return self.ok

    @property
    def metric_validations_per_slice(self) -> list[dict[str, Any]]:
        """The failures by slice, in TFMA's structure and in plain Python.

        Each entry has ``slice_key`` or ``cross_slice_key`` (tuples) and ``failures``: ``metric_key``,
        ``metric_threshold``, ``metric_value`` (absent where the metric is) and ``message``, our sentence.
        """
        from trueline.model_analysis.gates_tfma import validations_per_slice

        return validations_per_slice(self)

    @property
    def validation_details(self) -> dict[str, Any]:
        """``{"slicing_details": [{"slicing_spec" | "cross_slicing_spec", "num_matching_slices"}]}``."""
        from trueline.model_analysis.gates_tfma import slicing_details

        return {"slicing_details": slicing_details(self)}

    def with_failures(
        self, failures: Sequence[GateFailure], *, checks: int = 0, notes: Sequence[str] = ()
    ) -> ValidationResult:
        """This verdict and that of further gates, such as operational ones: it can be closed by them, never opened.

        Args:
            failures: their reasons why not; without any the verdict stays as it is.
            checks: how many bounds they judged.
            notes: what has to be said of them.
        """
        return replace(
            self,
            ok=self.ok and not failures,
            failures=tuple(dict.fromkeys((*self.failures, *failures))),
            checks=self.checks + checks,
            notes=(*self.notes, *notes),
        )

    def to_tfma(self) -> dict[str, Any]:
        """TFMA's ``ValidationResult`` message in proto3's JSON form, defaults left out."""
        from trueline.model_analysis.gates_tfma import tfma_message

        return tfma_message(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; of `judged` and of whatever holds its default only what is set."""
        kept = encode(self)
        always = {name: getattr(self, name) for name in _ALWAYS if name != "failures"}
        failures = [dict(vars(failure)) for failure in self.failures]
        return {"format": VALIDATION_FORMAT, **kept, **always, "failures": failures}

    def to_json(self) -> str:
        """JSON text with a format number."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> ValidationResult:
        """The verdict that `to_json` wrote; format 1, which had no evidence, reads too.

        Raises:
            ConfigError: no JSON, another format, or another structure.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"the validation result is no JSON: {error}") from error
        found = data.pop("format", None) if isinstance(data, dict) else None
        if found not in _READ or isinstance(found, bool):
            raise ConfigError(
                f"the validation result has format {found!r}, this release reads {', '.join(map(str, _READ))}"
            )
        return decode(cls, data)

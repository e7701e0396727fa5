"""Gates asked of a model in one call: measured, judged, and parted into what an artifact and what a report may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from trueline.model_analysis.operational.gates import (
    OperationalGates,
    gates_not_applied,
    judge_operations,
    without_measurements,
)
from trueline.model_analysis.operational.measure import measure_operations
from trueline.model_analysis.operational.records import Operations
from trueline.model_analysis.validation import GateFailure

if TYPE_CHECKING:
    from trueline.model_analysis.api import HasRuntime

__all__ = ["OperationalVerdict", "check_operations"]


@dataclass(frozen=True)
class OperationalVerdict:
    """What was measured and what is too much.

    Attributes:
        gates: the bounds.
        operations: the measurements.
        failures: every bound that is broken, with all figures.
        not_applied: a sentence for each bound that had no baseline.
    """

    gates: OperationalGates
    operations: Operations
    failures: tuple[GateFailure, ...]
    not_applied: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether no bound is broken."""
        return not self.failures

    @property
    def lasting_failures(self) -> tuple[GateFailure, ...]:
        """The failures without times and memory: of equal words in every run that breaks the same bounds."""
        return without_measurements(self.failures)

    def for_artifact(self) -> dict[str, Any]:
        """JSON that is equal for equal work: bounds, sizes, broken bounds without times and memory."""
        failures = [asdict(f) for f in self.lasting_failures]
        return {
            "gates": self.gates.to_dict(),
            "sizes": self.operations.facts(),
            "failures": failures,
            "not_applied": list(self.not_applied),
        }

    def for_report(self) -> dict[str, Any]:
        """JSON with all that was measured here and now, marked as such: first the figures in short, then all."""
        found = self.operations
        ratios = {name: getattr(found, name) for name in ("latency_ratio", "cpu_ratio", "batch_ratio")}
        return {
            "model_bytes": found.candidate.model_bytes,
            "one_row_us": found.candidate.latency_us,
            **{f"{name.removesuffix('_ratio')}_times_baseline": r.value for name, r in ratios.items() if r is not None},
            "failures": [f.sentence for f in self.failures],
            "not_applied": list(self.not_applied),
            "measurements": found.to_dict(),
        }


def check_operations(
    model: HasRuntime,
    rows: Any,
    gates: OperationalGates | Mapping[str, Any],
    baseline: HasRuntime | None = None,
    **how: Any,
) -> OperationalVerdict:
    """Measures and judges a model; memory is measured only where a bound asks for it.

    Args:
        model: the candidate.
        rows: raw rows, as `measure_operations` takes them.
        gates: the bounds, or their JSON.
        baseline: the model in use.
        how: further arguments of `measure_operations`.

    Raises:
        ConfigError: bounds that cannot judge; all problems at once.
        DataError: rows that cannot be asked.
    """
    bounds = OperationalGates.from_dict(gates)
    found = measure_operations(model, rows, baseline, **({"memory": bounds.needs_memory} | how))
    has_baseline = baseline is not None
    failures = judge_operations(found, bounds, has_baseline)
    return OperationalVerdict(bounds, found, failures, gates_not_applied(bounds, has_baseline))

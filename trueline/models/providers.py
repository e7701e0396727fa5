"""A model on another execution provider beside the CPU: do the scores agree, and is it faster here?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trueline._core.errors import ParityError
from trueline._core.providers import wanted_providers
from trueline._core.runtime import ModelRuntime
from trueline.models.optimise.compare import scores_apart
from trueline.models.optimise.latency import measure_latency

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.models.model import Model

__all__ = ["ProviderReport", "check_providers"]

_TOLERANCE = 1e-4


@dataclass(frozen=True)
class ProviderReport:
    """Two runs of one model.

    Attributes:
        providers: where the second ran, by short names.
        rows: rows compared.
        max_difference: largest absolute difference of a score from the CPU's.
        class_changes: rows whose class differs.
        tolerance: what was allowed.
        one_row_us: microseconds for one row: CPU, providers.
        batch_rows_per_s: rows a second in one batch: CPU, providers.
    """

    providers: tuple[str, ...]
    rows: int
    max_difference: float
    class_changes: int
    tolerance: float
    one_row_us: tuple[float, float]
    batch_rows_per_s: tuple[float, float]


def check_providers(
    model: Model, rows: pa.Table, providers: str | Sequence[str] | None = None, *, tolerance: float = _TOLERANCE
) -> ProviderReport:
    """Runs a model on the CPU and on other providers, compares every score and measures both.

    Devices add in another order than a CPU and have other exponentials: the last bits differ, so a tolerance is stated.

    Args:
        model: the model.
        rows: raw rows; all of them are one batch for the times.
        providers: as for `ModelRuntime.load`; None takes the variable ``TRUELINE_PROVIDERS``.
        tolerance: largest absolute difference of a score that is allowed.

    Raises:
        ConfigError: a provider that does not exist or is not installed.
        ModelError: a provider that cannot be started here, or no rows.
        ParityError: scores beyond the tolerance, naming the worst row.
    """
    chosen = wanted_providers(providers)
    host = model.runtime.allow_host
    plain = ModelRuntime.load(model.uri, allow_host=host, providers="cpu")
    other = ModelRuntime.load(model.uri, allow_host=host, providers=chosen)
    found = scores_apart(plain.graph, other.graph, rows)
    if not found.max_difference <= tolerance:
        raise ParityError(
            f"on {','.join(chosen)} the scores differ from the CPU's by up to {found.max_difference:g}, "
            f"{tolerance:g} is allowed",
            problems=[f"{found.worst['row']}: {found.worst['original']} became {found.worst['variant']}"],
        )
    times = [measure_latency(runtime, rows) for runtime in (plain, other)]
    return ProviderReport(
        chosen,
        found.rows,
        found.max_difference,
        found.class_changes,
        tolerance,
        (times[0]["one_row_us"], times[1]["one_row_us"]),
        (times[0]["batch_rows_per_s"], times[1]["batch_rows_per_s"]),
    )

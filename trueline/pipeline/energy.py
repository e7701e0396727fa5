"""Energy and CO2 of a node: measured where the processor tells, else estimated from CPU seconds. Off by default.

* Measured: the processor's counters (RAPL, Linux's powercap: ``/sys/class/powercap/intel-rapl:N/energy_uj``, in
  microjoules, one for each package, beginning again at ``max_energy_range_uj``). They count the whole processor,
  whatever else ran on it. Source: the Linux kernel's documentation of the power capping framework.
* Estimated: kWh = CPU seconds x watts of one busy core / 3,600,000. Memory, disks, accelerators and cooling are not
  in it. This is the processor's term of Lannelongue, Grealey, Inouye: Green Algorithms (2021), formula 1, with the
  time that cores were busy in place of time x cores x usage.
* CO2 in grams = kWh x grams of CO2 per kWh of the grid, which the user states.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueline._core.errors import ConfigError

__all__ = ["GRID_VARIABLE", "WATTS_VARIABLE", "Energy", "Meter"]

WATTS_VARIABLE = "TRUELINE_WATTS_PER_CORE"
GRID_VARIABLE = "TRUELINE_GRID_GRAMS_PER_KWH"
_JOULES_PER_KWH = 3_600_000.0
_POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Energy:
    """How energy and CO2 are told.

    Attributes:
        watts_per_core: of one busy core, for the estimate where the processor tells nothing; its data sheet's power
            by its number of cores is a fair value.
        grams_per_kwh: CO2 of the grid, in grams per kWh; None: no CO2 is told.
    """

    watts_per_core: float | None = None
    grams_per_kwh: float | None = None

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {value!r}; give a number of 0 or more"
            for name, value in vars(self).items()
            if value is not None and not (math.isfinite(value) and value >= 0)
        ]
        if problems:
            raise ConfigError("energy cannot be told", problems=problems)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Energy | None:
        """As ``TRUELINE_WATTS_PER_CORE`` and ``TRUELINE_GRID_GRAMS_PER_KWH`` say; None where neither is set.

        Raises:
            ConfigError: a value that is no number of 0 or more.
        """
        given = os.environ if environment is None else environment
        texts = {name: given[name] for name in (WATTS_VARIABLE, GRID_VARIABLE) if given.get(name, "").strip()}
        if not texts:
            return None
        values: dict[str, float] = {}
        problems = []
        for name, text in texts.items():
            try:
                values[name] = float(text)
            except ValueError:
                problems.append(f"{name} is {text!r}, which is no number")
        if problems:
            raise ConfigError("energy cannot be told", problems=problems, hint="set numbers, or unset both.")
        return cls(values.get(WATTS_VARIABLE), values.get(GRID_VARIABLE))

    def spent(self, cpu_seconds: float, joules: float | None) -> dict[str, Any]:
        """``energy_kwh``, ``energy_how`` (``measured`` or ``estimated``) and ``co2_grams``; where nothing is known,
        ``energy_unknown`` says why.

        Args:
            cpu_seconds: of the node.
            joules: what the processor counted meanwhile, or None.
        """
        if joules is not None:
            kwh, how = joules / _JOULES_PER_KWH, "measured"
        elif self.watts_per_core is not None:
            kwh, how = max(cpu_seconds, 0.0) * self.watts_per_core / _JOULES_PER_KWH, "estimated"
        else:
            return {"energy_unknown": f"the processor's counters cannot be read, and {WATTS_VARIABLE} is not set"}
        found: dict[str, Any] = {"energy_kwh": kwh, "energy_how": how}
        return found if self.grams_per_kwh is None else {**found, "co2_grams": kwh * self.grams_per_kwh}


class Meter:
    """The processor's energy counters since this was made."""

    def __init__(self, root: Path = _POWERCAP) -> None:
        self._begun = {path: value for path in _packages(root) if (value := _number(path / "energy_uj")) is not None}

    def joules(self) -> float | None:
        """What all packages used; None where a counter cannot be read."""
        total = 0
        for path, before in self._begun.items():
            now = _number(path / "energy_uj")
            if now is None:
                return None
            if now < before:
                most = _number(path / "max_energy_range_uj")
                if most is None:
                    return None
                now += most
            total += now - before
        return total / 1e6 if self._begun else None


def _packages(root: Path) -> list[Path]:
    """Whole processors alone: what lies below one (``intel-rapl:0:0``) is a part of it."""
    try:
        return sorted(path for path in root.glob("intel-rapl:*") if path.name.count(":") == 1)
    except OSError:
        return []


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None

"""What a model costs to run: size, one-row latency, batch rate and memory, beside the model in use, and gates on them.

May import what `trueline.model_analysis` may. Sizes are facts of the model; times and memory are measured on this
machine, now, and are kept out of artifacts whose contents must be equal for equal work.
"""

from __future__ import annotations

from trueline._core.lazy import lazy_names

_PUBLIC = {
    "ModelOperations": "records",
    "OperationalGates": "gates",
    "OperationalVerdict": "check",
    "Operations": "records",
    "Spread": "records",
    "check_operations": "check",
    "gates_not_applied": "gates",
    "judge_operations": "gates",
    "measure_operations": "measure",
    "operational_problems": "gates",
    "without_measurements": "gates",
}

__all__ = [*sorted(_PUBLIC)]

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)

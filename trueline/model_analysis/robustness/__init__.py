"""How much worse a model gets when its rows are disturbed within what the schema allows, slice by slice, and the gate.

May import what `trueline.model_analysis` may. Disturbances are drawn from the hash of ``__row__``: the same
ones for any order of rows, shards, threads and processes.
"""

from __future__ import annotations

from trueline._core.lazy import lazy_names

_PUBLIC = {
    "Perturbation": "spec",
    "RobustnessResult": "result",
    "RobustnessSpec": "spec",
    "SliceLoss": "result",
    "evaluate_robustness": "run",
    "perturb": "changes",
    "robustness_problems": "spec",
}

__all__ = [*sorted(_PUBLIC)]

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)

"""Smaller models after training: variants of the exported graph, each held to the original; pruning and distillation.

Only the model's own part of the graph is ever changed; the preprocessing before it stays as it is, bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.models.optimise.api import VARIANTS, optimise
    from trueline.models.optimise.distillation import DistillationLoss, distil
    from trueline.models.optimise.latency import measure_latency
    from trueline.models.optimise.pruning import Pruner, PruningSchedule, compact, prune, sparsity

_HOMES = {
    "VARIANTS": "api",
    "DistillationLoss": "distillation",
    "Pruner": "pruning",
    "PruningSchedule": "pruning",
    "compact": "pruning",
    "distil": "distillation",
    "measure_latency": "latency",
    "optimise": "api",
    "prune": "pruning",
    "sparsity": "pruning",
}

__all__ = [
    "VARIANTS",
    "DistillationLoss",
    "Pruner",
    "PruningSchedule",
    "compact",
    "distil",
    "measure_latency",
    "optimise",
    "prune",
    "sparsity",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)

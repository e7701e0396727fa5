"""Every global generator of random numbers seeded for a while: what is imported already, and what is imported then.

JAX has no global generator: ``jax.random.key(fn_args.seed)``. The order of Python's sets of texts hangs on
``PYTHONHASHSEED``, which only the environment of a process can set.
"""

from __future__ import annotations

import contextlib
import importlib
import random
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["alone", "seeded"]

_ALONE = threading.RLock()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One training at a time in this process; others wait here.

    Global generators are seeded for one training, converters are quietened and mended for one export, and the OpenMP
    libraries of several frameworks do not bear being entered by several threads at once.
    """
    with _ALONE:
        yield


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds random, numpy, torch, TensorFlow and Keras; random, numpy and torch are put back afterwards.

    A framework that is imported while the block runs is seeded as soon as it is there. TensorFlow and Keras do not
    tell their state: they stay seeded.
    """
    python, legacy = random.getstate(), np.random.get_state()
    torch = _imported("torch")
    before = torch.get_rng_state() if torch is not None else None
    random.seed(seed)
    np.random.seed(seed % 2**32)
    watch = _SeedOnImport(seed)
    for name, sow in _SEEDERS.items():
        if (module := _imported(name)) is not None:
            sow(module, seed)
    sys.meta_path.insert(0, watch)
    try:
        yield
    finally:
        sys.meta_path.remove(watch)
        random.setstate(python)
        np.random.set_state(legacy)
        if torch is not None and before is not None:
            torch.set_rng_state(before)


def _imported(name: str) -> Any:
    """A module that is there, whole: one that another thread is just importing is waited for."""
    if name not in sys.modules:
        return None
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _torch(module: Any, seed: int) -> None:
    if hasattr(module, "manual_seed"):  # else it is a file of the user's that has this name
        module.manual_seed(seed % 2**63)


def _tensorflow(module: Any, seed: int) -> None:
    module.random.set_seed(seed)


def _keras(module: Any, seed: int) -> None:
    module.utils.set_random_seed(seed % 2**31)


_SEEDERS: Mapping[str, Callable[[Any, int], None]] = {"torch": _torch, "tensorflow": _tensorflow, "keras": _keras}


class _SeedOnImport(MetaPathFinder):
    """Stands before the other finders and seeds a framework when its module has been run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        sow = _SEEDERS.get(name)
        spec = PathFinder.find_spec(name, path, target) if sow is not None else None
        if spec is None or spec.loader is None or sow is None:
            return None
        run = spec.loader.exec_module

        def run_and_seed(module: ModuleType) -> None:
            run(module)
            sow(module, self.seed)

        spec.loader.exec_module = run_and_seed  # type: ignore[method-assign]  # this import's own loader
        return spec

"""One trial of `tune` in a process of its own: the job's functions and data are found again, and the trial is run."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from typing import Any

from trueline._core.errors import ConfigError
from trueline.engine.base import Dataset
from trueline.training.fn_args import FnArgs
from trueline.training.tuning.trial import Report, TrialEnd, run_trial

__all__ = ["run"]


def run(job: Mapping[str, Any], report: Report) -> TrialEnd:
    """Runs the trial of a job that `tune` wrote."""
    from trueline.transform import TransformOutput

    fn_args = FnArgs.create(
        **job["given"],
        train=Dataset.from_parquet(job["train"]),
        eval=None if job["eval"] is None else Dataset.from_parquet(job["eval"]),
        transform=TransformOutput.load(job["transform"]),
        hyperparameters=job["hyperparameters"],
        working_dir=job["working_dir"],
    )
    measure = None if job["measure"] is None else _function(job["measure"])
    return run_trial(_function(job["run_fn"]), fn_args, job["objective"], report, measure)


def _function(reference: Mapping[str, str]) -> Callable[..., Any]:
    """The function: of an importable module, or of the script that searches."""
    name, module, file = reference["name"], reference["module"], reference["file"]
    if module == "__main__":
        module = "_trueline_script"
        if module not in sys.modules:
            spec = importlib.util.spec_from_file_location(module, file)
            if spec is None or spec.loader is None:
                raise ConfigError(f"{file} is no Python file")
            sys.modules[module] = loaded = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(loaded)
    found = getattr(importlib.import_module(module), name, None)
    if not callable(found):
        raise ConfigError(f"there is no function {name!r}", where=file)
    return found  # type: ignore[no-any-return]

"""One trial of a Tuner, in a process of its own: the Trainer's arguments, `run_fn`, the objective."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueline.components.trainer_job import training_arguments
from trueline.components.tuner_measure import measured_value
from trueline.pipeline.context import ArtifactHandle, ExecutionContext
from trueline.pipeline.params import decode_params
from trueline.pipeline.source_hash import is_installed
from trueline.pipeline.user_function import SourceOnlyLoader

if TYPE_CHECKING:
    from trueline.training.tuning.trial import Report, TrialEnd

__all__ = ["run"]


def run(job: Mapping[str, Any], report: Report) -> TrialEnd:
    """Runs the trial of a job that the Tuner wrote."""
    from trueline.training.tuning.trial import run_trial

    sys.path_hooks.insert(0, _finder_of_users_code)
    sys.path_importer_cache.clear()
    params = decode_params(job["params"])
    ctx = ExecutionContext(
        inputs={name: [ArtifactHandle.from_json(h) for h in handles] for name, handles in job["inputs"].items()},
        outputs={},
        params={**params, "hyperparameters": job["hyperparameters"]},
        node_id=job["node_id"],
        tmp_dir=job["folder"],
        resume_dir=job["resume_dir"],
    )
    working_dir = Path(job["folder"]) / "model_run"
    working_dir.mkdir(parents=True, exist_ok=True)
    fn_args = training_arguments(ctx, str(working_dir))
    measure = None if params["metric"] is None else partial(measured_value, metric=params["metric"])
    return run_trial(ctx.function("run_fn"), fn_args, job["objective"], report, measure)


def _finder_of_users_code(folder: str) -> FileFinder:
    """Imports the user's own modules from their source: bytecode knows it by second and size alone."""
    if is_installed(Path(folder)) or not Path(folder).is_dir():
        raise ImportError(folder)  # left to the finders behind this one
    return FileFinder(folder, (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceOnlyLoader, SOURCE_SUFFIXES))

"""A Trainer's work: the arguments of run_fn gathered from artifacts, the training, the model written and told of."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline.components.common import wanted_splits
from trueline.components.sample import read_sample
from trueline.pipeline.context import ExecutionContext

if TYPE_CHECKING:
    from trueline.engine import Dataset
    from trueline.training import FnArgs

__all__ = ["HYPERPARAMETERS_FILE", "RUN_FILE", "execute", "given_hyperparameters", "training_arguments", "work"]

HYPERPARAMETERS_FILE = "best_hyperparameters.txt"
RUN_FILE = "run.json"
_PASSED = ("label", "weight", "features", "custom_config", "seed", "train_steps", "eval_steps", "epochs")


def execute(ctx: ExecutionContext) -> None:
    """Trains, exports, checks, writes the model; what the run left goes to ``model_run``.

    Trainers whose nodes are threads of one process come one after the other.
    """
    from trueline.training.seeds import alone

    if ctx.params["processes"] > 1:
        from trueline.components.trainer_distributed import train_in_processes

        train_in_processes(ctx)
    else:
        with alone():
            work(ctx)


def work(ctx: ExecutionContext, rank: int = 0, world_size: int = 1) -> None:
    """The share of one process; rank 0 exports, checks and writes for all."""
    from trueline.models import Tolerance, build_model
    from trueline.models.about import checked_training
    from trueline.training.facts import training_facts
    from trueline.training.progress import PROGRESS_FACTS
    from trueline.training.run import run_training
    from trueline.training.tracking import EARLIER_METRICS

    working_dir = store.join((ctx.resume_dir if rank == 0 else "") or ctx.tmp_dir, "model_run")
    _begin(Path(working_dir))
    fn_args = training_arguments(ctx, working_dir, rank=rank, world_size=world_size)
    fitted = run_training(ctx.function("run_fn"), fn_args)
    if rank:
        return
    training = training_facts(fn_args)
    model = build_model(
        fitted,
        uri=ctx.output("model").uri,
        transform=fn_args.transform,
        sample=read_sample(ctx.input("transform_graph").uri),
        name=ctx.params["name"],
        about=ctx.params["about"],
        training=training,
        tolerance=Tolerance(**ctx.params["tolerance"]) if ctx.params["tolerance"] is not None else None,
        **{name: ctx.params[name] for name in ("label", "weight", "features")},
    )
    facts = {"rows": training["rows"], "missing_labels": training["missing_labels"], **_facts(model.info)}
    metrics = {name: summary.last for name, summary in fn_args.tracker.summary.items()}
    Path(working_dir, EARLIER_METRICS).unlink(missing_ok=True)
    store.copy_tree(working_dir, ctx.output("model_run").uri)
    noted = {"logged": metrics, "hash_seed": os.environ.get("PYTHONHASHSEED", "random"), "training": training}
    store.write_text(
        ctx.output("model_run").path(RUN_FILE), json.dumps(checked_training(facts | noted), sort_keys=True)
    )
    for name in PROGRESS_FACTS:
        ctx.found.pop(name, None)
    ctx.report(**facts, **metrics)


def _begin(working_dir: Path) -> None:
    """An empty folder; only the log of a killed run stays, for a training that goes on from a checkpoint."""
    from trueline.training.tracking import EARLIER_METRICS, METRICS_FILE

    log, before = working_dir / METRICS_FILE, working_dir / EARLIER_METRICS
    kept = log if log.exists() else before
    earlier = kept.read_bytes() if kept.exists() else None
    shutil.rmtree(working_dir, ignore_errors=True)
    working_dir.mkdir(parents=True)
    if earlier is not None:
        before.write_bytes(earlier)


def training_arguments(ctx: ExecutionContext, working_dir: str, *, rank: int = 0, world_size: int = 1) -> FnArgs:
    """What `run_fn` is given, from the inputs and parameters of a node that trains.

    Args:
        ctx: of a node with a Trainer's inputs and parameters.
        working_dir: a local folder for what the run writes.
        rank: which of the training processes asks.
        world_size: how many there are.
    """
    from trueline.training import FnArgs
    from trueline.training.device import resolve_device
    from trueline.transform import TransformOutput

    params = ctx.params
    train, held_out = _splits(ctx, "examples")
    raw_train, raw_eval = _splits(ctx, "raw_examples")
    assert train is not None  # a required input
    return FnArgs.create(
        train=train,
        eval=held_out,
        transform=TransformOutput.load(ctx.input("transform_graph").uri),
        hyperparameters=given_hyperparameters(ctx),
        working_dir=working_dir,
        checkpoint_dir=store.join(ctx.resume_dir, "checkpoints") if ctx.resume_dir else "",
        schema=_schema(ctx),
        raw_train=raw_train,
        raw_eval=raw_eval,
        base_model=_base_model(ctx),
        device=resolve_device(params["device"]),
        rank=rank,
        world_size=world_size,
        name=params["name"],
        transform_output=ctx.input("transform_graph").uri,
        schema_path=_schema_path(ctx),
        report=lambda facts: ctx.report(**facts),
        **{name: params[name] for name in _PASSED},
    )


def _splits(ctx: ExecutionContext, key: str) -> tuple[Dataset | None, Dataset | None]:
    """The rows to fit on and those to watch, of an input; None for what is not wired."""
    from trueline.data import Examples as ExamplesReader

    source = ctx.optional_input(key)
    if source is None:
        return None, None
    examples = ExamplesReader.open(source.uri)
    (train,) = wanted_splits(source, [ctx.params["train_split"]])
    watched = ctx.params["eval_split"]
    return examples.dataset(train), examples.dataset(*wanted_splits(source, [watched])) if watched else None


def _schema_path(ctx: ExecutionContext) -> str:
    found = ctx.optional_input("schema")
    return "" if found is None else found.path("schema.pbtxt")


def _schema(ctx: ExecutionContext) -> Any:
    from trueline.schema import load_schema_text

    path = _schema_path(ctx)
    return load_schema_text(path) if path else None


def _base_model(ctx: ExecutionContext) -> Any:
    from trueline.models import Model

    found = ctx.optional_input("base_model")
    return None if found is None else Model.load(found.uri, allow_host=None)


def given_hyperparameters(ctx: ExecutionContext) -> dict[str, Any]:
    """Those of the pipeline file, overlaid by those that a Tuner found."""
    given = dict(ctx.params["hyperparameters"])
    found = ctx.optional_input("hyperparameters")
    if found is None:
        return given
    tuned = json.loads(store.read_text(found.path(HYPERPARAMETERS_FILE)))
    if not isinstance(tuned, dict):
        raise ArtifactError("the hyperparameters are no JSON object", where=found.path(HYPERPARAMETERS_FILE))
    return given | tuned


def _facts(info: Mapping[str, Any]) -> dict[str, Any]:
    """What the progress table says of a model."""
    return {
        "framework": info["framework"],
        "features": len(info["features"]),
        "parity_rows": info["parity"]["rows"],
        "parity_max_diff": info["parity"]["max_difference"],
        "probable_leakage": sorted({entry["feature"] for entry in info["leakage"]}),
    }

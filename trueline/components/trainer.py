"""The user's run_fn on transformed examples, its model exported, merged with the transform, checked and written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline.components.common import code_reference, wanted_splits
from trueline.components.sample import read_sample
from trueline.pipeline.artifacts import Examples, HyperParameters, Model, ModelRun, Schema, TransformGraph
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

if TYPE_CHECKING:
    from trueline.engine import Dataset

__all__ = ["HYPERPARAMETERS_FILE", "RUN_FILE", "Trainer", "execute"]

HYPERPARAMETERS_FILE = "best_hyperparameters.txt"
RUN_FILE = "run.json"


class Trainer(Component):
    """Trains a model in any framework; the line exports it to ONNX, merges it with the transform and proves it equal.

    Args:
        examples: transformed examples: ``transform.outputs["transformed_examples"]``.
        transform_graph: the transform that made them; it brings the raw rows for the parity gate.
        schema: checked by type only; kept as an input so that a TFX pipeline ports without change.
        run_fn: a top-level function ``run_fn(fn_args)`` that returns the fitted model or `trueline.Fitted`, itself or
            as ``"file.py:name"``; or
        module_file: a file that has a function ``run_fn``. Exactly one of the two.
        label: the transform output to learn.
        weight: the transform output that weighs the rows.
        features: the transform outputs to learn from; all but label and weight by default.
        hyperparameters: JSON values for ``fn_args.hyperparameters``, or a channel of a Tuner's HyperParameters.
        custom_config: JSON values for ``fn_args.custom_config``.
        train_split, eval_split: which splits are ``fn_args.train`` and ``fn_args.eval``; no eval split: ``""``.
        seed: for ``fn_args.seed``, which the user's code should use.
        name: the model's name; the label by default.

    Outputs: ``model`` and ``model_run`` (what was logged with ``fn_args.log``, and the working folder).
    """

    INPUTS: ClassVar[Mapping[str, In]] = {
        "examples": In(Examples),
        "transform_graph": In(TransformGraph),
        "schema": In(Schema, optional=True),
        "hyperparameters": In(HyperParameters, optional=True),
    }
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"model": Out(Model), "model_run": Out(ModelRun)}
    EXECUTOR = "trueline.components.trainer:execute"

    def __init__(
        self,
        *,
        examples: Channel,
        transform_graph: Channel,
        label: str,
        schema: Channel | None = None,
        run_fn: str | Callable[..., Any] | None = None,
        module_file: str | None = None,
        weight: str | None = None,
        features: Sequence[str] | None = None,
        hyperparameters: Mapping[str, Any] | Channel | None = None,
        custom_config: Mapping[str, Any] | None = None,
        train_split: str = "train",
        eval_split: str = "eval",
        seed: int = 0,
        name: str | None = None,
        node_id: str | None = None,
    ) -> None:
        code, problems = code_reference(run_fn, module_file, "run_fn")
        wired = hyperparameters if isinstance(hyperparameters, Channel) else None
        given = hyperparameters if isinstance(hyperparameters, Mapping) else {}
        super().__init__(
            node_id=node_id,
            inputs={
                "examples": examples,
                "transform_graph": transform_graph,
                "schema": schema,
                "hyperparameters": wired,
            },
            params={
                "run_fn": code,
                "label": label,
                "weight": weight,
                "features": list(features) if features is not None else None,
                "hyperparameters": dict(given),
                "custom_config": dict(custom_config or {}),
                "train_split": train_split,
                "eval_split": eval_split,
                "seed": seed,
                "name": name or label,
            },
        )
        for problem in problems:
            self.note(problem)


def execute(ctx: ExecutionContext) -> None:
    """Trains, exports, checks, writes the model; what the run left goes to ``model_run``."""
    from trueline.models import build_model
    from trueline.training import FnArgs, read_metrics, run_training
    from trueline.transform import TransformOutput

    params, graph_uri = ctx.params, ctx.input("transform_graph").uri
    transform = TransformOutput.load(graph_uri)
    train, held_out = _splits(ctx)
    working_dir = store.join(ctx.tmp_dir, "model_run")
    store.makedirs(working_dir)
    target = {name: params[name] for name in ("label", "weight", "features")}
    fn_args = FnArgs.create(
        train=train,
        eval=held_out,
        transform=transform,
        hyperparameters=_hyperparameters(ctx),
        custom_config=params["custom_config"],
        seed=params["seed"],
        working_dir=working_dir,
        **target,
    )
    fitted = run_training(ctx.function("run_fn"), fn_args)
    model = build_model(
        fitted,
        uri=ctx.output("model").uri,
        transform=transform,
        sample=read_sample(graph_uri),
        name=params["name"],
        **target,
    )
    metrics = {entry["metric"]: entry["value"] for entry in read_metrics(working_dir)}
    facts = {"rows": fn_args.train.num_rows, "missing_labels": fn_args.train.missing_labels, **_facts(model.info)}
    store.copy_tree(working_dir, ctx.output("model_run").uri)
    store.write_text(ctx.output("model_run").path(RUN_FILE), json.dumps(facts | {"logged": metrics}, sort_keys=True))
    ctx.report(**facts, **metrics)


def _splits(ctx: ExecutionContext) -> tuple[Dataset, Dataset | None]:
    """The rows to fit on, and those to watch if there are any."""
    from trueline.data import Examples as ExamplesReader

    source = ctx.input("examples")
    examples = ExamplesReader.open(source.uri)
    (train,) = wanted_splits(source, [ctx.params["train_split"]])
    watched = ctx.params["eval_split"]
    return examples.dataset(train), examples.dataset(*wanted_splits(source, [watched])) if watched else None


def _hyperparameters(ctx: ExecutionContext) -> dict[str, Any]:
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

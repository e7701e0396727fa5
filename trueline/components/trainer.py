"""The user's run_fn on transformed examples, its model exported, merged with the transform, checked and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from trueline.components.common import code_reference
from trueline.pipeline.artifacts import Examples, HyperParameters, Model, ModelRun, Schema, TransformGraph
from trueline.pipeline.channel import Channel
from trueline.pipeline.node import Component, In, Out

__all__ = ["Trainer", "execute"]


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
        hyperparameters: JSON values for ``fn_args.hyperparameters``; a channel of HyperParameters goes before them.
        custom_config: JSON values for ``fn_args.custom_config``.
        train_split, eval_split: which splits are ``fn_args.train`` and ``fn_args.eval``.
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

"""The user's run_fn on transformed examples, its model exported, merged with the transform, checked and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from trueline.components.common import code_reference
from trueline.components.trainer_checks import training_problems
from trueline.components.trainer_ready import ReadyTrainers
from trueline.pipeline.artifacts import Examples, HyperParameters, Model, ModelRun, Schema, TransformGraph
from trueline.pipeline.channel import Channel
from trueline.pipeline.node import Component, In, Out

__all__ = ["Trainer"]


class Trainer(ReadyTrainers, Component):
    """Trains a model in any framework; the line exports it to ONNX, merges it with the transform and proves it equal.

    Args:
        examples: transformed examples: ``transform.outputs["transformed_examples"]``.
        transform_graph: the transform that made them; it brings the raw rows for the parity gate.
        schema: the schema of the raw data, for ``fn_args.schema``.
        run_fn: a top-level function ``run_fn(fn_args)`` that returns the fitted model or `trueline.Fitted`, itself or
            as ``"file.py:name"``; or
        module_file: a file that has a function ``run_fn``. Exactly one of the two.
        label: the transform output to learn; None for a model that gives embeddings.
        weight: the transform output that weighs the rows.
        features: the transform outputs to learn from; all but label and weight by default.
        hyperparameters: JSON values for ``fn_args.hyperparameters``, or a channel of a Tuner's HyperParameters.
        custom_config: JSON values for ``fn_args.custom_config``.
        train_split, eval_split: which splits are ``fn_args.train`` and ``fn_args.eval``; no eval split: ``""``.
        seed: every generator is seeded with it, and ``fn_args.seed`` is this.
        name: the model's name; the label by default.
        raw_examples: the examples before the transform, for ``fn_args.raw_train`` and ``fn_args.raw_eval``.
        base_model: a model to start from, for ``fn_args.base_model``.
        train_steps, eval_steps: how many batches to train on and to watch; the user's code reads them.
        epochs: how many times to see the data; the user's code reads it.
        device: ``cpu``, ``cuda``, ``cuda:<n>``, ``mps``, or ``auto``: a GPU where torch finds one, else the CPU. The
            environment's ``TRUELINE_DEVICE`` goes before it.
        processes: how many processes train together.
        distributed: what starts them: ``torchrun`` or ``ray``; ``torchrun`` where there are several and none is named.
        tolerance: how far the exported model may be from the framework's own: ``absolute``, ``relative``,
            ``class_changes``; see `trueline.models.Tolerance`.
        about: what the model's card says: ``description``, ``licence``, ``intended_use``, ``owner``.

    Outputs: ``model`` and ``model_run`` (what was logged with ``fn_args.log``, and the working folder).
    """

    INPUTS: ClassVar[Mapping[str, In]] = {
        "examples": In(Examples),
        "transform_graph": In(TransformGraph),
        "schema": In(Schema, optional=True),
        "hyperparameters": In(HyperParameters, optional=True),
        "raw_examples": In(Examples, optional=True),
        "base_model": In(Model, optional=True),
    }
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"model": Out(Model), "model_run": Out(ModelRun)}
    EXECUTOR = "trueline.components.trainer_job:execute"

    def __init__(
        self,
        *,
        examples: Channel,
        transform_graph: Channel,
        label: str | None = None,
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
        raw_examples: Channel | None = None,
        base_model: Channel | None = None,
        train_steps: int | None = None,
        eval_steps: int | None = None,
        epochs: int | None = None,
        device: str = "auto",
        processes: int = 1,
        distributed: Literal["torchrun", "ray"] | None = None,
        tolerance: Mapping[str, float] | None = None,
        about: Mapping[str, str] | None = None,
    ) -> None:
        code, problems = code_reference(run_fn, module_file, "run_fn")
        wired = hyperparameters if isinstance(hyperparameters, Channel) else None
        given = hyperparameters if isinstance(hyperparameters, Mapping) else {}
        params = {
            "run_fn": code,
            "label": label,
            "weight": weight,
            "features": list(features) if features is not None else None,
            "hyperparameters": dict(given),
            "custom_config": dict(custom_config or {}),
            "train_split": train_split,
            "eval_split": eval_split,
            "seed": seed,
            "name": name or label or "model",
            "train_steps": train_steps,
            "eval_steps": eval_steps,
            "epochs": epochs,
            "device": device,
            "processes": processes,
            "distributed": distributed,
            "tolerance": dict(tolerance) if tolerance is not None else None,
            "about": dict(about or {}),
        }
        inputs = {
            "examples": examples,
            "transform_graph": transform_graph,
            "schema": schema,
            "hyperparameters": wired,
            "raw_examples": raw_examples,
            "base_model": base_model,
        }
        super().__init__(node_id=node_id, inputs=inputs, params=params)
        for problem in [*problems, *training_problems(params)]:
            self.note(problem)

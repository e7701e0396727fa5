"""Smaller variants of a model, measured beside it on the same rows; one goes on only if it is good enough."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trueline._core import store
from trueline._core.errors import ModelError, did_you_mean
from trueline.components.common import dataset_of, wanted_splits
from trueline.components.sample import read_sample
from trueline.pipeline.artifacts import Examples, Model, ModelEvaluation, TransformGraph
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

if TYPE_CHECKING:
    from trueline.model_analysis import EvalConfig, EvalResult
    from trueline.models import Model as LoadedModel

__all__ = ["ORIGINAL", "REPORT_FILE", "ModelOptimiser", "execute", "losses"]

ORIGINAL = "original"
REPORT_FILE = "optimisation.json"
_LATENCY_ROWS = 512


class ModelOptimiser(Component):
    """Makes variants of a model, evaluates them and the original in one pass, and hands on the smallest that passes.

    A variant passes when it keeps within `max_loss` of the original on every slice, breaks no threshold of the config
    (change thresholds compare with the original), keeps within `max_difference` and `max_class_changes` on the sample
    and is smaller. Where none passes, the original goes on unchanged. A variant that cannot be made (trees have no
    matrices) is told and passed over. Times are measured and told; they are not kept, for they differ from run to run,
    and they decide only with ``prefer="latency"``.

    Args:
        model: the original.
        examples: raw examples to measure on, as they came from ExampleGen.
        transform_graph: it brings the sample of raw rows for scales and for the comparison.
        eval_config: metrics, slices and thresholds, see `trueline.model_analysis.EvalConfig`.
        max_loss: metric, by class name or key -> how much worse than the original's a variant's may be, in the
            metric's unit, on any slice.
        variants: names in `trueline.models.optimise.VARIANTS`, in the order in which equals are preferred.
        max_difference: largest difference of a score on the sample; None: any.
        max_class_changes: share of the sample's rows that may change class; None: any.
        prefer: ``size`` (bytes of ``model.onnx``) or ``latency`` (one row, median, on this machine, now: not the same
            choice in every run).
        example_splits: the splits to measure on.

    Outputs: ``model``: a copy of the chosen one, with the property ``variant`` (``original`` where none passed);
        ``evaluation``: all of them (`trueline.model_analysis.ModelsResult`), the chosen one's first, and
        ``optimisation.json`` with sizes, differences, losses and why each was or was not chosen.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {
        "model": In(Model),
        "examples": In(Examples),
        "transform_graph": In(TransformGraph),
    }
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"model": Out(Model), "evaluation": Out(ModelEvaluation)}
    EXECUTOR = "trueline.components.model_optimiser:execute"

    def __init__(
        self,
        *,
        model: Channel,
        examples: Channel,
        transform_graph: Channel,
        eval_config: EvalConfig,
        max_loss: Mapping[str, float] | None = None,
        variants: Sequence[str] = ("dynamic_int8", "static_int8", "float16"),
        max_difference: float | None = None,
        max_class_changes: float | None = None,
        prefer: Literal["size", "latency"] = "size",
        example_splits: Sequence[str] = ("eval",),
        node_id: str | None = None,
    ) -> None:
        from trueline.model_analysis import EvalConfig

        good = isinstance(eval_config, EvalConfig)
        super().__init__(
            node_id=node_id,
            inputs={"model": model, "examples": examples, "transform_graph": transform_graph},
            params={
                "eval_config": eval_config.to_json() if good else "{}",
                "max_loss": dict(max_loss or {}),
                "variants": list(variants),
                "max_difference": max_difference,
                "max_class_changes": max_class_changes,
                "prefer": prefer,
                "example_splits": list(example_splits),
            },
        )
        for problem in _problems(eval_config if good else None, max_loss or {}, variants, prefer, example_splits):
            self.note(problem)


def _problems(
    config: EvalConfig | None, max_loss: Mapping[str, Any], variants: Sequence[str], prefer: Any, splits: Sequence[str]
) -> list[str]:
    from trueline.model_analysis.check import config_problems
    from trueline.model_analysis.gates_rules import gate_rules
    from trueline.models.optimise import VARIANTS

    problems = [f"no variant {v!r}. {did_you_mean(v, VARIANTS)}" for v in variants if v not in VARIANTS]
    problems += ["names no variants"] if not variants else []
    problems += ["has no example_splits to measure on"] if not splits else []
    problems += [f'prefer is {prefer!r}; write "size" or "latency"'] if prefer not in ("size", "latency") else []
    if config is None:
        return [*problems, "needs an EvalConfig as eval_config"]
    problems += [f"eval_config: {problem}" for problem in config_problems(config)]
    known = _metrics(config)
    for metric, loss in max_loss.items():
        if metric not in known:
            problems.append(f"max_loss: {metric!r} is none of the eval_config's metrics. {did_you_mean(metric, known)}")
        elif known[metric][1] is None:
            problems.append(f"max_loss: whether a higher {metric} is better is not known")
        if not isinstance(loss, int | float) or isinstance(loss, bool) or not 0 <= loss < math.inf:
            problems.append(f"max_loss: {metric} may lose {loss!r}; write a number from 0")
    if not max_loss and not gate_rules(config):
        problems.append('has nothing by which a variant could fail: give max_loss={"AUC": 0.002}, or thresholds')
    return problems


def _metrics(config: EvalConfig) -> dict[str, tuple[str, str | None]]:
    """Metric, by its key and by its class name -> its key and ``HIGHER_IS_BETTER``, ``LOWER_IS_BETTER`` or None."""
    from trueline.model_analysis.metrics import find_metric
    from trueline.model_analysis.rules import metric_key

    found: dict[str, tuple[str, str | None]] = {}
    for metric in (m for spec in config.metrics_specs for m in spec.metrics):
        record, key = find_metric(metric.class_name, module=metric.module), metric_key(metric)
        found[key] = found[metric.class_name] = (key, record.better if record is not None else None)
    return found


@dataclass
class Tried:
    """One variant: its size and how it fared.

    Attributes:
        bytes: of ``model.onnx``; 0 where it could not be made.
        reasons: why it is not chosen; empty where it may be.
        loss: metric -> how much worse than the original's at most, over all slices; below 0 is better.
        sample: how far it is from the original on the sample.
        one_row_us, batch_rows_per_s: times on this machine.
    """

    bytes: int = 0
    reasons: list[str] = field(default_factory=list)
    loss: dict[str, float | None] = field(default_factory=dict)
    sample: dict[str, Any] = field(default_factory=dict)
    one_row_us: float = math.inf
    batch_rows_per_s: float = 0.0


def execute(ctx: ExecutionContext) -> None:
    """Makes, measures, chooses, copies."""
    from trueline.data import Examples as ExamplesReader
    from trueline.model_analysis import EvalConfig
    from trueline.model_analysis.api import evaluate_models
    from trueline.model_analysis.models_result import ModelsResult
    from trueline.models import Model as LoadedModel

    source, given = ctx.input("examples"), ctx.input("model")
    original = LoadedModel.load(given.uri, allow_host=None)
    tried = {ORIGINAL: Tried(store.size(store.join(given.uri, "model.onnx")))}
    models = {ORIGINAL: original} | _make(ctx, original, tried)
    config = EvalConfig.from_json(ctx.params["eval_config"])
    examples = ExamplesReader.open(source.uri)
    dataset = dataset_of(examples, wanted_splits(source, ctx.params["example_splits"]))
    found = evaluate_models(models, dataset, config, baseline=original, engine=ctx.engine)
    for name in models:
        if name != ORIGINAL:
            _judge(tried[name], tried[ORIGINAL], found.models[name], ctx.params["max_loss"], _metrics(config))
    chosen = _choose(tried, ctx.params["prefer"])
    first = {chosen: found.models[chosen]} | dict(found.models)
    ModelsResult(first).save(ctx.output("evaluation").uri)
    store.write_text(ctx.output("evaluation").path(REPORT_FILE), _report(chosen, tried))
    store.copy_tree(models[chosen].uri, ctx.output("model").uri)
    ctx.output("model").properties.update(given.properties, variant=chosen)
    ctx.report(
        chosen=chosen,
        bytes={name: t.bytes for name, t in tried.items() if t.bytes},
        one_row_us={name: round(t.one_row_us, 1) for name, t in tried.items() if t.bytes},
        refused={name: t.reasons[0] for name, t in tried.items() if t.reasons},
    )


def _make(ctx: ExecutionContext, original: LoadedModel, tried: dict[str, Tried]) -> dict[str, LoadedModel]:
    """The variants that can be made and keep within the limits on the sample."""
    from trueline.models.optimise import measure_latency, optimise

    sample, made = read_sample(ctx.input("transform_graph").uri), {}
    few = sample.slice(0, _LATENCY_ROWS)
    for name in ctx.params["variants"]:
        entry = tried.setdefault(name, Tried())
        folder = store.join(ctx.tmp_dir, "variants", name)
        try:
            model = optimise(
                original,
                folder,
                variant=name,
                sample=sample,
                max_difference=ctx.params["max_difference"],
                max_class_changes=ctx.params["max_class_changes"],
            )
        except ModelError as error:
            entry.reasons.append(" ".join([f"{error.message}.", *error.problems]))
            continue
        made[name], entry.sample = model, {k: model.info["parity"][k] for k in ("max_difference", "class_changes")}
        entry.bytes = store.size(store.join(folder, "model.onnx"))
    for name, model in {ORIGINAL: original, **made}.items():
        times = measure_latency(model.runtime, few)
        tried[name].one_row_us, tried[name].batch_rows_per_s = times["one_row_us"], times["batch_rows_per_s"]
    return made


def losses(result: EvalResult, metric: str, direction: str) -> dict[str, float | None]:
    """Slice -> how much worse the candidate is than the baseline; None where it alone is undefined.

    Slices where both are undefined are left out.
    """
    from trueline.model_analysis.slices import slice_name

    sign = 1.0 if direction == "HIGHER_IS_BETTER" else -1.0
    found: dict[str, float | None] = {}
    for measured in result.measured.slices:
        new, old = measured.metrics.get(metric), measured.baseline.get(metric)
        if old is None or old.value is None:
            continue
        value = None if new is None or new.value is None else sign * (old.value - new.value)
        found[slice_name(measured.key)] = value
    return found


def _judge(
    entry: Tried,
    original: Tried,
    result: EvalResult,
    limits: Mapping[str, float],
    metrics: Mapping[str, tuple[str, str | None]],
) -> None:
    """Notes every reason against a variant."""
    if entry.bytes >= original.bytes:
        entry.reasons.append(f"It is not smaller: {entry.bytes} bytes, the original has {original.bytes}.")
    if not result.validation_result.missing_thresholds:
        entry.reasons += [failure.sentence for failure in result.validation_result.failures]
    from trueline.model_analysis.keys import keys_of

    for metric, limit in limits.items():
        key, direction = metrics[metric]
        measured = dict.fromkeys(k for s in result.measured.slices for k in (*s.metrics, *s.baseline))
        by_key = {k: losses(result, k, direction or "") for k in keys_of(key, measured)}
        known = [loss for by_slice in by_key.values() for loss in by_slice.values() if loss is not None]
        entry.loss[metric] = max(known, default=None)
        if not any(by_key.values()):
            entry.reasons.append(f"{metric} was a number on no slice, so it cannot be said to keep within {limit:g}.")
        for of, name, loss in ((k, name, loss) for k, by_slice in by_key.items() for name, loss in by_slice.items()):
            if loss is None or loss > limit:
                lost = "becomes undefined" if loss is None else f"gets worse by {loss:.6g}"
                entry.reasons.append(f"{metric if of == key else of} on {name} {lost}; {limit:g} is allowed.")


def _choose(tried: Mapping[str, Tried], prefer: str) -> str:
    """The best that passes, the original among them: nothing larger or slower than it is ever chosen."""
    able = {name: t for name, t in tried.items() if not t.reasons}
    return min(able, key=lambda name: able[name].bytes if prefer == "size" else able[name].one_row_us)


def _report(chosen: str, tried: Mapping[str, Tried]) -> str:
    said = {
        name: {"bytes": t.bytes, "loss": t.loss, "sample": t.sample, "reasons": t.reasons} for name, t in tried.items()
    }
    return json.dumps({"format": 1, "chosen": chosen, "variants": said}, indent=1, sort_keys=True, ensure_ascii=False)

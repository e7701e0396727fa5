"""From a trained model to a model artifact: export, merge, gate, write. Nothing is written before the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ModelError, ParityError
from trueline._core.python_model import PythonPart
from trueline._core.runtime import MODEL_FORMAT, OnnxGraph
from trueline._core.values import RawFeature
from trueline.models.about import checked_about, checked_training
from trueline.models.contract import NO_LABEL, Fitted, Head
from trueline.models.exporters.registry import exporter_of
from trueline.models.fitted_names import check_fitted_names
from trueline.models.inputs import input_arrays, model_inputs, select_features
from trueline.models.leakage import leakage_report
from trueline.models.merge import merge_model
from trueline.models.model import Model
from trueline.models.model_data import frame_library
from trueline.models.parity import Checked, ParityReport, Tolerance, check_parity
from trueline.models.parity_locate import locate
from trueline.models.parity_missing import try_missing
from trueline.models.signature import signature
from trueline.models.targets import build_targets
from trueline.models.written import write_model_files

if TYPE_CHECKING:
    import onnx
    import pyarrow as pa

    from trueline.transform import TransformOutput

__all__ = ["build_model"]

ARTIFACT = "Model"
_MISSING_ROWS = 8


def build_model(
    fitted: Fitted | Any,
    *,
    uri: str,
    transform: TransformOutput,
    label: str | None,
    weight: str | None = None,
    features: Sequence[str] | None = None,
    sample: Any,
    name: str = "model",
    tolerance: Tolerance | None = None,
    about: Mapping[str, str] | None = None,
    training: Mapping[str, Any] | None = None,
) -> Model:
    """Exports a trained model, merges it with the transform, checks it on real rows and writes the artifact.

    Args:
        fitted: the trained model, or `Fitted` where more must be said.
        uri: an empty or absent folder.
        transform: the transform whose outputs the model was trained on.
        label: the transform output that it predicts; None for an embedding that is learnt without one.
        weight: the transform output that weighs rows, if any.
        features: transform outputs in the order of training; all but label and weight by default.
        sample: raw rows for the parity gate, with ``__row__`` where they have it: an Arrow table or batch, or a
            DataFrame of pandas or polars.
        name: the model's name.
        tolerance: of the parity gate; by default `Tolerance()`, or what the framework's exporter says where it computes
            in float32 throughout (neural networks: 1e-4).
        about: what people should know of the model: texts under `ABOUT_KEYS`.
        training: facts of the training as JSON values: seed, hyperparameters, rows, metrics, device, steps.

    Returns:
        The artifact, loaded.

    Raises:
        ModelError: a sample, features or labels that do not fit, or a model that cannot be exported or merged.
        FeedError: a DataFrame whose columns do not fit the transform's.
        ParityError: the exported model differs from the framework's own; nothing is written.
    """
    notes = {"about": checked_about(about), "training": checked_training(training)}
    sample = _sample_table(sample, transform)
    fitted = fitted if isinstance(fitted, Fitted) else Fitted(fitted)
    offered = select_features(transform.outputs, label, weight, features)
    target = _label_of(transform, label, fitted)
    exporter = exporter_of(fitted)
    inputs = exporter.inputs(model_inputs(offered, fitted.inputs))
    check_fitted_names(fitted.model, inputs)
    used = [f.name for i in inputs for f in i.features]
    names = list(dict.fromkeys(used))
    exported = exporter.to_onnx(inputs, target)
    _check_meaning(fitted, exported.head, exporter.framework)
    merged = merge_model(transform.to_onnx(names), exported, inputs, transform.feeds(names))
    graph, steps = _serialise(merged), transform.host_steps(names)
    after = PythonPart(exported.python) if exported.python is not None else None
    session = OnnxGraph(graph, transform.feeds(names), steps, transform.raw_features(names), after=after)
    checked = Checked(exporter, exported, inputs, transform, sample)
    report = _gate(checked, merged, session, tolerance or getattr(exporter, "tolerance", None))
    targets, targets_info = build_targets(transform, label, weight) if label is not None else (None, None)
    native, note = exporter.native_files()
    info = _info(name, checked, label, weight, report)
    info |= {"targets": targets_info, "native": note, **notes}
    files = {
        "model.onnx": graph,
        **({"targets.onnx": _serialise(targets)} if targets is not None else {}),
        "host.json": _json({"format": 1, "steps": [s.to_json() for s in steps]}),
        **{f"native/{path}": content for path, content in native.items()},
        "model.json": _json(info),
    }
    write_model_files(uri, files)
    return Model.load(uri, allow_host=None)


def _sample_table(sample: Any, transform: TransformOutput) -> pa.Table:
    import pyarrow as pa

    from trueline.transform.frames import frame_table

    if isinstance(sample, pa.Table):
        return sample
    if isinstance(sample, pa.RecordBatch):
        return pa.Table.from_batches([sample])
    if frame_library(sample) is not None:
        return frame_table(sample, transform.raw_features())
    raise ModelError(
        f"a {type(sample).__name__} is no sample of raw rows",
        hint="give an Arrow table or batch, or a DataFrame of pandas or polars.",
    )


def _gate(checked: Checked, merged: onnx.ModelProto, session: OnnxGraph, tolerance: Tolerance | None) -> ParityReport:
    """Both halves of the parity gate; a failure says at which node the two part."""
    exporter, exported, inputs = checked.exporter, checked.exported, checked.inputs
    transform, sample = checked.transform, checked.sample
    try:
        report = check_parity(exporter, session, exported.head, inputs, transform, sample, tolerance)
    except ParityError as error:
        found = locate(checked, merged, session, tolerance or Tolerance())
        problems = [*error.problems, *found]
        raise ParityError(error.message, where=error.where, hint=error.hint, problems=problems) from error
    few = input_arrays(transform.transform(sample.slice(0, _MISSING_ROWS), checked.names), inputs)
    limits = report.tolerance
    tried, refused = try_missing(exporter, exported, inputs, few, limits.absolute, limits.relative)
    return replace(report, missing_tried=tried, missing_refused=refused)


def _check_meaning(fitted: Fitted, head: Head, framework: str) -> None:
    """What `Fitted` says of the output is what the exporter made of it; never passed over in silence."""
    tasks = {"prediction": ("regression",), "score": ("ranking",), "embedding": ("embedding",)}
    wanted = tasks.get(fitted.output or "", ("binary", "multiclass"))
    if fitted.output is not None and head.task not in wanted:
        raise ModelError(
            f"Fitted says output={fitted.output!r}, and this {framework} model is a {head.task} model",
            hint="leave output out: the model says it itself; or train one that gives what you want.",
        )


def _label_of(transform: TransformOutput, label: str | None, fitted: Fitted) -> RawFeature:
    if label is None:
        if fitted.output not in (None, "embedding"):
            raise ModelError(
                f"the model's output is {fitted.output} and there is no label",
                hint="name the label; only an embedding has none: Fitted(model, output='embedding').",
            )
        return NO_LABEL
    target = next(f for f in transform.outputs if f.name == label)
    if target.kind != "scalar":
        raise ModelError(f"label {label!r} is a {target.kind} value; one value a row is needed")
    return target


def _serialise(model: onnx.ModelProto) -> bytes:
    try:
        return bytes(model.SerializeToString(deterministic=True))
    except Exception as error:
        raise ModelError(
            f"the graph cannot be written as one file: {error}", hint="the limit of protobuf is 2 GB."
        ) from error


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _info(name: str, checked: Checked, label: str | None, weight: str | None, report: ParityReport) -> dict[str, Any]:
    from importlib.metadata import version

    import onnx
    import onnxruntime

    exporter, head, names, transform = checked.exporter, checked.exported.head, checked.names, checked.transform
    versions = exporter.versions() | {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    python = checked.exported.python
    return {
        "format": MODEL_FORMAT,
        "name": name,
        "task": head.task,
        "framework": exporter.framework,
        "versions": versions | {"trueline": version("trueline")},
        "label": label,
        "weight": weight,
        "features": names,
        "inputs": [
            {"name": i.name, "dtype": i.dtype, "features": [f.name for f in i.features]} for i in checked.inputs
        ],
        "classes": list(head.classes) if head.is_classifier else None,
        "signature": signature(head, transform.raw_features(names), checked.sample),
        "feeds": transform.feeds(names).to_json(),
        "parity": report.to_json(),
        "leakage": leakage_report(transform, names, label),
        "transform": transform.content_hash,
        **({} if python is None else {"python": python.to_json()}),
    }

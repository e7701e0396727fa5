"""The model's part of a card, read from a loaded model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trueline.model_analysis.card.data import CardTexts, texts_of
from trueline.model_analysis.card.parts_model import (
    DecisionFacts,
    Environment,
    Input,
    Leak,
    ModelFacts,
    Output,
    ParityFacts,
    TrainingFacts,
)
from trueline.model_analysis.card.private import public, public_text

if TYPE_CHECKING:
    from trueline.models import Model

__all__ = ["environment_of", "merged_texts", "model_facts", "training_facts"]


def model_facts(model: Model) -> ModelFacts:
    """What the model says of itself."""
    info, runtime = model.info, model.runtime
    signature = info.get("signature") or {}
    steps = [f"{s.function} makes {s.output} ({s.package} {s.version})" for s in runtime.steps]
    if runtime.python is not None:
        steps.append(f"{runtime.python.function} is the model")
    manifest = runtime.manifest
    sizes = {f.path: f.size for f in manifest.files} if manifest is not None else {}
    return ModelFacts(
        name=model.name,
        task=model.task,
        framework=model.framework,
        label=model.label or "",
        weight=str(info.get("weight") or ""),
        classes=tuple(str(c) for c in model.classes or ()),
        features=tuple(model.features),
        inputs=tuple(_input(f) for f in signature.get("inputs", ())),
        outputs=tuple(_output(o) for o in signature.get("outputs", ())),
        fingerprint=manifest.fingerprint if manifest is not None else "",
        transform=str(info.get("transform") or ""),
        size_bytes=sum(sizes.values()) if sizes else None,
        onnx_bytes=sizes.get("model.onnx"),
        host_steps=tuple(public_text(s) for s in steps),
        parity=_parity(info.get("parity")),
        decision=_decision(model),
        leakage=tuple(Leak(str(x["feature"]), str(x["raw"]), tuple(map(str, x["path"]))) for x in info["leakage"])
        if info.get("leakage")
        else (),
        variant=str((info.get("optimised") or {}).get("variant") or ""),
    )


def _input(f: Mapping[str, Any]) -> Input:
    kind = str(f.get("kind", "scalar"))
    size = f.get("size")
    return Input(
        str(f["name"]), str(f["dtype"]), kind if size is None else f"{kind} of {size}", not f.get("optional", True)
    )


def _output(o: Mapping[str, Any]) -> Output:
    shape = ", ".join("N" if d is None else str(d) for d in o.get("shape") or ())
    return Output(str(o["name"]), str(o["dtype"]), shape, str(o.get("meaning") or "").replace("_", " "))


def _parity(found: Mapping[str, Any] | None) -> ParityFacts | None:
    if not found:
        return None
    changes = found.get("class_changes") or []
    return ParityFacts(
        int(found.get("rows") or 0), found.get("max_difference"), len(changes) if isinstance(changes, Sequence) else 0
    )


def _decision(model: Model) -> DecisionFacts | None:
    decision = model.decision
    if decision is None:
        return None
    calibration = decision.calibration
    return DecisionFacts(
        threshold=decision.threshold,
        calibration="" if calibration is None else calibration.method,
        calibration_rows=None if calibration is None else calibration.rows,
        by_cost=decision.cost_matrix is not None,
        chosen_on=public_text(decision.chosen_on or ""),
    )


def training_facts(model: Model) -> TrainingFacts:
    """What was kept of the training."""
    return TrainingFacts(public(model.training))


def environment_of(model: Model) -> Environment:
    """The packages that made it."""
    return Environment({str(k): str(v) for k, v in sorted(model.versions.items())})


def merged_texts(model: Model, given: Mapping[str, Any] | CardTexts | None) -> CardTexts:
    """The texts that were given, and what the model says of itself where they say nothing.

    Raises:
        ConfigError: see `texts_of`.
    """
    texts = texts_of(given)
    own: dict[str, Any] = {name: text for name, text in model.about.items() if text and not getattr(texts, name)}
    return replace(texts, **own)

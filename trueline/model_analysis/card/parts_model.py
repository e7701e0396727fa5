"""The parts of a card about the model, its training, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "DecisionFacts", "Environment", "Input", "Leak", "LineageEntry", "ModelFacts", "Output", "ParityFacts",
    "ServerCheck", "TrainingFacts",
]  # fmt: skip


@dataclass(frozen=True)
class Input:
    """A raw column that a request gives."""

    name: str
    dtype: str
    kind: str = "scalar"
    required: bool = False


@dataclass(frozen=True)
class Output:
    """What an answer holds; `shape` begins with ``N``, the number of rows."""

    name: str
    dtype: str
    shape: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class ParityFacts:
    """How far the exported model is from the framework's own predictions on `rows` real rows."""

    rows: int
    max_difference: float | None = None
    class_changes: int = 0


@dataclass(frozen=True)
class DecisionFacts:
    """How a classifier decides: at a threshold, or at least expected cost; after a calibration where there is one."""

    threshold: float | None = None
    calibration: str = ""
    calibration_rows: int | None = None
    by_cost: bool = False
    chosen_on: str = ""


@dataclass(frozen=True)
class Leak:
    """A feature that reads a raw column which the label reads too, and the way from one to the other."""

    feature: str
    raw: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelFacts:
    """The model.

    Attributes:
        name, task, framework, label, weight: as in ``model.json``; empty where there is none.
        classes: the label's values as text, in the order of the probabilities; empty for what is no classifier.
        features: the transform outputs that it reads, in order.
        inputs, outputs: its signature.
        fingerprint: of the artifact's contents; empty where the model was not read from a finished artifact.
        transform: the content hash of the transform whose outputs it was trained on.
        size_bytes, onnx_bytes: of all its files and of ``model.onnx``; None where that is not known.
        host_steps: Python code that it runs, in words.
        parity: what the parity gate found.
        decision: threshold and calibration; None for the greatest probability.
        leakage: probable leaks of the label.
        variant: of an optimised model, which optimisation.
    """

    name: str
    task: str
    framework: str = ""
    label: str = ""
    weight: str = ""
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    fingerprint: str = ""
    transform: str = ""
    size_bytes: int | None = None
    onnx_bytes: int | None = None
    host_steps: tuple[str, ...] = ()
    parity: ParityFacts | None = None
    decision: DecisionFacts | None = None
    leakage: tuple[Leak, ...] = ()
    variant: str = ""


@dataclass(frozen=True)
class TrainingFacts:
    """What ``model.json`` keeps of the training, by name; nested facts are JSON values. Empty: nothing was kept."""

    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ServerCheck:
    """Whether the real server loaded the model and answered as expected.

    Attributes:
        ok: whether it did.
        rows: how many rows were asked and compared; 0 means that the model was only loaded.
        message: why not.
    """

    ok: bool
    rows: int = 0
    message: str = ""


@dataclass(frozen=True)
class LineageEntry:
    """An artifact that the card was made of: in which role, of which type, by contents, and which node made it."""

    role: str
    type: str
    fingerprint: str = ""
    producer: str = ""


@dataclass(frozen=True)
class Environment:
    """Versions of the packages that made the model; Python's is under ``python`` where it was kept."""

    packages: Mapping[str, str] = field(default_factory=dict)

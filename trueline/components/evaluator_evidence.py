"""The evidence beside a blessing: why a model was blessed or not, and for which bytes that holds.

``evidence.json`` stands in the blessing's folder. It names model, baseline, examples and configuration by fingerprint,
so that a blessing can be held against what is pushed, and keeps every gated check with value, bound, interval, p-value,
slice, rows and one sentence. Where an artifact lies and which number it has is no part of it: equal inputs give equal
evidence.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ArtifactError

if TYPE_CHECKING:
    from trueline.model_analysis import EvalConfig, ValidationResult
    from trueline.pipeline.context import ArtifactHandle

__all__ = [
    "EVIDENCE_FILE",
    "EVIDENCE_FORMAT",
    "evidence_of",
    "first_model_note",
    "read_evidence",
    "write_evidence",
]

EVIDENCE_FILE = "evidence.json"
EVIDENCE_FORMAT = 1


def evidence_of(
    verdict: ValidationResult,
    config: EvalConfig,
    candidate: ArtifactHandle,
    baseline: ArtifactHandle | None,
    examples: ArtifactHandle,
    splits: Sequence[str],
) -> dict[str, Any]:
    """The evidence as JSON values.

    Args:
        verdict: the verdict of the gates.
        config: the configuration that was run.
        candidate: the model that was judged.
        baseline: the model it was compared with; None for a first model, and where that is the candidate itself.
        examples: the rows it was judged on.
        splits: their splits.
    """
    found = verdict.to_dict()
    checks = found.pop("judged", [])
    return {
        "format": EVIDENCE_FORMAT,
        "blessed": verdict.ok and not verdict.missing_thresholds,
        "first_model": baseline is None,
        "notes": [*verdict.notes, *first_model_note(verdict, baseline)],
        "candidate": _identity(candidate),
        "baseline": _identity(baseline) if baseline is not None else None,
        "examples": {**_identity(examples), "splits": list(splits)},
        "eval_config": {"fingerprint": hashlib.sha256(config.to_json().encode()).hexdigest()},
        "verdict": {name: value for name, value in found.items() if name != "format"},
        "checks": checks,
    }


def first_model_note(verdict: ValidationResult, baseline: ArtifactHandle | None) -> list[str]:
    """That there was no other model to compare with, where the verdict itself had no reason to say so."""
    if baseline is not None or verdict.rubber_stamp:
        return []
    return ["There was no other model to compare with: this one was judged by value thresholds alone."]


def _identity(artifact: ArtifactHandle) -> dict[str, Any]:
    return {"fingerprint": artifact.fingerprint}


def write_evidence(blessing: ArtifactHandle, evidence: dict[str, Any]) -> None:
    """Writes the file into the blessing's folder."""
    text = json.dumps(evidence, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    store.write_text(blessing.path(EVIDENCE_FILE), text)


def read_evidence(uri: str) -> dict[str, Any]:
    """The evidence in a blessing's folder.

    Raises:
        ArtifactError: it is missing, no JSON or of another format.
    """
    path = store.join(uri, EVIDENCE_FILE)
    try:
        found = json.loads(store.read_text(path))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"the blessing has no readable evidence: {error}", where=path) from error
    if not isinstance(found, dict) or found.get("format") != EVIDENCE_FORMAT:
        name = found.get("format") if isinstance(found, dict) else None
        raise ArtifactError(f"the evidence has format {name!r}, this release reads {EVIDENCE_FORMAT}", where=path)
    return found

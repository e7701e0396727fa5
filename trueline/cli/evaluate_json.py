"""An evaluation as JSON: what `trueline evaluate --json` prints.

``{"rows", "missing_labels", "split", "slices": [{"slice", "rows", "metrics", "baseline", "changes"}], "ok",
"validation", "found_slices", "written"}``. A metric is ``{"value", "low", "high", "undefined"}`` and ``data`` where it
is no number; `ok` is null where no threshold is set, as then nothing was judged.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trueline.model_analysis import EvalResult
    from trueline.model_analysis.measured import Change, Estimate

__all__ = ["evaluation_json"]

_FOUND = ("name", "rows", "share", "inside", "outside", "difference", "low", "high", "adjusted_p_value")


def evaluation_json(result: EvalResult, split: str, found: Any, written: Sequence[str]) -> str:
    """The text that is printed.

    Args:
        result: the evaluation.
        split: which split was judged; "" where the data have none.
        found: what `find_slices` found, or None where nobody asked.
        written: the files that were written.
    """
    from trueline.model_analysis.explain.explanation import plain

    verdict = result.validation_result
    told = {
        "rows": result.measured.rows,
        "missing_labels": result.measured.missing_labels,
        "split": split or None,
        "slices": [
            {
                "slice": s.name,
                "rows": s.rows,
                "metrics": {name: _estimate(e) for name, e in s.metrics.items()},
                "baseline": {name: _estimate(e) for name, e in s.baseline.items()},
                "changes": {name: _change(c) for name, c in s.changes.items()},
            }
            for s in result.measured.slices
        ],
        "ok": None if verdict.missing_thresholds else verdict.ok,
        "validation": verdict.to_dict(),
        "found_slices": None if found is None else [{name: getattr(s, name) for name in _FOUND} for s in found.slices],
        "written": list(written),
    }
    return json.dumps(plain(told), indent=1, ensure_ascii=False, allow_nan=False)


def _estimate(estimate: Estimate) -> Mapping[str, Any]:
    told = {name: getattr(estimate, name) for name in ("value", "low", "high", "undefined")}
    return told if estimate.data is None else {**told, "data": estimate.data}


def _change(change: Change) -> Mapping[str, Any]:
    return {field.name: getattr(change, field.name) for field in fields(change)}

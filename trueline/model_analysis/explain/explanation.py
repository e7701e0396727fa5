"""What every explanation is: facts and records of plain JSON values, a table, a page, and a file of its own."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from trueline._core.errors import ArtifactError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.display.html import Html

__all__ = ["FORMAT", "KINDS", "Explanation", "load_explanation", "plain"]

FORMAT = 1
KINDS = {
    "permutation_importance": "importance:PermutationImportance",
    "partial_dependence": "dependence_result:PartialDependence",
    "shap_values": "shapley_values:ShapValues",
    "lime_surrogate": "surrogate:LocalSurrogate",
    "counterfactuals": "counterfactual_result:Counterfactuals",
    "nearest_examples": "neighbours:Neighbours",
}
"""Kind of explanation -> module and class, for `load_explanation`."""


def plain(value: Any) -> Any:
    """A JSON value that stands for a raw value: bytes and times as text, numbers that are not finite as text too."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


@dataclass(frozen=True, eq=False)
class Explanation:
    """What was found, and of which model and by which options.

    Attributes:
        model: name, task, label, fingerprint of the model.
        options: what the function was called with, as JSON values.
    """

    KIND: ClassVar[str] = ""
    TITLE: ClassVar[str] = ""
    model: Mapping[str, Any]
    options: Mapping[str, Any]

    def content(self) -> dict[str, Any]:
        """The kind's own part of the file; JSON values alone."""
        raise NotImplementedError

    @classmethod
    def of_content(cls, model: Mapping[str, Any], options: Mapping[str, Any], content: Mapping[str, Any]) -> Self:
        """The explanation whose `content` this is."""
        raise NotImplementedError

    def to_table(self) -> pa.Table:
        """What was found as an Arrow table."""
        raise NotImplementedError

    def body(self) -> Html:
        """What the page shows."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """A JSON object; `from_json` is its inverse."""
        head = {"format": FORMAT, "kind": self.KIND, "model": dict(self.model), "options": dict(self.options)}
        made: dict[str, Any] = plain(head | {"content": self.content()})
        return made

    @staticmethod
    def from_json(data: Mapping[str, Any], where: str = "") -> Explanation:
        """The explanation that `to_json` described.

        Raises:
            ArtifactError: another format, an unknown kind, or a content that does not parse.
        """
        kind = data.get("kind") if isinstance(data, Mapping) else None
        if not isinstance(kind, str) or kind not in KINDS or data.get("format") != FORMAT:
            hint = did_you_mean(str(kind), KINDS) if kind not in KINDS else f"this version reads format {FORMAT}."
            raise ArtifactError("this is no explanation that can be read", where=where or None, hint=hint)
        module, _, name = KINDS[kind].partition(":")
        cls = getattr(importlib.import_module(f"trueline.model_analysis.explain.{module}"), name)
        try:
            made: Explanation = cls.of_content(dict(data["model"]), dict(data["options"]), data["content"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            said = f"the explanation does not parse: {type(error).__name__}: {error}"
            raise ArtifactError(said, where=where or None) from error
        return made

    def save(self, uri: str) -> None:
        """Writes one JSON file."""
        from trueline._core import store

        store.write_text(str(uri), json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False) + "\n")

    @staticmethod
    def load(uri: str) -> Explanation:
        """The explanation that `save` wrote, of its own kind.

        Raises:
            ArtifactError: no file, or one that is no explanation.
        """
        from trueline._core import store

        text = store.read_text(str(uri))
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ArtifactError(f"this is no JSON: {error}", where=str(uri)) from error
        return Explanation.from_json(data, str(uri))

    def to_html(self, path: str | None = None) -> str:
        """One self-contained page, also written to `path` if it is given."""
        from trueline.model_analysis.explain.html import page_of

        return page_of(self).to_html(path, f"{self.TITLE}: {self.model.get('name', 'model')}")

    def _repr_html_(self) -> str:
        from trueline.model_analysis.explain.html import page_of

        return page_of(self)._repr_html_()


def load_explanation(uri: str) -> Explanation:
    """The explanation that `Explanation.save` wrote; see `Explanation.load`."""
    return Explanation.load(uri)

"""`WhatIf`: the rows of a page, the models that answer, and the page as a file or behind the local web app."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, DataError, ModelError
from trueline._core.values import RawFeature
from trueline.model_analysis.whatif.decisions import row_labels
from trueline.model_analysis.whatif.values import decode, encode

if TYPE_CHECKING:
    from trueline._core.runtime import ModelRuntime

__all__ = ["MOST_ROWS", "WhatIf"]

MOST_ROWS = 2000
"""Rows of one request to `WhatIf.answer`."""
_NUMBERS = {"regression": "prediction", "ranking": "score"}


@dataclass(frozen=True, eq=False)
class WhatIf:
    """What `what_if` made.

    Attributes:
        models: the runtimes by name: one, or two that are compared.
        features: the raw features of them all.
        document: what the page shows, as JSON; see `trueline.model_analysis.whatif.api`.
    """

    models: Mapping[str, ModelRuntime]
    features: tuple[RawFeature, ...]
    document: Mapping[str, Any]

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why the models cannot run in a browser; empty where they can."""
        import onnx

        from trueline._core.model_files import read_graph
        from trueline._core.web import foreign_operators

        found = []
        for name, runtime in self.models.items():
            found += [f"{name}: host step {s.output!r} is Python ({s.function})" for s in runtime.steps]
            if runtime.python is not None:
                found.append(f"{name}: the model is Python ({runtime.python.function})")
            graph = onnx.load_from_string(read_graph(runtime.uri, "model.onnx"))
            found += [f"{name}: onnxruntime-web has no {o}" for o in foreign_operators(graph)]
        return tuple(found)

    def to_html(self, path: str | None = None, *, runtime: str, beside: bool = False) -> str:
        """The page with the models and onnxruntime-web in it: it works from a disk, and asks nobody for anything.

        Args:
            path: where it is written, too.
            runtime: the folder ``dist`` of the npm package onnxruntime-web. Of it 3.7 MB, compressed, go into the page.
            beside: put the models and onnxruntime-web into the folder ``<path without .html>_files`` beside the page.

        Returns:
            The HTML text.

        Raises:
            ModelError: the models cannot run in a browser; every reason is named. `serve` shows the same page.
            ConfigError: `runtime` is no such folder, or `beside` without a path.
        """
        from trueline._core import store
        from trueline.display.what_if import folder_of, what_if_html, what_if_parts

        if beside and path is None:
            raise ConfigError("files beside a page need the page's path", hint="give path='page.html'.")
        if obstacles := self.obstacles:
            raise ModelError(
                "the browser cannot run what this page shows",
                problems=obstacles,
                hint="serve the page: what_if(...).serve().",
            )
        parts = what_if_parts(self._graphs(), runtime)
        folder = folder_of(str(path)) if beside else None
        html, files = what_if_html(self.document, parts, folder=folder)
        if path is not None:
            place = str(path).rpartition("/")[0]
            for name, text in files.items():
                at = store.join(place, name) if place else name
                store.makedirs(at.rpartition("/")[0])
                store.write_text(at, text)
            store.write_text(str(path), html)
        return html

    def _graphs(self) -> list[bytes]:
        from trueline._core.model_files import read_graph

        return [read_graph(runtime.uri, "model.onnx") for runtime in self.models.values()]

    def serve(self, port: int = 0, **options: Any) -> None:
        """Shows the page on this machine, until it is interrupted; needs the extra ``web``.

        The same as `trueline.web.serve_what_if`, which is named here and not imported: it stands above this library.
        """
        importlib.import_module("trueline.web").serve_what_if(self, port=port, **options)

    def answer(self, body: Any) -> dict[str, Any]:
        """What a model says of edited rows.

        Args:
            body: ``{"model": 0, "rows": [{feature: value}]}``: the model's number among `models`, and at most
                `MOST_ROWS` rows, whose values are JSON as `encode` writes it.

        Returns:
            ``{"scores": [...], "labels": [...]}``: a list of probabilities, or a number, for each row; the class's
            place for each row, null for what is no classifier.

        Raises:
            DataError: a body of another form, or rows that do not fit (a FeedError, with every problem).
        """
        runtime, rows = self._asked(body)
        known = {f.name: f for f in runtime.inputs}
        given = [{k: decode(known[k], v) if k in known else v for k, v in row.items()} for row in rows]
        return answer_of(runtime, runtime.predict_rows(given))

    def _asked(self, body: Any) -> tuple[ModelRuntime, Sequence[Mapping[str, Any]]]:
        if not isinstance(body, Mapping) or not body.keys() <= {"model", "rows"}:
            raise DataError("a request is an object with rows, and model where there are two")
        number, rows = body.get("model", 0), body.get("rows")
        if type(number) is not int or not 0 <= number < len(self.models):
            raise DataError(f"there is no model {json.dumps(number)[:40]}", hint=f"there are {len(self.models)}.")
        if not isinstance(rows, list) or not rows or not all(isinstance(r, Mapping) for r in rows):
            raise DataError("rows is a list of at least one object of named values")
        if len(rows) > MOST_ROWS:
            raise DataError(f"{len(rows):,} rows in one request", hint=f"ask for at most {MOST_ROWS:,}.")
        return list(self.models.values())[number], rows


def answer_of(runtime: ModelRuntime, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """A model's outputs as the page reads them."""
    name = "probabilities" if runtime.classes is not None else _NUMBERS[str(runtime.info["task"])]
    values = outputs[name].astype(np.float64)
    scores = values.tolist() if runtime.classes is not None else values.reshape(-1).tolist()
    return {"scores": encode(scores), "labels": row_labels(runtime, outputs)}

"""`optimise`: a model artifact in, a smaller variant of it out, compared with the original on real rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ConfigError, ModelError, did_you_mean
from trueline._core.manifest import MANIFEST_NAME
from trueline._core.model_files import read_file, read_graph
from trueline._core.runtime import OnnxGraph
from trueline.models.model import Model
from trueline.models.optimise.compare import Difference, features_of, scores_apart
from trueline.models.optimise.float16 import float16
from trueline.models.optimise.int8 import dynamic_int8
from trueline.models.optimise.int8_static import static_int8
from trueline.models.optimise.part import cut_part, put_back
from trueline.models.optimise.weights import fold_weights, operators
from trueline.models.written import write_model_files

if TYPE_CHECKING:
    import onnx
    import pyarrow as pa

__all__ = ["VARIANTS", "Variant", "optimise"]

Rewrite = Callable[["onnx.ModelProto", Sequence[Mapping[str, Any]]], Counter[str]]
_COPIED = ("targets.onnx", "host.json")


@dataclass(frozen=True)
class Variant:
    """One way to make a model smaller.

    Attributes:
        rewrite: changes the model's part in place, given batches of its inputs; says what it changed.
        works_on: the operators that it needs, for the error that says why a model has nothing of them.
        about: one sentence.
    """

    rewrite: Rewrite
    works_on: str
    about: str


VARIANTS: Mapping[str, Variant] = {
    "dynamic_int8": Variant(
        lambda part, _: dynamic_int8(part),
        "matrix products (MatMul, Gemm) and embeddings (Gather) of fixed float32 weights",
        "8-bit weights; activations are measured row by row at run time",
    ),
    "static_int8": Variant(
        static_int8,
        "matrix products (MatMul, Gemm) and embeddings (Gather) of fixed float32 weights",
        "8-bit weights; activations on scales measured on sample rows beforehand",
    ),
    "float16": Variant(
        lambda part, _: float16(part), "operators of neural networks", "weights and arithmetic in half precision"
    ),
}
"""The variants of `optimise` by name."""


def optimise(
    model: Model,
    uri: str,
    *,
    variant: str,
    sample: pa.Table,
    max_difference: float | None = None,
    max_class_changes: float | None = None,
) -> Model:
    """Writes a variant of a model: the same raw inputs and outputs, the same preprocessing, a smaller model part.

    ``model.json`` of the variant says under ``parity`` how far its scores are from the original's on `sample`, and
    under ``optimised`` what was changed and the sizes. That a variant is smaller says nothing of its speed.

    Args:
        model: the original.
        uri: an empty or absent folder.
        variant: a name in `VARIANTS`.
        sample: raw rows: for the scales of ``static_int8``, and for the comparison.
        max_difference: largest absolute difference of a score that is allowed; None: any finite one.
        max_class_changes: share of rows that may change class; None: any.

    Returns:
        The variant, loaded.

    Raises:
        ConfigError: no such variant.
        ModelError: the model has nothing that the variant works on (trees, for one, have no matrices).
        ParityError: the variant is beyond a limit. In each case nothing is written.
    """
    import onnx

    kind = _variant(variant)
    if store.exists(store.join(uri, MANIFEST_NAME)):
        raise ModelError("there is a finished artifact already", where=uri, hint="write into a folder of its own.")
    if sample.num_rows == 0:
        raise ModelError("the sample for comparing the variant has no rows", hint="give some real raw rows.")
    if (python := model.runtime.python) is not None:
        raise ModelError(f"{model.name} is a Python function ({python.function}): there are no weights to make smaller")
    old = read_graph(model.uri, "model.onnx")
    whole, graph = onnx.load_from_string(old), model.runtime.graph
    rows = features_of(whole, model.info, graph, sample)
    part = cut_part(whole, model.info)
    there = operators(part.graph)
    fold_weights(part.graph)
    changed = kind.rewrite(part, rows)
    if not changed:
        raise ModelError(
            f"{variant} changes nothing in {model.name}: it works on {kind.works_on}, and the model consists of "
            f"{', '.join(there)}",
            where=model.uri,
            hint="trees and linear models of scikit-learn are small as they are; compress the file to send it.",
        )
    made = put_back(whole, model.info, part)
    data = bytes(made.SerializeToString(deterministic=True))
    new = OnnxGraph(data, graph.feeds, graph.steps, graph.raw.features)
    _same_features(rows, features_of(made, model.info, new, sample))
    found = scores_apart(graph, new, sample)
    found.check(max_difference, max_class_changes)
    limits = {"max_difference": max_difference, "max_class_changes": max_class_changes}
    _write(model, uri, data, _info(model, variant, changed, found, limits, (len(old), len(data))))
    return Model.load(uri, allow_host=model.runtime.allow_host)


def _variant(name: str) -> Variant:
    if name not in VARIANTS:
        raise ConfigError(f"no variant {name!r}", hint=did_you_mean(name, VARIANTS))
    return VARIANTS[name]


def _same_features(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> None:
    """The promise on the preprocessing, kept on every sample row: what reaches the model has the same bits."""
    for a, b in zip(old, new, strict=True):
        for name in a:
            if a[name].dtype != b[name].dtype or a[name].tobytes() != b[name].tobytes():
                raise ModelError(f"the variant's preprocessing gives other values for {name!r}")


def _info(
    model: Model,
    variant: str,
    changed: Counter[str],
    found: Difference,
    limits: Mapping[str, float | None],
    sizes: tuple[int, int],
) -> dict[str, Any]:
    manifest = model.runtime.manifest
    fingerprint = manifest.fingerprint if manifest else None
    return {
        **model.info,
        "parity": {**found.to_json(), "tolerance": dict(limits), "against": "the original model"},
        "native": "none: the framework's own files are the original model's",
        "optimised": {
            "variant": variant,
            "original": {"name": model.name, "fingerprint": fingerprint, "parity": model.info["parity"]},
            "changed": dict(sorted(changed.items())),
            "bytes": {"original": sizes[0], "variant": sizes[1]},
        },
    }


def _write(model: Model, uri: str, graph: bytes, info: Mapping[str, Any]) -> None:
    text = json.dumps(info, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"
    there = [name for name in _COPIED if store.exists(store.join(model.uri, name))]
    content = {name: read_file(model.uri, name) for name in there}
    write_model_files(uri, content | {"model.onnx": graph, "model.json": text.encode()})

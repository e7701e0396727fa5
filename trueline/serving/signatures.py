"""The signatures of a model in TensorFlow Serving's sense: names, methods, and the tensors that go in and out.

Every model has ``serving_default`` for predict. A classifier has ``classification`` besides, what gives a number
``regression``: both take serialised ``tf.Example`` in one tensor ``inputs``, as TensorFlow's own do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trueline._core.runtime import ModelRuntime
from trueline._core.values import RawFeature
from trueline.serving.errors import Code, RequestError
from trueline.serving.tasks import probabilities_output, regression_output

__all__ = ["SERVING_DEFAULT", "Signature", "TensorSpec", "check_signature", "signatures_of"]

SERVING_DEFAULT = "serving_default"
DTYPES = {
    "float64": "DT_DOUBLE",
    "float32": "DT_FLOAT",
    "int64": "DT_INT64",
    "int32": "DT_INT32",
    "bool": "DT_BOOL",
    "utf8": "DT_STRING",
    "bytes": "DT_STRING",
    "timestamp": "DT_INT64",
}
_METHODS = {"predict": SERVING_DEFAULT, "classify": "classification", "regress": "regression"}
_PREFIX = "tensorflow/serving/"


@dataclass(frozen=True)
class TensorSpec:
    """One tensor of a signature.

    Attributes:
        name: the tensor's name in the graph, ``fare:0``.
        dtype: TensorFlow's name of the type, ``DT_DOUBLE``.
        shape: its sizes, -1 where any will do; the first one is the rows.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """One way to call a model.

    Attributes:
        method: ``tensorflow/serving/predict``, ``.../classify`` or ``.../regress``.
        inputs: tensors by name.
        outputs: tensors by name.
    """

    method: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


def signatures_of(runtime: ModelRuntime) -> dict[str, Signature]:
    """Every signature of a model by name."""
    outputs = {}
    for output in runtime.outputs:
        name = str(output["name"])
        shape = tuple(-1 if size is None else int(size) for size in output.get("shape", [None]))
        outputs[name] = TensorSpec(f"{name}:0", DTYPES.get(output["dtype"], "DT_INVALID"), shape)
    made = {SERVING_DEFAULT: Signature(_PREFIX + "predict", {f.name: _input(f) for f in runtime.inputs}, outputs)}
    examples = {"inputs": TensorSpec("tf_example:0", "DT_STRING", (-1,))}
    scores, values = probabilities_output(runtime), regression_output(runtime)
    if scores is not None:
        shape = (-1, len(runtime.classes) if runtime.classes else outputs[scores].shape[-1])
        both = {
            "classes": TensorSpec("classes:0", "DT_STRING", shape),
            "scores": TensorSpec(f"{scores}:0", "DT_FLOAT", shape),
        }
        made["classification"] = Signature(_PREFIX + "classify", examples, both)
    if values is not None:
        out = {"outputs": TensorSpec(f"{values}:0", "DT_FLOAT", (-1,))}
        made["regression"] = Signature(_PREFIX + "regress", examples, out)
    return made


def _input(feature: RawFeature) -> TensorSpec:
    shape = (-1,) if feature.kind == "scalar" else (-1, feature.size or -1)
    return TensorSpec(f"{feature.name}:0", DTYPES[feature.dtype], shape)


def check_signature(runtime: ModelRuntime, name: str, verb: str, unknown: Code = Code.INVALID_ARGUMENT) -> None:
    """Checks that a signature can be asked by a verb; ``""`` and ``serving_default`` are right for every verb.

    Args:
        runtime: the model.
        name: the signature's name in the request.
        verb: ``predict``, ``classify`` or ``regress``.
        unknown: the code for a signature that the model does not have.

    Raises:
        RequestError: `unknown`; INVALID_ARGUMENT, for a signature of another verb.
    """
    if name in ("", SERVING_DEFAULT, _METHODS[verb]) and (
        verb == "predict" or _METHODS[verb] in signatures_of(runtime)
    ):
        return
    known = signatures_of(runtime)
    if name not in ("", SERVING_DEFAULT) and name not in known:
        names = ", ".join(repr(n) for n in known)
        raise RequestError(
            unknown,
            f'Serving signature name: "{name}" not found in signature def',
            hint=f"signatures of this model: {names}.",
        )
    method = known[name or SERVING_DEFAULT].method
    asks = {signature.method.removeprefix(_PREFIX) for signature in known.values()}
    raise RequestError(
        Code.INVALID_ARGUMENT,
        f"Expected {verb} signature method_name to be {_PREFIX}{verb}. Was: {method}",
        hint=f"this model answers {', '.join(sorted(asks))}.",
    )

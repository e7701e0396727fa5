"""Status and metadata answers in TensorFlow Serving's shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueline._core.runtime import ModelRuntime
from trueline.serving.errors import Code, RequestError
from trueline.serving.versions import State, Version

__all__ = ["SIGNATURE", "metadata", "status"]

SIGNATURE = "serving_default"
_DTYPES = {
    "float64": "DT_DOUBLE",
    "float32": "DT_FLOAT",
    "int64": "DT_INT64",
    "bool": "DT_BOOL",
    "utf8": "DT_STRING",
    "bytes": "DT_STRING",
    "timestamp": "DT_INT64",
}
_METHOD = "tensorflow/serving/predict"


def status(name: str, versions: Mapping[int, Version], number: int | None) -> dict[str, Any]:
    """GetModelStatus: every tracked version, the newest first, or the one that was asked for.

    Raises:
        RequestError: 404, when there is none.
    """
    chosen: Sequence[Version]
    if number is None:
        chosen = [versions[n] for n in sorted(versions, reverse=True)]
        if not chosen:
            raise RequestError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
    elif number in versions:
        chosen = [versions[number]]
    else:
        raise RequestError(Code.NOT_FOUND, f"Could not find version {number} of model {name}")
    return {"model_version_status": [_one_status(v) for v in chosen]}


def _one_status(version: Version) -> dict[str, Any]:
    failed = version.state is State.END and version.error
    return {
        "version": str(version.number),
        "state": str(version.state),
        "status": {"error_code": "UNKNOWN" if failed else "OK", "error_message": version.error},
    }


def metadata(name: str, number: int, runtime: ModelRuntime) -> dict[str, Any]:
    """GetModelMetadata, and under ``trueline`` what the model says of itself: raw features, classes, task."""
    inputs = {
        f.name: _tensor(f.name, f.dtype, [-1] + ([f.size or -1] if f.kind != "scalar" else [])) for f in runtime.inputs
    }
    outputs = {
        o["name"]: _tensor(o["name"], o["dtype"], [-1 if d is None else d for d in o.get("shape", [None])])
        for o in runtime.outputs
    }
    definition = {"inputs": inputs, "outputs": outputs, "method_name": _METHOD}
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(number)},
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: definition}}},
        "trueline": {
            "inputs": [f.to_json() for f in runtime.inputs],
            "outputs": runtime.outputs,
            "classes": runtime.classes,
            "task": runtime.info.get("task"),
            "framework": runtime.info.get("framework"),
            "fingerprint": runtime.manifest.fingerprint if runtime.manifest else None,
        },
    }


def _tensor(name: str, dtype: str, shape: Sequence[int]) -> dict[str, Any]:
    dims = [{"size": str(size), "name": ""} for size in shape]
    return {
        "dtype": _DTYPES.get(dtype, "DT_INVALID"),
        "tensor_shape": {"dim": dims, "unknown_rank": False},
        "name": f"{name}:0",
    }

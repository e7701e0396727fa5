"""Status and metadata answers in TensorFlow Serving's shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trueline._core.runtime import ModelRuntime
from trueline.serving.errors import Code, RequestError
from trueline.serving.signatures import Signature, TensorSpec, signatures_of
from trueline.serving.versions import State, Version

__all__ = ["metadata", "status"]


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
    signatures = {key: _signature(signature) for key, signature in signatures_of(runtime).items()}
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(number)},
        "metadata": {"signature_def": {"signature_def": signatures}},
        "trueline": {
            "inputs": [f.to_json() for f in runtime.inputs],
            "outputs": runtime.outputs,
            "classes": runtime.classes,
            "task": runtime.info.get("task"),
            "framework": runtime.info.get("framework"),
            "fingerprint": runtime.manifest.fingerprint if runtime.manifest else None,
        },
    }


def _signature(signature: Signature) -> dict[str, Any]:
    return {
        "inputs": {name: _tensor(tensor) for name, tensor in signature.inputs.items()},
        "outputs": {name: _tensor(tensor) for name, tensor in signature.outputs.items()},
        "method_name": signature.method,
        "defaults": {},
    }


def _tensor(tensor: TensorSpec) -> dict[str, Any]:
    dims = [{"size": str(size), "name": ""} for size in tensor.shape]
    return {
        "dtype": tensor.dtype,
        "tensor_shape": {"dim": dims, "unknown_rank": False},
        "name": tensor.name,
    }

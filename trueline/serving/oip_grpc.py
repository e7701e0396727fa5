"""The Open Inference Protocol v2 over gRPC: ``inference.GRPCInferenceService``.

A request whose inputs come as ``raw_input_contents`` is answered with ``raw_output_contents``, one with typed contents
with typed contents, as KServe's server does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trueline._core.version import __version__
from trueline.serving.grpc_calls import Method
from trueline.serving.grpc_descriptors import Message, message
from trueline.serving.oip_features import packed_from_tensors
from trueline.serving.oip_outputs import (
    EXTENSIONS,
    SERVER_NAME,
    Wanted,
    check_wanted,
    chosen_outputs,
    is_ready,
    model_metadata,
    model_spec,
)
from trueline.serving.oip_tensors import DATATYPES, Tensor, bad, datatype_of, raw_of, tensor_from_raw, tensor_from_typed
from trueline.serving.service import Answered, Call, Given, Service
from trueline.serving.versions import Live

__all__ = ["OpenInferenceGrpc"]

_PACKAGE = "inference."
_ASIDE_BYTES = 64 * 1024

_CONTENTS: dict[str, str] = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""By datatype the field of InferTensorContents; FP16 has none and comes raw."""


@dataclass(frozen=True, slots=True)
class _Inference(Given):
    wanted: tuple[Wanted, ...]


class OpenInferenceGrpc:
    """Answers the methods of ``inference.GRPCInferenceService``.

    Args:
        service: the models.
        ready: whether the server is ready.
    """

    NAME = _PACKAGE + "GRPCInferenceService"

    def __init__(self, service: Service, ready: Callable[[], bool]) -> None:
        self._service = service
        self._ready = ready

    @property
    def methods(self) -> Mapping[str, Method]:
        """What answers, by method."""
        return {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server_metadata,
            "ModelMetadata": self.model_metadata,
            "ModelInfer": self.model_infer,
        }

    async def server_live(self, request: Message, call: Call) -> Message:
        """Always true: a server that is not live does not answer."""
        return message(_PACKAGE + "ServerLiveResponse")(live=True)

    async def server_ready(self, request: Message, call: Call) -> Message:
        """Whether every model answers and the server is not on its way out."""
        return message(_PACKAGE + "ServerReadyResponse")(ready=self._ready())

    async def model_ready(self, request: Message, call: Call) -> Message:
        """Whether a model, or one version of it, answers.

        Raises:
            RequestError: NOT_FOUND, for a model or version that the server does not know.
        """
        spec = model_spec(self._service, request.name, request.version, "metadata")
        return message(_PACKAGE + "ModelReadyResponse")(ready=is_ready(self._service, spec))

    async def server_metadata(self, request: Message, call: Call) -> Message:
        """Name, version and extensions of the server."""
        extensions = [name for name in EXTENSIONS if name != "binary_tensor_data"]  # that one is of HTTP alone
        return message(_PACKAGE + "ServerMetadataResponse")(
            name=SERVER_NAME, version=__version__, extensions=extensions
        )

    async def model_metadata(self, request: Message, call: Call) -> Message:
        """Inputs and outputs of a model.

        Raises:
            RequestError: NOT_FOUND, for a model or version that does not answer.
        """
        spec = model_spec(self._service, request.name, request.version, "metadata")
        version = self._service.find(spec)
        assert version.live is not None
        available = self._service.manager.table[spec.name].versions
        return message(_PACKAGE + "ModelMetadataResponse")(**model_metadata(spec.name, available, version.live.runtime))

    async def model_infer(self, request: Message, call: Call) -> Message:
        """Inference.

        Raises:
            RequestError: NOT_FOUND, INVALID_ARGUMENT for inputs and outputs that do not fit, and what
                `Service.answer` raises.
        """
        call.api = "infer"
        spec = model_spec(self._service, request.model_name, request.model_version, "infer")

        def parse(live: Live) -> Given:
            wanted = _wanted(request)
            check_wanted(live, wanted)
            packed, rows = packed_from_tensors(live.runtime.graph, _tensors(request), self._service.options)
            return _Inference(packed, rows, wanted)

        def encode(answered: Answered) -> Message:
            return _response(request, answered)

        response, _ = await self._service.answer(spec, call, parse, encode, aside=request.ByteSize() > _ASIDE_BYTES)
        return response


def _wanted(request: Message) -> tuple[Wanted, ...]:
    wanted = []
    for output in request.outputs:
        classes = 0
        if "classification" in output.parameters:
            given = output.parameters["classification"]
            classes = getattr(given, given.WhichOneof("parameter_choice") or "int64_param")
            if type(classes) is not int or classes < 1:
                raise bad(
                    f"output {output.name!r}: 'classification' must be a whole number from 1, got {classes!r:.40}"
                )
        wanted.append(Wanted(output.name, classes=classes))
    return tuple(wanted)


def _tensors(request: Message) -> list[Tensor]:
    raw = request.raw_input_contents
    if raw:
        if len(raw) != len(request.inputs):
            raise bad(f"{len(request.inputs)} inputs have {len(raw)} raw_input_contents: expected one for each")
        for given in request.inputs:
            if given.HasField("contents"):
                raise bad(f"input {given.name!r} has 'contents' beside raw_input_contents: give one of both")
        return [
            tensor_from_raw(given.name, given.datatype, list(given.shape), data)
            for given, data in zip(request.inputs, raw, strict=True)
        ]
    return [_typed(given) for given in request.inputs]


def _typed(given: Message) -> Tensor:
    field = _CONTENTS.get(given.datatype)
    if field is None and given.datatype in DATATYPES:
        raise bad(f"input {given.name!r}: {given.datatype} is sent in raw_input_contents only")
    filled = [descriptor.name for descriptor, _ in given.contents.ListFields()]
    if field is not None and filled not in ([], [field]):
        raise bad(f"input {given.name!r}: {given.datatype} is sent in {field}, got {', '.join(filled)}")
    values = getattr(given.contents, field) if field is not None else []
    return tensor_from_typed(given.name, given.datatype, list(given.shape), values)


def _response(request: Message, answered: Answered) -> Message:
    given = answered.given
    assert isinstance(given, _Inference)
    response = message(_PACKAGE + "ModelInferResponse")(
        model_name=answered.name, model_version=str(answered.number), id=request.id
    )
    chosen: Sequence[tuple[Wanted, npt.NDArray[Any]]] = chosen_outputs(
        answered.live.runtime, answered.outputs, given.wanted
    )
    raw = bool(request.raw_input_contents) or any(datatype_of(array) == "FP16" for _, array in chosen)
    for wanted, array in chosen:
        datatype = datatype_of(array)
        output = response.outputs.add(name=wanted.name, datatype=datatype, shape=array.shape)
        if raw:
            response.raw_output_contents.append(raw_of(array))
        else:
            getattr(output.contents, _CONTENTS[datatype]).extend(_contents(array))
    return response


def _contents(array: npt.NDArray[Any]) -> Any:
    if array.dtype == object:
        return [v if isinstance(v, bytes) else str(v).encode() for v in array.ravel()]
    return np.ascontiguousarray(array).ravel().tolist()

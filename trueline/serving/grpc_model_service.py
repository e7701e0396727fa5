"""TensorFlow Serving's ModelService: the states of versions, and a new configuration while the server runs."""

from __future__ import annotations

from collections.abc import Mapping

from trueline.serving.grpc_calls import Method
from trueline.serving.grpc_descriptors import Message, enum_numbers, message
from trueline.serving.grpc_model_spec import model_spec_of
from trueline.serving.payloads import status
from trueline.serving.service import Call, Service

__all__ = ["ModelService"]

_PACKAGE = "tensorflow.serving."


class ModelService:
    """Answers the methods of ``tensorflow.serving.ModelService``.

    Args:
        service: the models.
    """

    NAME = _PACKAGE + "ModelService"

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def methods(self) -> Mapping[str, Method]:
        """What answers, by method."""
        return {"GetModelStatus": self.get_model_status}

    async def get_model_status(self, request: Message, call: Call) -> Message:
        """Every tracked version of a model, ended ones too, or the one with the number; a label is not looked at.

        Raises:
            RequestError: NOT_FOUND, when there is none.
        """
        spec = model_spec_of(request)
        tracked = self._service.manager.tracked.get(spec.name, {})
        states = enum_numbers(_PACKAGE + "ModelVersionStatus.State")
        codes = enum_numbers("tensorflow.error.Code")
        response = message(_PACKAGE + "GetModelStatusResponse")()
        for told in status(spec.name, tracked, spec.version)["model_version_status"]:
            version = response.model_version_status.add()
            version.version = int(told["version"])
            version.state = states[told["state"]]
            version.status.error_code = codes[told["status"]["error_code"]]
            version.status.error_message = told["status"]["error_message"]
        return response

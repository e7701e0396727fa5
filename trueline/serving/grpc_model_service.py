"""TensorFlow Serving's ModelService: the states of versions, and a new configuration while the server runs.

A configuration by request names folders, so it is closed unless the server was started with a root for it: base paths
then lie below that root, or are served already.
"""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from google.protobuf import text_format

from trueline._core.errors import ConfigError
from trueline.serving.config import ServerConfig
from trueline.serving.config_text import read_model_config_list
from trueline.serving.errors import Code, RequestError
from trueline.serving.grpc_calls import Method
from trueline.serving.grpc_descriptors import Message, enum_numbers, message
from trueline.serving.grpc_model_spec import model_spec_of
from trueline.serving.payloads import status
from trueline.serving.service import Call, Service

__all__ = ["ModelService", "is_below"]

_PACKAGE = "tensorflow.serving."


class ModelService:
    """Answers the methods of ``tensorflow.serving.ModelService``.

    Args:
        service: the models.
        reload_root: the folder or URL below which a new configuration's models lie; None closes
            ``HandleReloadConfigRequest``.
    """

    NAME = _PACKAGE + "ModelService"

    def __init__(self, service: Service, reload_root: str | None = None) -> None:
        self._service = service
        self._root = reload_root

    @property
    def methods(self) -> Mapping[str, Method]:
        """What answers, by method."""
        return {"GetModelStatus": self.get_model_status, "HandleReloadConfigRequest": self.reload}

    async def get_model_status(self, request: Message, call: Call) -> Message:
        """Every tracked version of a model, ended ones too, or the one with the number; a label is not looked at.

        Raises:
            RequestError: NOT_FOUND, when there is none.
        """
        spec = model_spec_of(request)
        if self._service.permit is not None:
            self._service.permit(spec.name, "status")
        tracked = self._service.manager.reported.get(spec.name, {})
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

    async def reload(self, request: Message, call: Call) -> Message:
        """Replaces the whole configuration, or nothing of it: models that it does not name are unloaded.

        Returns when every new model has an available version; with the increase, by name, of the asked metrics.

        Raises:
            RequestError: PERMISSION_DENIED, where it is closed or a base path lies outside the root; INVALID_ARGUMENT,
                for a configuration that is wrong; what `ModelManager.apply` raises.
        """
        config = self._config(request)
        before = _metric_values(request.metric_names, self._service.metrics.text())
        try:
            await self._service.manager.apply(config)
        except ConfigError as error:
            raise _wrong(error) from None
        after = _metric_values(request.metric_names, self._service.metrics.text())
        response = message(_PACKAGE + "ReloadConfigResponse")()
        response.status.SetInParent()
        for name in dict.fromkeys(request.metric_names):
            response.metric.add(name=name, int64_value_increase=after[name] - before[name])
        return response

    def _config(self, request: Message) -> ServerConfig:
        if self._root is None:
            raise RequestError(
                Code.PERMISSION_DENIED,
                "this server takes no configuration by gRPC",
                hint="start it with --grpc-reload-root FOLDER, or change its file of models.",
            )
        if request.config.WhichOneof("config") != "model_config_list":
            raise RequestError(Code.INVALID_ARGUMENT, "expected a configuration with model_config_list")
        try:
            config = read_model_config_list(text_format.MessageToString(request.config, as_utf8=True))
        except ConfigError as error:
            raise _wrong(error) from None
        served = {model.base for model in self._service.manager.config.models}
        outside = [m for m in config.models if m.base not in served and not is_below(m.base, self._root)]
        if outside:
            raise RequestError(
                Code.PERMISSION_DENIED,
                "base paths lie outside the root that this server was started with",
                problems=[f"model {m.name!r}: {m.base}" for m in outside],
            )
        return config


def is_below(base: str, root: str) -> bool:
    """Whether a folder lies in another, links followed; or a URL of an object store below another.

    >>> is_below("s3://models/taxi", "s3://models"), is_below("s3://models-2/taxi", "s3://models")
    (True, False)
    """
    if "://" in base or "://" in root:
        scheme, _, path = base.partition("://")
        root_scheme, _, root_path = root.partition("://")
        plain = posixpath.normpath(path) == path.rstrip("/")
        return plain and scheme == root_scheme and path.startswith(root_path.rstrip("/") + "/")
    if not os.path.isabs(base):  # what is no folder goes by another kind of source
        return False
    real, real_root = os.path.realpath(base), os.path.realpath(root)
    return os.path.commonpath([real, real_root]) == real_root


def _wrong(error: ConfigError) -> RequestError:
    return RequestError(Code.INVALID_ARGUMENT, error.message, hint=error.hint, problems=error.problems)


def _metric_values(names: Iterable[str], text: bytes) -> Mapping[str, int]:
    """By name the sum of a metric over all its labels; 0 for one that is not there, as TensorFlow Serving has it."""
    wanted: dict[str, Sequence[str]] = {name: [name, name.replace("/", ":")] for name in names}
    values: Counter[str] = Counter()
    if wanted:
        for line in text.decode().splitlines():
            sample, _, value = line.rpartition(" ")
            name = sample.partition("{")[0]
            values.update({key: int(float(value)) for key, spelled in wanted.items() if name in spelled})
    return values

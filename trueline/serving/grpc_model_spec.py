"""TensorFlow Serving's ModelSpec: which model a request is for, and which version answered."""

from __future__ import annotations

from trueline.serving.errors import Code, RequestError
from trueline.serving.grpc_descriptors import Message
from trueline.serving.service import ModelSpec
from trueline.serving.signatures import SERVING_DEFAULT

__all__ = ["fill_model_spec", "model_spec_of"]


def model_spec_of(request: Message) -> ModelSpec:
    """The model that a message with the field ``model_spec`` asks for.

    Raises:
        RequestError: INVALID_ARGUMENT, when it names none.
    """
    if not request.HasField("model_spec"):
        raise RequestError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
    spec = request.model_spec
    if not spec.name:
        raise RequestError(Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    if choice == "version":
        return ModelSpec(spec.name, version=spec.version.value)
    return ModelSpec(spec.name, label=spec.version_label if choice else None)


def fill_model_spec(spec: Message, name: str, number: int, signature: str = SERVING_DEFAULT) -> None:
    """Writes which model, version and signature answered; an empty `signature` stands for the default one."""
    spec.name = name
    spec.version.value = number
    spec.signature_name = signature or SERVING_DEFAULT

"""TensorFlow Serving's PredictionService: Predict, Classify, Regress, MultiInference and GetModelMetadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from trueline._core.runtime import ModelRuntime
from trueline.serving.errors import Code, RequestError
from trueline.serving.grpc_calls import Method
from trueline.serving.grpc_descriptors import Message, enum_numbers, message
from trueline.serving.grpc_examples import given_of_input
from trueline.serving.grpc_inputs import given_of_tensors
from trueline.serving.grpc_model_spec import fill_model_spec, model_spec_of
from trueline.serving.grpc_tensors import TensorError, fill_tensor
from trueline.serving.service import Answered, Call, Given, Service
from trueline.serving.signatures import SERVING_DEFAULT, Signature, TensorSpec, check_signature, signatures_of
from trueline.serving.tasks import Outputs, classes_and_scores, regression_values
from trueline.serving.versions import Live

__all__ = ["PredictionService"]

_PACKAGE = "tensorflow.serving."
_ASIDE_BYTES = 64 * 1024
_SIGNATURE_DEF = "signature_def"


class PredictionService:
    """Answers the methods of ``tensorflow.serving.PredictionService``.

    Args:
        service: the models.
    """

    NAME = _PACKAGE + "PredictionService"

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def methods(self) -> Mapping[str, Method]:
        """What answers, by method."""
        return {
            "Predict": self.predict,
            "Classify": self.classify,
            "Regress": self.regress,
            "MultiInference": self.multi_inference,
            "GetModelMetadata": self.get_model_metadata,
        }

    async def predict(self, request: Message, call: Call) -> Message:
        """One tensor for each feature in, all outputs or those of ``output_filter`` out.

        Raises:
            RequestError: FAILED_PRECONDITION, for a signature that the model lacks; INVALID_ARGUMENT, for inputs or an
                output filter that do not fit the model; what `Service.answer` raises.
        """
        spec = model_spec_of(request)
        signature = request.model_spec.signature_name

        def parse(live: Live) -> Given:
            check_signature(live.runtime, signature, "predict", Code.FAILED_PRECONDITION)
            if request.output_filter:
                _check_filter(request.output_filter, live.runtime.graph.output_names)
            return given_of_tensors(live.runtime.graph, request.inputs, self._service.options)

        def encode(answered: Answered) -> Message:
            response = message(_PACKAGE + "PredictResponse")()
            fill_model_spec(response.model_spec, answered.name, answered.number, signature)
            _fill_outputs(response.outputs, answered.outputs, request.output_filter)
            return response

        response, _ = await self._service.answer(spec, call, parse, encode, aside=request.ByteSize() > _ASIDE_BYTES)
        return response

    async def classify(self, request: Message, call: Call) -> Message:
        """tf.Examples in, each one's classes with their scores out.

        Raises:
            RequestError: INVALID_ARGUMENT, for a model that is no classifier, a signature that it lacks, and examples
                that do not fit it; what `Service.answer` raises.
        """
        return await self._one_task(request, call, "classify", "ClassificationResponse", _fill_classes)

    async def regress(self, request: Message, call: Call) -> Message:
        """tf.Examples in, one number for each out.

        Raises:
            RequestError: INVALID_ARGUMENT, for a model that gives no number, a signature that it lacks, and examples
                that do not fit it; what `Service.answer` raises.
        """
        return await self._one_task(request, call, "regress", "RegressionResponse", _fill_values)

    async def _one_task(self, request: Message, call: Call, verb: str, kind: str, fill: _Fill) -> Message:
        spec = model_spec_of(request)
        signature = request.model_spec.signature_name

        def parse(live: Live) -> Given:
            check_signature(live.runtime, signature, verb)
            return given_of_input(live.runtime.graph, request.input, self._service.options)

        def encode(answered: Answered) -> Message:
            response = message(_PACKAGE + kind)()
            fill_model_spec(response.model_spec, answered.name, answered.number, signature)
            fill(response.result, answered.live.runtime, answered.outputs)
            return response

        response, _ = await self._service.answer(spec, call, parse, encode, aside=request.ByteSize() > _ASIDE_BYTES)
        return response

    async def multi_inference(self, request: Message, call: Call) -> Message:
        """Several tasks over the same tf.Examples and one model: the model runs once.

        Raises:
            RequestError: INVALID_ARGUMENT, for no task, two models, or one signature twice; UNIMPLEMENTED, for a task
                that is neither classify nor regress; what `classify` and `regress` raise.
        """
        tasks = list(request.tasks)
        _check_tasks(tasks)
        call.api = "multi_inference"

        def parse(live: Live) -> Given:
            for task in tasks:
                check_signature(live.runtime, task.model_spec.signature_name, _TASKS[task.method_name].verb)
            return given_of_input(live.runtime.graph, request.input, self._service.options)

        def encode(answered: Answered) -> Message:
            response = message(_PACKAGE + "MultiInferenceResponse")()
            for task in tasks:
                made, kind = response.results.add(), _TASKS[task.method_name]
                fill_model_spec(made.model_spec, answered.name, answered.number, task.model_spec.signature_name)
                kind.fill(getattr(made, kind.result), answered.live.runtime, answered.outputs)
            return response

        spec, aside = model_spec_of(tasks[0]), request.ByteSize() > _ASIDE_BYTES
        response, _ = await self._service.answer(spec, call, parse, encode, aside=aside)
        return response

    async def get_model_metadata(self, request: Message, call: Call) -> Message:
        """The signatures of a version, as TensorFlow Serving packs them: a SignatureDefMap under ``signature_def``.

        Raises:
            RequestError: INVALID_ARGUMENT, when ``metadata_field`` holds anything but ``signature_def``; NOT_FOUND.
        """
        spec = model_spec_of(request)
        if not request.metadata_field:
            raise _bad("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                raise _bad(f"Metadata field {field} is not supported", f"ask for {_SIGNATURE_DEF!r}.")
        call.api = "metadata"
        version = self._service.find(spec, call)
        assert version.live is not None
        response = message(_PACKAGE + "GetModelMetadataResponse")()
        response.model_spec.name = spec.name
        response.model_spec.version.value = version.number
        response.metadata[_SIGNATURE_DEF].Pack(_signature_map(version.live.runtime))
        return response


def _check_filter(wanted: Sequence[str], outputs: Sequence[str]) -> None:
    seen = set()
    for name in wanted:
        if name not in outputs:
            known = ",".join(sorted(outputs))
            raise _bad(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set {{{known}}}."
            )
        if name in seen:
            raise _bad(f"duplicate output tensor alias: {name}")
        seen.add(name)


def _fill_outputs(into: Any, outputs: Outputs, wanted: Sequence[str]) -> None:
    for name in wanted or outputs:
        try:
            fill_tensor(into[name], outputs[name])
        except TensorError as error:
            raise RequestError(Code.INTERNAL, f"output {name!r}: {error}") from None


_Fill = Callable[[Message, ModelRuntime, Outputs], None]


def _fill_classes(result: Message, runtime: ModelRuntime, outputs: Outputs) -> None:
    labels, scores = classes_and_scores(runtime, outputs)
    for row in scores.tolist():
        classes = result.classifications.add().classes
        for label, score in zip(labels, row, strict=True):
            classes.add(label=label, score=score)


def _fill_values(result: Message, runtime: ModelRuntime, outputs: Outputs) -> None:
    for value in regression_values(runtime, outputs).tolist():
        result.regressions.add(value=value)


class _Task:
    """One kind of task of MultiInference."""

    def __init__(self, verb: str, result: str, fill: _Fill) -> None:
        self.verb, self.result, self.fill = verb, result, fill


_TASKS: Mapping[str, _Task] = MappingProxyType(
    {
        "tensorflow/serving/classify": _Task("classify", "classification_result", _fill_classes),
        "tensorflow/serving/regress": _Task("regress", "regression_result", _fill_values),
    }
)


def _check_tasks(tasks: Sequence[Message]) -> None:
    if not tasks:
        raise _bad("the request has no tasks", "send at least one InferenceTask.")
    signatures: set[str] = set()
    for task in tasks:
        name = model_spec_of(task).name
        if name != tasks[0].model_spec.name:
            raise _bad(
                "all tasks of a MultiInferenceRequest must be for the same model, "
                f"got {tasks[0].model_spec.name!r} and {name!r}"
            )
        signature = task.model_spec.signature_name or SERVING_DEFAULT
        if signature in signatures:
            raise _bad(f"Duplicate evaluation of signature: {signature}")
        signatures.add(signature)
        if task.method_name not in _TASKS:
            raise RequestError(
                Code.UNIMPLEMENTED,
                f"Unsupported signature method_name: {task.method_name}",
                hint=f"there are {' and '.join(_TASKS)}.",
            )


def _signature_map(runtime: ModelRuntime) -> Message:
    made = message(_PACKAGE + "SignatureDefMap")()
    for name, signature in signatures_of(runtime).items():
        _fill_signature(made.signature_def[name], signature)
    return made


def _fill_signature(definition: Message, signature: Signature) -> None:
    definition.method_name = signature.method
    for specs, into in ((signature.inputs, definition.inputs), (signature.outputs, definition.outputs)):
        for name, tensor in specs.items():
            _fill_info(into[name], tensor)


def _fill_info(info: Message, tensor: TensorSpec) -> None:
    info.name = tensor.name
    info.dtype = enum_numbers("tensorflow.DataType")[tensor.dtype]
    for size in tensor.shape:
        info.tensor_shape.dim.add(size=size)


def _bad(text: str, hint: str | None = None) -> RequestError:
    return RequestError(Code.INVALID_ARGUMENT, text, hint=hint)

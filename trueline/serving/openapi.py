"""The OpenAPI 3.1 document of a server, made from the signatures of the models that it serves just now.

Every model has its own paths, so that bodies and answers are described feature by feature. The document is made anew
when the routing table changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from trueline._core.version import __version__
from trueline.serving.asgi import Answer
from trueline.serving.codec import dump
from trueline.serving.openapi_schemas import (
    Schema,
    classify_request,
    classify_response,
    error_schema,
    explain_request,
    explain_response,
    instance,
    predict_request,
    predict_response,
)
from trueline.serving.openapi_tensors import infer_request, infer_response
from trueline.serving.options import ServerOptions
from trueline.serving.rest_formats import MEDIA_TYPES
from trueline.serving.service import Service
from trueline.serving.signatures import signatures_of
from trueline.serving.try_page import permitted_routes
from trueline.serving.versions import Live

__all__ = ["OpenApiPage", "openapi_document"]

_JSON = "application/json"
_TEXTS = {
    200: "the answer",
    400: "the request does not fit",
    401: "a key or token is wanted",
    403: "the key or token does not allow it",
    404: "no such model or version",
    405: "another method is wanted",
    406: "no answer can be given in a form that is accepted",
    408: "the request was not sent in time",
    413: "the body is too large",
    415: "a table without its content type",
    429: "too many requests",
    500: "the model failed",
    503: "overloaded, or not ready",
    504: "no answer in time",
}
_OF_READS = (400, 404, 405, 503)
_OF_RUNS = (400, 404, 405, 408, 413, 429, 500, 503, 504)
_VERSION_HEADER: Schema = {"required": True, "schema": {"type": "string"}, "description": "the version that answered"}


@dataclass(frozen=True)
class _Operation:
    """One path with one method.

    Attributes:
        path: as OpenAPI writes it.
        method: in lower case.
        tag: the group it stands in.
        summary: what it does, in one line.
        answers: content by media type of status 200.
        statuses: other statuses, each with an error.
        body: content of the request by media type, or None.
        special: schemas of other statuses whose body is no error.
    """

    path: str
    method: str
    tag: str
    summary: str
    answers: Mapping[str, Schema]
    statuses: tuple[int, ...]
    body: Mapping[str, Schema] | None = None
    special: Mapping[int, Schema] | None = None

    def document(self) -> dict[str, Any]:
        """The operation object."""
        answered: dict[str, Any] = {"description": _TEXTS[200], "content": _content(self.answers)}
        if self.body is not None:
            answered["headers"] = {"x-model-version": _VERSION_HEADER}
        responses: dict[str, Any] = {"200": answered}
        for status in self.statuses:
            special = (self.special or {}).get(status, {"$ref": "#/components/schemas/Error"})
            responses[str(status)] = {"description": _TEXTS[status], "content": _content({_JSON: special})}
        made: dict[str, Any] = {
            "operationId": re.sub(r"[^A-Za-z0-9]+", "_", f"{self.method}{self.path}").strip("_"),
            "tags": [self.tag],
            "summary": self.summary,
            "responses": responses,
        }
        if self.body is not None:
            made["requestBody"] = {"required": True, "content": _content(self.body)}
        return made


def _content(schemas: Mapping[str, Schema]) -> dict[str, Any]:
    return {media: {"schema": schema} for media, schema in schemas.items()}


def _object(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required or properties)}


_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_LIST: Schema = {"type": "array", "items": {"type": "object"}}
_STATUS = _object(
    model_version_status={
        "type": "array",
        "items": _object(
            version=_TEXT,
            state={"enum": ["START", "LOADING", "AVAILABLE", "UNLOADING", "END", "UNKNOWN"]},
            status=_object(error_code=_TEXT, error_message=_TEXT),
        ),
    }
)
_METADATA = _object(model_spec={"type": "object"}, metadata={"type": "object"}, trueline={"type": "object"})
_OIP_METADATA = _object(
    "name", "platform", "inputs", "outputs",
    name=_TEXT, versions={"type": "array", "items": _TEXT}, platform=_TEXT, inputs=_LIST, outputs=_LIST,
    properties={"type": "object", "additionalProperties": _TEXT},
)  # fmt: skip
_READY = _object(ready=_FLAG)
_MODEL_READY = _object(name=_TEXT, ready=_FLAG)


def _server_operations(try_page: bool) -> Iterator[_Operation]:
    state = _object("ready", "draining", "models", ready=_FLAG, draining=_FLAG, models={"type": "object"})
    pages = (405,)
    yield _Operation("/healthz", "get", "server", "whether the process answers", {_JSON: _object(status=_TEXT)}, pages)
    yield _Operation(
        "/readyz", "get", "server", "whether every model answers", {_JSON: state}, (405, 503), special={503: state}
    )
    yield _Operation("/metrics", "get", "server", "Prometheus metrics", {"text/plain": _TEXT}, pages)
    yield _Operation("/openapi.json", "get", "server", "this document", {_JSON: {"type": "object"}}, pages)
    if try_page:
        yield _Operation("/try", "get", "server", "a page to try the models", {"text/html": _TEXT}, pages)
        yield _Operation("/try.json", "get", "server", "what that page shows", {_JSON: _LIST}, pages)
    about = _object(name=_TEXT, version=_TEXT, extensions={"type": "array", "items": _TEXT})
    v2 = "Open Inference Protocol"
    yield _Operation("/v2", "get", v2, "server metadata", {_JSON: about}, pages)
    yield _Operation("/v2/health/live", "get", v2, "server live", {_JSON: _object(live=_FLAG)}, pages)
    yield _Operation("/v2/health/ready", "get", v2, "server ready", {_JSON: _READY}, (405, 503), special={503: _READY})


_SIGNATURES = {"classify": "classification", "regress": "regression"}


def _verbs(live: Live, options: ServerOptions) -> list[str]:
    """What a model can be asked beside predict."""
    known = signatures_of(live.runtime)
    verbs = [verb for verb, signature in _SIGNATURES.items() if signature in known]
    return verbs + (["explain"] if options.explain and verbs else [])


def _model_operations(name: str, key: str, live: Live, options: ServerOptions) -> Iterator[_Operation]:
    def ref(part: str) -> Schema:
        return {"$ref": f"#/components/schemas/{key}.{part}"}

    v1, v2 = f"/v1/models/{quote(name, safe='')}", f"/v2/models/{quote(name, safe='')}"
    tables = {
        media.decode(): {"contentMediaType": media.decode()} for form, media in MEDIA_TYPES.items() if form != "json"
    }
    versions = "/versions/{version}"
    for place in ("", versions):
        yield _Operation(v1 + place, "get", name, "states of the versions", {_JSON: _STATUS}, (400, 404))
    for place in ("", versions, "/labels/{label}"):
        path = v1 + place
        yield _Operation(f"{path}/metadata", "get", name, "the signature", {_JSON: _METADATA}, (400, 404))
        yield _Operation(
            f"{path}:predict", "post", name, "predict: rows or columns", {_JSON: ref("Predictions"), **tables},
            (*_OF_RUNS[:2], 406, *_OF_RUNS[3:5], 415, *_OF_RUNS[5:]), {_JSON: ref("PredictRequest"), **tables},
        )  # fmt: skip
        for verb in _verbs(live, options):
            yield _Operation(
                f"{path}:{verb}", "post", name, verb, {_JSON: ref(f"{verb}.Results")},
                tuple(s for s in _OF_RUNS if s != 405), {_JSON: ref(f"{verb}.Request")},
            )  # fmt: skip
    for place in ("", versions):
        path = v2 + place
        yield _Operation(path, "get", name, "inputs and outputs (v2)", {_JSON: _OIP_METADATA}, (404, 405))
        yield _Operation(
            f"{path}/ready", "get", name, "model ready (v2)", {_JSON: _MODEL_READY}, (404, 405, 503),
            special={503: _MODEL_READY},
        )  # fmt: skip
        yield _Operation(
            f"{path}/infer", "post", name, "inference (v2)",
            {_JSON: ref("InferResponse"), "application/octet-stream": {}}, _OF_RUNS,
            {_JSON: ref("InferRequest"), "application/octet-stream": ref("InferRequest")},
        )  # fmt: skip


def _schemas(key: str, live: Live, options: ServerOptions) -> dict[str, Schema]:
    runtime = live.runtime
    row = {"$ref": f"#/components/schemas/{key}.Instance"}
    made = {
        "Instance": instance(runtime),
        "PredictRequest": predict_request(runtime, row, options),
        "Predictions": predict_response(runtime),
        "InferRequest": infer_request(runtime, options),
        "InferResponse": infer_response(runtime),
    }
    for verb in _verbs(live, options):
        if verb == "explain":
            made[f"{verb}.Request"] = explain_request(runtime, row, options)
            made[f"{verb}.Results"] = explain_response()
        else:
            made[f"{verb}.Request"] = classify_request(runtime, _SIGNATURES[verb], options)
            made[f"{verb}.Results"] = classify_response(verb)
    return {f"{key}.{part}": schema for part, schema in made.items()}


_OPEN = ("/healthz", "/readyz", "/metrics", "/try", "/v2/health/live", "/v2/health/ready")
_KEYS: dict[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key or a JSON Web Token"},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}


def openapi_document(service: Service) -> dict[str, Any]:
    """The document for the models that answer just now and that the caller may read, each as its default version."""
    options = service.options
    operations = list(_server_operations(options.try_page))
    schemas: dict[str, Schema] = {"Error": error_schema()}
    for name, routes in permitted_routes(service):
        live = None if routes.default is None else routes.default.live
        if live is not None:
            key = re.sub(r"[^A-Za-z0-9._-]", "_", name)
            key = key if f"{key}.Instance" not in schemas else f"{key}.{len(schemas)}"
            operations += _model_operations(name, key, live, options)
            schemas |= _schemas(key, live, options)
    paths: dict[str, Any] = {}
    for operation in operations:
        item = paths.setdefault(operation.path, {})
        item[operation.method] = operation.document()
        if service.permit is not None and operation.path not in _OPEN:
            _ask_for_key(item[operation.method])
        parameters = [_parameter(part) for part in re.findall(r"\{(\w+)\}", operation.path)]
        if parameters:
            item["parameters"] = parameters
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "trueline model server",
            "version": __version__,
            "description": "TensorFlow Serving's REST API under /v1, the Open Inference Protocol under /v2.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": schemas} | ({} if service.permit is None else {"securitySchemes": _KEYS}),
    }


def _ask_for_key(operation: dict[str, Any]) -> None:
    operation["security"] = [{name: []} for name in _KEYS]
    error = _content({_JSON: {"$ref": "#/components/schemas/Error"}})
    for status in (401, 403):
        operation["responses"][str(status)] = {"description": _TEXTS[status], "content": error}


_PARAMETERS: dict[str, Schema] = {
    "version": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**63 - 1},
    "label": {"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_-]+$"},
}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _PARAMETERS[name]}


class OpenApiPage:
    """``/openapi.json``.

    Args:
        service: the models, and who may read what they are.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._made_of: Any = None
        self._text = b""

    def __call__(self) -> Answer:
        """The document, made anew when the routing table is another one; with keys, for each caller."""
        service = self._service
        if service.permit is not None:
            return Answer(200, dump(openapi_document(service)))
        if self._made_of is not service.manager.table:
            self._made_of = service.manager.table
            self._text = dump(openapi_document(service))
        return Answer(200, self._text)

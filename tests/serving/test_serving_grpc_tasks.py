"""Classify, Regress, MultiInference, GetModelMetadata and GetModelStatus by gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from serving_grpc_helpers import (
    MODELS,
    Asker,
    Refused,
    example,
    fill_spec,
    outputs_of,
    regression_model,
    task_request,
    tf,
)
from serving_helpers import publish
from serving_oip_helpers import echo_model

from trueline.serving.errors import Code, RequestError
from trueline.serving.grpc_descriptors import enum_numbers
from trueline.serving.grpc_examples import given_of_input, rows_of_input
from trueline.serving.options import ServerOptions


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory, taxi: Path, taxi_other: Path) -> Iterator[Asker]:
    """A classifier with two versions, a model of regression, and the model that says what came in."""
    folder = tmp_path_factory.mktemp("grpc")
    publish(taxi, folder / "taxi", 1)
    publish(taxi_other, folder / "taxi", 2)
    regression_model(folder / "fares" / "1")
    echo_model(folder / "echo" / "1")
    models = {name: folder / name for name in ("taxi", "fares", "echo")}
    unit = Asker(models, num_versions=2, max_rows=100, max_cells=1000)
    yield unit
    unit.close()


def refused(answer: Any, code: str = "INVALID_ARGUMENT") -> str:
    assert isinstance(answer, Refused), answer
    assert answer.code is getattr(grpc.StatusCode, code), answer
    return answer.details


ROWS = [example(fare=3.5, company="Flash"), example(fare=-20.0), example(company="Other"), example()]


@pytest.mark.parametrize("signature", ["", "serving_default", "classification"])
def test_classify_gives_each_example_its_classes_with_the_scores_of_predict(asker: Asker, signature: str) -> None:
    request = task_request("ClassificationRequest", ROWS, signature=signature, version=1)
    answer = asker.run(asker.grpc.call("Classify", request))
    inputs = {
        "fare": [3.5, -20.0, 0.0, 0.0],
        "fare:present": [True, True, False, False],
        "company": ["Flash", "", "Other", ""],
        "company:present": [True, False, True, False],
    }
    predicted = outputs_of(asker.run(asker.grpc.predict(inputs, version=1)))["probabilities"]
    classes = [[(c.label, c.score) for c in row.classes] for row in answer.result.classifications]
    assert [[label for label, _ in row] for row in classes] == [["false", "true"]] * 4
    assert np.array([[s for _, s in row] for row in classes], np.float32).tobytes() == predicted.tobytes()
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("taxi", 1, signature or "serving_default")


def test_regress_gives_each_example_its_number(asker: Asker) -> None:
    request = task_request("RegressionRequest", [example(fare=1.5), example(fare=7)], "fares")
    answer = asker.run(asker.grpc.call("Regress", request))
    assert [r.value for r in answer.result.regressions] == [1.5, 7.0]
    assert answer.model_spec.signature_name == "serving_default"


def test_classify_and_regress_of_a_model_of_another_task(asker: Asker) -> None:
    answer = asker.run(asker.grpc.call("Regress", task_request("RegressionRequest", ROWS)))
    assert "regress" in refused(answer)
    answer = asker.run(asker.grpc.call("Classify", task_request("ClassificationRequest", ROWS, "fares")))
    assert "classify" in refused(answer)
    other = task_request("ClassificationRequest", ROWS, signature="other")
    assert "other" in refused(asker.run(asker.grpc.call("Classify", other)))


def test_features_of_the_context_are_in_every_example(asker: Asker) -> None:
    request = tf("ClassificationRequest")
    fill_spec(request.model_spec, "taxi")
    listed = request.input.example_list_with_context
    listed.examples.extend([example(company="Flash"), example()])
    listed.context.CopyFrom(example(fare=3.5))
    answer = asker.run(asker.grpc.call("Classify", request))
    whole = task_request("ClassificationRequest", [example(fare=3.5, company="Flash"), example(fare=3.5)])
    assert answer == asker.run(asker.grpc.call("Classify", whole))
    listed.examples[1].CopyFrom(example(fare=1.0))
    assert "row 1, field 'fare': it is in the context" in refused(asker.run(asker.grpc.call("Classify", request)))
    listed.context.CopyFrom(example(fare="x"))
    assert "context, field 'fare': expected float64" in refused(asker.run(asker.grpc.call("Classify", request)))


def test_every_list_of_an_example_becomes_the_value_of_its_feature(asker: Asker) -> None:
    given = tf("Input")
    given.example_list.examples.extend(
        [
            example(f=1.5, i=3, b=1, s="ä", t=7, v=[1.0, 2.0], r=["a", "b"], n=[1, 2]),
            example(f=2, i=-(2**63), b=0, t="1970-01-01T00:00:01", v=[1, 2], r=[]),
            example(f=[], i=0),
        ]
    )
    given.example_list.examples[1].features.feature["n"].int64_list.SetInParent()  # a list without values
    given.example_list.examples[2].features.feature["s"].SetInParent()  # a feature without a list
    live = asker.grpc.app.manager.table["echo"].default
    assert live is not None
    assert live.live is not None
    features = live.live.runtime.graph.raw.by_name
    first, second, third = rows_of_input(features, given, ServerOptions())
    assert first == {"f": 1.5, "i": 3, "b": True, "s": "ä", "t": 7, "v": [1, 2], "r": ["a", "b"], "n": [1, 2]}
    assert second["t"] == 1_000_000
    assert (second["i"], second["b"], second["r"], second["n"]) == (-(2**63), False, [], [])
    assert third == {"f": None, "i": 0}


@pytest.mark.parametrize(
    ("features", "part"),
    [
        ({"i": 1.5}, "row 1, field 'i': expected int64 (int64_list), got float_list"),
        ({"i": "1"}, "row 1, field 'i': expected int64 (int64_list), got bytes_list"),
        ({"i": 1, "s": 3}, "row 1, field 's': expected utf8 (bytes_list), got int64_list [3]"),
        ({"i": 1, "s": b"\xff"}, "row 1, field 's': expected utf8, got bytes that are no UTF-8"),
        ({"i": 1, "b": 2}, "row 1, field 'b': expected bool (int64_list of 0 and 1), got [2]"),
        ({"i": 1, "t": "noon"}, "row 1, field 't': expected timestamp (ISO text)"),
        ({"i": 1, "v": [1.0]}, "row 1, field 'v': expected 2 values, got 1"),
        ({"i": [1, 2]}, "row 1, field 'i': expected 1 value, got 2"),
        ({"i": 1, "x": 2}, "row 1: unknown field 'x'"),
        ({}, "row 1, field 'i': expected int64, got no value (required)"),
        ({"i": 1, "n": [0] * 600}, "padded to 1200 values, this server takes 1000"),
    ],
)
def test_wrong_examples_are_refused_by_row_and_feature(asker: Asker, features: dict[str, Any], part: str) -> None:
    given = tf("Input")
    given.example_list.examples.extend([example(i=1), example(**features)])
    version = asker.grpc.app.manager.table["echo"].default
    assert version is not None
    assert version.live is not None
    with pytest.raises(RequestError) as error:
        given_of_input(version.live.runtime.graph, given, ServerOptions(max_cells=1000))
    assert error.value.code is Code.INVALID_ARGUMENT
    assert part in str(error.value)


def test_no_examples_and_too_many(asker: Asker) -> None:
    assert "Input is empty." in refused(
        asker.run(asker.grpc.call("Classify", task_request("ClassificationRequest", [])))
    )
    many = task_request("ClassificationRequest", [example(fare=1.0)] * 101)
    assert "101 rows, this server takes 100" in refused(asker.run(asker.grpc.call("Classify", many)))


def multi(tasks: list[tuple[str, str, str]], examples: Any = tuple(ROWS)) -> Any:
    request = tf("MultiInferenceRequest")
    for model, signature, method in tasks:
        task = request.tasks.add(method_name=method)
        fill_spec(task.model_spec, model, signature=signature)
    request.input.example_list.examples.extend(examples)
    return request


CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def test_several_tasks_over_one_input_are_answered_as_if_alone(asker: Asker) -> None:
    request = multi([("taxi", "", CLASSIFY), ("taxi", "classification", CLASSIFY)])
    answer = asker.run(asker.grpc.call("MultiInference", request))
    alone = asker.run(asker.grpc.call("Classify", task_request("ClassificationRequest", ROWS)))
    assert [r.classification_result for r in answer.results] == [alone.result] * 2
    assert [r.model_spec.signature_name for r in answer.results] == ["serving_default", "classification"]
    assert {r.model_spec.version.value for r in answer.results} == {2}
    numbers = asker.run(asker.grpc.call("MultiInference", multi([("fares", "", REGRESS)], [example(fare=2.5)])))
    assert [r.value for r in numbers.results[0].regression_result.regressions] == [2.5]


@pytest.mark.parametrize(
    ("tasks", "code", "part"),
    [
        ([], "INVALID_ARGUMENT", "no tasks"),
        ([("taxi", "", CLASSIFY), ("fares", "", REGRESS)], "INVALID_ARGUMENT", "same model"),
        ([("taxi", "", CLASSIFY), ("taxi", "serving_default", CLASSIFY)], "INVALID_ARGUMENT", "Duplicate"),
        ([("taxi", "", CLASSIFY), ("taxi", "regression", REGRESS)], "INVALID_ARGUMENT", "regress"),
        ([("taxi", "", "tensorflow/serving/predict")], "UNIMPLEMENTED", "tensorflow/serving/predict"),
        ([("", "", CLASSIFY)], "INVALID_ARGUMENT", "no name"),
        ([("nobody", "", CLASSIFY)], "NOT_FOUND", "nobody"),
    ],
)
def test_tasks_that_do_not_go_together(asker: Asker, tasks: Any, code: str, part: str) -> None:
    assert part in refused(asker.run(asker.grpc.call("MultiInference", multi(tasks))), code)


def test_metadata_holds_the_signatures(asker: Asker) -> None:
    request = tf("GetModelMetadataRequest")
    fill_spec(request.model_spec, "taxi")
    request.metadata_field.append("signature_def")
    answer = asker.run(asker.grpc.call("GetModelMetadata", request))
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("taxi", 2)
    packed = answer.metadata["signature_def"]
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    signatures = tf("SignatureDefMap")
    assert packed.Unpack(signatures)
    default = signatures.signature_def["serving_default"]
    types = {number: name for name, number in enum_numbers("tensorflow.DataType").items()}
    assert {n: types[t.dtype] for n, t in default.inputs.items()} == {"fare": "DT_DOUBLE", "company": "DT_STRING"}
    assert [d.size for d in default.outputs["probabilities"].tensor_shape.dim] == [-1, 2]
    assert default.method_name == "tensorflow/serving/predict"
    assert set(signatures.signature_def) == {"serving_default", "classification"}
    rest = asker.run(asker.grpc.http.get("/v1/models/taxi/metadata")).json()["metadata"]["signature_def"]
    assert set(rest["signature_def"]) == set(signatures.signature_def)


@pytest.mark.parametrize("fields", [[], ["other"], ["signature_def", "other"]])
def test_metadata_of_anything_else_is_refused(asker: Asker, fields: list[str]) -> None:
    request = tf("GetModelMetadataRequest")
    fill_spec(request.model_spec, "taxi")
    request.metadata_field.extend(fields)
    assert "etadata" in refused(asker.run(asker.grpc.call("GetModelMetadata", request)))


def test_status_tells_every_version_and_looks_at_no_label(asker: Asker) -> None:
    states = enum_numbers("tensorflow.serving.ModelVersionStatus.State")

    def ask(name: str, **spec: Any) -> Any:
        request = tf("GetModelStatusRequest")
        fill_spec(request.model_spec, name, **spec)
        return asker.run(asker.grpc.call("GetModelStatus", request, MODELS))

    both = ask("taxi").model_version_status
    assert [(v.version, v.state, v.status.error_code) for v in both] == [(n, states["AVAILABLE"], 0) for n in (2, 1)]
    assert [v.version for v in ask("taxi", version=1).model_version_status] == [1]
    assert len(ask("taxi", label="not looked at").model_version_status) == 2
    assert "Could not find any versions of model nobody" in refused(ask("nobody"), "NOT_FOUND")
    assert "Could not find version 9 of model taxi" in refused(ask("taxi", version=9), "NOT_FOUND")
    assert refused(asker.run(asker.grpc.call("GetModelStatus", tf("GetModelStatusRequest"), MODELS)))

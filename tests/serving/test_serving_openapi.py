"""The OpenAPI document: valid, true of every path and body, made anew with the models; held against by schemathesis."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate
from serving_helpers import Process, publish, running, until
from serving_oip_helpers import echo_model, one_feature_model, tensor

from trueline.serving.codec import decode

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "tests" / "serving" / "oip_clients"
SCHEMATHESIS = ROOT / ".venvs" / "schemathesis" / "bin" / "schemathesis"
Document = dict[str, Any]


def served(tmp_path: Path, taxi: Path) -> dict[str, Path]:
    publish(taxi, tmp_path / "taxi", 3)
    publish(echo_model(tmp_path / "e", lists=False), tmp_path / "echo", 1)
    return {"taxi": tmp_path / "taxi", "echo": tmp_path / "echo"}


@pytest.fixture
def document(tmp_path: Path, taxi: Path) -> Document:
    async def main() -> Document:
        async with running(served(tmp_path, taxi)) as (_, client):
            found: Document = (await client.get("/openapi.json")).json()
            return found

    return asyncio.run(main())


def checker(document: Document, name: str) -> Any:
    """A validator of one of the document's schemas."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return jsonschema.Draft202012Validator(schema)


def test_the_document_is_openapi_and_names_every_path(document: Document) -> None:
    validate(document)
    assert document["openapi"] == "3.1.0"
    model = ["", "/versions/{version}"]
    paths = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/try", "/try.json"}
    paths |= {"/v2", "/v2/health/live", "/v2/health/ready"}
    for name in ("taxi", "echo"):
        paths |= {f"/v1/models/{name}{p}" for p in model}
        paths |= {
            f"/v1/models/{name}{p}{end}" for p in [*model, "/labels/{label}"] for end in (":predict", "/metadata")
        }
        paths |= {f"/v2/models/{name}{p}{end}" for p in model for end in ("", "/ready", "/infer")}
    paths |= {f"/v1/models/taxi{p}:classify" for p in [*model, "/labels/{label}"]}
    assert set(document["paths"]) == paths
    predict = document["paths"]["/v1/models/taxi:predict"]["post"]
    assert {"400", "404", "413", "429", "503", "504"} <= set(predict["responses"])
    assert predict["responses"]["400"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Error"
    }


PREDICT: list[tuple[Any, bool]] = [
    ({"instances": [{"i": 1}]}, True),
    (
        {"instances": [{"i": [1], "f": None, "s": "x", "t": "2020-01-01T00:00:00Z", "v": [1, 2], "r": [], "n": [1]}]},
        True,
    ),
    ({"inputs": {"i": [1, 2], "f": [None, 0.5]}}, True),
    ({"instances": [{"i": 1}], "on_error": "row"}, True),
    ({"instances": [{"i": 1}], "signature_name": "serving_default"}, True),
    ({"instances": []}, False),
    ({"instances": [{}]}, False),
    ({"instances": [{"i": None}]}, False),
    ({"instances": [{"i": "1"}]}, False),
    ({"instances": [{"i": 1, "j": 2}]}, False),
    ({"instances": [{"i": 1, "v": [1]}]}, False),
    ({"instances": [{"i": 2**63}]}, False),
    ({"instances": [{"i": 1}], "inputs": {"i": [1]}}, False),
    ({"inputs": {"f": [1.5]}}, False),
    ({"inputs": {"i": 1}}, False),
    ({}, False),
]
INFER: list[tuple[Any, bool]] = [
    ({"inputs": [tensor("i", "INT64", [1], [1])]}, True),
    ({"id": "a", "inputs": [tensor("i", "INT64", [1], [1]), tensor("v", "FP64", [1, 2], [[1, 2]])]}, True),
    ({"inputs": [tensor("i", "INT64", [1], [1])], "outputs": [{"name": "out_i"}]}, True),
    ({"inputs": []}, False),
    ({"inputs": [tensor("j", "INT64", [1], [1])]}, False),
    ({"inputs": [tensor("i", "INT64", [0], [])]}, False),
    ({"inputs": [tensor("i", "INT64", [1], ["1"])]}, False),
    ({"inputs": [tensor("i", "INT64", [1], [1])], "outputs": [{"name": "label"}]}, False),
    ({"id": 1, "inputs": [tensor("i", "INT64", [1], [1])]}, False),
]


def test_bodies_are_taken_exactly_when_the_document_says_so(tmp_path: Path, taxi: Path) -> None:
    """Of each body the schema's verdict and the server's are the same, and answers fit the answer's schema."""

    async def main() -> None:
        async with running(served(tmp_path, taxi)) as (_, client):
            document = (await client.get("/openapi.json")).json()
            for path, request, response, bodies in (
                ("/v1/models/echo:predict", "echo.PredictRequest", "echo.Predictions", PREDICT),
                ("/v2/models/echo/infer", "echo.InferRequest", "echo.InferResponse", INFER),
            ):
                for body, good in bodies:
                    assert checker(document, request).is_valid(body) is good, body
                    answer = await client.post(path, json=body)
                    assert answer.status_code == (200 if good else 400), (body, answer.text)
                    checker(document, response if good else "Error").validate(answer.json())

    asyncio.run(main())


def test_a_model_of_one_feature_takes_its_values_alone(tmp_path: Path) -> None:
    """Values without names in rows and columns, and one value as a column; schema and server agree."""
    publish(one_feature_model(tmp_path / "m"), tmp_path / "one", 1)

    async def main() -> None:
        async with running({"one": tmp_path / "one"}) as (_, client):
            document = (await client.get("/openapi.json")).json()
            for body, good in (
                ({"instances": [1.5, None, [2]]}, True),
                ({"instances": [{"x": 1.5}]}, True),
                ({"inputs": [1.5, None]}, True),
                ({"inputs": {"x": [1.5]}}, True),
                ({"inputs": 1.5}, True),
                ({"inputs": None}, False),
                ({"inputs": "1.5"}, False),
                ({"instances": 1.5}, False),
            ):
                assert checker(document, "one.PredictRequest").is_valid(body) is good, body
                answer = await client.post("/v1/models/one:predict", json=body)
                assert answer.status_code == (200 if good else 400), answer.text
                checker(document, "one.Predictions" if good else "Error").validate(answer.json())

    asyncio.run(main())


def test_explanations_are_described_where_they_are_given(tmp_path: Path, taxi: Path) -> None:
    """Bodies of :explain that fit are answered with what the schema says, others are refused."""

    async def main() -> None:
        async with running(served(tmp_path, taxi), explain=True) as (_, client):
            document = (await client.get("/openapi.json")).json()
            validate(document)
            path = "/v1/models/taxi:explain"
            assert path in document["paths"]
            row = {"fare": 3.5, "company": "Flash"}
            for body, good in (
                ({"instances": [row]}, True),
                ({"instances": [row], "method": "exact", "link": "log_odds", "output_class": False}, True),
                ({"instances": [row], "method": "guess"}, False),
                ({"instances": [row], "output_class": "no"}, False),
                ({"instances": [row], "rows": 1}, False),
                ({"instances": []}, False),
            ):
                assert checker(document, "taxi.explain.Request").is_valid(body) is good, body
                answer = await client.post(path, json=body)
                assert answer.status_code == (200 if good else 400), answer.text
                checker(document, "taxi.explain.Results" if good else "Error").validate(answer.json())

    asyncio.run(main())


def test_the_document_follows_the_models(tmp_path: Path, base: Path, taxi: Path) -> None:
    """A model that comes later has paths when it answers; a name that is no name of a schema is one all the same."""

    async def main() -> None:
        (tmp_path / "late").mkdir()
        odd = "a b/ü".replace("/", "-")
        async with running({"taxi": base, odd: tmp_path / "late"}, wait=False) as (app, client):
            await until(lambda: "taxi" in app.manager.table)
            before = decode((await client.get("/openapi.json")).content)
            publish(taxi, tmp_path / "late", 1)
            await until(lambda: app.ready)
            after = decode((await client.get("/openapi.json")).content)
        validate(after)
        new = set(after["paths"]) - set(before["paths"])
        assert "/v1/models/a%20b-%C3%BC:predict" in new
        assert "a_b-_.Instance" in after["components"]["schemas"]

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="scripts/schemathesis_env.sh makes schemathesis's environment")
def test_schemathesis_finds_nothing(tmp_path: Path, taxi: Path, start_server: Callable[..., Process]) -> None:
    """Data that fits the schemas is taken, other data is refused, answers are as described, no status is new.

    Of a model's bodies those without a version in the path: with one they are the same.
    """
    models = served(tmp_path, taxi)
    server = start_server(models["taxi"], "--model", f"echo={models['echo']}")
    command = [
        str(SCHEMATHESIS),
        "--config-file",
        str(CLIENTS / "schemathesis.toml"),
        "run",
        f"{server.url}/openapi.json",
    ]
    done = subprocess.run(
        [
            *command,
            "--no-color",
            "--max-examples",
            "10",
            "--exclude-path-regex",
            "/(versions|labels)/[^/]*(:|/infer)",
            "--seed",
            "7",
            "--warnings",
            "off",
        ],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(CLIENTS)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout

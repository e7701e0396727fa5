"""``:explain``: the numbers of the library, within bounds, off by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from serving_feedback_helpers import PREDICT, ROW, logged, running_config, sample, scenario
from serving_helpers import FEATURES, publish, taxi_graph, write_model

from trueline._core.runtime import ModelRuntime
from trueline._core.values import RawFeature
from trueline.model_analysis.explain.shapley import shap_values
from trueline.serving.config import ModelConfig, ServerConfig

EXPLAIN = "/v1/models/taxi:explain"
ROWS = [{"fare": 12.0, "company": "Flash"}, {"fare": -3.0}, {"fare": None, "company": "Blue"}]
OTHERS = [{"fare": 5.0, "company": "Blue"}, {"fare": None, "company": "Flash"}]


def config(base: Path) -> ServerConfig:
    return ServerConfig((ModelConfig("taxi", str(base)),))


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, pa.schema([("fare", pa.float64()), ("company", pa.string())]))


@scenario
async def test_shapley_values_are_those_of_the_library(base: Path) -> None:
    runtime = ModelRuntime.load(str(base / "1"))
    async with running_config(config(base), explain=True) as (_, client):
        for method in ("exact", "sampling"):
            for more in ({}, {"link": "log_odds"}, {"output_class": False}):
                body = {"instances": ROWS, "background": OTHERS, "method": method, "permutations": 5, "seed": 7, **more}
                answer = await client.post(EXPLAIN, json=body)
                assert answer.status_code == 200, answer.text
                assert answer.headers["x-model-version"] == "1"
                found = answer.json()["explanation"]
                ours = shap_values(
                    runtime, table(ROWS), table(OTHERS), method=method, permutations=5, seed=7, **more
                ).content()
                for key in ("method", "features", "outputs"):
                    assert found[key] == ours[key]
                for key in ("values", "scores", "base"):
                    np.testing.assert_allclose(found[key], ours[key], atol=1e-12)
                if method == "sampling":
                    np.testing.assert_allclose(found["errors"], ours["errors"], atol=1e-12)
                gap = np.array(found["scores"]) - np.array(found["base"]) - np.array(found["values"]).sum(axis=2)
                np.testing.assert_allclose(gap, 0, atol=1e-12)


@scenario
async def test_ablation_is_what_the_score_loses_without_the_feature(base: Path, tmp_path: Path) -> None:
    settings = {"explain": True, "prediction_log": str(tmp_path / "log")}
    async with running_config(config(base), **settings) as (app, client):
        answer = await client.post(EXPLAIN, json={"instances": ROWS})
        found = answer.json()["explanation"]
        assert found["method"] == "ablation"
        assert found["evaluations"] == 3 + 1 + 3 * 2
        rows = []
        for row in ROWS:
            full = {"fare": None, "company": None} | row
            rows += [full, full | {"fare": None}, full | {"company": None}]
        scores = await client.post(PREDICT, json={"instances": rows})
        p = np.array([one["probabilities"][1] for one in scores.json()["predictions"]]).reshape(3, 3)
        np.testing.assert_allclose(np.array(found["values"])[:, 0], p[:, :1] - p[:, 1:], atol=1e-6)
        np.testing.assert_allclose(found["scores"], p[:, :1], atol=1e-6)
        assert sample(app, "trueline_requests_total") == {'{code="200",model="taxi",version="1"}': 2.0}
    assert logged(tmp_path / "log").num_rows == 9, "mixtures that nobody sent are not logged"


@scenario
async def test_it_is_off_unless_it_is_switched_on(base: Path) -> None:
    async with running_config(config(base)) as (_, client):
        answer = await client.post(EXPLAIN, json=ROW)
        assert answer.status_code == 404
        assert "gives no explanations" in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"instances": []}, "no rows"),
        ({}, "Missing 'instances' key"),
        ({"instances": ROWS, "methd": "exact"}, "unknown key 'methd'"),
        ({"instances": ROWS, "method": "tree"}, "there is no 'tree'"),
        ({"instances": ROWS, "method": ["exact"]}, "there is no"),
        ({"instances": ROWS, "output_class": 1}, "1 is no class of the model"),
        ({"instances": ROWS, "seed": -1}, "seed: expected a whole number"),
        ({"instances": ROWS, "permutations": True}, "permutations: expected a whole number"),
        ({"instances": [*ROWS, {"fare": "x"}]}, "row 3, field 'fare': expected float64"),
        ({"instances": ["x"]}, "expected an object"),
        ({"instances": ROWS, "background": [{"fare": 1.0}, {"fare": True}]}, "'background': "),
        ({"instances": ROWS, "background": {}}, "'background' is a list of rows"),
        ({"instances": ROWS * 20}, "ask the model"),
        ({"instances": ROWS, "method": "exact", "background": OTHERS * 30}, "100 is the limit"),
        ({"instances": ROWS, "method": "sampling", "permutations": 101}, "permutations: expected"),
    ],
)
def test_what_does_not_fit_is_refused(base: Path, body: dict[str, Any], said: str) -> None:
    @scenario
    async def ask() -> None:
        async with running_config(config(base), explain=True, explain_max_rows=100) as (_, client):
            answer = await client.post(EXPLAIN, json=body)
            assert answer.status_code == 400, answer.text
            assert said in answer.json()["error"]

    ask()


@scenario
async def test_required_features_need_a_background_and_many_features_no_exact_values(tmp_path: Path) -> None:
    many = tuple(RawFeature(f"x{i}", "int64") for i in range(12))
    features = (*FEATURES, RawFeature("zone", "int64", optional=False), *many)
    publish(write_model(tmp_path / "m", taxi_graph(), features), tmp_path / "base", 1)
    async with running_config(config(tmp_path / "base"), explain=True) as (_, client):
        row = {"fare": 2.0, "zone": 3}
        answer = await client.post(EXPLAIN, json={"instances": [row]})
        assert answer.status_code == 400
        assert "no value may be missing for 'zone'" in answer.json()["error"]
        given = {"instances": [row], "background": [{"zone": 0}]}
        answer = await client.post(EXPLAIN, json=given | {"method": "exact"})
        assert "up to 12 features, this model has 15" in answer.json()["error"]
        found = (await client.post(EXPLAIN, json=given | {"method": "sampling"})).json()["explanation"]
        values = dict(zip(found["features"], found["values"][0][0], strict=True))
        assert values["fare"] == pytest.approx(found["scores"][0][0] - found["base"][0])
        assert all(v == pytest.approx(0, abs=1e-9) for name, v in values.items() if name != "fare")

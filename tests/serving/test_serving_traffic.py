"""Which version a key goes to: a law, shares, few moves; over REST with labels, fallback, and weights that change."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_feedback_helpers import PREDICT, ROW, running_config, sample, scenario
from serving_grpc_helpers import predict_request
from serving_helpers import publish, until

from trueline._core.errors import ConfigError
from trueline.serving.config import AllVersions, ModelConfig, ServerConfig
from trueline.serving.config_file import read_models
from trueline.serving.grpc_descriptors import message
from trueline.serving.grpc_server import GrpcServer
from trueline.serving.traffic import Shadow, Traffic, chosen

WEIGHTS = st.dictionaries(st.sampled_from("abcdef"), st.just(0.0) | st.floats(1e-3, 1e6), min_size=1, max_size=6)
KEYS = [f"customer-{i}" for i in range(4000)]


def table(base: Path, traffic: Traffic | None, **more: Any) -> ServerConfig:
    labels = {"stable": 1, "canary": 2}
    return ServerConfig((ModelConfig("taxi", str(base), AllVersions(), labels, traffic=traffic, **more),))


@pytest.fixture
def two(base: Path, taxi_other: Path) -> Path:
    publish(taxi_other, base, 2)
    return base


@settings(max_examples=60, deadline=None)
@given(WEIGHTS, WEIGHTS, st.text(max_size=20))
def test_a_key_moves_only_to_where_the_ratio_grew(before: dict[str, float], after: dict[str, float], key: str) -> None:
    old, new = chosen(before.items(), "m", key), chosen(after.items(), "m", key)
    assert old == chosen(reversed(before.items()), "m", key), "the order of the targets does not matter"
    assert (old is None) == (not any(before.values()))
    if old is not None:
        assert before[old] > 0
    if old is not None and new is not None and old != new:
        grown, shrunk = after[new] * before[old], before.get(new, 0.0) * after.get(old, 0.0)
        assert grown > shrunk * (1 - 1e-9)


def test_shares_are_as_the_weights_say_and_one_weight_moves_the_least() -> None:
    before, after = {"stable": 95, "canary": 5}, {"stable": 95, "canary": 15}
    old = {key: chosen(before.items(), "m", key) for key in KEYS}
    new = {key: chosen(after.items(), "m", key) for key in KEYS}
    for weights, found in ((before, old), (after, new)):
        share = weights["canary"] / sum(weights.values())
        error = math.sqrt(share * (1 - share) / len(KEYS))
        assert abs(Counter(found.values())["canary"] / len(KEYS) - share) < 4 * error
    moved = [key for key in KEYS if old[key] != new[key]]
    assert all(new[key] == "canary" for key in moved), "nobody leaves the canary when it grows"
    must = 15 / 110 - 5 / 100
    assert abs(len(moved) / len(KEYS) - must) < 4 * math.sqrt(must / len(KEYS))
    other = [key for key in KEYS if chosen(before.items(), "other model", key) == "canary"]
    both = [key for key in other if old[key] == "canary"]
    assert len(both) < len(other) / 2, "splits of two models are independent"


@scenario
async def test_a_key_sticks_and_only_requests_without_version_are_split(two: Path) -> None:
    async with running_config(table(two, Traffic({"stable": 50, "canary": 50}))) as (app, client):
        assert len(app.manager.table["taxi"].versions) == 2, "ready is when both are there"
        seen: dict[str, str] = {}
        for i in range(40):
            key = f"user-{i}"
            answers = [await client.post(PREDICT, json=ROW, headers={"x-routing-key": key}) for _ in range(2)]
            assert [a.status_code for a in answers] == [200, 200]
            versions = {a.headers["x-model-version"] for a in answers}
            assert len(versions) == 1, "the same key goes to the same version"
            seen[key] = versions.pop()
        assert set(seen.values()) == {"1", "2"}
        keyless = [(await client.post(PREDICT, json=ROW)).headers["x-model-version"] for _ in range(40)]
        assert set(keyless) == {"1", "2"}, "without a key every request is shared out on its own"
        moved = next(key for key, version in seen.items() if version == "2")
        for path in ("/v1/models/taxi/versions/1:predict", "/v1/models/taxi/labels/stable:predict"):
            answer = await client.post(path, json=ROW, headers={"x-routing-key": moved})
            assert answer.headers["x-model-version"] == "1"
        body = {"inputs": [
            {"name": "fare", "datatype": "FP64", "shape": [1], "data": [3.5]},
            {"name": "company", "datatype": "BYTES", "shape": [1], "data": ["Flash"]},
        ]}  # fmt: skip
        for key, version in list(seen.items())[:8]:
            answer = await client.post("/v2/models/taxi/infer", json=body, headers={"x-routing-key": key})
            assert answer.json()["model_version"] == version, "every protocol shares out alike"


@scenario
async def test_the_key_may_be_a_feature(two: Path) -> None:
    traffic = Traffic({"stable": 1, "canary": 1}, key_feature="company")
    async with running_config(table(two, traffic)) as (app, client):
        await until(lambda: len(app.manager.table["taxi"].versions) == 2)
        found = {}
        for i in range(16):
            row = {"instances": [{"fare": 1.0, "company": f"company {i}"}]}
            versions = {(await client.post(PREDICT, json=row)).headers["x-model-version"] for _ in range(3)}
            assert len(versions) == 1
            found[i] = versions.pop()
            assert found[i] == {"stable": "1", "canary": "2"}[chosen(traffic.split.items(), "taxi", f"company {i}")]
        assert set(found.values()) == {"1", "2"}
        missing = [await client.post(PREDICT, json={"instances": [{"fare": 1.0}]}) for _ in range(20)]
        assert {a.headers["x-model-version"] for a in missing} == {"1", "2"}, "no value: by the request id"
        wrong = await client.post(PREDICT, json={"instances": [{"fare": "x"}]})
        assert wrong.status_code == 400
        assert "field 'fare'" in wrong.json()["error"]
        text = app.metrics.text().decode()
        assert 'code="400"' in text
        assert all(v.references == 0 for v in app.manager.tracked["taxi"].values())


@scenario
async def test_a_target_that_is_not_there_is_told_once_and_counted(base: Path) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    config = ServerConfig(
        (ModelConfig("taxi", str(base), labels={"stable": 1}, traffic=Traffic({"stable": 1, "7": 1})),)
    )
    async with running_config(config, on_event=lambda name, facts: events.append((name, dict(facts)))) as (app, client):
        answers = [await client.post(PREDICT, json=ROW) for _ in range(20)]
        assert {(a.status_code, a.headers["x-model-version"]) for a in answers} == {(200, "1")}
        told = [facts for name, facts in events if name == "traffic_target_missing"]
        assert told == [{"model": "taxi", "target": "7"}]
        [(labels, count)] = sample(app, "trueline_traffic_fallback_total").items()
        assert labels == '{model="taxi",target="7"}'
        assert 0 < count < 20


@scenario
async def test_no_request_fails_while_weights_change_under_load(two: Path) -> None:
    async with running_config(table(two, Traffic({"stable": 95, "canary": 5}))) as (app, client):
        await until(lambda: len(app.manager.table["taxi"].versions) == 2)
        statuses: Counter[int] = Counter()
        versions: Counter[str] = Counter()
        done = asyncio.Event()

        async def load(worker: int) -> None:
            i = 0
            while not done.is_set():
                i += 1
                answer = await client.post(PREDICT, json=ROW, headers={"x-routing-key": f"{worker}-{i}"})
                statuses[answer.status_code] += 1
                versions[answer.headers["x-model-version"]] += 1

        workers = [asyncio.ensure_future(load(w)) for w in range(4)]
        for weights in ({"stable": 50, "canary": 50}, {"stable": 0, "2": 1}, {"1": 1}, None, {"canary": 1}):
            await app.manager.apply(table(two, None if weights is None else Traffic(weights)))
            await asyncio.sleep(0.1)
        versions.clear()
        await asyncio.sleep(0.05)
        done.set()
        await asyncio.gather(*workers)
        assert set(statuses) == {200}
        assert statuses[200] > 20
        assert versions["2"] > 0
        assert versions["1"] <= 4, "the last weights hold for all that came after them"


def test_the_rule_is_read_from_files_and_checked() -> None:
    text = """
[[models]]
name = "taxi"
base = "/models/taxi"
labels = { stable = 3, canary = 4 }
[models.traffic]
split = { stable = 95, canary = 5 }
key_feature = "customer"
shadow = { to = "5", fraction = 0.1 }
"""
    model = read_models(text, "toml").models[0]
    assert model.traffic == Traffic({"stable": 95, "canary": 5}, "customer", Shadow("5", 0.1))
    wrong = text.replace("canary = 5 }", "canry = -5 }").replace("0.1", "1.5")
    with pytest.raises(ConfigError) as caught:
        read_models(wrong, "toml")
    for part in ("'canry'", "0 or more, got -5", "fraction from 0 to 1, got 1.5", "line 6"):
        assert part in str(caught.value)
    wrong = text.replace("key_feature", "key").replace("stable = 95", "stable = '95'").replace("0.1", "true")
    with pytest.raises(ConfigError) as caught:
        read_models(wrong, "toml")
    for part in ("traffic.key: no such key", "traffic.split: expected a table of numbers", "shadow.fraction", "line 7"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("traffic", "said"),
    [
        (Traffic(), "expected a split or a shadow"),
        (Traffic({"1": 0}), "a weight above 0"),
        (Traffic({"1": math.nan}), "0 or more"),
        (Traffic({"blue": 1}), "none of the labels"),
        (Traffic(shadow=Shadow("1", -1.0)), "fraction from 0 to 1"),
        (Traffic(shadow=Shadow("1"), key_feature="x"), "no split"),
    ],
)
def test_a_wrong_rule_is_refused(traffic: Traffic, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ServerConfig((ModelConfig("taxi", "/models", traffic=traffic),))


async def _by_grpc(two: Path) -> None:
    async with running_config(table(two, Traffic({"stable": 50, "canary": 50}))) as (app, client):
        server = GrpcServer(app, app.options)
        port = await server.start("127.0.0.1", 0)
        request = predict_request({"fare": [3.5], "company": ["Flash"]}).SerializeToString()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
                for i in range(12):
                    rest = await client.post(PREDICT, json=ROW, headers={"x-routing-key": f"user-{i}"})
                    answer = await predict(request, metadata=(("x-routing-key", f"user-{i}"),))
                    version = message("tensorflow.serving.PredictResponse").FromString(answer).model_spec.version.value
                    assert str(version) == rest.headers["x-model-version"]
        finally:
            await server.stop(0)


def test_a_key_goes_to_the_same_version_by_grpc_and_by_rest(two: Path) -> None:
    asyncio.run(_by_grpc(two))

"""Shadow traffic: copies after the answer, compared and logged; no answer is slower or fails, and there is a bound."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from serving_feedback_helpers import PREDICT, ROW, logged, running_config, sample, scenario
from serving_helpers import FEATURES, publish, taxi_graph, until, write_model

from trueline._core.values import RawFeature
from trueline.serving.compare import compared, label_disagreements
from trueline.serving.config import AllVersions, ModelConfig, ServerConfig
from trueline.serving.traffic import Shadow, Traffic, unit

PAIR = '{challenger="1",champion="2",model="taxi"}'
FLOATS = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4))


def shadowed(base: Path, fraction: float = 1.0, split: dict[str, float] | None = None) -> ServerConfig:
    """The newest version answers, version 1 is the challenger."""
    traffic = Traffic(split or {}, shadow=Shadow("1", fraction))
    return ServerConfig((ModelConfig("taxi", str(base), AllVersions(), traffic=traffic),))


@settings(max_examples=60, deadline=None)
@given(FLOATS, st.data())
def test_a_difference_is_the_largest_and_equal_rows_are_equal(one: Any, data: st.DataObject) -> None:
    other = data.draw(st.just(one.copy()) | hnp.arrays(np.float32, one.shape))
    found = compared({"p": one}, {"p": other})["p"]
    same = [all(a == b or (np.isnan(a) and np.isnan(b)) for a, b in zip(*rows)) for rows in zip(one, other)]  # noqa: B905
    assert found.equal == sum(same)
    gaps = [abs(float(a) - float(b)) for a, b in zip(one.flat, other.flat, strict=True) if np.isfinite([a, b]).all()]
    assert found.largest == max(gaps, default=0.0)


def test_outputs_of_another_name_shape_or_kind_are_different() -> None:
    text = np.array(["a", "b"], object)
    found = compared(
        {"t": text, "gone": text, "p": np.ones((2, 2))}, {"t": text[::-1], "p": np.ones((2, 3)), "new": text}
    )
    assert {n: (d.equal, d.largest) for n, d in found.items()} == dict.fromkeys(("t", "gone", "p", "new"), (0, None))
    label = [{"name": "label", "meaning": "label"}]
    probabilities = [{"name": "p", "meaning": "class_probabilities"}]
    assert label_disagreements(label, {"label": text}, {"label": np.array(["a", "c"], object)}) == 1
    assert label_disagreements(label, {"label": text}, {}) == 2
    p, q = np.array([[0.6, 0.4], [0.1, 0.9]]), np.array([[0.9, 0.1], [0.6, 0.4]])
    assert label_disagreements(probabilities, {"p": p}, {"p": q}) == 1
    assert label_disagreements([{"name": "p", "meaning": "prediction"}], {"p": p}, {"p": q}) is None


@scenario
async def test_copies_are_compared_and_logged_with_their_roles(base: Path, taxi_other: Path, tmp_path: Path) -> None:
    publish(taxi_other, base, 2)
    settings = {"prediction_log": str(tmp_path / "log"), "prediction_log_sample": 0.5}
    async with running_config(shadowed(base, 0.25), **settings) as (app, client):
        await until(lambda: len(app.manager.table["taxi"].versions) == 2)
        for i in range(40):
            row = {"instances": [{"fare": -30.0 + i, "company": "x"}]}
            answer = await client.post(PREDICT, json=row, headers={"x-request-id": f"id-{i}"})
            assert answer.headers["x-model-version"] == "2"
        await client.post("/v1/models/taxi/versions/2:predict", json=ROW, headers={"x-request-id": "named"})
        copied = {f"id-{i}" for i in range(40) if unit("", f"id-{i}") < 0.25}
        await until(lambda: sample(app, "trueline_shadow_rows_total") == {PAIR: len(copied)}, 10)
        equal = sample(app, "trueline_shadow_equal_rows_total")
        assert {k.split('output="')[1][:-2]: v for k, v in equal.items()}["probabilities"] == 0
        [most] = [v for k, v in sample(app, "trueline_shadow_largest_difference").items() if "probab" in k]
        disagreements = sample(app, "trueline_shadow_label_disagreements_total")[PAIR]
    rows = logged(tmp_path / "log").to_pylist()
    by_role = {
        role: {r["__tracking_id"]: r for r in rows if r["__role"] == role} for role in ("champion", "challenger")
    }
    assert set(by_role["challenger"]) == copied
    assert copied < set(by_role["champion"]), "a copy that is logged has its champion in the log"
    pairs = [(by_role["champion"][i], by_role["challenger"][i]) for i in copied]
    assert all((a["__version"], b["__version"], a["fare"]) == (2, 1, b["fare"]) for a, b in pairs)
    gaps = [abs(a["__prediction:probabilities"][0] - b["__prediction:probabilities"][0]) for a, b in pairs]
    assert most == pytest.approx(max(gaps), abs=1e-9)
    assert disagreements == sum(a["__prediction:label"] != b["__prediction:label"] for a, b in pairs) > 0


@scenario
async def test_a_challenger_that_fails_or_is_slow_costs_no_answer(base: Path, taxi: Path, tmp_path: Path) -> None:
    step = {"output": "slow", "inputs": ["fare"], "function": "serving_helpers:sleep_for", "dtype": "float64"}
    feeds = (*FEATURES, RawFeature("host:slow", "float64"))
    publish(taxi, base, 2)
    challenger = write_model(tmp_path / "slow", taxi_graph(), steps=[step], feeds=feeds)
    publish(challenger, base, 7)
    traffic = Traffic({"2": 1}, shadow=Shadow("7"))
    config = ServerConfig((ModelConfig("taxi", str(base), AllVersions(), traffic=traffic),))
    settings = {"shadow_queue_requests": 1, "allow_host": ("serving_helpers",)}
    async with running_config(config, **settings) as (app, client):
        await until(lambda: len(app.manager.table["taxi"].versions) == 3)
        row = {"instances": [{"fare": 1.0, "company": "x"}]}  # the challenger sleeps for a second
        began = time.perf_counter()
        answers = [await client.post(PREDICT, json=row) for _ in range(8)]
        assert time.perf_counter() - began < 4, "nobody waits for the challenger, which would take eight seconds"
        assert {(a.status_code, a.headers["x-model-version"]) for a in answers} == {(200, "2")}
        assert sum(sample(app, "trueline_shadow_dropped_total").values()) >= 5
        assert app.manager.tracked["taxi"][7].references == 1, "the copy that runs holds its version"
    assert app.manager.tracked["taxi"][7].references == 0


@scenario
async def test_a_challenger_that_refuses_is_counted_and_told_once(base: Path, tmp_path: Path) -> None:
    needs = write_model(tmp_path / "needs", taxi_graph(), (*FEATURES, RawFeature("zone", "int64", optional=False)))
    publish(needs, base, 2)
    events: list[tuple[str, dict[str, Any]]] = []
    traffic = Traffic(shadow=Shadow("2"), split={"1": 1})
    config = ServerConfig((ModelConfig("taxi", str(base), AllVersions(), traffic=traffic),))
    async with running_config(config, lambda n, f: events.append((n, dict(f)))) as (app, client):
        await until(lambda: len(app.manager.table["taxi"].versions) == 2)
        for _ in range(3):
            assert (await client.post(PREDICT, json=ROW)).status_code == 200
        label = '{challenger="2",champion="1",model="taxi"}'
        await until(lambda: sample(app, "trueline_shadow_failed_total") == {label: 3.0}, 10)
    [told] = [facts for name, facts in events if name == "shadow_failed"]
    assert told["version"] == 2
    assert "'zone'" in told["error"]


@scenario
async def test_copies_wait_for_a_clean_stop_and_a_missing_challenger_is_counted(base: Path, tmp_path: Path) -> None:
    publish(base / "1", base.parent / "other", 2)
    config = shadowed(base.parent / "other")
    async with running_config(config) as (app, client):
        for _ in range(3):
            assert (await client.post(PREDICT, json=ROW)).status_code == 200
        await until(lambda: sample(app, "trueline_shadow_dropped_total") == {'{model="taxi",reason="absent"}': 3.0})
    publish(base / "1", base, 2)
    async with running_config(shadowed(base)) as (app, client):
        await until(lambda: len(app.manager.table["taxi"].versions) == 2)
        for _ in range(20):
            assert (await client.post(PREDICT, json=ROW)).status_code == 200
    assert sample(app, "trueline_shadow_rows_total") == {PAIR: 20.0}
    equal = sample(app, "trueline_shadow_equal_rows_total")
    assert set(equal.values()) == {20.0}, "the same model says the same"

"""Metrics: every figure under our names and TensorFlow Serving's, by feature too, with labels that nobody makes up."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from front_helpers import PATH, ROW
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from prometheus_client.parser import text_string_to_metric_families
from serving_helpers import FEATURES, publish, running, taxi_graph, until, write_model

from trueline._core.errors import ConfigError, ModelError
from trueline._core.feeds import Feeds
from trueline._core.values import RawFeature
from trueline.serving.front import Front
from trueline.serving.metrics import LATENCY_MICROS, Metrics, Tally
from trueline.serving.metrics_features import FeatureCounts
from trueline.serving.vocabularies import vocabularies_of


def samples(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([\w:]+)(?:\{(.*)\})? (\S+)", line)
        if match and not line.startswith("#"):
            labels = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or "")))
            found.setdefault(match[1], {})[labels] = float(match[3])
    return found


async def scrape(client: httpx.AsyncClient) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    return samples((await client.get("/metrics")).text)


TAXI = (("model", "taxi"), ("version", "1"))
NAME = (("model_name", "taxi"),)


def test_requests_show_under_both_families_of_names(base: Path) -> None:
    async def main() -> None:
        async with running({"taxi": base}) as (_, client):
            for rows in (1, 1, 3):
                await client.post(PATH, json={"instances": [{"fare": 1.0}] * rows})
            await client.post(PATH, json={"instances": [{"fare": "x"}]})
            await client.post(PATH.replace("taxi", "ghost"), json={"instances": [{}]})
            found = await scrape(client)
            assert found["trueline_requests_total"] == {
                (("code", "200"), *TAXI): 3,
                (("code", "400"), *TAXI): 1,
            }
            assert found["trueline_rows_total"][TAXI] == 5
            assert found["trueline_request_seconds_count"][TAXI] == 3
            assert found["trueline_load_seconds"][TAXI] > 0
            assert found["trueline_run_seconds_count"][TAXI] == found["trueline_queue_seconds_count"][TAXI] == 3
            assert found["trueline_in_flight"][TAXI] == found["trueline_queue_rows"][TAXI] == 0
            prefix = ":tensorflow:serving:"
            assert found[prefix + "request_count"] == {
                (*NAME, ("status", "OK")): 3,
                (*NAME, ("status", "INVALID_ARGUMENT")): 1,
            }
            rest = (("API", "predict"), ("entrypoint", "REST"), *NAME)
            assert found[prefix + "request_latency_count"] == {rest: 3}
            buckets = {dict(k)["le"]: v for k, v in found[prefix + "request_latency_bucket"].items()}
            assert len(buckets) == 34
            assert list(buckets)[:3] == ["10", "18", "32.4"]
            assert (list(buckets)[-1], buckets["+Inf"]) == ("+Inf", 3)
            assert list(buckets.values()) == sorted(buckets.values())
            ours = found["trueline_request_seconds_sum"][TAXI]
            assert found[prefix + "request_latency_sum"][rest] == pytest.approx(ours * 1e6)
            run = (("API", "predict"), *NAME, ("runtime", "ONNX"))
            assert found[prefix + "runtime_latency_count"] == {run: 3}
            assert found[prefix + "request_example_count_total"] == {(("model", "taxi"),): 5}
            counts = {dict(k)["le"]: v for k, v in found[prefix + "request_example_counts_bucket"].items()}
            assert (counts["1"], counts["2"], counts["4"]) == (2, 2, 3)
            assert found[prefix + "batching_session:wrapped_run_count"] == {NAME: 3}
            text = (await client.get("/monitoring/prometheus/metrics")).text
            assert "ghost" not in text
            assert len(list(text_string_to_metric_families(text))) > 15  # Prometheus' own reader takes it

    asyncio.run(main())


def test_missing_values_are_counted_by_feature_and_others_are_not(base: Path) -> None:
    async def main() -> None:
        async with running({"taxi": base}) as (_, client):
            await client.post(PATH, json={"instances": [{}, {"fare": 1.0}, {"fare": None, "company": "x"}]})
            await client.post(PATH, json={"inputs": {"fare": [1.0, 2.0]}})
            await client.post(PATH, content=ROW)
            found = (await scrape(client))["trueline_feature_missing_total"]
            assert found == {(("feature", "fare"), *TAXI): 2, (("feature", "company"), *TAXI): 4}

    asyncio.run(main())


def lookup_graph(between: str | None = None) -> onnx.ModelProto:
    """The taxi model's inputs; the output is the place of company in a vocabulary of two, or -1."""
    nodes = [helper.make_node(between, ["company"], ["text"])] if between else []
    encoder = helper.make_node(
        "LabelEncoder",
        ["text" if between else "company"],
        ["label"],
        domain="ai.onnx.ml",
        keys_strings=["Flash", "Yellow"],
        values_int64s=[0, 1],
        default_int64=-1,
    )
    nodes += [encoder, helper.make_node("Not", ["fare:present"], ["unused"])]
    info = helper.make_tensor_value_info
    inputs = [info(f.name, t, ["N"]) for f, t in zip(FEATURES, (TensorProto.DOUBLE, TensorProto.STRING), strict=True)]
    inputs += [info(f.name + ":present", TensorProto.BOOL, ["N"]) for f in FEATURES]
    outputs = [info("label", TensorProto.INT64, ["N"])]
    graph = helper.make_graph(nodes, "lookup", inputs, outputs)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def test_what_the_models_vocabulary_does_not_hold_is_counted(tmp_path: Path) -> None:
    outputs = [{"name": "label", "dtype": "int64", "shape": [None], "meaning": "label"}]
    publish(write_model(tmp_path / "model", lookup_graph(), outputs=outputs), tmp_path / "base", 1)

    async def main() -> None:
        async with running({"taxi": tmp_path / "base"}) as (app, client):
            await until(lambda: bool(app.metrics.runs["taxi", 1].features.unknown()))
            for companies in (["Flash", "Red", None], ["Red"], ["Yellow"], ["", "flash"]):
                rows = [{"fare": 1.0, "company": c} for c in companies]
                assert (await client.post(PATH, json={"instances": rows})).status_code == 200
            found = await scrape(client)
            assert found["trueline_feature_out_of_vocabulary_total"] == {(("feature", "company"), *TAXI): 4}
            assert found["trueline_feature_looked_up_total"] == {(("feature", "company"), *TAXI): 6}

    asyncio.run(main())


def test_after_the_first_runs_a_share_is_looked_up_and_the_ratio_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trueline.serving.metrics_features._ALL_RUNS", 10)
    counts = FeatureCounts()
    counts.read_by(type("Graph", (), {"feeds": COUNTED})(), {"s": frozenset({"x"})})
    half = COUNTED.pack_rows([{"s": "x"}, {"s": "y"}, {"s": None}])
    for _ in range(4010):
        counts.observe([half], 3)
    looked_up = counts.looked_up()["s"]
    assert counts.missing()["s"] == 4010
    assert 2 * (10 + 350) < looked_up < 2 * (10 + 650)
    assert counts.unknown()["s"] * 2 == looked_up


def test_vocabularies_come_from_lookups_of_the_text_as_it_came() -> None:
    texts = {"company": "utf8", "fare": "float64"}
    known = {"company": frozenset({"Flash", "Yellow"})}
    assert vocabularies_of(lookup_graph().SerializeToString(), texts) == known
    assert vocabularies_of(lookup_graph("Identity").SerializeToString(), texts) == known
    assert vocabularies_of(lookup_graph("StringNormalizer").SerializeToString(), texts) == {}
    assert vocabularies_of(taxi_graph().SerializeToString(), texts) == {}
    assert vocabularies_of(lookup_graph().SerializeToString(), {"fare": "float64"}) == {}


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 150))
def test_bytes_that_are_no_graph_raise_one_error(noise: bytes, cut: int) -> None:
    for data in (noise, lookup_graph().SerializeToString()[:cut] + noise):
        try:
            vocabularies_of(data, {"company": "utf8"})
        except ModelError:
            continue


COUNTED = Feeds([RawFeature("a", "float64"), RawFeature("s", "utf8"), RawFeature("tags", "utf8", "ragged")])
CELL = st.none() | st.sampled_from(["x", "y", "z"])


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(st.none() | st.floats(0, 1), CELL, st.none() | st.just(["t"])), min_size=1)))
def test_counts_do_not_depend_on_how_requests_came_together(
    requests: list[list[tuple[float | None, str | None, list[str] | None]]],
) -> None:
    counts = FeatureCounts()
    counts.read_by(type("Graph", (), {"feeds": COUNTED})(), {"s": frozenset({"x"})})
    rows = [dict(zip(("a", "s", "tags"), row, strict=True)) for request in requests for row in request]
    for request in requests:
        packed = COUNTED.pack_rows([dict(zip(("a", "s", "tags"), row, strict=True)) for row in request])
        counts.observe([packed], len(request))
    assert counts.missing() == {n: sum(r[n] is None for r in rows) for n in ("a", "s", "tags")}
    assert counts.unknown() == {"s": sum(r["s"] in ("y", "z") for r in rows)}


@settings(deadline=None)
@given(st.lists(st.floats(0, 100)))
def test_the_buckets_of_both_families_count_exactly(seconds: list[float]) -> None:
    metrics = Metrics()
    for value in seconds:
        metrics.answered("m", 1, "predict", "REST", 1, value)
    tally = metrics.by_version().get(("m", 1))
    if tally is None:
        assert not seconds
        return
    for bounds in ([m / 1e6 for m in LATENCY_MICROS], [0.001, 2.5]):
        counts = [count for _, count in tally.seconds.cumulative(bounds)]
        assert counts == [*(sum(s <= b for s in seconds) for b in bounds), len(seconds)]


def test_tallies_add_up() -> None:
    one, two = Tally((1, 2)), Tally((1, 2))
    one.observe(0.5)
    two.observe(2)
    one.add(two)
    assert (one.counts, one.sum) == ([1, 1, 0], 2.5)


def test_tensorflow_servings_monitoring_file_says_whether_and_where(base: Path, tmp_path: Path) -> None:
    async def statuses(text: str, *paths: str) -> list[int]:
        path = tmp_path / "monitoring.config"
        path.write_text(text)
        async with running({"taxi": base}) as (app, client):
            Front(monitoring_config_file=str(path)).install(app)
            return [(await client.get(p)).status_code for p in paths]

    config: Any = 'prometheus_config { enable: true, path: "/own/path" }'
    usual = "/monitoring/prometheus/metrics"
    assert asyncio.run(statuses(config, "/own/path", usual, "/metrics")) == [200, 404, 200]
    assert asyncio.run(statuses("prometheus_config { enable: true }", usual)) == [200]
    assert asyncio.run(statuses("prometheus_config { enable: false }", usual, "/metrics")) == [404, 404]
    with pytest.raises(ConfigError):
        asyncio.run(statuses("prometheus_config { enabled: true }", usual))
    assert np.all(np.diff(LATENCY_MICROS) > 0)

"""The prediction log: the training schema, samples that agree, nothing lost at the end, and disks that fail."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_feedback_helpers import PREDICT, ROW, logged, mounted, running_config, sample, scenario
from serving_helpers import FEATURES, Process, publish, taxi_graph, until, write_model

from trueline._core.errors import ConfigError
from trueline._core.feeds import Feeds
from trueline._core.values import RawFeature, arrow_type_of
from trueline.data_validation import generate_statistics_from_parquet, infer_schema, validate_statistics
from trueline.serving import ServerOptions, create_app
from trueline.serving.config import ModelConfig, RequestLogging, ServerConfig
from trueline.serving.feedback import log_places
from trueline.serving.prediction_rows import Record, Shape, table_of
from trueline.serving.traffic import unit

EVERY = (
    *FEATURES,
    RawFeature("seats", "int64", optional=False),
    RawFeature("night", "bool"),
    RawFeature("when", "timestamp"),
    RawFeature("speeds", "float64", "ragged"),
    RawFeature("tags", "utf8", "ragged"),
    RawFeature("place", "float64", "fixed", 2),
)
NOTHING = {"fare": None, "company": None, "night": None, "when": None, "speeds": None, "place": None}
BLANK = {"fare": 0.0, "company": "", "night": False, "when": 0, "speeds": [], "place": [1.0, 2.0]}
ROWS: list[dict[str, Any]] = [
    {"fare": 1.5, "company": "Flash", "seats": 2, "night": True, "when": 1_600_000_000_000_000, "speeds": [1.0, 2.5],
     "tags": ["a", "ü"], "place": [0.5, -0.5]},
    {**NOTHING, "seats": -7, "tags": []},
    {**BLANK, "seats": 0, "tags": None},
]  # fmt: skip


def config(base: Path, log: RequestLogging | None = None) -> ServerConfig:
    return ServerConfig((ModelConfig("taxi", str(base), logging=log),))


def training(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, pa.schema([(f.name, arrow_type_of(f)) for f in EVERY]))


@scenario
async def test_rows_come_back_in_the_training_schema_and_validate_against_it(tmp_path: Path) -> None:
    publish(write_model(tmp_path / "every", taxi_graph(), EVERY), tmp_path / "base", 4)
    folder = tmp_path / "log"
    began = datetime.now(UTC)
    async with running_config(config(tmp_path / "base"), prediction_log=str(folder)) as (_, client):
        first = await client.post(PREDICT, json={"instances": ROWS}, headers={"x-request-id": "ask-1"})
        for i in range(30):
            row = {n: v for n, v in ROWS[0].items() if v is not None} | {"seats": i}
            answer = await client.post(PREDICT, json={"instances": [row]}, headers={"x-request-id": f"one-{i}"})
            assert answer.status_code == 200
    found = logged(folder)
    assert found.num_rows == 33, "a clean stop loses nothing"
    assert found.schema.names[: len(EVERY)] == [f.name for f in EVERY]
    for feature in EVERY:
        assert found.schema.field(feature.name).type == arrow_type_of(feature), feature.name
    whole = found.slice(0, 3)
    raw = [f.name for f in EVERY]
    assert whole.select(raw).to_pylist() == training(ROWS).to_pylist(), "values, missing and empty ones, as they were"
    assert whole["__tracking_id"].to_pylist() == ["ask-1"] * 3
    assert whole["__place"].to_pylist() == [0, 1, 2]
    assert set(found["__version"].to_pylist()) == {4}
    assert {(r["__model"], r["__role"], r["__api"]) for r in found.to_pylist()} == {("taxi", "champion", "predict")}
    assert all(began <= t <= datetime.now(UTC) for t in found["__time"].to_pylist())
    for row, told in zip(whole.to_pylist(), first.json()["predictions"], strict=True):
        assert row["__prediction:label"] == told["label"]
        assert row["__prediction:probabilities"] == pytest.approx(told["probabilities"], abs=1e-7)

    pq.write_table(training(ROWS * 10), tmp_path / "train.parquet")
    schema = infer_schema(generate_statistics_from_parquet(tmp_path / "train.parquet"))
    statistics = generate_statistics_from_parquet(folder / "taxi" / "4")
    assert {f.path.step[0] for f in statistics.datasets[0].features} == set(raw), "only the raw columns are features"
    assert not validate_statistics(statistics, schema).anomaly_info


def _values(feature: RawFeature) -> st.SearchStrategy[Any]:
    whole = st.integers(-(2**63), 2**63 - 1)
    numbers = st.floats(allow_nan=False)
    times = st.integers(-(2**55), 2**55)
    one = {"float64": numbers, "utf8": st.text(), "int64": whole, "bool": st.booleans(), "timestamp": times}[
        feature.dtype
    ]
    if feature.kind != "scalar":
        one = st.lists(one, min_size=feature.size or 0, max_size=feature.size or 4)
    return st.none() | one if feature.optional else one


EVERY_ROW = st.fixed_dictionaries({feature.name: _values(feature) for feature in EVERY})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(EVERY_ROW, min_size=1, max_size=4), min_size=1, max_size=4))
def test_whatever_was_asked_is_logged_as_it_was(requests: list[list[dict[str, Any]]]) -> None:
    feeds = Feeds(EVERY)
    shape = Shape(feeds, EVERY, [{"name": "p", "dtype": "float32", "shape": [None], "meaning": "prediction"}])
    records = []
    for i, rows in enumerate(requests):
        outputs = {"p": np.arange(len(rows), dtype=np.float32)}
        records.append(
            Record(f"id-{i}", "m", 1, 0, "champion", "predict", "log", shape, feeds.pack_rows(rows), outputs)
        )
    found = table_of(records)
    wanted = training([row for rows in requests for row in rows])
    assert found.select(wanted.schema.names).equals(wanted)
    assert found["__prediction:p"].to_pylist() == found["__place"].to_pylist()
    assert found["__tracking_id"].to_pylist() == [f"id-{i}" for i, rows in enumerate(requests) for _ in rows]


@scenario
async def test_raw_columns_of_host_steps_are_logged_too(tmp_path: Path) -> None:
    step = {"output": "size", "inputs": ["note"], "function": "serving_helpers:lengths", "dtype": "int64"}
    raw = (*FEATURES, RawFeature("note", "utf8"))
    model = write_model(
        tmp_path / "m", taxi_graph(), raw, steps=[step], feeds=(*FEATURES, RawFeature("host:size", "int64"))
    )
    publish(model, tmp_path / "base", 1)
    notes = ["long", None, ""]
    settings = {"prediction_log": str(tmp_path / "log"), "allow_host": ("serving_helpers",)}
    async with running_config(config(tmp_path / "base"), **settings) as (_, client):
        rows = [{"fare": 1.0, "company": "x", "note": note} for note in notes]
        await client.post(PREDICT, json={"instances": rows})
        await client.post(PREDICT, json={"inputs": {"note": ["column"], "fare": [2.0]}})
    found = logged(tmp_path / "log")
    assert found["note"].to_pylist() == [*notes, "column"]
    assert found["fare"].to_pylist() == [1.0, 1.0, 1.0, 2.0]
    assert "host:size" not in found.schema.names


@scenario
async def test_the_sample_goes_by_the_request_id(base: Path, tmp_path: Path) -> None:
    async with running_config(config(base), prediction_log=str(tmp_path / "log"), prediction_log_sample=0.3) as (
        app,
        client,
    ):
        for i in range(60):
            await client.post(PREDICT, json=ROW, headers={"x-request-id": f"id-{i}"})
        await client.post(PREDICT, json={"instances": [{"fare": "x"}]}, headers={"x-request-id": "id-0"})
    wanted = {f"id-{i}" for i in range(60) if unit("", f"id-{i}") < 0.3}
    assert 5 < len(wanted) < 40
    assert sorted(logged(tmp_path / "log")["__tracking_id"].to_pylist()) == sorted(wanted)
    [count] = sample(app, "trueline_prediction_log_rows_total").values()
    assert count == len(wanted)


def test_a_model_says_for_itself_what_is_logged_and_where(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model 'taxi': .* no folder is named"):
        create_app(config(base, RequestLogging(0.5)))
    assert not log_places(config(base, RequestLogging(0.0)), ServerOptions(prediction_log="/log"))
    own = log_places(config(base, RequestLogging(0.5, str(tmp_path))), ServerOptions(prediction_log="/log"))
    assert (own["taxi"].folder, own["taxi"].rate) == (str(tmp_path), 0.5)
    servers = log_places(config(base), ServerOptions(prediction_log="/log", prediction_log_sample=0.1))
    assert (servers["taxi"].folder, servers["taxi"].rate) == ("/log", 0.1)
    with pytest.raises(ConfigError, match="prediction_log_sample: expected 0 to 1"):
        ServerOptions(prediction_log_sample=1.5)


def test_without_pyarrow_the_server_does_not_start(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match="pyarrow is not installed"):
        create_app(config(base), ServerOptions(prediction_log="/log"))


@scenario
async def test_a_file_is_made_of_so_many_rows_or_after_so_much_time(base: Path, tmp_path: Path) -> None:
    settings = {"prediction_log": str(tmp_path / "log"), "prediction_log_rows": 8}
    async with running_config(config(base), **settings, prediction_log_seconds=0.3) as (_, client):
        await client.post(PREDICT, json={"instances": ROW["instances"] * 9})
        await until(lambda: len(list((tmp_path / "log").rglob("*.parquet"))) == 1, 10)
        await client.post(PREDICT, json=ROW)
        await until(lambda: len(list((tmp_path / "log").rglob("*.parquet"))) == 2, 10)
    assert logged(tmp_path / "log").num_rows == 10
    assert not list((tmp_path / "log").rglob(".*")), "no half-written file is left"


@scenario
async def test_rows_beyond_the_bound_are_dropped_and_counted(base: Path, tmp_path: Path) -> None:
    settings = {"prediction_log": str(tmp_path / "log"), "prediction_log_queue_rows": 10}
    async with running_config(config(base), **settings) as (app, client):
        for _ in range(3):  # 4 rows each; the third finds 8 in memory
            answer = await client.post(PREDICT, json={"instances": ROW["instances"] * 4})
            assert answer.status_code == 200
        assert sample(app, "trueline_prediction_log_dropped_total") == {'{model="taxi",reason="queue"}': 4.0}
    assert logged(tmp_path / "log").num_rows == 8


def test_a_full_disk_fails_no_request_is_told_once_and_mended(base: Path, tmp_path: Path) -> None:
    events: list[tuple[str, dict[str, Any]]] = []

    @scenario
    async def ask(disk: Path) -> None:
        ballast = disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb") as file:
            while True:
                file.write(b"x" * 65536)
        settings = {"prediction_log": str(disk / "log"), "prediction_log_rows": 4, "prediction_log_seconds": 0.05}
        async with running_config(config(base), lambda n, f: events.append((n, dict(f))), **settings) as (app, client):
            for i in range(12):
                answer = await client.post(PREDICT, json=ROW, headers={"x-request-id": f"full-{i}"})
                assert answer.status_code == 200
            await until(lambda: sum(sample(app, "trueline_prediction_log_errors_total").values()) >= 2, 10)
            assert not list(disk.rglob("*.parquet"))
            ballast.unlink()
            await until(lambda: any(n == "prediction_log_recovered" for n, _ in events), 10)
        ids = sorted(logged(disk / "log")["__tracking_id"].to_pylist())
        assert ids == sorted(f"full-{i}" for i in range(12)), "what waited for the disk is there"
        assert not sample(app, "trueline_prediction_log_dropped_total")

    with mounted(tmp_path / "disk", 1 << 20) as disk:
        ask(disk)
    failures = [facts for name, facts in events if name == "prediction_log_failed"]
    assert len(failures) == 1
    assert "No space left" in failures[0]["error"]


@scenario
async def test_a_folder_that_cannot_be_made_loses_the_rows_at_the_end_and_says_so(base: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    events: list[str] = []
    settings = {"prediction_log": str(tmp_path / "file" / "log"), "prediction_log_seconds": 0.05}
    async with running_config(config(base), lambda n, f: events.append(n), **settings) as (app, client):
        assert (await client.post(PREDICT, json=ROW)).status_code == 200
        await until(lambda: "prediction_log_failed" in events, 10)
    assert sample(app, "trueline_prediction_log_dropped_total") == {'{model="taxi",reason="disk"}': 1.0}
    assert events.count("prediction_log_failed") == 1


@scenario
async def test_a_new_configuration_switches_it_on_and_off(base: Path, tmp_path: Path) -> None:
    events: list[tuple[str, dict[str, Any]]] = []
    async with running_config(config(base), lambda n, f: events.append((n, dict(f)))) as (app, client):
        for i, log in enumerate([None, RequestLogging(1.0, str(tmp_path / "log")), RequestLogging(0.0), None]):
            await app.manager.apply(config(base, log))
            assert (await client.post(PREDICT, json=ROW, headers={"x-request-id": f"turn-{i}"})).status_code == 200
        await app.manager.apply(config(base, RequestLogging(0.5)))
        assert (await client.post(PREDICT, json=ROW)).status_code == 200, "a wrong place stops no answer"
    assert logged(tmp_path / "log")["__tracking_id"].to_pylist() == ["turn-1"]
    [told] = [facts for name, facts in events if name == "prediction_log_failed"]
    assert "no folder is named" in told["error"]


@scenario
async def test_a_name_of_a_model_stays_in_its_folder(base: Path, tmp_path: Path) -> None:
    models = ServerConfig((ModelConfig("..", str(base)), ModelConfig("a b\\c", str(base))))
    async with running_config(models, prediction_log=str(tmp_path / "log")) as (_, client):
        for name in ("..", "a%20b%5Cc"):
            answer = await client.post(f"/v1/models/x/../{name}:predict".replace("x/../", ""), json=ROW)
            assert answer.status_code == 200
    assert {p.relative_to(tmp_path / "log").parts[0] for p in (tmp_path / "log").rglob("*.parquet")} == {
        "%2E.",
        "a b%5Cc",
    }
    assert {p.name for p in tmp_path.iterdir()} >= {"log", "base"}


def test_a_server_that_is_ended_writes_all(base: Path, tmp_path: Path, start_server: Callable[..., Process]) -> None:
    log = tmp_path / "log"
    server = start_server(base, "--prediction-log", str(log), "--prediction-log-seconds", "600")
    with httpx.Client(base_url=server.url) as client:
        answers = [client.post(PREDICT, json=ROW, headers={"x-request-id": f"end-{i}"}) for i in range(50)]
    assert {a.status_code for a in answers} == {200}
    assert not list(log.rglob("*.parquet"))
    assert server.stop() == 0
    assert sorted(logged(log)["__tracking_id"].to_pylist()) == sorted(f"end-{i}" for i in range(50))


@pytest.mark.slow
def test_a_server_that_is_killed_leaves_whole_files(
    base: Path, tmp_path: Path, start_server: Callable[..., Process]
) -> None:
    log = tmp_path / "killed"
    server = start_server(base, "--prediction-log", str(log), "--prediction-log-rows", "4")
    with httpx.Client(base_url=server.url) as client:
        until_time = time.monotonic() + 1.0
        while time.monotonic() < until_time or not list(log.rglob("*.parquet")):
            client.post(PREDICT, json={"instances": ROW["instances"] * 2})
        server.popen.send_signal(signal.SIGKILL)
    server.popen.wait()
    files = list(log.rglob("*.parquet"))
    assert files
    assert all(pq.ParquetFile(file).read().num_rows >= 4 for file in files)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    import threading

    yield
    assert not [t for t in threading.enumerate() if t.name == "trueline-prediction-log" and t.is_alive()]


def test_an_app_that_never_starts_leaves_no_thread(base: Path, tmp_path: Path) -> None:
    app = create_app(config(base), ServerOptions(prediction_log=str(tmp_path)))

    async def stop() -> None:
        await app.shutdown()

    asyncio.run(stop())

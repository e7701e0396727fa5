"""Versions in this process: what is loaded, what stays, what is shown, and that a swap loses no request."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

from serving_helpers import OUTPUTS, publish, running, taxi_graph, until, write_model

from trueline._core.manifest import write_manifest
from trueline._core.values import RawFeature
from trueline.serving.scan import scan_base
from trueline.serving.versions import State


async def states(client: Any, name: str = "taxi") -> dict[int, str]:
    """State by version, as the status page gives them."""
    data = (await client.get(f"/v1/models/{name}")).json()
    return {int(v["version"]): v["state"] for v in data.get("model_version_status", [])}


def test_scan_takes_only_complete_integer_folders(tmp_path: Path, taxi: Path) -> None:
    base = tmp_path / "base"
    publish(taxi, base, 7)
    publish(taxi, base, 12)
    for name in ("v3", "-4", "1.5", "٣", ".tmp", str(2**63)):
        shutil.copytree(taxi, base / name)
    shutil.copytree(taxi, base / "0007")
    shutil.copytree(taxi, base / "20", ignore=shutil.ignore_patterns("MANIFEST.json"))
    shutil.copytree(taxi, base / "21")
    (base / "21" / "model.onnx").write_bytes(b"half")
    (base / "30").write_text("a file")
    found = scan_base(str(base))
    assert sorted(found) == [7, 12]
    assert found[7].uri.endswith("0007")
    (base / "22").symlink_to(taxi, target_is_directory=True)
    assert sorted(scan_base(str(base))) == [7, 12, 22]


def test_a_half_copied_version_is_ignored_until_its_manifest_appears(base: Path, taxi_other: Path) -> None:
    async def main() -> None:
        async with running({"taxi": base}) as (app, client):
            target = base / "2"
            target.mkdir()
            for name in ("model.json", "host.json", "model.onnx"):
                shutil.copy2(taxi_other / name, target / name)
                await app.manager.refresh("taxi")
                assert await states(client) == {1: "AVAILABLE"}
            shutil.copy2(taxi_other / "MANIFEST.json", target / "MANIFEST.json")
            await until(lambda: app.manager.table["taxi"].default.number == 2)
            answer = await client.post("/v1/models/taxi:predict", json={"instances": [{}]})
            assert answer.headers["x-model-version"] == "2"

    asyncio.run(main())


def test_a_manifest_that_arrives_first_does_not_make_a_version(base: Path, taxi_other: Path) -> None:
    async def main() -> None:
        async with running({"taxi": base}) as (app, client):
            target = base / "2"
            target.mkdir()
            for name in ("MANIFEST.json", "model.json", "host.json"):
                shutil.copy2(taxi_other / name, target / name)
                await app.manager.refresh("taxi")
                assert await states(client) == {1: "AVAILABLE"}
            shutil.copy2(taxi_other / "model.onnx", target / "model.onnx")
            await until(lambda: app.manager.table["taxi"].default.number == 2)

    asyncio.run(main())


def test_the_old_version_is_drained_before_it_goes(base: Path, taxi_other: Path) -> None:
    async def main() -> None:
        async with running({"taxi": base}) as (app, client):
            old = app.manager.table["taxi"].default
            assert old is not None
            held = old.acquire()
            publish(taxi_other, base, 2)
            await until(lambda: app.manager.table["taxi"].default.number == 2)
            await until(lambda: old.state is State.UNLOADING)
            assert await states(client) == {1: "UNLOADING", 2: "AVAILABLE"}
            assert (
                await client.post("/v1/models/taxi/versions/1:predict", json={"instances": [{}]})
            ).status_code == 404
            assert held.runtime.predict_rows([{}])["label"].tolist() == [False]
            old.release()
            await until(lambda: old.state is State.END)
            assert old.live is None
            assert await states(client) == {1: "END", 2: "AVAILABLE"}

    asyncio.run(main())


def corrupt_models(tmp_path: Path) -> dict[str, Path]:
    """Models with a valid manifest that must not load."""
    no_graph = write_model(tmp_path / "bad" / "no_graph", b"this is no graph")
    wrong_feeds = write_model(tmp_path / "bad" / "feeds", taxi_graph(), [RawFeature("fare", "float64")])
    warm = write_model(tmp_path / "bad" / "warm", taxi_graph(), warmup={"rows": [{"fare": "x"}]})
    warm_shape = write_model(tmp_path / "bad" / "warm2", taxi_graph(), warmup=["no"])
    no_json = write_model(tmp_path / "bad" / "no_json", taxi_graph(), manifest=False)
    (no_json / "model.json").write_text("{")
    write_manifest(str(no_json), "Model", 1)
    step = {"output": "h", "inputs": ["fare"], "function": "os:getcwd", "dtype": "utf8"}
    host = write_model(tmp_path / "bad" / "host", taxi_graph(), steps=[step])
    changed = write_model(tmp_path / "bad" / "changed", taxi_graph())
    text = (changed / "model.json").read_text()
    (changed / "model.json").write_text(text.replace("taxi", "taxo"))
    return {
        "graph": no_graph,
        "inputs that its feeds do not give": wrong_feeds,
        "row 0, field 'fare': expected float64": warm,
        "expected": warm_shape,
        "do not parse": no_json,
        "runs Python of modules that are not allowed": host,
        "other contents than were written": changed,
    }


def test_a_version_that_does_not_load_leaves_the_old_one_serving(base: Path, tmp_path: Path) -> None:
    bad = corrupt_models(tmp_path)

    async def main() -> None:
        async with running({"taxi": base}) as (app, client):
            for number, (reason, folder) in enumerate(bad.items(), start=2):
                publish(folder, base, number)
                await until(lambda number=number: number in app.manager.tracked["taxi"])
                version = app.manager.tracked["taxi"][number]
                await until(lambda version=version: version.state is State.END)
                shown = (await client.get(f"/v1/models/taxi/versions/{number}")).json()["model_version_status"][0]
                assert shown["state"] == "END"
                assert shown["status"]["error_code"] == "UNKNOWN"
                assert reason in shown["status"]["error_message"], reason
                answer = await client.post("/v1/models/taxi:predict", json={"instances": [{}]})
                assert (answer.status_code, answer.headers["x-model-version"]) == (200, "1")
            assert app.ready

    asyncio.run(main())


def test_a_failed_version_is_tried_again_when_it_changes_and_only_then(base: Path, tmp_path: Path, taxi: Path) -> None:
    broken = write_model(tmp_path / "broken", b"no graph")
    events: list[tuple[str, int]] = []

    async def main() -> None:
        def on_event(name: str, facts: Any) -> None:
            events.append((name, facts["version"]))

        async with running({"taxi": base}, on_event=on_event) as (app, _):
            publish(broken, base, 2)
            await until(lambda: ("load_failed", 2) in events)
            for _ in range(3):
                await app.manager.refresh("taxi")
            assert events.count(("load_failed", 2)) == 1
            shutil.rmtree(base / "2")
            publish(taxi, base, 2)
            await until(lambda: ("available", 2) in events)
            await until(lambda: ("unloaded", 1) in events)

    asyncio.run(main())


def test_a_failure_is_tried_again_after_a_while_without_a_change(base: Path, tmp_path: Path) -> None:
    publish(write_model(tmp_path / "broken", b"no graph"), base, 2)
    events: list[tuple[str, int]] = []

    async def main() -> None:
        def on_event(name: str, facts: Any) -> None:
            events.append((name, facts["version"]))

        async with running({"taxi": base}, on_event=on_event, retry_seconds=0) as (app, _):
            await until(lambda: events.count(("load_failed", 2)) >= 3)
            assert app.manager.table["taxi"].default.number == 1

    asyncio.run(main())


def test_at_the_start_an_older_version_stands_in_for_a_broken_newest(base: Path, tmp_path: Path) -> None:
    publish(write_model(tmp_path / "broken", b"no graph"), base, 9)

    async def main() -> None:
        async with running({"taxi": base}) as (_, client):
            assert await states(client) == {9: "END", 1: "AVAILABLE"}

    asyncio.run(main())


def test_removing_the_newest_version_rolls_back(base: Path, taxi_other: Path) -> None:
    publish(taxi_other, base, 2)

    async def main() -> None:
        async with running({"taxi": base}) as (app, client):
            assert app.manager.table["taxi"].default.number == 2
            shutil.rmtree(base / "2")
            await until(lambda: app.manager.table["taxi"].default.number == 1)
            await until(lambda: app.manager.tracked["taxi"][2].state is State.END)
            assert await states(client) == {1: "AVAILABLE", 2: "END"}

    asyncio.run(main())


def test_the_last_version_stays_when_its_folder_or_the_base_vanishes(base: Path) -> None:
    async def main() -> None:
        async with running({"taxi": base}) as (app, client):
            shutil.rmtree(base / "1")
            await app.manager.refresh("taxi")
            assert await states(client) == {1: "AVAILABLE"}
            shutil.rmtree(base)
            await app.manager.refresh("taxi")
            assert await states(client) == {1: "AVAILABLE"}
            assert "does not exist" in app.manager.scan_errors["taxi"]
            assert (await client.post("/v1/models/taxi:predict", json={"instances": [{}]})).status_code == 200

    asyncio.run(main())


def test_several_versions_can_be_kept(base: Path, taxi: Path, taxi_other: Path) -> None:
    publish(taxi_other, base, 2)
    publish(taxi, base, 3)

    async def main() -> None:
        async with running({"taxi": base}, num_versions=2) as (app, client):
            await until(lambda: len(app.manager.table["taxi"].versions) == 2)
            assert await states(client) == {3: "AVAILABLE", 2: "AVAILABLE"}
            for path, version in (("", "3"), ("/versions/2", "2"), ("/versions/3", "3")):
                answer = await client.post(f"/v1/models/taxi{path}:predict", json={"instances": [{}]})
                assert answer.headers["x-model-version"] == version

    asyncio.run(main())


def test_warm_up_rows_of_the_model_are_used(tmp_path: Path) -> None:
    write_model(tmp_path / "base" / "1", taxi_graph(), warmup={"rows": [{"fare": 1.0}, {"company": "Flash"}]})

    async def main() -> None:
        async with running({"taxi": tmp_path / "base"}) as (_, client):
            assert await states(client) == {1: "AVAILABLE"}

    asyncio.run(main())


def test_an_output_without_a_row_dimension_is_refused_at_load(tmp_path: Path) -> None:
    graph = taxi_graph()
    from onnx import TensorProto, helper

    graph.graph.node.append(helper.make_node("Size", ["fare"], ["count"]))
    graph.graph.output.append(helper.make_tensor_value_info("count", TensorProto.INT64, []))
    count = {"name": "count", "dtype": "int64", "shape": [], "meaning": "count"}
    write_model(tmp_path / "base" / "1", graph, outputs=[*OUTPUTS, count])

    async def main() -> None:
        async with running({"taxi": tmp_path / "base"}, wait=False) as (app, _):
            await until(lambda: 1 in app.manager.tracked["taxi"])
            version = app.manager.tracked["taxi"][1]
            await until(lambda: version.state is State.END)
            assert "output 'count' has shape []" in version.error

    asyncio.run(main())


def test_swaps_under_load_lose_no_request_and_mix_no_versions(base: Path, taxi: Path, taxi_other: Path) -> None:
    """24 clients without pause over 5 swaps, inline and in a thread; each answer fits the version it names."""
    models = (taxi, taxi_other)

    async def main(inline_micros: float) -> None:
        async with running({"taxi": base}, inline_micros=inline_micros) as (app, client):
            first = app.manager.table["taxi"].default.number
            seen: dict[int, set[bool]] = {}
            failures: list[str] = []
            stop = asyncio.Event()

            async def one() -> None:
                while not stop.is_set():
                    answer = await client.post("/v1/models/taxi:predict", json={"instances": [{}, {}]})
                    if answer.status_code != 200:
                        failures.append(answer.text)
                        continue
                    labels = {p["label"] for p in answer.json()["predictions"]}
                    seen.setdefault(int(answer.headers["x-model-version"]), set()).update(labels)

            clients = [asyncio.ensure_future(one()) for _ in range(24)]
            await until(lambda: first in seen)
            for version in range(first + 1, first + 6):
                publish(models[(version - 1) % 2], base, version)
                await until(lambda version=version: version in seen)
            stop.set()
            await asyncio.gather(*clients)
            assert failures == []
            assert len(seen) == 6
            assert all(labels == {version % 2 == 0} for version, labels in seen.items()), seen

    asyncio.run(main(1e9))
    asyncio.run(main(0.0))


def test_a_host_step_runs_only_when_its_module_is_allowed(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Cast", ["host:size"], ["prediction"], to=TensorProto.FLOAT)],
        "g",
        [info("host:size", TensorProto.INT64, ["N"]), info("host:size:present", TensorProto.BOOL, ["N"])],
        [info("prediction", TensorProto.FLOAT, ["N"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    step = {"output": "size", "inputs": ["text"], "function": "serving_helpers:lengths", "dtype": "int64"}
    base = tmp_path / "base"
    write_model(
        base / "1",
        model,
        [RawFeature("text", "utf8")],
        [{"name": "prediction", "dtype": "float32", "shape": [None], "meaning": "prediction"}],
        steps=[step],
        feeds=[RawFeature("host:size", "int64")],
    )

    async def main() -> None:
        async with running({"taxi": base}, allow_host=("serving_helpers",)) as (app, client):
            assert not app.manager.table["taxi"].default.live.inline
            answer = await client.post("/v1/models/taxi:predict", json={"instances": ["abc", ""]})
            assert answer.json() == {"predictions": [3.0, 0.0]}
            answer = await client.post("/v1/models/taxi:predict", json={"inputs": {"text": ["abc", "raise"]}})
            assert answer.status_code == 500
            assert "host step 'size'" in answer.json()["error"]
            answer = await client.post("/v1/models/taxi:predict", json={"instances": [{"txt": "abc"}]})
            assert answer.status_code == 400
        async with running({"taxi": base}, wait=False) as (app, _):
            await until(lambda: 1 in app.manager.tracked["taxi"])
            await until(lambda: app.manager.tracked["taxi"][1].state is State.END)
            assert "serving_helpers" in app.manager.tracked["taxi"][1].error

    asyncio.run(main())


def test_models_are_apart(base: Path, tmp_path: Path, taxi_other: Path) -> None:
    publish(taxi_other, tmp_path / "second", 4)

    async def main() -> None:
        async with running({"taxi": base, "second": tmp_path / "second"}) as (_, client):
            body = json.dumps({"instances": [{}]})
            first = await client.post("/v1/models/taxi:predict", content=body)
            second = await client.post("/v1/models/second:predict", content=body)
            assert (first.headers["x-model-version"], second.headers["x-model-version"]) == ("1", "4")
            assert first.json() != second.json()

    asyncio.run(main())

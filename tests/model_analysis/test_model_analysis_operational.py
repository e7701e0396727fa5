"""What a model costs to run is measured on the model itself, and gates say what is too much and what to do."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from model_analysis_line import built
from onnx import helper, numpy_helper

from trueline._core import store
from trueline._core.errors import ConfigError, DataError
from trueline._core.manifest import write_manifest
from trueline._core.runtime import ModelRuntime
from trueline.engine import Dataset
from trueline.model_analysis.operational import (
    ModelOperations,
    OperationalGates,
    Operations,
    Spread,
    check_operations,
    gates_not_applied,
    judge_operations,
    measure_operations,
    without_measurements,
)
from trueline.model_analysis.operational.memory import measure_memory
from trueline.models import Model

QUICK = {"rounds": 3, "calls": 15, "batches": 3, "batch_rows": 256}


@pytest.fixture(scope="module")
def light() -> Model:
    model: Model = built()["late"]
    return model


@pytest.fixture(scope="module")
def heavy(light: Model, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The same answers after a product of large matrices that adds nothing: slower, larger, and hungrier."""
    folder = tmp_path_factory.mktemp("heavy") / "model"
    shutil.copytree(light.uri, folder)
    (folder / "MANIFEST.json").unlink()
    made = onnx.load(folder / "model.onnx")
    graph, size = made.graph, 1100
    last = next(n for n in graph.node if "probabilities" in n.output)
    last.output[0] = "before"
    weights = np.random.default_rng(0).normal(0, 1e-3, (2, size, size)).astype(np.float32)
    zero = np.zeros((size, 2), np.float32)
    widen = np.ones((2, size), np.float32)
    for name, value in {"w0": weights[0], "w1": weights[1], "none": zero, "widen": widen}.items():
        graph.initializer.append(numpy_helper.from_array(value, name))
    chain = ["before", "wide", "once", "twice", "nothing"]
    for at, weight in enumerate(["widen", "w0", "w1", "none"]):
        graph.node.append(helper.make_node("MatMul", [chain[at], weight], [chain[at + 1]]))
    graph.node.append(helper.make_node("Add", ["before", "nothing"], ["probabilities"]))
    label = next(n for n in graph.node if "label" in n.output)  # what reads the probabilities comes after them
    readers = [n for n in graph.node if any(i == "probabilities" for i in n.input)]
    for node in [*readers, label]:
        graph.node.remove(node)
    graph.node.extend([*readers, label])
    onnx.save(made, folder / "model.onnx")
    write_manifest(str(folder), "Model", 1)
    return Model.load(str(folder))


def test_a_heavier_model_is_seen_in_every_ratio(light: Model, heavy: Model) -> None:
    table = built()["table"]
    np.testing.assert_allclose(heavy.predict_proba(table), light.predict_proba(table), atol=1e-6)
    found = measure_operations(heavy, table, light, **QUICK)
    extra = 2 * 1100 * 1100 * 4
    assert found.candidate.onnx_bytes - found.baseline.onnx_bytes > extra
    assert found.candidate.model_bytes == sum(f.size for f in heavy.runtime.manifest.files)
    assert found.baseline.model_bytes == sum(
        store.size(store.join(light.uri, f.path)) for f in light.runtime.manifest.files
    )
    assert found.latency_ratio.low <= found.latency_ratio.value <= found.latency_ratio.high
    assert found.latency_ratio.value > 2
    assert found.batch_ratio.value > 2
    assert found.candidate.latency_us <= found.candidate.latency_p99_us
    assert found.candidate.peak_memory_bytes > found.baseline.peak_memory_bytes + extra / 2
    assert found.memory_ratio > 1
    assert (found.rows, found.repeats, found.batch_rows) == (64, 45, 256)
    gates = OperationalGates(max_size_ratio=2.0, max_latency_ratio=1.5, max_memory_ratio=1.05, max_latency_us=1e9)
    broken = {f.metric: f for f in judge_operations(found, gates)}
    assert list(broken) == ["size_ratio", "latency_ratio", "memory_ratio"]
    assert broken["latency_ratio"].by == pytest.approx(found.latency_ratio.value - 1.5)
    assert "rounds from" in broken["latency_ratio"].sentence
    assert "make it faster" in broken["latency_ratio"].sentence
    assert (
        judge_operations(
            measure_operations(light, table, light, **QUICK, memory=False), OperationalGates(max_size_ratio=1)
        )
        == ()
    )


@pytest.mark.frameworks
def test_memory_is_measured_in_a_process_of_its_own(light: Model) -> None:
    held = np.ones((64, 1 << 20), np.uint8)  # what this process holds is not the model's
    peak, why = measure_memory(light.runtime, built()["table"].slice(0, 50))
    assert why is None
    assert 1 << 18 < peak < 50 << 20
    assert held.sum() == 64 << 20


def test_memory_that_cannot_be_measured_is_undefined_and_does_not_pass(light: Model, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    shutil.copytree(light.uri, folder)
    runtime = ModelRuntime.load(str(folder))
    shutil.rmtree(folder)
    peak, why = measure_memory(runtime, built()["table"].slice(0, 5))
    assert peak is None
    assert "ended with 1" in why
    found = operations(memory=None)
    for gate in ({"max_peak_memory_bytes": 1}, {"max_memory_ratio": 9.0}):
        (failure,) = judge_operations(found, OperationalGates(**gate))
        assert failure.kind == "undefined"
        assert "the kernel says no" in failure.sentence
        assert "does not pass" in failure.sentence


def operations(memory: int | None = 1000, baseline: bool = True) -> Operations:
    one = ModelOperations(4096, 2048, 50.0, 90.0, 40.0, 1e5, memory, None if memory else "the kernel says no")
    two = replace(one, model_bytes=2048, peak_memory_bytes=memory and memory // 2)
    ratios = [Spread(1.25, 1.2, 1.3)] * 3 if baseline else []
    return Operations(one, two if baseline else None, *ratios, rows=8, repeats=10, batch_rows=16)


LIMITS = {
    "max_model_bytes": 4096, "max_onnx_bytes": 2048, "max_size_ratio": 2.0, "max_latency_us": 50.0,
    "max_latency_p99_us": 90.0, "max_latency_ratio": 1.25, "max_cpu_ratio": 1.25, "max_batch_ratio": 1.25,
    "min_batch_rows_per_s": 1e5, "max_peak_memory_bytes": 1000, "max_memory_ratio": 2.0,
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_every_bound_is_inclusive_and_names_itself_when_it_is_broken(name: str) -> None:
    found, bound = operations(), LIMITS[name]
    assert judge_operations(found, OperationalGates(**{name: bound})) == ()
    tighter = bound * (1.001 if name.startswith("min") else 0.999)
    (failure,) = judge_operations(found, OperationalGates(**{name: tighter}))
    assert failure.by == pytest.approx(abs(bound - tighter))
    assert failure.kind == ("value_lower" if name.startswith("min") else "value_upper")
    assert f"{name} = {tighter:.6g}" in failure.sentence
    assert failure.sentence.endswith(("or raise the bound.", "or lower the bound."))


def test_every_gate_is_known_to_the_judge() -> None:
    assert set(LIMITS) == {f.name for f in fields(OperationalGates)}


def test_ratios_without_a_baseline_are_not_applied_and_that_is_said() -> None:
    gates, found = OperationalGates(**{k: v / 1e3 for k, v in LIMITS.items()}), operations(baseline=False)
    assert {f.metric for f in judge_operations(found, gates)} == {
        "model_size", "onnx_size", "latency", "latency_p99", "peak_memory",
    }  # fmt: skip
    said = gates_not_applied(gates, has_baseline=False)
    assert len(said) == 5
    assert said[0] == "max_size_ratio was not applied: there is no baseline to compare the model's size with."
    assert gates_not_applied(gates, has_baseline=True) == ()
    (missing,) = judge_operations(found, OperationalGates(max_latency_ratio=2.0), has_baseline=True)
    assert missing.kind == "undefined"


def test_what_goes_into_artifacts_is_the_same_in_every_run() -> None:
    fast, slow = operations(), operations(memory=1500)
    slow = replace(slow, latency_ratio=Spread(2.5, 2, 3), candidate=replace(slow.candidate, latency_us=77.0))
    gates = OperationalGates(max_model_bytes=100, max_latency_ratio=1.1, max_latency_us=10.0, max_peak_memory_bytes=10)
    kept = [without_measurements(judge_operations(o, gates)) for o in (fast, slow)]
    assert kept[0] == kept[1]
    assert [f.value for f in kept[0]] == [4096, None, None, None]
    assert "4 KiB" in kept[0][0].sentence
    assert "the node's report has the figures" in kept[0][1].sentence
    assert fast.facts() == slow.facts() == {
        "candidate": {"model_bytes": 4096, "onnx_bytes": 2048}, "baseline": {"model_bytes": 2048, "onnx_bytes": 2048},
    }  # fmt: skip
    assert fast.measured()["measured"] is True
    assert "model_bytes" not in fast.measured()["candidate"]


def test_one_call_measures_judges_and_parts_what_lasts_from_what_was_measured(light: Model) -> None:
    rows = Dataset.from_table(built()["table"], 400)
    gates = {"max_latency_us": 0.01, "max_size_ratio": 0.5, "max_latency_ratio": 100.0}
    alone = check_operations(light, rows, gates, **QUICK)
    assert not alone.ok
    assert [f.metric for f in alone.failures] == ["latency"]
    assert len(alone.not_applied) == 2
    assert alone.operations.candidate.peak_memory_bytes is None  # no bound asked for it
    again = check_operations(light, rows, gates, **QUICK)
    assert json.dumps(alone.for_artifact()) == json.dumps(again.for_artifact())
    assert alone.for_report()["measurements"]["candidate"]["latency_us"] == alone.operations.candidate.latency_us
    assert json.dumps(alone.for_report())
    beside = check_operations(light, rows, gates, light, **QUICK)
    assert [f.metric for f in beside.failures] == ["size_ratio", "latency"]
    assert beside.not_applied == ()


def test_json_goes_there_and_back_and_is_checked() -> None:
    found = operations()
    assert Operations.from_dict(found.to_dict()) == found
    assert found.to_table().column("model").to_pylist() == ["candidate", "baseline"]
    gates = OperationalGates(max_latency_ratio=1.5, max_model_bytes=10)
    assert OperationalGates.from_dict(gates.to_dict()) == gates
    assert not gates.needs_memory
    assert OperationalGates(max_memory_ratio=2.0).needs_memory
    with pytest.raises(ConfigError) as caught:
        OperationalGates.from_dict({"max_latency_ratio": -1.0, "max_model_bytes": 0})
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigError, match="there is no bound"):
        OperationalGates.from_dict({})
    with pytest.raises(ConfigError, match="Did you mean 'max_latency_ratio'"):
        OperationalGates.from_dict({"max_latency_ration": 1.0})
    with pytest.raises(ConfigError, match="not of format"):
        Operations.from_dict({"format": 2})


def test_rows_that_cannot_be_asked_are_refused(light: Model) -> None:
    table = built()["table"]
    with pytest.raises(DataError, match="there are no rows"):
        measure_operations(light, table.slice(0, 0), **QUICK)
    with pytest.raises(DataError) as caught:
        measure_operations(light, table.drop_columns(["miles", "seats"]), light, **QUICK)
    assert len(caught.value.problems) == 4
    with pytest.raises(ConfigError, match="rounds is 0"):
        measure_operations(light, table, rounds=0)


def test_the_page_has_both_models(light: Model) -> None:
    page = operations(memory=None).to_html()
    assert "candidate / baseline" in page
    assert "1.25 (1.2 to 1.3)" in page
    assert 'title="the kernel says no"' in page

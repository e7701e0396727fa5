"""The ModelOptimiser: a variant goes on only if it is smaller and good enough; else the original does."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.errors import ConfigError
from trueline.components import ModelOptimiser
from trueline.components.model_optimiser import REPORT_FILE, execute, losses
from trueline.components.sample import write_sample
from trueline.model_analysis import (
    EvalConfig,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    SlicingSpec,
    evaluate,
)
from trueline.model_analysis.models_result import ModelsResult
from trueline.models import Model, build_model
from trueline.pipeline import ArtifactHandle, ExecutionContext, Importer, Pipeline
from trueline.pipeline import artifacts as kinds

pytest.importorskip("sklearn")


def config(lower: float | None = None) -> EvalConfig:
    threshold = MetricThreshold(value_threshold=GenericValueThreshold(lower_bound=lower)) if lower else None
    metrics = (MetricConfig("AUC", threshold=threshold), MetricConfig("BinaryCrossentropy"))
    return EvalConfig((MetricsSpec(metrics=metrics),), (SlicingSpec(), SlicingSpec(feature_keys=("side",))))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Raw examples, a transform with its sample, a network and a tree."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.tree import DecisionTreeClassifier

    from trueline.data import Examples, ingest_csv

    base = tmp_path_factory.mktemp("optimiser")
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 900))
    good = a * b + rng.normal(0, 0.2, 900) > 0
    lines = [f"{x},{y},{'left' if x < 0 else 'right'},{int(g)}" for x, y, g in zip(a, b, good, strict=True)]
    (base / "rows.csv").write_text("\n".join(["a,b,side,good", *lines]) + "\n")
    examples = base / "examples"
    ingest_csv(str(base), str(examples), splits={"train": 2, "eval": 1})
    opened = Examples.open(str(examples))
    table = pa.Table.from_batches(list(opened.dataset("train").batches(None)))

    def preprocessing(x: Any) -> dict[str, Any]:
        return {"a": tlt.fill_missing(x["a"], 0.0), "b": tlt.fill_missing(x["b"], 0.0), "good": x["good"] > 0}

    made, output = tlt.analyze_and_transform(table, preprocessing)
    x = np.stack([np.array(made[n].to_pylist(), np.float32) for n in "ab"], axis=1)
    y = np.array(made["good"].to_pylist())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = MLPClassifier((64, 64), max_iter=12, random_state=0).fit(x, y)
    models = {"network": network, "tree": DecisionTreeClassifier(max_depth=4, random_state=0).fit(x, y)}
    for name, fitted in models.items():
        build_model(fitted, uri=str(base / name), transform=output, label="good", sample=table, name=name)
    write_sample(opened, ["train"], str(base / "transform"))
    return {"examples": examples, "transform": base / "transform"} | {name: base / name for name in models}


@pytest.fixture
def run(folders: dict[str, Path], tmp_path: Path) -> Callable[..., tuple[ExecutionContext, dict[str, Any]]]:
    def go(model: str = "network", **more: Any) -> tuple[ExecutionContext, dict[str, Any]]:
        params = {
            "eval_config": config().to_json(), "max_loss": {"AUC": 0.01}, "prefer": "size", "example_splits": ["eval"],
            "variants": ["dynamic_int8", "static_int8", "float16"], "max_difference": None, "max_class_changes": None,
        } | more  # fmt: skip
        given = {
            "model": ArtifactHandle("Model", str(folders[model]), {"state": "fresh"}, id=1, fingerprint="m"),
            "examples": ArtifactHandle(
                "Examples", str(folders["examples"]), {"split_names": '["train", "eval"]'}, id=2
            ),
            "transform_graph": ArtifactHandle("TransformGraph", str(folders["transform"]), {}, id=3),
        }
        outputs = {}
        for key, kind in {"model": "Model", "evaluation": "ModelEvaluation"}.items():
            (tmp_path / key).mkdir()
            outputs[key] = ArtifactHandle(kind, str(tmp_path / key))
        (tmp_path / "scratch").mkdir()
        inputs = {key: [handle] for key, handle in given.items()}
        ctx = ExecutionContext(inputs=inputs, outputs=outputs, params=params, tmp_dir=str(tmp_path / "scratch"))
        execute(ctx)
        return ctx, json.loads((tmp_path / "evaluation" / REPORT_FILE).read_text())

    return go


def size(folder: str | Path) -> int:
    return (Path(folder) / "model.onnx").stat().st_size


def test_the_smallest_that_passes_goes_on_with_its_evaluation(run: Any, folders: dict[str, Path]) -> None:
    ctx, said = run()
    chosen, out = said["chosen"], ctx.output("model")
    assert out.properties == {"state": "fresh", "variant": chosen}
    passed = {name: v["bytes"] for name, v in said["variants"].items() if not v["reasons"]}
    assert passed[chosen] == min(passed.values()) == size(out.uri) < size(folders["network"])
    assert said["variants"]["original"]["bytes"] == size(folders["network"])
    model = Model.load(out.uri)
    assert model.info["optimised"]["variant"] == chosen
    result = ModelsResult.load(ctx.output("evaluation").uri)
    assert next(iter(result.models)) == chosen
    assert set(result.models) == {"original", "dynamic_int8", "static_int8", "float16"}
    assert set(ctx.found["one_row_us"]) == set(result.models)
    assert "one_row_us" not in json.dumps(said), "times differ from run to run and are no part of the artifact"


def test_losses_are_the_worst_slices(run: Any, folders: dict[str, Path]) -> None:
    from trueline.data import Examples

    ctx, said = run()
    rows = Examples.open(str(folders["examples"])).dataset("eval")
    result = evaluate(Model.load(ctx.output("model").uri), rows, config(), baseline=Model.load(str(folders["network"])))
    by_slice = {s.key: s.baseline["auc"].value - s.metrics["auc"].value for s in result.measured.slices}
    assert len(by_slice) == 3
    assert said["variants"][said["chosen"]]["loss"]["AUC"] == max(by_slice.values())
    assert sorted(losses(result, "auc", "HIGHER_IS_BETTER").values()) == sorted(by_slice.values())
    lower = losses(result, "auc", "LOWER_IS_BETTER").values()
    assert sorted(lower) == sorted(-v for v in by_slice.values())


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"max_loss": {"auc": 0.0}}, "gets worse by "),
        ({"eval_config": config(0.999999).to_json(), "max_loss": {}}, "auc on Overall is "),
        ({"max_difference": 1e-9}, "scores differ from the original's by up to"),
    ],
)
def test_where_none_passes_the_original_goes_on_byte_for_byte(
    params: dict[str, Any], reason: str, run: Any, folders: dict[str, Path]
) -> None:
    ctx, said = run(**params, variants=["static_int8", "dynamic_int8"])
    tried = {name: v for name, v in said["variants"].items() if name != "original"}
    assert all(any(reason in r for r in v["reasons"]) for v in tried.values()), tried
    assert said["chosen"] == "original"
    for path in folders["network"].rglob("*"):
        if path.is_file():
            copy = Path(ctx.output("model").uri) / path.relative_to(folders["network"])
            assert copy.read_bytes() == path.read_bytes()


def test_trees_pass_through_and_are_told_why(run: Any, folders: dict[str, Path]) -> None:
    ctx, said = run("tree")
    assert said["chosen"] == "original"
    assert size(ctx.output("model").uri) == size(folders["tree"])
    refused = ctx.found["refused"]
    assert sorted(refused) == ["dynamic_int8", "float16", "static_int8"]
    assert all("TreeEnsemble" in reason for reason in refused.values())


def test_the_same_run_gives_the_same_artifacts(run: Any, folders: dict[str, Path], tmp_path: Path) -> None:
    _, first = run()
    for name in ("model", "evaluation", "scratch"):
        (tmp_path / name).rename(tmp_path / f"first-{name}")
    _, second = run()
    assert first == second
    for kind in ("model", "evaluation"):
        olds = {p.relative_to(tmp_path / f"first-{kind}"): p.read_bytes() for p in _files(tmp_path / f"first-{kind}")}
        assert olds == {p.relative_to(tmp_path / kind): p.read_bytes() for p in _files(tmp_path / kind)}


def _files(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.is_file()]


def channel(kind: Any, node_id: str) -> Any:
    return Importer(source_uri="anywhere", artifact_type=kind, node_id=node_id).outputs["result"]


def test_all_that_cannot_work_is_told_before_anything_runs(tmp_path: Path) -> None:
    node = ModelOptimiser(
        model=channel(kinds.Model, "M"),
        examples=channel(kinds.Examples, "E"),
        transform_graph=channel(kinds.TransformGraph, "T"),
        eval_config=config(),
        max_loss={"AUK": 0.1, "AUC": -1},
        variants=["int4"],
        prefer="speed",  # type: ignore[arg-type]
        example_splits=(),
    )
    with pytest.raises(ConfigError) as caught:
        Pipeline("line", [node], root=tmp_path)
    text = str(caught.value)
    for part in (
        "no variant 'int4'",
        "has no example_splits to measure on",
        'prefer is \'speed\'; write "size" or "latency"',
        "max_loss: 'AUK' is none of the eval_config's metrics. ",
        "max_loss: AUC may lose -1; write a number from 0",
    ):
        assert part in text
    free = ModelOptimiser(
        model=channel(kinds.Model, "M"),
        examples=channel(kinds.Examples, "E"),
        transform_graph=channel(kinds.TransformGraph, "T"),
        eval_config=config(),
    )
    assert any("nothing by which a variant could fail" in p for p in free.problems)
    measured_at = MetricConfig("Precision", config={"thresholds": 0.4})  # a metric's own option is no gate
    ungated = ModelOptimiser(
        model=channel(kinds.Model, "M"),
        examples=channel(kinds.Examples, "E"),
        transform_graph=channel(kinds.TransformGraph, "T"),
        eval_config=EvalConfig(metrics_specs=(MetricsSpec(metrics=(measured_at,)),)),
    )
    assert any("nothing by which a variant could fail" in p for p in ungated.problems)

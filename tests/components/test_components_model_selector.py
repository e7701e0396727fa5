"""Several models in one pass: each as if it were alone; the best goes on, those that break a threshold never do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.errors import ConfigError, ModelError
from trueline._core.rowid import row_ids
from trueline._core.values import RawFeature
from trueline.components import ModelSelector, Trainer
from trueline.components.model_selector import execute
from trueline.engine import Dataset
from trueline.model_analysis import (
    EvalConfig,
    EvalResult,
    GenericChangeThreshold,
    GenericValueThreshold,
    MetricConfig,
    MetricsSpec,
    MetricThreshold,
    ModelsResult,
    SlicingSpec,
    evaluate,
    evaluate_models,
)
from trueline.models import Fitted, Model, build_model
from trueline.pipeline import Channel

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

ROWS = 800


def table() -> pa.Table:
    """Rows with a label that x decides and z does not."""
    rng = np.random.default_rng(5)
    x, z = rng.normal(0, 1, ROWS), rng.normal(0, 1, ROWS)
    return pa.table(
        {
            "__row__": row_ids(1, 0, ROWS),
            "x": x,
            "z": z,
            "side": ["left" if v < 0 else "right" for v in z],
            "y": x + rng.normal(0, 0.5, ROWS) > 0,
        }
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """Three models from one transform: on x, on z, on both."""
    from sklearn.linear_model import LogisticRegression

    rows, root = table(), tmp_path_factory.mktemp("models")
    features = [RawFeature("x", "float64", optional=False), RawFeature("z", "float64", optional=False)]
    traced = tlt.trace(
        lambda i: {"x": i["x"], "z": i["z"], "y": i["y"]}, [*features, RawFeature("y", "bool", optional=False)]
    )
    transform = tlt.analyze(traced, Dataset.from_table(rows, 100))
    arrays = {name: rows.column(name).to_numpy(zero_copy_only=False) for name in ("x", "z", "y")}
    made = {}
    for name, used in {"weak": ["z"], "good": ["x"], "both": ["x", "z"]}.items():
        x = np.stack([arrays[n] for n in used], axis=1).astype(np.float32)
        fitted = Fitted(LogisticRegression().fit(x, arrays["y"]))
        made[name] = build_model(
            fitted, uri=str(root / name), transform=transform, label="y", features=used, sample=rows, name=name
        )
    return made


def config(lower: float | None = None, absolute: float | None = None) -> EvalConfig:
    """Area under the curve and loss on all rows and by side, with noise; optionally gated."""
    threshold = None
    if lower is not None or absolute is not None:
        value = GenericValueThreshold(lower_bound=lower) if lower is not None else None
        change = GenericChangeThreshold(absolute=absolute) if absolute is not None else None
        threshold = MetricThreshold(value_threshold=value, change_threshold=change)
    metrics = (MetricConfig("AUC", threshold=threshold), MetricConfig("BinaryCrossEntropy"))
    return EvalConfig(
        metrics_specs=(MetricsSpec(metrics=metrics),),
        slicing_specs=(SlicingSpec(), SlicingSpec(feature_keys=("side",))),
    )


def dataset() -> Dataset:
    return Dataset.from_table(table(), 90)


@pytest.mark.parametrize("baseline", [None, "weak"])
def test_each_of_several_is_measured_as_it_is_alone(models: dict[str, Model], baseline: str | None) -> None:
    base = models[baseline] if baseline else None
    asked = config(0.6, -0.01)
    together = evaluate_models(models, dataset(), asked, baseline=base)
    assert list(together.models) == ["weak", "good", "both"]
    for name, model in models.items():
        alone = evaluate(model, dataset(), asked, baseline=base)
        assert together.models[name].to_table().equals(alone.to_table(), check_metadata=True)
        assert together.models[name].validation_result == alone.validation_result


def test_one_pass_reads_every_block_once(models: dict[str, Model], monkeypatch: pytest.MonkeyPatch) -> None:
    from trueline.engine.base import Block

    read: list[int] = []
    original = Block.read

    def counting(self: Block, *arguments: Any, **more: Any) -> Any:
        read.append(self.number)
        return original(self, *arguments, **more)

    monkeypatch.setattr(Block, "read", counting)
    evaluate_models(models, dataset(), config())
    assert sorted(read) == list(range(len(dataset().blocks)))


def test_the_best_is_chosen_and_ties_go_to_the_first(models: dict[str, Model]) -> None:
    result = evaluate_models({**models, "twin": models["both"]}, dataset(), config())
    for metric, direction in (("AUC", None), ("BinaryCrossEntropy", None), ("AUC", "higher")):
        choice = result.choose(metric, direction).choice
        assert choice is not None
        values = {s.name: s.value for s in choice.standings}
        sign = -1 if metric == "AUC" else 1
        assert choice.winner == min(values, key=lambda name: sign * (values[name] or 0.0))
    assert result.choose("AUC", "lower").choice.winner == "weak"  # type: ignore[union-attr]
    twins = evaluate_models({"b": models["both"], "a": models["both"]}, dataset(), config())
    assert twins.choose("AUC").choice.winner == "b"  # type: ignore[union-attr]


def test_what_breaks_a_threshold_never_wins(models: dict[str, Model]) -> None:
    result = evaluate_models(models, dataset(), config(0.7)).choose("AUC", "lower")
    assert result.choice is not None
    excluded = {s.name: s.excluded for s in result.choice.standings}
    assert result.choice.winner != "weak"
    assert "below the lower bound" in excluded["weak"]
    assert evaluate_models(models, dataset(), config(0.999)).choose("AUC").choice.winner is None  # type: ignore[union-attr]


def test_wrong_names_metrics_and_models_are_told(models: dict[str, Model], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="baseline"):
        evaluate_models({"baseline": models["good"]}, dataset(), config())
    with pytest.raises(ConfigError, match="none"):
        evaluate_models({}, dataset(), config())
    result = evaluate_models(models, dataset(), config())
    with pytest.raises(ConfigError, match=r"no metric 'AUK'[\s\S]*auc"):
        result.choose("AUK")
    with pytest.raises(ConfigError, match="direction"):
        result.choose("AUC", "up")  # type: ignore[arg-type]

    class Other:
        """A model of another task."""

        class runtime:
            uri, classes, info = "there", [False, True], {"task": "binary", "label": "other", "weight": None}
            inputs, targets = (), models["good"].runtime.targets

    with pytest.raises(ModelError, match="candidate 'odd' has label 'other', the first has 'y'"):
        evaluate_models({"good": models["good"], "odd": Other()}, dataset(), config())  # type: ignore[dict-item]


def test_a_saved_comparison_comes_back_and_opens_as_the_winners_evaluation(
    models: dict[str, Model], tmp_path: Path
) -> None:
    result = evaluate_models(models, dataset(), config(0.7)).choose("AUC")
    result.save(str(tmp_path / "kept"))
    back = ModelsResult.load(str(tmp_path / "kept"))
    assert back.choice == result.choice
    assert back.to_table().equals(result.to_table())
    assert result.choice is not None
    assert result.choice.winner is not None
    winner = EvalResult.load(str(tmp_path / "kept"))
    assert winner.to_table().equals(result.models[result.choice.winner].to_table())
    page = (tmp_path / "kept" / "models.html").read_text()
    assert "was chosen" in page
    assert page.count("side=<wbr>left") == len(result.models["good"].config.metrics_specs[0].metrics)  # a table each
    assert (
        "<b>"
        not in ModelsResult({"<b>x</b>": result.models["good"]})._repr_html_().split("</style>")[1].split("<script>")[0]
    )


Context = Callable[[dict[str, Any], dict[str, list[Any]], dict[str, str]], Any]


@pytest.fixture
def selecting(models: dict[str, Model], artifact: Any, context: Context, tmp_path: Path) -> Callable[..., Any]:
    """Runs the executor over examples of the table."""
    import shutil

    from trueline.data import ExamplesWriter
    from trueline.pipeline import ArtifactHandle

    def run(given: EvalConfig) -> Any:
        folder = tmp_path / "examples"
        if not folder.exists():
            rows = table()
            with ExamplesWriter(str(folder), rows.schema, block_rows=100, splits=["eval"]) as writer:
                for batch in rows.to_batches(100):
                    writer.write("eval", batch)
        inputs = {"examples": [ArtifactHandle("Examples", str(folder), {"split_names": ["eval"]})]}
        for number, (name, model) in enumerate(models.items()):
            copy = tmp_path / "artifacts" / name
            shutil.copytree(model.uri, copy, dirs_exist_ok=True)
            inputs[f"model_{name}"] = [ArtifactHandle("Model", str(copy), {"note": name}, id=number)]
        params = {
            "models": list(models),
            "eval_config": given.to_json(),
            "metric": "AUC",
            "direction": None,
            "example_splits": ["eval"],
        }
        ctx = context(params, inputs, {"evaluation": "ModelEvaluation", "model": "Model"})
        execute(ctx)
        return ctx

    return run


def test_the_winner_is_copied_byte_for_byte(selecting: Callable[..., Any], models: dict[str, Model]) -> None:
    ctx = selecting(config(0.6))
    winner = ctx.found["selected"]
    assert ctx.gate is None
    assert winner == max(ctx.found["models"], key=ctx.found["models"].get)
    source, copy = Path(models[winner].uri), Path(ctx.output("model").uri)
    files = sorted(p.relative_to(source) for p in source.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(copy) for p in copy.rglob("*") if p.is_file())
    assert all((source / f).read_bytes() == (copy / f).read_bytes() for f in files)
    assert ctx.output("model").properties == {"note": winner, "selected": winner}
    assert list(ModelsResult.load(ctx.output("evaluation").uri).models) == list(models)


def test_without_a_model_that_passes_the_line_stops(selecting: Callable[..., Any], context: Context) -> None:
    ctx = selecting(config(0.9999))
    assert "No model can be chosen by auc" in ctx.gate
    assert all(name in ctx.gate for name in ("weak", "good", "both"))
    assert not list(Path(ctx.output("model").uri).iterdir())
    assert ModelsResult.load(ctx.output("evaluation").uri).choice.winner is None  # type: ignore[union-attr]
    context.sample = 50  # type: ignore[attr-defined]
    sampled = selecting(config(0.9999))
    best = max(sampled.found["models"], key=sampled.found["models"].get)
    assert (sampled.gate, sampled.found["would_close"], sampled.found["selected"]) == (None, ctx.gate, best)
    assert sampled.output("model").properties["selected"] == best
    assert ModelsResult.load(sampled.output("evaluation").uri).choice.winner == best  # type: ignore[union-attr]


def test_a_selector_says_what_is_wrong_when_it_is_built() -> None:
    trainer = Trainer.lightgbm(examples=None, transform_graph=None, label="y")  # type: ignore[arg-type]
    model: Channel = trainer.outputs["model"]
    good = ModelSelector(examples=model, models={"a": model, "b": model}, eval_config=config(), metric="AUC")
    assert len(good.problems) == 1  # the examples are a model
    assert set(good.inputs) == {"examples", "baseline_model", "model_a", "model_b"}
    bad = ModelSelector(
        examples=model, models={}, eval_config=config(), metric="AUK", direction="up", example_splits=()
    )  # type: ignore[arg-type]
    text = "\n".join(bad.problems)
    for part in ("needs models by name", "direction is 'up'", "no example_splits", "'AUK' is none of"):
        assert part in text

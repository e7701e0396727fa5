"""The ready-made trainers as nodes: options and structure, every mistake told at once; several, and a choice."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from distributed_models import HERE, write_rows

from trueline import LocalRunner, Model, Pipeline
from trueline.components import (
    CsvExampleGen,
    Evaluator,
    ModelSelector,
    Resolver,
    SchemaGen,
    StatisticsGen,
    Trainer,
    Transform,
    component,
)
from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec, ModelsResult
from trueline.pipeline import Output
from trueline.pipeline.artifacts import HyperParameters

for module in ("sklearn", "skl2onnx", "xgboost", "lightgbm", "torch"):
    pytest.importorskip(module)

KINDS = ["xgboost", "lightgbm", "torch_mlp", "keras", "sklearn"]


def made(kind: str, **arguments: Any) -> Trainer:
    """A node that is not wired."""
    given = {"examples": None, "transform_graph": None, "label": "y", **arguments}
    node: Trainer = getattr(Trainer, kind)(**given)
    node.problems = [p for p in node.problems if "needs the input" not in p]
    return node


@pytest.mark.parametrize("kind", KINDS)
def test_a_ready_trainer_is_a_trainer_with_an_importable_run_fn(kind: str) -> None:
    node = made(kind, epochs=3, seed=7, weight="w", train_steps=5, custom_config={"mine": 1}, name="n")
    assert node.problems == []
    assert str(node.params["run_fn"]).endswith((f"ready.{kind}:run_fn", f"ready/{kind}.py:run_fn"))
    assert callable(node.params["run_fn"].load())
    assert node.params["custom_config"]["mine"] == 1
    assert node.params["custom_config"]["ready"]["trainer"] == kind
    assert (node.params["epochs"], node.params["seed"], node.params["weight"]) == (3, 7, "w")
    assert node.params["hyperparameters"] == {}


def test_options_are_hyperparameters_and_structure_is_not() -> None:
    node = made("xgboost", max_depth=4, hyperparameters={"gamma": 1}, task="binary", class_weight={True: 2.0})
    assert node.params["hyperparameters"] == {"gamma": 1, "max_depth": 4}
    ready = node.params["custom_config"]["ready"]
    assert ready == {"trainer": "xgboost", "task": "binary", "class_weight": {"True": 2.0}}
    forest = made("sklearn", estimator="random_forest", n_estimators=5)
    assert forest.params["hyperparameters"] == {"n_estimators": 5}
    assert made("sklearn", estimator="sklearn.ensemble:ExtraTreesClassifier", max_depth=3).problems == []


def test_every_mistake_is_told_when_the_node_is_built() -> None:
    node = made(
        "xgboost",
        max_dept=3,
        learning_rate=-1,
        subsample="half",
        task="binry",
        categorical="word",
        class_weight={"a": 0},
        query="q",
        run_fn="x.py:y",
        processes=2,
    )
    text = "\n".join(node.problems)
    for part in (
        "no option 'max_dept'. Did you mean 'max_depth'",
        "'learning_rate' is -1; it must be greater than 0",
        "'subsample' is 'half'; give a number",
        "task is 'binry'. Did you mean 'binary'",
        "categorical is 'word'",
        "class_weight is {'a': 0}",
        "query is the name of a feature",
        "takes no run_fn",
        "trains in one process",
    ):
        assert part in text, part
    assert all(Path(__file__).name in problem for problem in node.problems)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"estimator": "random_forst"}, "Did you mean 'random_forest'"),
        ({"estimator": "os:system"}, "scikit-learn's own are"),
        ({"estimator": "sklearn.nothing:X"}, "no module 'sklearn.nothing'"),
        ({"estimator": "sklearn.utils:shuffle"}, "is no estimator"),
        ({"estimator": "random_forest", "max_deth": 3}, "Did you mean 'max_depth'"),
        ({"task": "ranking", "query": "q"}, "cannot rank"),
    ],
)
def test_estimators_are_scikit_learns_own(arguments: dict[str, Any], said: str) -> None:
    assert said in "\n".join(made("sklearn", **arguments).problems)


def test_a_base_model_that_would_be_ignored_is_told() -> None:
    base = Resolver(strategy="latest_blessed", node_id="Old").outputs["model"]
    for kind in ("sklearn", "xgboost", "lightgbm", "torch_mlp"):
        assert "starts from no base_model" in "\n".join(made(kind, base_model=base).problems)


def test_a_ranking_needs_a_query() -> None:
    assert "needs query" in "\n".join(made("lightgbm", task="ranking").problems)


@component
def found_parameters(best: Output[HyperParameters]) -> None:
    """What a search would leave."""
    Path(best.uri, "best_hyperparameters.txt").write_text('{"n_estimators": 3}', encoding="utf-8")


def _line(root: Path, trainers: Any, config: EvalConfig) -> Pipeline:
    examples = CsvExampleGen(input_base=str(write_rows(root / "data")))
    raw = examples.outputs["examples"]
    statistics = StatisticsGen(examples=raw)
    schema = SchemaGen(statistics=statistics.outputs["statistics"])
    transform = Transform(examples=raw, schema=schema.outputs["schema"], preprocessing_fn=f"{HERE}:preprocessing_fn")
    shared = {
        "examples": transform.outputs["transformed_examples"],
        "transform_graph": transform.outputs["transform_graph"],
        "label": "y",
        "features": ["a", "b"],
    }
    nodes = trainers(shared)
    models = {node.node_id: node.outputs["model"] for node in nodes if isinstance(node, Trainer)}
    selector = ModelSelector(examples=raw, models=models, eval_config=config, metric="AUC")
    evaluator = Evaluator(examples=raw, model=selector.outputs["model"], eval_config=config)
    return Pipeline("several", [examples, statistics, schema, transform, *nodes, selector, evaluator], root=str(root))


@pytest.mark.frameworks
def test_several_trainers_of_one_transform_are_compared_and_the_best_goes_on(tmp_path: Path) -> None:
    config = EvalConfig(metrics_specs=(MetricsSpec(metrics=(MetricConfig("AUC"), MetricConfig("ExampleCount"))),))

    def trainers(shared: dict[str, Any]) -> list[Any]:
        found = found_parameters()
        few = found.outputs["best"]
        return [
            found,
            Trainer.xgboost(**shared, hyperparameters=few, max_depth=2, node_id="few_trees"),
            Trainer.lightgbm(**shared, node_id="many_trees"),
            Trainer.sklearn(**shared, estimator="logistic_regression", node_id="linear"),
        ]

    result = LocalRunner().run(_line(tmp_path, trainers, config))
    assert result.status == "COMPLETE", result.message
    chosen = result.nodes["ModelSelector"].found
    assert set(chosen["models"]) == {"few_trees", "many_trees", "linear"}
    assert chosen["selected"] == max(chosen["models"], key=chosen["models"].get)
    assert min(chosen["models"].values()) > 0.9
    winner = result.nodes["ModelSelector"].outputs["model"][0]
    source = result.nodes[chosen["selected"]].outputs["model"][0]
    assert Model.load(winner.uri).runtime.manifest == Model.load(source.uri).runtime.manifest
    evaluation = ModelsResult.load(result.nodes["ModelSelector"].outputs["evaluation"][0].uri)
    assert list(evaluation.models) == ["few_trees", "many_trees", "linear"]
    few = Model.load(result.nodes["few_trees"].outputs["model"][0].uri)
    assert few.info["training"]["hyperparameters"] == {"n_estimators": 3}  # the search's word goes before the rest

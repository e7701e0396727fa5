"""Ready-made trainers on one table: task by the label, categories by the schema, gaps, weights, seeds, the log."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.errors import ConfigError, ModelError
from trueline._core.rowid import row_ids
from trueline._core.values import RawFeature
from trueline.engine import Dataset
from trueline.models import Model, build_model
from trueline.training import FnArgs, read_metrics, run_training
from trueline.training.ready.columns import columns_of, embedding_width
from trueline.training.ready.options import OPTIONS, option_problems
from trueline.training.ready.scores import auc
from trueline.training.ready.task import task_of

for module in ("sklearn", "skl2onnx", "xgboost", "lightgbm", "torch"):
    pytest.importorskip(module)

ROWS = 700
FEATURES = ["word", "gap", "plain", "count"]


def raw() -> pa.Table:
    """A word with an effect, a number with gaps that tell something, a number, a whole number; labels of every kind."""
    rng = np.random.default_rng(11)
    word = rng.choice(["ash", "beech", "cedar", "fir"], ROWS)
    effect = np.array([{"ash": 2.0, "beech": -2.0, "cedar": 1.0, "fir": -1.0}[w] for w in word])
    plain, count = rng.normal(50, 9, ROWS), rng.integers(0, 40, ROWS)
    gap, missing = rng.normal(0, 1, ROWS), rng.random(ROWS) < 0.25
    score = effect + (plain - 50) / 9 + np.where(missing, 1.5, gap) + rng.normal(0, 0.4, ROWS)
    return pa.table(
        {
            "__row__": row_ids(3, 0, ROWS),
            "word": word,
            "gap": pa.array(gap, mask=missing),
            "plain": plain,
            "count": count,
            "query": [f"q{i // 10}" for i in range(ROWS)],
            "yes": score > 0,
            "kind": np.array(["low", "middle", "top"], object)[np.digitize(score, [-1.5, 1.5])],
            "grade": np.digitize(score, [-1.5, 1.5]),
            "amount": 100 + 20 * score,
            "weight": rng.uniform(0.5, 1.5, ROWS),
        }
    )


def preprocessing(inputs: Any) -> dict[str, Any]:
    """The word by number; all else as it is."""
    word = tlt.compute_and_apply_vocabulary(inputs["word"], num_oov_buckets=1, vocab_filename="word")
    kept = ("gap", "plain", "count", "yes", "kind", "grade", "amount", "weight")
    return {"word": word, **{name: inputs[name] for name in kept}}


@dataclass
class Bench:
    """The transformed table in two splits, and a ready-made trainer on it."""

    transform: tlt.TransformOutput
    train: Dataset
    held_out: Dataset
    table: pa.Table
    root: Path

    def fn_args(self, label: str, ready: dict[str, Any] | None = None, /, *, watch: bool = True, **more: Any) -> FnArgs:
        folder = self.root / f"run-{len(list(self.root.iterdir()))}"
        folder.mkdir()
        chosen = {"features": FEATURES, "working_dir": str(folder), **more}
        return FnArgs.create(
            train=self.train,
            eval=self.held_out if watch else None,
            transform=self.transform,
            label=label,
            custom_config={"ready": ready or {}},
            **chosen,
        )

    def model(self, trainer: str, args: FnArgs) -> Model:
        run_fn = importlib.import_module(f"trueline.training.ready.{trainer}").run_fn
        return build_model(
            run_training(run_fn, args),
            uri=str(Path(args.working_dir, "model")),
            transform=self.transform,
            label=args.label,
            features=FEATURES,
            sample=self.table.slice(500),
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    table = raw()
    types = {"word": "utf8", "kind": "utf8", "yes": "bool", "count": "int64", "grade": "int64"}
    features = [
        RawFeature(name, types.get(name, "float64"), optional=name == "gap")  # type: ignore[arg-type]
        for name in table.schema.names
        if name not in ("__row__", "query")
    ]
    transform = tlt.analyze(tlt.trace(preprocessing, features), Dataset.from_table(table, 100))
    rows = transform.transform(table)
    return Bench(
        transform,
        Dataset.from_table(rows.slice(0, 500), 128),
        Dataset.from_table(rows.slice(500), 128),
        table,
        tmp_path_factory.mktemp("bench"),
    )


def held_out_auc(bench: Bench, model: Model) -> float:
    rows = bench.table.slice(500)
    probability = np.array([p[1] for p in model.predict(rows)["probabilities"].to_pylist()])
    return auc(rows.column("yes").to_numpy(zero_copy_only=False), probability, np.ones(len(probability)))


FAST = [("xgboost", {}), ("lightgbm", {}), ("sklearn", {}), ("sklearn", {"estimator": "logistic_regression"})]


@pytest.mark.parametrize(("trainer", "ready"), FAST)
def test_a_ready_trainer_is_good_at_once_and_the_same_bytes_again(
    bench: Bench, trainer: str, ready: dict[str, Any]
) -> None:
    models = [bench.model(trainer, bench.fn_args("yes", ready, seed=5)) for _ in range(2)]
    assert held_out_auc(bench, models[0]) > 0.95
    first, second = (Path(m.uri, "model.onnx").read_bytes() for m in models)
    assert first == second


@pytest.mark.parametrize("trainer", ["xgboost", "lightgbm"])
def test_the_number_of_threads_changes_no_byte(bench: Bench, trainer: str) -> None:
    made = [
        Path(bench.model(trainer, bench.fn_args("yes", hyperparameters={"threads": n, "n_estimators": 40})).uri)
        for n in (1, 2)
    ]
    assert (made[0] / "model.onnx").read_bytes() == (made[1] / "model.onnx").read_bytes()


@pytest.mark.torch
def test_trainings_in_one_folder_do_not_go_on_from_each_other(bench: Bench, tmp_path: Path) -> None:
    """As in a notebook, whose trainings share the working folder: other labels, weights of classes or seeds."""
    pytest.importorskip("torch")
    from trueline.training.ready.torch_mlp import run_fn

    def trained(folder: str, label: str, ready: dict[str, Any], seed: int) -> Any:
        options = {"hidden": [4], "epochs": 1, "batch_size": 256}
        args = bench.fn_args(label, ready, seed=seed, hyperparameters=options, checkpoint_dir=str(tmp_path / folder))
        return {name: value.tolist() for name, value in run_fn(args).model.state_dict().items()}

    asked: list[tuple[str, dict[str, Any], int]] = [
        ("yes", {}, 1),
        ("yes", {"class_weight": "balanced"}, 1),
        ("yes", {}, 2),
        ("grade", {"task": "multiclass"}, 1),
    ]
    shared = [trained("shared", *one) for one in asked]
    assert shared == [trained(f"own-{i}", *one) for i, one in enumerate(asked)]
    assert shared[0] != shared[1]
    assert shared[0] != shared[2]


@pytest.mark.frameworks
def test_the_network_is_good_deterministic_and_goes_on_after_a_kill(bench: Bench, tmp_path: Path) -> None:
    from trueline.training.checkpoints import Checkpoints

    whole = bench.model("torch_mlp", bench.fn_args("yes", seed=5, checkpoint_dir=str(tmp_path / "one")))
    assert held_out_auc(bench, whole) > 0.95

    saved = Checkpoints.save_torch

    def killed(self: Checkpoints, step: int, **more: Any) -> None:
        saved(self, step, **more)
        if step == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save_torch", killed)
        with pytest.raises(KeyboardInterrupt):
            bench.model("torch_mlp", bench.fn_args("yes", seed=5, checkpoint_dir=str(tmp_path / "two")))
    resumed = bench.model("torch_mlp", bench.fn_args("yes", seed=5, checkpoint_dir=str(tmp_path / "two")))
    assert Path(whole.uri, "model.onnx").read_bytes() == Path(resumed.uri, "model.onnx").read_bytes()


ALL_TASKS = [
    (trainer, ready, label)
    for trainer, ready in (("xgboost", {}), ("lightgbm", {}), ("torch_mlp", {}), ("sklearn", {"estimator": "mlp"}))
    for label in ("kind", "grade", "amount")
]


@pytest.mark.frameworks
@pytest.mark.parametrize(("trainer", "ready", "label"), ALL_TASKS)
def test_every_task_of_every_trainer(bench: Bench, trainer: str, ready: dict[str, Any], label: str) -> None:
    model = bench.model(trainer, bench.fn_args(label, ready, weight="weight"))
    rows = bench.table.slice(500)
    truth = rows.column(label).to_numpy(zero_copy_only=False)
    if label == "amount":
        found = np.array(model.predict(rows)["prediction"].to_pylist())
        assert model.info["task"] == "regression"
        assert np.sqrt(np.mean((found - truth) ** 2)) < 0.6 * truth.std()
        return
    assert model.info["task"] == "multiclass"
    assert model.info["classes"] == sorted(set(truth.tolist()))
    assert np.mean(np.array(model.predict(rows)["label"].to_pylist()) == truth) > 0.7


@pytest.mark.parametrize("trainer", ["xgboost", "lightgbm"])
def test_a_ranking_groups_rows_by_a_raw_column_or_a_feature(bench: Bench, trainer: str) -> None:
    raw_rows = Dataset.from_table(bench.table.slice(0, 500), 128), Dataset.from_table(bench.table.slice(500), 128)
    args = bench.fn_args("grade", {"task": "ranking", "query": "query"}, raw_train=raw_rows[0], raw_eval=raw_rows[1])
    model = bench.model(trainer, args)
    assert model.info["task"] == "ranking"
    rows = bench.table.slice(500)
    score = np.array(model.predict(rows)["score"].to_pylist())
    grade = rows.column("grade").to_numpy()
    assert score[grade == 2].mean() > score[grade == 1].mean() > score[grade == 0].mean()
    by_feature = bench.fn_args("grade", {"task": "ranking", "query": "word"}, hyperparameters={"n_estimators": 5})
    assert "word" not in bench.model(trainer, by_feature).info["features"]
    with pytest.raises(ModelError, match="no feature 'nothing' to group"):
        bench.model(trainer, bench.fn_args("grade", {"task": "ranking", "query": "nothing"}))


def test_the_label_decides_on_the_task_unless_it_is_said(bench: Bench) -> None:
    assert task_of(bench.fn_args("yes")).task == "binary"
    assert task_of(bench.fn_args("kind")).classes == ("low", "middle", "top")
    assert task_of(bench.fn_args("grade")).classes == (0, 1, 2)
    assert task_of(bench.fn_args("amount")).task == "regression"
    assert task_of(bench.fn_args("grade", {"task": "regression"})).task == "regression"
    assert task_of(bench.fn_args("count", features=["plain"])).task == "regression"  # 40 values are none
    assert task_of(bench.fn_args("word", features=["plain"])).task == "multiclass"  # a domain
    with pytest.raises(ModelError, match="3 different values"):
        task_of(bench.fn_args("kind", {"task": "binary"}))
    with pytest.raises(ModelError, match=r"no task 'binry'[\s\S]*binary"):
        task_of(bench.fn_args("yes", {"task": "binry"}))
    with pytest.raises(ModelError, match=r"label 'kind' is text(.|\n)*leave task out"):
        task_of(bench.fn_args("kind", {"task": "regression"}))


def test_the_schema_says_what_a_category_is(bench: Bench) -> None:
    columns = {c.name: c for c in columns_of(bench.fn_args("yes"))}
    assert columns["word"].size == 5  # four words and what was not seen
    assert not columns["count"].categorical
    assert columns["gap"].optional
    asked = {c.name: c for c in columns_of(bench.fn_args("yes", {"categorical": ["count"], "numeric": ["word"]}))}
    assert asked["count"].size == 40
    assert not asked["word"].categorical
    with pytest.raises(ModelError, match=r"no feature 'cont'[\s\S]*'plain' is float32"):
        columns_of(bench.fn_args("yes", {"categorical": ["cont", "plain"]}))
    assert [embedding_width(n) for n in (2, 10, 100, 10**6)] == [2, 6, 21, 50]


def test_class_weights_move_the_scores_and_unknown_classes_are_told(bench: Bench) -> None:
    few = {"n_estimators": 20}
    plain = bench.model("xgboost", bench.fn_args("yes", hyperparameters=few))
    heavy = bench.model("xgboost", bench.fn_args("yes", {"class_weight": {"True": 20.0}}, hyperparameters=few))
    means = [np.mean([p[1] for p in m.predict(bench.table)["probabilities"].to_pylist()]) for m in (plain, heavy)]
    assert means[1] > means[0] + 0.1
    with pytest.raises(ModelError, match="no class 'maybe'"):
        bench.model("xgboost", bench.fn_args("yes", {"class_weight": {"maybe": 2.0}}))


def test_every_iteration_is_in_the_log_and_training_stops_early(bench: Bench) -> None:
    args = bench.fn_args("yes", hyperparameters={"early_stopping_rounds": 5})
    bench.model("lightgbm", args)
    entries = read_metrics(args.working_dir)
    names = {e["metric"] for e in entries}
    assert {"train_loss", "eval_loss", "eval_auc"} <= names
    losses = [e["value"] for e in entries if e["metric"] == "eval_loss"]
    assert [e["step"] for e in entries if e["metric"] == "eval_loss"] == list(range(1, len(losses) + 1))
    assert len(losses) == int(np.argmin(losses)) + 1 + 5
    alone = bench.fn_args("yes", watch=False, hyperparameters={"n_estimators": 7})
    bench.model("xgboost", alone)
    assert {e["metric"] for e in read_metrics(alone.working_dir)} == {"train_loss", "train_auc"}


def test_options_of_a_tuner_are_checked_at_run_time_too(bench: Bench) -> None:
    with pytest.raises(ConfigError, match=r"no option 'max_dept'[\s\S]*learning_rate"):
        bench.model("xgboost", bench.fn_args("yes", hyperparameters={"max_dept": 3, "learning_rate": 0}))
    with pytest.raises(ConfigError, match=r"no parameter 'max_itr'"):
        bench.model("sklearn", bench.fn_args("yes", hyperparameters={"max_itr": 3}))


@pytest.mark.parametrize("trainer", sorted(OPTIONS))
def test_every_option_refuses_what_it_cannot_be(trainer: str) -> None:
    for option in OPTIONS[trainer]:
        for wrong in ("text", float("nan"), None, True, []):
            if option.kind == "bool" or (option.kind == "ints" and wrong == []):
                continue
            assert option_problems(trainer, {option.name: wrong}), (option, wrong)
    assert json.dumps(sorted(o.name for o in OPTIONS[trainer]))

"""Several processes by torch's launcher: every row once, gradients of the whole batch, equal weights, failures told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parent))

from distributed_models import line

from trueline import LocalRunner, Pipeline
from trueline._core.errors import ConfigError, EngineError
from trueline.components import Trainer
from trueline.training.distributed import DistributedJob, call_entry, failure_of, group, run_distributed, write_error

pytestmark = pytest.mark.torch


def found_of(pipeline: Pipeline) -> dict[str, Any]:
    result = LocalRunner().run(pipeline)
    assert result.status == "COMPLETE", result.message
    return dict(result.nodes["Trainer"].found)


@pytest.mark.frameworks
def test_two_processes_see_disjoint_rows_and_end_with_equal_weights(tmp_path: Path) -> None:
    found = found_of(line(tmp_path, "numpy_sgd", processes=2))
    assert found["rows_seen_twice"] == 0
    assert found["weights_apart"] == 0
    assert found["rows_seen"] >= found["rows"] - 1  # an even share each
    assert found["rows_of_the_smallest_rank"] == found["rows_seen"] / 2


@pytest.mark.frameworks
def test_a_step_of_two_processes_is_that_of_one_with_the_whole_batch(tmp_path: Path) -> None:
    """Rows are weighed unequally, so that a mean of the two means would be another gradient."""
    found = found_of(
        line(
            tmp_path,
            "averaged",
            processes=2,
            features=["a", "b"],
            eval_split="",
            hyperparameters={"dropout": 0.0, "batch_size": 64, "hidden": [8]},
            custom_config={"ready": {"class_weight": {"True": 5.0}}},
        )
    )
    assert found["weights_apart"] == 0
    assert found["moved"] > 0.01
    assert found["from_one_process"] < 1e-5


@pytest.mark.frameworks
@pytest.mark.parametrize(
    ("run_fn", "said"),
    [("failing", "the second process has no luck"), ("killed", "training process 1 of 2 was killed")],
)
def test_a_failed_process_fails_the_node_with_its_own_words(tmp_path: Path, run_fn: str, said: str) -> None:
    result = LocalRunner().run(line(tmp_path, run_fn, processes=2))
    assert result.status == "FAILED"
    assert said in str(result.nodes["Trainer"].message)
    assert not list((tmp_path / "out").glob("Trainer/model/*/model.onnx"))
    assert not list((tmp_path / "out").rglob("rank-*")), "the job's folder is gone"


def test_alone_a_group_of_one_sums_nothing() -> None:
    import numpy as np

    alone = group()
    assert (alone.rank, alone.world_size) == (0, 1)
    assert alone.sum(np.array([1, 2])).tolist() == [1.0, 2.0]
    alone.barrier()


def test_a_job_goes_through_json(tmp_path: Path) -> None:
    job = DistributedJob("trueline.x:y", {"a": [1, None, "b"]}, 3, str(tmp_path), "gloo", ("p", "q"))
    assert DistributedJob.from_json(job.to_json()) == job


def test_only_functions_of_trueline_are_entries(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"os:system.* is no function of trueline"):
        call_entry(DistributedJob("os:system", {}, 2, str(tmp_path)), 0)
    with pytest.raises(ConfigError, match=r"no launcher 'torchrn'[\s\S]*torchrun"):
        run_distributed(DistributedJob("trueline.x:y", {}, 2, str(tmp_path)), "torchrn")


def test_the_process_that_failed_first_is_named_and_a_killed_one_before_it(tmp_path: Path) -> None:
    job = DistributedJob("trueline.x:y", {}, 3, str(tmp_path))
    write_error(job, 2, ConfigError("the first problem", hint="mend it."))
    write_error(job, 0, RuntimeError("connection closed by peer"))
    first = json.loads((tmp_path / "error-2.json").read_text())
    second = json.loads((tmp_path / "error-0.json").read_text())
    assert first["time"] <= second["time"]
    told = failure_of(job, {}, "nothing")
    assert isinstance(told, ConfigError)
    assert "the first problem" in str(told)
    assert "process 1 of 3 was killed by signal 9" in str(failure_of(job, {1: "killed by signal 9"}, "nothing"))
    assert str(failure_of(DistributedJob("trueline.x:y", {}, 3, str(tmp_path / "none")), {}, "nothing")) == "nothing"


def test_a_trainer_that_cannot_share_its_work_says_so_when_it_is_built() -> None:
    node = Trainer.xgboost(examples=None, transform_graph=None, label="y", processes=2)  # type: ignore[arg-type]
    assert any("trains in one process" in problem for problem in node.problems)

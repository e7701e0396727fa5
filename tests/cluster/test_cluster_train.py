"""A Trainer whose two processes are Ray actors: every row once, equal weights, failures told; no torch is needed.

What is proved is Ray's core and our own sums through an actor, with a run_fn in numpy. torch's process group on Ray's
nodes is joined where torch is installed, and not tested here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="NOT TESTED HERE: no Ray; make its environment with scripts/ray_env.sh")

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

from distributed_models import line  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from trueline import LocalRunner, Model  # noqa: E402
from trueline._core.errors import EngineError  # noqa: E402
from trueline.training.distributed import DistributedJob, run_distributed  # noqa: E402

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    found.add_node(num_cpus=1)
    ray.init(address=found.address, log_to_driver=False, logging_level="ERROR")
    yield found
    ray.shutdown()
    found.shutdown()


def test_two_actors_on_two_nodes_train_one_model(cluster: Cluster, tmp_path: Path) -> None:
    together = LocalRunner().run(line(tmp_path, "numpy_sgd", processes=2, distributed="ray"))
    assert together.status == "COMPLETE", together.message
    found = together.nodes["Trainer"].found
    assert found["rows_seen_twice"] == 0
    assert found["weights_apart"] == 0
    assert found["rows_seen"] >= found["rows"] - 1
    assert found["rows_of_the_smallest_rank"] == found["rows_seen"] / 2
    model = Model.load(together.nodes["Trainer"].outputs["model"][0].uri)
    rows = [{"number": 1, "a": 2.0, "b": -2.0}, {"number": 1, "a": -2.0, "b": 2.0}]
    probabilities = model.predict(rows)["probabilities"].to_pylist()
    assert probabilities[0][1] > 0.9
    assert probabilities[1][1] < 0.1


@pytest.mark.parametrize(
    ("run_fn", "said"),
    [("failing", "the second process has no luck"), ("killed", "training process 1 of 2 was killed")],
)
def test_a_failed_actor_fails_the_node_with_its_own_words(
    cluster: Cluster, tmp_path: Path, run_fn: str, said: str
) -> None:
    result = LocalRunner().run(line(tmp_path, run_fn, processes=2, distributed="ray"))
    assert result.status == "FAILED"
    assert said in str(result.nodes["Trainer"].message)
    assert not list((tmp_path / "out").glob("Trainer/model/*/model.onnx"))


def test_more_processes_than_processors_are_refused(cluster: Cluster, tmp_path: Path) -> None:
    job = DistributedJob("trueline.training.distributed:group", {}, 50, str(tmp_path))
    with pytest.raises(EngineError, match="2 processors, 50 processes"):
        run_distributed(job, "ray")

"""What an Evaluator says before anything runs, and in which words it closes the line."""

from __future__ import annotations

import pytest

from trueline._core.errors import ConfigError
from trueline.components import Evaluator
from trueline.components.evaluator import _reason
from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec, SlicingSpec
from trueline.model_analysis.validation import GateFailure, ValidationResult
from trueline.pipeline import Importer, Pipeline
from trueline.pipeline.artifacts import Examples, Model


def channel(kind, node_id):
    return Importer(source_uri="anywhere", artifact_type=kind, node_id=node_id).outputs["result"]


def test_a_config_that_cannot_work_is_told_before_anything_is_trained(tmp_path):
    config = EvalConfig(
        metrics_specs=(MetricsSpec(metrics=(MetricConfig("AUCC"),)),), slicing_specs=(SlicingSpec(expression="age >"),)
    )
    judged = Evaluator(examples=channel(Examples, "E"), model=channel(Model, "M"), eval_config=config)
    with pytest.raises(ConfigError) as caught:
        Pipeline("line", [judged], root=tmp_path)
    metric, slice_ = caught.value.problems
    assert "there is no metric 'AUCC'. Did you mean 'AUC'?" in metric
    assert "slice 'age >'" in slice_


class Verdict:
    """The part of an `EvalResult` that the sentence is made of."""

    def __init__(self, *slices):
        failures = [GateFailure("auc", name, "value_lower", 0.1, 0.5, 0.4, f"auc on {name} is low.") for name in slices]
        self.validation_result = ValidationResult(ok=False, failures=tuple(failures))


@pytest.mark.parametrize(
    ("slices", "said"),
    [
        ("a", "auc on a is low."),
        ("ab", "auc on a is low (also auc on b)."),
        ("abcdefgh", "auc on a is low (also auc on b; auc on c; auc on d; auc on e and 3 more)."),
    ],
)
def test_a_refusal_names_the_other_slices_too(slices, said):
    assert _reason(Verdict(*slices), judged=True) == f"The model is not blessed: {said}"

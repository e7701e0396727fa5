"""Cards of models that do not exist, on which a user's template is tried: one with every part, one with none."""

from __future__ import annotations

from trueline.model_analysis.card import parts_data as d
from trueline.model_analysis.card import parts_judged as j
from trueline.model_analysis.card import parts_model as m
from trueline.model_analysis.card.data import ModelCardData, texts_of
from trueline.model_analysis.card.limits import with_limits

__all__ = ["sample_card"]

_TEXTS = (
    "description", "owner", "licence", "contact", "citation", "intended_use", "intended_users", "out_of_scope",
    "factors", "data", "ethical_considerations", "caveats",
)  # fmt: skip


def sample_card() -> tuple[ModelCardData, ModelCardData]:
    """A whole card and a bare one."""
    bare = ModelCardData(m.ModelFacts("sample", "binary"))
    whole = ModelCardData(
        model=m.ModelFacts(
            name="sample", task="binary", framework="sklearn", label="late", weight="w", classes=("False", "True"),
            features=("fare",), inputs=(m.Input("fare", "float64", required=True),),
            outputs=(m.Output("probabilities", "float32", "N, 2", "class probabilities"),),
            fingerprint="0" * 64, transform="0" * 64, size_bytes=2000, onnx_bytes=1000,
            host_steps=("steps:length makes length (steps 1.0)",), parity=m.ParityFacts(10, 1e-7),
            decision=m.DecisionFacts(0.3, "isotonic", 100, False, "split calibration"),
            leakage=(m.Leak("fare", "fare", ("fare",)),), variant="int8",
        ),
        texts=texts_of(dict.fromkeys(_TEXTS, "A text.")),
        training=m.TrainingFacts({"seed": 0, "hyperparameters": {"depth": 3}}),
        data=d.DataFacts(
            (d.SplitFacts("train", 80),), (d.SourceFacts("rows.csv", 80, 1),), 1, 1, 1,
            (d.StatisticsFacts("fare", "float", 80, 8, None, 1.0, 1.0, 0.0, 1.0, 2.0, 0.1),
             d.StatisticsFacts("company", "string", 80, 0, 3, top="acme", top_share=0.5)), "train", 1,
            (d.SchemaFacts("fare", "float", "required", "at least 0"),), 1,
            (d.AnomalyFacts("eval", "fare", "error", "Out of range", "Below 0."),), "0" * 64,
        ),
        evaluation=_evaluation(),
        fairness=j.FairnessFacts((j.GroupRate("sex=F", 10, "positive_rate", 0.5, 0.4, 0.6),),
                                 (j.CriterionFacts("demographic_parity", "measured", "gap 0.1"),), ("A note.",), True),
        explanation=j.ExplanationFacts("Permutation importance", "auc", (j.ImportanceFacts("fare", 0.1, 0.0, 0.2),), 1),
        robustness=j.RobustnessFacts("auc", 10, (j.RobustnessLoss("noise", "Overall", 10, 0.1, 0.0, 0.2),), 1, True,
                                     ("It fails.",), ("A note.",)),
        operations=j.OperationsFacts((j.MetricFacts("size of all files, bytes", 2000.0),)),
        server=m.ServerCheck(True, 8),
        lineage=(m.LineageEntry("model", "Model", "0" * 64, "Trainer"),),
        environment=m.Environment({"sklearn": "1.5"}),
    )  # fmt: skip
    return with_limits(whole), with_limits(bare)


def _evaluation() -> j.EvaluationFacts:
    metric = j.MetricFacts("auc", 0.8, "", 0.7, 0.9, None, 0.75, 0.05, 0.01, 0.09)
    return j.EvaluationFacts(
        "binary", 100, 1, (metric, j.MetricFacts("precision", None, "no row is predicted positive")),
        (j.SliceFacts("company=acme", 50, (metric,)),), 1,
        (j.WorstSlice("auc", "company=acme", 50, 0.8, 0.7, 0.9, 0.8),),
        (j.TooSmall("company=cab", 3),), 1, (j.Undefined("precision", "Overall", "no row is predicted positive"),), 1,
        {"auc": True}, True, False, ("auc on Overall is low.",), ("A note.",), 3, True, 0.95, "Intervals at 95%.",
        "0" * 64, "1" * 64, 10,
    )  # fmt: skip

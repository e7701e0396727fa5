"""The census line from CSV files to a pushed model, judged by sex x race: a first model without a baseline, one that is
better on the whole and worse on one group, and the mended one."""

from __future__ import annotations

import contextlib
import html
import io
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")

import lines_adult

from trueline import Examples, Model
from trueline.cli import main
from trueline.cli.memory import open_runs
from trueline.components.evaluator_evidence import read_evidence
from trueline.model_analysis import ChosenDecision, EvalResult, FairnessResult, FoundSlices, RobustnessResult

pytestmark = pytest.mark.frameworks

PIPELINE = str(Path(lines_adult.__file__).resolve())
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "adult"
PLANTED = (("race", "Asian-Pac-Islander"), ("sex", "Female"))
NAME = "race=Asian-Pac-Islander, sex=Female"
RUNS = {"first": {"trees": 2}, "planted": {"trees": 60, "plant": "true"}, "mended": {"trees": 60}}


@dataclass
class Ran:
    """One run of the line, from the command line."""

    code: int
    printed: str
    nodes: dict[str, Any]
    artifacts: dict[str, str]
    pushed: list[str]
    report: str

    @property
    def result(self) -> EvalResult:
        """The evaluation."""
        return EvalResult.load(self.artifacts["ModelEvaluation"])

    @property
    def evidence(self) -> dict[str, Any]:
        """Beside the blessing."""
        return read_evidence(self.artifacts["ModelBlessing"])


@dataclass
class Line:
    """The line in a folder of its own."""

    folder: Path
    data: Path
    pattern: str
    runs: dict[str, Ran] = field(default_factory=dict)

    def run(self, name: str) -> None:
        """Runs it and keeps what came out."""
        serving, report = self.folder / "serving", self.folder / f"{name}.html"
        given = {"data": self.data, "root": self.folder / "line", "serving": serving, "pattern": self.pattern}
        arguments = [t for k, v in {**given, **RUNS[name]}.items() for t in ("--param", f"{k}={v}")]
        printed, before = io.StringIO(), list(sys.path)
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = main(["run", PIPELINE, *arguments, "--report", str(report)])
        sys.path[:] = before
        runs = open_runs(str(self.folder / "line" / "metadata.db"))
        nodes = {node.node_id: node for node in runs.run(runs.runs()[0].run_id).nodes}
        made = {}
        for node in ("CsvExampleGen", "DecisionChooser", "Evaluator", "ModelCardGenerator"):
            if nodes[node].execution_id is None:
                continue
            events = runs.store.events(execution_ids=[nodes[node].execution_id])
            outputs = runs.store.artifacts(ids=[e.artifact_id for e in events if e.type.is_output])
            made |= {a.type: str(a.uri) for a in outputs}
        pushed = sorted(p.name for p in serving.iterdir()) if serving.exists() else []
        self.runs[name] = Ran(code, printed.getvalue(), nodes, made, pushed, report.read_text())


@pytest.fixture(
    scope="module",
    params=[
        "made-up",
        pytest.param(
            "real",
            marks=[pytest.mark.shared, pytest.mark.skipif(not REAL.exists(), reason="the data set is not there")],
        ),
    ],
)
def line(request, tmp_path_factory) -> Line:
    """Three runs, one after the other."""
    folder = tmp_path_factory.mktemp("adult")
    made = Line(folder, folder / "data", "*") if request.param == "made-up" else Line(folder, REAL, "adult.*")
    if request.param == "made-up":
        lines_adult.write_rows(made.data)
    for name in RUNS:
        made.run(name)
    return made


def held_out(ran: Ran) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
    """Labels, sex and race of the split that judges, and the rows."""
    table = Examples.open(ran.artifacts["Examples"]).table("eval")
    rich = np.array([str(v).rstrip(".") == ">50K" for v in table["income"].to_pylist()])
    return rich, np.array(table["sex"].to_pylist()), np.array(table["race"].to_pylist()), table


def test_a_first_model_passes_on_its_values_alone_and_says_so(line):
    ran = line.runs["first"]
    assert ran.code == 0, ran.printed
    assert {node.state for node in ran.nodes.values()} == {"COMPLETE"}
    assert len(ran.pushed) == 1
    evidence = ran.evidence
    assert (evidence["blessed"], evidence["first_model"], evidence["baseline"]) == (True, True, None)
    assert any("no baseline" in note for note in evidence["notes"])
    assert {check["kind"] for check in evidence["checks"]} <= {"value_lower", "value_upper", "defined"}
    assert "no baseline" in html.unescape(ran.report)


def test_a_model_better_on_the_whole_and_worse_on_one_group_is_refused_by_that_name(line):
    ran = line.runs["planted"]
    assert ran.code == 3, ran.printed
    assert ran.pushed == line.runs["first"].pushed
    assert {ran.nodes[n].state for n in ("InfraValidator", "Pusher", "ModelCardGenerator")} == {"SKIPPED"}
    said = " ".join(ran.printed.split())
    assert f"Evaluator gate closed: The model is not blessed: auc on {NAME} went from" in said
    assert "beyond sampling noise" in said

    result = ran.result
    assert {f.slice for f in result.validation_result.failures} == {NAME}
    slices = {s.key: s for s in result.measured.slices}
    whole, group = slices[()], slices[PLANTED]
    assert whole.metrics["auc"].value > whole.baseline["auc"].value
    assert group.metrics["auc"].value < group.baseline["auc"].value - 0.1
    assert group.changes["auc"].high < 0

    evidence = ran.evidence
    assert (evidence["blessed"], evidence["first_model"]) == (False, False)
    (broken,) = [c for c in evidence["checks"] if c["outcome"] == "failed"]
    assert (broken["metric"], broken["slice"], broken["test"]) == ("auc", NAME, "worse")
    assert broken["rows"] == group.rows
    assert broken["sentence"] in [f.sentence for f in result.validation_result.failures]
    shown = [c for c in evidence["checks"] if c.get("test") == "non_inferior"]
    assert [(c["slice"], c["outcome"]) for c in shown] == [("Overall", "passed")]
    page = html.unescape((Path(ran.artifacts["ModelEvaluation"]) / "evaluation.html").read_text())
    for text in (broken["sentence"], "Worst slices found", "Fairness", "Robustness", "sex=Male"):
        assert text in page
        assert text in html.unescape(ran.report)


def test_the_mended_model_passes_against_the_first_one(line):
    ran = line.runs["mended"]
    assert ran.code == 0, ran.printed
    assert len(ran.pushed) == 2
    evidence, first = ran.evidence, line.runs["first"].evidence
    assert evidence["blessed"]
    assert evidence["baseline"]["fingerprint"] == first["candidate"]["fingerprint"]
    assert {c["outcome"] for c in evidence["checks"]} <= {"passed", "within_noise"}


def test_the_search_finds_the_planted_group_and_disturbances_are_measured_by_sex(line):
    folder = Path(line.runs["planted"].artifacts["ModelEvaluation"])
    found = FoundSlices.from_json((folder / "found_slices.json").read_text())
    assert any(set(PLANTED) & set(s.key) for s in found.slices), [s.name for s in found.slices]
    losses = RobustnessResult.from_dict(json.loads((folder / "robustness.json").read_text())).losses
    assert {(loss.perturbation, loss.slice) for loss in losses} == {
        (kind, name) for kind in ("gaussian_noise", "missing") for name in ("Overall", "sex=Female", "sex=Male")
    }
    fairness = FairnessResult.from_dict(json.loads((folder / "fairness.json").read_text()))
    assert {g.name for g in fairness.groups} >= {"sex=Female", "sex=Male"}
    sizes = json.loads((folder / "operations.json").read_text())["sizes"]
    assert sizes["candidate"]["onnx_bytes"] > sizes["baseline"]["onnx_bytes"]


def test_the_card_says_how_the_model_does_in_each_group(line):
    ran = line.runs["mended"]
    card = (Path(ran.artifacts["ModelCard"]) / "model_card.md").read_text()
    for text in ("Who earns more than 50,000 a year.", "A test of the whole line.", "It passed its gates."):
        assert text in card
    assert "Female" in card
    assert "ModelCard" not in line.runs["planted"].artifacts


def test_slices_crosses_and_the_threshold_in_force_equal_plain_numpy(line):
    """The decision is chosen on a split of its own, and it is that of the evaluation and of the server."""
    from sklearn.metrics import roc_auc_score

    ran = line.runs["mended"]
    rich, sex, race, table = held_out(ran)
    model = Model.load(str(line.folder / "serving" / ran.pushed[-1]))
    decision = ChosenDecision.from_dict(model.info["decision"]["evidence"])
    assert "calibration" in model.info["decision"]["chosen_on"]
    scores = model.predict_proba(table)[:, 1]
    yes = np.float32(scores) >= np.float32(decision.threshold)
    result = ran.result
    slices = {s.key: s for s in result.measured.slices}
    groups = {(("race", r), ("sex", s)) for r in set(race) for s in set(sex)}
    for key in [(), *((("sex", s),) for s in set(sex)), *groups]:
        kept = np.logical_and.reduce([np.ones(len(rich), bool), *({"sex": sex, "race": race}[c] == v for c, v in key)])
        if 0 < kept.sum() < 40:
            assert (key, kept.sum()) in result.measured.too_small
            continue
        own = slices[key]
        assert own.rows == kept.sum()
        expected = roc_auc_score(rich[kept], scores[kept])
        assert own.metrics["auc"].value == pytest.approx(expected, abs=1e-9)
        assert own.metrics["auc"].low < expected < own.metrics["auc"].high
        assert own.metrics["binary_accuracy"].value == pytest.approx((yes == rich)[kept].mean(), abs=1e-12)
    rates = [(yes & ~rich & (sex == s)).sum() / (~rich & (sex == s)).sum() for s in ("Male", "Female")]
    (pair,) = result.measured.cross
    assert pair.metrics["fpr"].value == pytest.approx(rates[0] - rates[1], abs=1e-12)
    assert [c["outcome"] for c in ran.evidence["checks"] if c["metric"] == "fpr"] == ["passed"] * 2

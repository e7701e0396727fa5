"""The list of metrics leaves none out, and says of each what its record says."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from docs_blocks import ROOT

from trueline.model_analysis.metrics import METRICS, TASKS, metric_names

SCRIPTS = ROOT / "scripts"
PAGE = ROOT / "docs" / "metrics.md"


@pytest.fixture(scope="module")
def maker():
    sys.path.insert(0, str(SCRIPTS))
    try:
        import make_metrics_table
    finally:
        sys.path.remove(str(SCRIPTS))
    return make_metrics_table


def test_the_list_is_up_to_date():
    done = subprocess.run(
        [sys.executable, SCRIPTS / "make_metrics_table.py", "--check"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def test_every_record_stands_in_one_topic(maker):
    listed = [(m.class_name, task) for metrics in maker.records().values() for m in metrics for task in m.tasks]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(METRICS)


def test_every_metric_has_a_line_and_stands_under_its_tasks():
    text = PAGE.read_text(encoding="utf-8")
    topics, _, by_task = text.partition("## By task")
    assert set(re.findall(r"^\| `(\w+)` \| `", topics, re.MULTILINE)) == set(metric_names())
    rows = {m[1]: set(re.findall(r"\w+", m[2])) for m in re.finditer(r"^\| `(\w+)` \| (.*) \|$", by_task, re.MULTILINE)}
    assert list(rows) == list(TASKS)
    for task in ("binary", "regression", "ranking", "objects"):
        assert rows[task] == set(metric_names(task))


def test_what_is_known_of_some_metrics_stands_there():
    lines = re.findall(r"^\| (`\w+` \| .*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    cells = {line.split(" | ")[0].strip("`"): line.split(" | ")[1:] for line in reversed(lines)}
    one_class = "the slice holds only one of the two classes"
    assert cells["AUC"] == [
        "`auc`",
        "binary",
        "higher",
        '`curve="ROC"`, `summation_method="interpolation"`',
        "yes",
        one_class,
    ]
    assert cells["PrecisionAtRecall"][3] == "`recall` *must be given*"
    assert cells["MedianAbsoluteError"][4] == "no; holds a slice's rows"
    assert cells["ConfusionMatrixPlot"][4] == cells["ConfusionMatrixAtThresholds"][4] == "structure"
    assert cells["COCOMeanAveragePrecision"][4] == "yes"
    assert cells["ExampleCount"][1:3] == ["all", ""]

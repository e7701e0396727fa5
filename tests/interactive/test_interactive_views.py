"""Each type of artifact shows what its files hold, as text and never as markup; people may add views of their own."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from trueline._core.errors import ConfigError
from trueline.display.html import Html, tag
from trueline.interactive import artifact_sections, register_view
from trueline.interactive.views import _table, has_view

EVIL = "<script>alert('x')</script>\"&"


class Tags(HTMLParser):
    """Names of elements; fails on one that is closed out of order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def shown(type_name: str, folder: Path, **properties: object) -> str:
    """The sections as one text: whole, without a script, and not an excuse."""
    found = artifact_sections(type_name, str(folder), properties)
    html = "".join(f"<h3>{title}</h3>{body}" for title, body in found)
    assert "cannot be shown" not in html, html
    assert not {"script", "img", "link", "iframe"} & Tags(html).seen
    assert not re.search(r'(?:src|href)="(?!#)', html)
    return html


def put(folder: Path, **files: object) -> Path:
    """JSON files; ``__`` in a name stands for the dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def test_a_search_and_its_best_hyperparameters(tmp_path):
    trials = [
        {
            "number": n, "state": "COMPLETE", "value": n / 3, "params": {"rate": n / 3, "kind": EVIL},
            "hyperparameters": {}, "reported": [], "logged": {}, "seconds": 1.5, "marks": {}, "error": None,
            "ranges": {"rate": {"kind": "float", "low": 0.0, "high": 1.0},
                       "kind": {"kind": "categorical", "choices": [EVIL]}},
        }
        for n in range(4)
    ]  # fmt: skip
    settings = {"objective": EVIL, "direction": "maximize", "take": "last", "sampler": "tpe", "pruner": "none",
                "parallel": 1, "seed": 0}  # fmt: skip
    search = {"settings": settings, "fixed": {EVIL: EVIL}, "best": 3, "importance": {"rate": 0.9}, "trials": trials}
    html = shown("TunerResults", put(tmp_path / "a", tuner_results__json=search))
    assert "&lt;script&gt;" in html
    assert "<svg" in html
    assert "Importance" in html
    html = shown("HyperParameters", put(tmp_path / "b", best_hyperparameters__txt={EVIL: [EVIL, 3]}))
    assert "&lt;script&gt;" in html
    assert "3]" in html


def test_curves_of_a_training_and_its_facts(tmp_path):
    from trueline.training.tracking import METRICS_FILE

    rows = [{"metric": name, "value": 1 / (step + 1), "step": step} for step in range(5) for name in (EVIL, "loss")]
    folder = put(
        tmp_path, run__json={"rows": 7, "framework": EVIL, "training": {"seed": 3, "world_size": 1}, "logged": {}}
    )
    (folder / METRICS_FILE).write_text("".join(json.dumps(row) + "\n" for row in rows))
    html = shown("ModelRun", folder)
    assert html.count("<path") + html.count("<polyline") >= 2, "a curve for each metric"
    assert "&lt;script&gt;" in html
    assert "world size" in html


def test_rows_of_examples_and_of_predictions(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from trueline.models.bulk_result import write_inference_json

    schema = pa.schema([("__row__", pa.int64()), ("label", pa.string()), (EVIL, pa.list_(pa.float32()))])
    table = pa.table({"__row__": [1, 2], "label": [EVIL, None], EVIL: [[0.25, 0.75], None]}, schema=schema)
    (tmp_path / "Split-all").mkdir()
    pq.write_table(table, tmp_path / "Split-all" / "a.parquet")
    write_inference_json(str(tmp_path), schema, {"name": "m"}, [], {"all": [(0, "Split-all/a.parquet", 2)]})
    html = shown("InferenceResult", tmp_path)
    assert "0.25" in html
    assert html.count("&lt;script&gt;") >= 2
    assert "__row__" not in html
    assert "missing" in html
    refused = put(tmp_path / "refused", refused__json={"reason": f"the model is not blessed {EVIL}"})
    assert "not blessed &lt;script&gt;" in shown("InferenceResult", refused)


def test_differences_row_by_row(tmp_path):
    counts = {"base_count": 9, "test_count": 8, "match_count": 6, "mismatch_count": 2, "base_only": 1, "test_only": 0,
              "diff_count": 3}  # fmt: skip
    found = {"match_stats": {"matching_pairs_count": 9}, "skew_results": [{"feature_name": EVIL, **counts}]}
    put(tmp_path / "SplitPair-train_eval", skew__json=found)
    html = shown("ExamplesDiff", tmp_path)
    assert "Row by row: train against eval" in html
    assert "&lt;script&gt;" in html


def test_a_verdict_shows_what_failed_and_folds_many_that_passed(tmp_path):
    checks = [{"metric": "auc", "slice": f"hour={n}", "outcome": "passed", "sentence": "fine"} for n in range(20)]
    checks.append({"metric": EVIL, "slice": "hour=3", "outcome": "failed", "sentence": f"too low {EVIL}"})
    folder = put(tmp_path, evidence__json={"checks": checks}, NOT_BLESSED="")
    html = shown("ModelBlessing", folder, reason=EVIL)
    before, _, folded = html.partition("<details>")
    assert "too low &lt;script&gt;" in before
    assert "hour=7" not in before
    assert "20 checks passed" in folded
    both = put(tmp_path / "both", BLESSED="", NOT_BLESSED="")
    assert "no verdict" in shown("ModelBlessing", both), "two marks are no blessing"
    assert "no verdict" in shown("InfraBlessing", put(tmp_path / "none"))


def test_values_pushes_and_unknown_types(tmp_path):
    assert "&lt;script&gt;" in shown("String", put(tmp_path / "a", value=json.dumps(EVIL)))
    assert "&lt;script&gt;" in shown("JsonValue", put(tmp_path / "b", value={EVIL: [1, None]}))
    assert "&lt;script&gt;" in shown("PushedModel", put(tmp_path / "c", pushed__json={"pushed": True, "version": EVIL}))
    html = shown("SomebodysType", put(tmp_path / "d", one__txt="x", two__bin="yy"))
    assert "one.txt" in html
    assert "two.bin" in html


@pytest.mark.parametrize("type_name", sorted(_table()))
def test_an_artifact_without_its_files_says_so_instead_of_failing(type_name, tmp_path):
    for folder in (
        tmp_path / "gone",
        put(tmp_path / "odd", model__json="{", run__json="[", value="", pushed__json="3"),
    ):
        for title, body in artifact_sections(type_name, str(folder)):
            assert title
            assert str(body)
            assert "Traceback" not in str(body)


def test_people_add_views_of_their_own(tmp_path, monkeypatch):
    from trueline.interactive import views

    monkeypatch.setattr(views, "_ADDED", {})
    assert not has_view("Forecast")

    def view(uri, properties):
        yield "Forecast", tag("p", f"{properties['days']} days in {Path(uri).name}")

    register_view("Forecast", view)
    assert has_view("Forecast")
    assert artifact_sections("Forecast", str(tmp_path / "f<"), {"days": 3}) == [
        ("Forecast", Html("<p>3 days in f&lt;</p>"))
    ]
    ((_, said),) = artifact_sections("Forecast", str(tmp_path))
    assert "cannot be shown" in str(said), "a view that fails says so"
    register_view("Forecast", lambda uri, properties: iter([("Again", Html("<i></i>"))]))
    assert artifact_sections("Forecast", "x")[0][0] == "Again", "the newest stands"
    with pytest.raises(ConfigError, match="is no view"):
        register_view("Forecast", "forecast.html")  # type: ignore[arg-type]

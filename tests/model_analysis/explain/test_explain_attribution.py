"""Attributions for the evaluation, and what all explanations share: escaped pages, checked files, names."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import trueline.model_analysis.explain as room_of_explanations
from trueline._core.errors import ArtifactError, ConfigError, DataError, ModelError
from trueline.engine import Dataset
from trueline.model_analysis.explain import (
    attributions,
    counterfactuals,
    lime_surrogate,
    load_explanation,
    nearest_examples,
    partial_dependence,
    permutation_importance,
    shap_values,
)
from trueline.models import Model, PythonModel
from trueline.models.explain import EXPLAINERS, explainer

HOSTILE = "<script>alert('x')</script>"


def test_one_number_for_each_row_and_raw_feature(tree_model_: Model, room: Any) -> None:
    names = [f.name for f in tree_model_.runtime.inputs]
    found = attributions(tree_model_, room.table, "sampling", keep=("color", "good"), permutations=2)
    assert found.column_names == ["__row__", "color", "good", *(f"attribution:{n}" for n in names)]
    assert found.num_rows == room.table.num_rows
    assert all(found[f"attribution:{n}"].type == pa.float64() for n in names)
    score = tree_model_.predict_proba(room.table)[:, 1].astype(float)
    total = sum(found[f"attribution:{n}"].to_numpy() for n in names)
    np.testing.assert_allclose(np.ptp(score - total), 0, atol=1e-9)  # they add up to the score less one base


def test_blocks_and_files_do_not_change_them(tree_model_: Model, room: Any, tmp_path: Any) -> None:
    table = room.table.slice(0, 90)
    whole = attributions(tree_model_, table, "tree")
    cut = attributions(tree_model_, Dataset.from_table(table, 20), "tree", uri=str(tmp_path / "a.parquet"))
    assert cut == str(tmp_path / "a.parquet")
    read = pq.read_table(cut)
    for name in whole.column_names:
        if name.startswith("attribution:"):
            np.testing.assert_array_equal(read[name].to_numpy(), whole[name].to_numpy())


def test_of_several_classes_each_row_has_its_own_predicted_one_s(class_model: Model, room: Any) -> None:
    table = room.table.slice(0, 6)
    found = attributions(class_model, table, "exact", background=room.table)
    each = shap_values(class_model, table, room.table, method="exact")
    best = class_model.predict_proba(table).argmax(axis=1)
    for f, name in enumerate(each.features):
        np.testing.assert_allclose(
            found[f"attribution:{name}"].to_numpy(), each.values[np.arange(6), best, f], atol=1e-12
        )


def test_the_evaluation_reads_them(class_model: Model, room: Any) -> None:
    """Column by column, slice by slice, class by class."""
    from trueline.model_analysis import EvalConfig, MetricConfig, MetricsSpec, SlicingSpec, analyze_raw_data

    table = room.table.slice(0, 80)
    made = attributions(class_model, table, "tree", every_class=True, keep=("color",))
    made = made.append_column("label", pa.array(np.zeros(80))).append_column("prediction", pa.array(np.zeros(80)))
    metric = MetricConfig("MeanAbsoluteAttributions", {"class_id": 2})
    config = EvalConfig((MetricsSpec((metric,)),), (SlicingSpec(), SlicingSpec(("color",))))
    found = {s.name: next(iter(s.metrics.values())).data for s in analyze_raw_data(made, config).measured.slices}
    each = shap_values(class_model, table, table, method="tree", max_rows=None)
    red = [i for i, c in enumerate(table["color"].to_pylist()) if c == "red"]
    for f, name in enumerate(each.features):
        assert found["Overall"][name] == pytest.approx(np.abs(each.values[:, 2, f]).mean())
        assert found["color=red"][name] == pytest.approx(np.abs(each.values[red, 2, f]).mean())


def test_what_cannot_be_attributed_is_told(tree_model_: Model, room: Any) -> None:
    taken = room.table.append_column("attribution:size", room.table["depth"])
    with pytest.raises(ConfigError, match="have a column 'attribution:size' already"):
        attributions(tree_model_, taken)
    with pytest.raises(ConfigError, match="Did you mean 'tree'"):
        attributions(tree_model_, room.table, "treee")
    with pytest.raises(DataError, match="no column 'colour'"):
        attributions(tree_model_, room.table, keep=("colour",))


def every_kind(model: Model, table: pa.Table) -> list[Any]:
    row = table.slice(table["color"].to_pylist().index(HOSTILE), 1)
    return [
        permutation_importance(model, table, n_repeats=1, slices=["color"]),
        partial_dependence(model, table, ["color", ("color", "depth")], kind="both", slices=["color"], grid=4),
        shap_values(model, table, max_rows=6, background_rows=5, slices=["color"], method="sampling", permutations=1),
        lime_surrogate(model, row, table, samples=100),
        counterfactuals(model, row, table),
        nearest_examples(model, row, table, 2),
    ]


def test_pages_escape_what_the_data_say_and_ask_nobody(tree_model_: Model, room: Any, tmp_path: Any) -> None:
    colors = [HOSTILE if c in ("red", None) else c for c in room.table["color"].to_pylist()]
    table = room.table.set_column(room.table.column_names.index("color"), "color", pa.array(colors))
    for found in every_kind(tree_model_, table):
        page = found.to_html(str(tmp_path / f"{found.KIND}.html"))
        assert (tmp_path / f"{found.KIND}.html").read_text(encoding="utf-8") == page
        assert HOSTILE not in page
        assert "&lt;script&gt;" in page
        assert "http://" not in page.replace("http://www.w3.org", "")
        assert "https://" not in page
        assert found.TITLE in page
        assert "<div class='tl'>" in found._repr_html_()
        assert found.to_table().num_rows or found.KIND == "counterfactuals"
        json.dumps(found.to_json(), allow_nan=False)


def test_files_are_checked_before_they_are_read(tmp_path: Any) -> None:
    path = tmp_path / "x.json"
    cases = {
        "no JSON": "{",
        "no explanation": "[]",
        "Did you mean 'shap_values'": json.dumps({"format": 1, "kind": "shap_value", "content": {}}),
        "reads format 1": json.dumps({"format": 2, "kind": "shap_values"}),
        "does not parse": json.dumps({"format": 1, "kind": "shap_values", "model": {}, "options": {}, "content": {}}),
    }
    for match, text in cases.items():
        path.write_text(text)
        with pytest.raises(ArtifactError, match=match):
            load_explanation(str(path))
    with pytest.raises(ArtifactError):
        load_explanation(str(tmp_path / "absent.json"))


def test_a_model_explains_itself_by_name(tree_model_: Model, room: Any) -> None:
    for name in EXPLAINERS:
        assert callable(explainer(name))
    found = tree_model_.explain(room.table, method="permutation", n_repeats=1)
    assert found.importance() == permutation_importance(tree_model_.uri, room.table, n_repeats=1).importance()
    assert tree_model_.explain(room.table.slice(0, 1), method="neighbours", background=room.table, k=1).found[0]
    assert tree_model_.explain(room.table.slice(0, 1), method="counterfactual", background=room.table).sentence


def test_an_embedding_and_what_is_no_model_are_refused(room: Any) -> None:
    embedding = room.build("wide", PythonModel("explain_python_code:wide", output="embedding"), None, ("size", "depth"))
    for ask in (permutation_importance, partial_dependence, shap_values):
        with pytest.raises(ModelError, match="no score"):
            ask(embedding, room.table)
        with pytest.raises(ModelError, match="cannot explain a float"):
            ask(3.0, room.table)


def test_public_names_are_those_that_are_visible() -> None:
    for name in room_of_explanations.__all__:
        assert getattr(room_of_explanations, name).__module__.startswith("trueline.model_analysis.explain")

"""What a what-if page shows: which rows and why, editors from schema and data; nothing of it becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from web_what_if_rows import ROWS, SHOPS

from trueline._core.errors import ConfigError, DataError, ModelError
from trueline.display.what_if import folder_of, what_if_html
from trueline.engine.base import Dataset
from trueline.model_analysis import SlicingSpec, WhatIf, what_if
from trueline.models import Model


@pytest.fixture(scope="module")
def page(binary: Model, table: pa.Table) -> WhatIf:
    spec = SlicingSpec(feature_values={"shop": "Green"})
    return what_if(binary, table, rows=50, worst=5, near=7, slices=[spec], slice_rows=4, facets=["shop", "shared"])


def rows_of(page: WhatIf, why: str) -> list[dict[str, Any]]:
    return [r for r in page.document["rows"] if why in r["why"]]


def test_the_rows_are_the_worst_and_the_undecided_of_all_the_data(page: WhatIf, binary: Model, table: pa.Table) -> None:
    p = binary.predict_proba(table)[:, 1].astype(float)
    truth = np.array([np.nan if v is None else float(v) for v in table["good"].to_pylist()])
    wrong = np.abs(truth - p)
    least = np.sort(wrong[~np.isnan(wrong)])[-5]
    assert all(wrong[r["place"]] >= least for r in rows_of(page, "worst error"))
    undecided = np.sort(np.abs(p - 0.5))[6]
    assert all(abs(p[r["place"]] - 0.5) <= undecided for r in rows_of(page, "near the decision"))
    assert [len(rows_of(page, w)) for w in ("sample", "worst error", "near the decision", "shop=Green")] == [
        50,
        5,
        7,
        4,
    ]
    assert all(table["shop"][r["place"]].as_py() == "Green" for r in rows_of(page, "shop=Green"))
    assert page.document["total"] == ROWS
    places = [r["place"] for r in page.document["rows"]]
    assert places == sorted(set(places))


def test_a_row_has_the_model_s_own_answer_and_its_label(page: WhatIf, binary: Model, table: pa.Table) -> None:
    expected = binary.predict_proba(table)
    for row in page.document["rows"]:
        assert row["scores"][0] == pytest.approx(expected[row["place"]].tolist(), abs=1e-7)
        label = table["good"][row["place"]].as_py()
        assert row["label"] == (None if label is None else int(label))
        assert row["facets"][0] == (table["shop"][row["place"]].as_py() or "missing")


def test_blocks_and_their_size_do_not_matter(page: WhatIf, binary: Model, table: pa.Table) -> None:
    spec = SlicingSpec(feature_values={"shop": "Green"})
    given = {"rows": 50, "worst": 5, "near": 7, "slices": [spec], "slice_rows": 4, "facets": ["shop", "shared"]}
    assert what_if(binary, Dataset.from_table(table, 37), **given).document == page.document
    other = what_if(binary, table, **given, seed=1)
    assert [r["place"] for r in other.document["rows"]] != [r["place"] for r in page.document["rows"]]


def test_data_without_labels_have_no_errors(binary: Model, table: pa.Table) -> None:
    made = what_if(binary, table.drop_columns(["good"]), rows=20, near=0)
    assert {r["label"] for r in made.document["rows"]} == {None}
    assert rows_of(made, "worst error") == []


SCHEMA = """
feature { name: "fare" type: FLOAT float_domain { min: 0 max: 60 } }
feature { name: "hour" type: INT presence { min_fraction: 1.0 } int_domain { min: 0 max: 23 } }
feature { name: "shop" type: BYTES domain: "shops" }
feature { name: "kind" type: BYTES domain: "open" distribution_constraints { min_domain_mass: 0.9 } }
string_domain { name: "shops" value: "Blue" value: "Red" }
string_domain { name: "open" value: "mid" }
"""


def test_editors_come_from_the_schema_then_from_the_data(binary: Model, table: pa.Table) -> None:
    fields = {f["name"]: f for f in what_if(binary, table, rows=20).document["fields"]}
    ruled = what_if(binary, table, rows=20, schema=text_format.Parse(SCHEMA, schema_pb2.Schema())).document["fields"]
    closed = {f["name"]: f for f in ruled}
    assert (closed["fare"]["low"], closed["fare"]["high"], closed["fare"]["limits"]) == (0, 60, [0, 60])
    assert fields["fare"]["limits"] == [None, None]
    assert closed["hour"]["missing"] is False
    assert fields["hour"]["missing"] is True
    assert (closed["hour"]["step"], closed["fare"]["step"]) == (1, 0.1)
    assert (closed["shop"]["editor"], closed["shop"]["values"]) == ("choice", ["Blue", "Red"])
    assert closed["shop"]["grid"] == ["Blue", "Red", None]
    assert fields["shop"]["editor"] == "text"
    assert set(fields["shop"]["values"]) == set(SHOPS)
    kinds = {n: f["editor"] for n, f in fields.items()}
    assert {kinds["shared"], kinds["tags"], kinds["position"], kinds["when"]} == {"flag", "json", "time"}
    assert fields["fare"]["grid"][-1] is None
    assert fields["when"]["x"] == sorted(fields["when"]["x"])


def test_a_domain_that_is_not_closed_takes_other_texts(build: Any, table: pa.Table) -> None:
    from trueline._core.values import RawFeature
    from trueline.model_analysis.whatif.fields import fields_of

    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    [field] = fields_of([RawFeature("kind", "utf8")], table.select(["kind"]), schema, None, 10)
    assert (field["editor"], field["free"], field["values"][0]) == ("text", True, "mid")
    assert set(field["values"]) == {"mid", "top", "low <b>"}


def test_features_that_are_not_chosen_are_shown_but_not_edited(binary: Model, table: pa.Table) -> None:
    fields = what_if(binary, table, rows=5, features=["fare"]).document["fields"]
    assert [f["name"] for f in fields if f["edited"]] == ["fare"]
    assert len(fields) > 1


def test_all_that_does_not_fit_is_told_at_once(binary: Model, number: Model, table: pa.Table) -> None:
    with pytest.raises(ConfigError) as caught:
        what_if(binary, table, rows=0, grid=1, features=["far"])
    assert len(caught.value.problems) == 3
    assert "Did you mean 'fare'" in str(caught.value)
    with pytest.raises(ConfigError, match="predict the same"):
        what_if(binary, table, compare=number)
    with pytest.raises(DataError, match="shopp"):
        what_if(binary, table, facets=["shopp"])
    with pytest.raises(DataError, match="no rows"):
        what_if(binary, table.slice(0, 0))
    with pytest.raises(ConfigError, match="more than 40 values"):
        what_if(binary, table, slices=[SlicingSpec(feature_keys=("when",))])


def test_a_decision_by_costs_is_a_threshold_where_one_stands_for_it(binary: Model, tmp_path: Path) -> None:
    from trueline.model_analysis.whatif.decisions import decision_of

    costly = binary.with_decision(str(tmp_path / "costs"), cost_matrix=[[0, 1], [4, 0]])
    assert decision_of(costly.runtime) == {"threshold": pytest.approx(0.2), "by": "costs"}
    p, label = np.array([0.19, 0.21]), ["no", "yes"]
    assert [label[int(v >= 0.2)] for v in p] == [label[int(v * 4 > (1 - v))] for v in p]
    odd = binary.with_decision(str(tmp_path / "odd"), cost_matrix=[[1, 0], [4, 0]])
    assert decision_of(odd.runtime)["threshold"] is None
    own = binary.with_decision(str(tmp_path / "own"), threshold=0.3)
    assert decision_of(own.runtime) == {"threshold": 0.3, "by": "the model's decision"}


def test_two_models_answer_for_the_same_rows(binary: Model, smaller: Model, table: pa.Table) -> None:
    made = what_if(binary, table, compare=smaller, rows=20)
    expected = smaller.predict_proba(table)
    for row in made.document["rows"]:
        assert row["scores"][1] == pytest.approx(expected[row["place"]].tolist(), abs=1e-7)
    assert [m["features"] for m in made.document["models"]][1] == ["miles", "shared"]


def test_nothing_of_the_data_becomes_markup(page: WhatIf) -> None:
    html, beside = what_if_html(page.document, endpoint="predict")
    assert beside == {}
    assert "<script>window.hacked" not in html
    assert "<title>What if: rides &lt;i&gt;</title>" in html
    data = re.search(r'<script type="application/json" id="document">(.*?)</script>', html)
    assert data is not None
    shown = json.loads(data[1])
    assert shown["rows"] == page.document["rows"]
    assert SHOPS[2] in {r["facets"][0] for r in shown["rows"]}


def test_the_policy_names_the_hashes_of_what_the_page_runs(page: WhatIf) -> None:
    html, _ = what_if_html(page.document, {"runtime": "AA==", "wasm": "AA==", "model-0": "AA=="})
    rules = re.search(r'Content-Security-Policy\' content="([^"]*)"', html)
    assert rules is not None
    for pattern in (r"<script>(.*?)</script>", r"<style>(.*?)</style>"):
        for text in re.findall(pattern, html, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in rules[1]
    assert "connect-src 'none'" in rules[1]
    assert "unsafe-inline" not in rules[1]
    assert " style=" not in html
    assert not re.search(r"https?://(?!www\.w3\.org)", html)


def test_what_a_browser_cannot_run_is_told_and_not_written(host: Model, table: pa.Table, tmp_path: Path) -> None:
    made = what_if(host, table, rows=5)
    with pytest.raises(ModelError) as caught:
        made.to_html(str(tmp_path / "page.html"), runtime=str(tmp_path))
    assert any("host step" in p for p in caught.value.problems)
    assert "serve" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_the_runtime_is_told(page: WhatIf, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ort\.wasm\.bundle\.min\.mjs and no ort-wasm"):
        page.to_html(runtime=str(tmp_path))
    with pytest.raises(ConfigError, match="path"):
        page.to_html(runtime=str(tmp_path), beside=True)
    assert folder_of("a/b c.html") == "b c_files"


def test_the_page_is_the_same_each_time_and_its_parts_may_lie_beside_it(page: WhatIf, tmp_path: Path) -> None:
    for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
        (tmp_path / name).write_bytes(b"stands for it")
    whole = page.to_html(str(tmp_path / "one.html"), runtime=str(tmp_path))
    assert whole == page.to_html(runtime=str(tmp_path)) == (tmp_path / "one.html").read_text(encoding="utf-8")
    thin = page.to_html(str(tmp_path / "two.html"), runtime=str(tmp_path), beside=True)
    assert sorted(p.name for p in (tmp_path / "two_files").iterdir()) == ["model-0.js", "runtime.js", "wasm.js"]
    assert [f'src="two_files/{n}.js"' in thin for n in ("model-0", "runtime", "wasm")] == [True] * 3
    assert len(thin) < len(whole)

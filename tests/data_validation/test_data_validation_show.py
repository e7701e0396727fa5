"""What people look at: pages that hold the data, mark drift and anomalies, fetch nothing; tables of schemas."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

import trueline.data_validation as dv
from trueline._core.errors import SchemaError

EVIL = "<img src=x onerror=alert(1)>"


def made(shift: float = 0.0, **more: Any) -> Any:
    columns = {"fare": [shift + 1.0, 2.0, 3.0, None], "shop": ["a", "a", EVIL, "b"], **more}
    return dv.generate_statistics(pa.table(columns))


@pytest.fixture
def schema() -> schema_pb2.Schema:
    return text_format.Parse(
        """
        feature { name: "fare" type: FLOAT presence { min_fraction: 1.0 } float_domain { min: 0 }
                  drift_comparator { jensen_shannon_divergence { threshold: 0.01 } } }
        feature { name: "shop" type: BYTES domain: "shops" value_count { min: 1 max: 1 }
                  drift_comparator { infinity_norm { threshold: 0.9 } } }
        feature { name: "tags" type: BYTES value_count { min: 1 } }
        feature { name: "box" type: STRUCT struct_domain { feature { name: "n" type: INT int_domain { min: 1 max: 9 }
                  shape { dim { size: 3 } } } } }
        string_domain { name: "shops" value: "a" value: "b" }
        """,
        schema_pb2.Schema(),
    )


def test_statistics_have_a_page_and_a_notebook_view(tmp_path: Path) -> None:
    """On the message itself, also one read back from a file; no value becomes markup and nothing is fetched."""
    stats = made()
    html = stats.to_html(str(tmp_path / "page.html"))
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == html
    dv.write_statistics(stats, str(tmp_path / "stats.pb"))
    assert dv.load_statistics(str(tmp_path / "stats.pb"))._repr_html_() == stats._repr_html_()
    for page in (html, stats._repr_html_()):
        assert "fare" in page
        assert EVIL not in page
        assert "&lt;img src=x" in page
        assert not any(word in page for word in ("http://", "https://", "<img", "<link", "@import", "url("))


def test_a_comparison_tells_how_far_features_lie_apart(schema: schema_pb2.Schema) -> None:
    """Drift over the schema's threshold is marked; features of one side only are said to be so."""
    html = made().compare(made(50.0, more=[1, 2, 3, 4]), ("train", "eval"), schema=schema).text
    assert "train: 4 rows" in html
    assert "eval: 4 rows" in html
    assert 'class="bad" title="Jensen-Shannon divergence, at most 0.01 allowed' in html
    assert "L-infinity distance, at most 0.9 allowed" in html
    assert "in one data set only" in html
    assert 'data-name="fare" data-missing="1" data-anomaly="1"' in html
    assert 'data-name="shop" data-missing="0" data-anomaly="0"' in html


def test_a_comparison_is_saved_as_a_page(tmp_path: Path) -> None:
    html = made().compare(made(1.0), ("a", "b")).to_html(str(tmp_path / "page.html"), "a and b")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == html
    assert html.startswith("<!doctype html>")
    assert "<title>a and b</title>" in html


def test_equal_names_and_lists_of_features() -> None:
    """As upstream: equal names fall back; allow and deny lists choose, both at once are refused."""
    page = dv.get_statistics_html(made(), made(), "x", "x")
    assert "lhs_statistics: 4 rows" in page
    assert "rhs_statistics: 4 rows" in page
    assert 'data-name="fare"' not in dv.get_statistics_html(made(), denylist_features=["fare"])
    assert 'data-name="shop"' not in dv.get_statistics_html(made(), allowlist_features=["fare"])
    with pytest.raises(SchemaError, match="exclude each other"):
        dv.get_statistics_html(made(), allowlist_features=["fare"], denylist_features=["shop"])


def test_an_empty_data_set_says_so() -> None:
    """No table, no error."""
    assert "Empty data set" in dv.get_statistics_html(dv.generate_statistics(pa.table({"a": pa.array([], pa.int64())})))


def test_anomalies_are_marked_at_their_features(schema: schema_pb2.Schema) -> None:
    """Also those of features that the data lack."""
    found = dv.validate_statistics(made(), schema)
    html = made().to_html(anomalies=found)
    assert "▲ " in html
    short = found.anomaly_info["fare"].short_description
    assert f"▲ {short}" in html
    assert "No anomalies found" not in str(dv.display_anomalies(found))
    assert "No anomalies found" in str(dv.display_anomalies(anomalies_pb2.Anomalies()))


def test_slices_are_compared_by_their_names() -> None:
    """An unknown slice is an error that tells which there are."""
    stats = dv.generate_statistics(
        pa.table({"fare": [1.0, 2.0, 3.0], "shop": ["a", "a", "b"]}),
        dv.StatsOptions(slice_functions=[dv.get_feature_value_slicer({"shop": None})]),
    )
    html = dv.compare_slices(stats, "shop_a", "shop_b").text
    assert "shop_a: 2 rows" in html
    assert "shop_b: 1 rows" in html
    with pytest.raises(SchemaError, match="shop_a"):
        dv.compare_slices(stats, "shop_x", "shop_b")


def test_a_schema_as_tables(schema: schema_pb2.Schema) -> None:
    """Type, presence, valency and domain as upstream writes them, fields of structs included."""
    features, domains = dv.get_schema_dataframe(schema)
    rows = {name: list(row) for name, row in features.iterrows()}
    assert rows == {
        "fare": ["FLOAT", "required", "", "min: 0.0; max: inf"],
        "shop": ["STRING", "", "single", "'shops'"],
        "tags": ["BYTES", "", "[1,inf)", "-"],
        "box": ["STRUCT", "", "", "-"],
        "box.n": ["INT", "", "[3]", "min: 1; max: 9"],
    }
    assert domains.loc["'shops'", "Values"] == "'a', 'b'"
    html = str(dv.display_schema(schema))
    assert "box.n" in html
    assert "String domains (1)" in html


def test_anomalies_and_drift_as_tables(schema: schema_pb2.Schema) -> None:
    """One row a feature with the types of its reasons; one row a measurement, skew too."""
    found = dv.validate_statistics(made(), schema, previous_statistics=made(50.0))
    frame = dv.get_anomalies_dataframe(found)
    assert frame.loc["shop", "Anomaly types"] == "ENUM_TYPE_UNEXPECTED_STRING_VALUES"
    assert frame.loc["fare", "Severity"] == "ERROR"
    drift = dv.get_drift_skew_dataframe(found)
    assert set(drift["path"]) == {"fare", "shop"}
    assert set(drift["comparison"]) == {"drift"}
    assert (drift["value"] >= 0).all()


def test_statistics_without_slices_say_how_to_make_some() -> None:
    with pytest.raises(SchemaError, match=r"have no slices[\s\S]*StatsOptions\(slices"):
        dv.compare_slices(dv.generate_statistics_from_arrow(pa.table({"x": [1]})), "a", "b")


def test_a_comparison_is_led_by_what_is_sure_and_not_by_an_outlier() -> None:
    """One far value makes the divergence of equal distributions great; a bulk that moved is what leads."""
    rng = np.random.default_rng(0)
    same, far = rng.exponential(3, 4000), rng.exponential(3, 4000)
    far[0] = 3000.0
    one = dv.generate_statistics(pa.table({"same": same, "moved": 3 * same}))
    page = one.compare(dv.generate_statistics(pa.table({"same": far, "moved": far}))).text
    surely = {name: float(sure) for name, sure in re.findall(r"<b>(same|moved)</b>.*?least ([0-9.]+) \(95", page)}
    assert surely["same"] == 0.0
    assert surely["moved"] > 0.05

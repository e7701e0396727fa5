"""What a first user meets: sources with options, names nearly right, columns taken for lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import trueline.transform as tlt
from trueline._core.errors import ConfigError, TransformError
from trueline.data import SourceSpec

TABLE = pa.table({"day": ["7/29/2013", None], "size": [1.0, 2.0]})


def test_a_source_with_options_is_data(tmp_path: Path) -> None:
    """A file of an ending that says nothing, with blanks and marks for missing values, read as its source says."""
    file = tmp_path / "measured.data"
    file.write_text("size, name\n1.5, a\nNA, b\n2.5, ?\n")

    def features(x: Any) -> dict[str, Any]:
        return {"size": tlt.fill_missing(x["size"], 0.0), "name": tlt.compute_and_apply_vocabulary(x["name"])}

    with pytest.raises(ConfigError, match="known here") as refused:
        tlt.analyze_and_transform(str(file), features)
    assert "SourceSpec('trueline.data.csv_source:CsvSource', {'input_base': " in str(refused.value)
    given = {"input_base": str(file), "trim": True, "null_values": ["NA", "?"]}
    out, output = tlt.analyze_and_transform(SourceSpec("trueline.data.csv_source:CsvSource", given), features)
    assert out.to_pydict() == {"size": [1.5, 0.0, 2.5], "name": [1, 0, None]}
    assert output.vocabulary_by_name("vocab_name") == ["b", "a"]


def test_a_function_nearly_named_is_suggested() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'scale_to_zscore'. Did you mean 'scale_to_z_score'\?"):
        _ = tlt.scale_to_zscore
    with pytest.raises(AttributeError, match=r"no attribute 'xyzzy'$"):
        _ = tlt.xyzzy


def test_a_list_is_not_unpacked() -> None:
    def unpacked(x: Any) -> dict[str, Any]:
        month, day, year = tlt.split(x["day"], "/")
        return {"month": month, "day": day, "year": year}

    with pytest.raises(TransformError, match="how many elements") as refused:
        tlt.analyze_and_transform(TABLE, unpacked)
    assert "x[0], x[1]" in str(refused.value)
    assert "test_transform_first_use.py:" in str(refused.value)
    with pytest.raises(TransformError, match="has no value while tracing"):
        tlt.analyze_and_transform(TABLE, lambda x: {"y": next(iter(x["size"]))})

"""What is no dataset is told with the call that makes one of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from trueline._core.errors import ArtifactError, ConfigError
from trueline.training import batches


@pytest.mark.parametrize(
    ("data", "named", "told"),
    [
        ("features.parquet", "the file 'features.parquet'", "Dataset.from_parquet('features.parquet')"),
        (Path("a") / "b.parquet", "the file", "Dataset.from_parquet("),
        (pa.table({"x": [1.0]}), "a Table", "Dataset.from_table("),
        (pd.DataFrame({"x": [1.0]}), "a DataFrame", "Dataset.from_table("),
    ],
)
def test_what_is_no_dataset_is_told_how_it_becomes_one(data: Any, named: str, told: str) -> None:
    with pytest.raises(ConfigError, match=named) as refused:
        batches(data, 4)
    assert told in str(refused.value)


def test_a_folder_that_holds_no_examples_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no Examples"):
        batches(str(tmp_path), 4)

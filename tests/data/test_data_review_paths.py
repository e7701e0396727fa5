"""A foreign ``examples.json`` leads nowhere but into its own folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trueline._core.errors import ArtifactError
from trueline.data import Examples, ingest_csv


@pytest.fixture
def stored(folder, tmp_path):
    """Examples, and beside them a file that is none of theirs."""
    out = tmp_path / "out"
    ingest_csv(folder(a="x\n" + "1\n" * 50), str(out), splits={"train": 1})
    pq.write_table(pa.table({"x": list(range(50)), "__row__": list(range(50))}), tmp_path / "outside.parquet")
    return out


def _rewrite(out, change):
    place = out / "examples.json"
    data = json.loads(place.read_text())
    change(data["splits"])
    place.write_text(json.dumps(data))


@pytest.mark.parametrize(
    "name",
    [
        "../outside.parquet",
        "/outside.parquet",
        "Split-train/../../outside.parquet",
        "file:///outside.parquet",
        "s3://bucket/outside.parquet",
        "a\0b",
        "..\\outside.parquet",
        "",
        ".",
        "Split-train//part-00000.parquet",
    ],
)
def test_a_block_lies_in_the_artifact(stored, name):
    _rewrite(stored, lambda splits: splits["train"]["blocks"][0].update(file=name))
    with pytest.raises(ArtifactError, match="is damaged"):
        Examples.open(str(stored)).table("train")


@pytest.mark.parametrize("what", ["Split-train/part-00000.parquet", "Split-train"])
def test_no_link_leads_out_of_the_artifact(stored, tmp_path, what):
    other = tmp_path / "other"
    other.mkdir()
    shutil.move(stored / what, other / Path(what).name)
    (stored / what).symlink_to(other / Path(what).name)
    with pytest.raises(ArtifactError, match="a link leads out of the artifact"):
        Examples.open(str(stored))


def test_an_artifact_that_is_reached_by_a_link_is_itself(stored, tmp_path):
    (tmp_path / "link").symlink_to(stored)
    assert Examples.open(str(tmp_path / "link")).table("train").num_rows == 50


def test_a_split_has_a_name_that_can_be_a_folder(stored):
    _rewrite(stored, lambda splits: splits.update({"../../../evil": splits.pop("train")}))
    with pytest.raises(ArtifactError, match="split name"):
        Examples.open(str(stored))

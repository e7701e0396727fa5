"""What is kept and shown holds no password: neither a database's nor a store's."""

from __future__ import annotations

import json

import pytest

from trueline._core.errors import ConfigError
from trueline.components import CsvExampleGen, ImageExampleGen, ParquetExampleGen
from trueline.data import SqlSource, ingest_csv, ingest_jsonl, ingest_parquet

PLACE = "sftp://user:hunter2@host/rows"


@pytest.mark.parametrize("ingest", [ingest_csv, ingest_jsonl, ingest_parquet])
def test_an_address_with_a_password_is_refused_and_not_repeated(ingest, tmp_path):
    with pytest.raises(ConfigError, match="holds a password") as caught:
        ingest(PLACE, str(tmp_path / "out"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("kind", [CsvExampleGen, ParquetExampleGen, ImageExampleGen])
def test_no_parameter_of_a_node_keeps_the_address_with_a_password(kind):
    node = kind(input_base=PLACE)
    assert "hunter2" not in json.dumps(node.params)
    assert any("holds a password" in problem for problem in node.problems)
    assert not any("hunter2" in problem for problem in node.problems)


def test_an_at_sign_in_a_name_is_no_password(tmp_path):
    place = tmp_path / "a@b:c"
    place.mkdir()
    (place / "a.csv").write_text("x\n1\n")
    assert ingest_csv(str(place), str(tmp_path / "out")).rows == 1
    assert not CsvExampleGen(input_base="s3://bucket/a:b@c").problems


@pytest.mark.parametrize("key", ["api_key", "access_key", "private_key", "sslpassword", "access_token"])
def test_a_key_in_a_database_url_is_a_password(key):
    with pytest.raises(ConfigError, match="holds a password") as caught:
        SqlSource("select 1", f"postgresql://u@h/db?{key}=hunter2")
    assert "hunter2" not in str(caught.value)
    SqlSource("select 1", "postgresql://u@h/db?sslkey=client.key")

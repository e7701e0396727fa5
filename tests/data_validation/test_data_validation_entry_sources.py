"""Sources go in as they are or as data, with the same result."""

from __future__ import annotations

from pathlib import Path

from trueline.data import CsvSource, SourceSpec
from trueline.data_validation import (
    StatsOptions,
    generate_statistics_from_csv,
    generate_statistics_from_source,
    infer_schema,
    validate_examples_in_source,
)


def test_a_source_and_its_spec_give_the_same(tmp_path: Path) -> None:
    (tmp_path / "may.csv").write_text("n,word\n1,a\n2,b\n")
    (tmp_path / "june.csv").write_text("n,word\n1,a\n2,c\n")
    may, june = str(tmp_path / "may.csv"), str(tmp_path / "june.csv")
    spec = SourceSpec("trueline.data:CsvSource", {"input_base": may})
    statistics = generate_statistics_from_csv(may)
    assert generate_statistics_from_source(spec) == generate_statistics_from_source(CsvSource(may)) == statistics
    options = StatsOptions(schema=infer_schema(statistics))
    spec = SourceSpec("trueline.data:CsvSource", {"input_base": june})
    found = validate_examples_in_source(spec, options)
    assert [(d.name, d.num_examples) for d in found.datasets] == [("word_ENUM_TYPE_UNEXPECTED_STRING_VALUES", 1)]
    assert validate_examples_in_source(CsvSource(june), options) == found

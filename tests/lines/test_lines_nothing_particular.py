"""The line knows nothing of taxis: names of the example's columns stand in the examples and in tests alone."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = (ROOT / "examples" / "taxi" / "data" / "taxi.csv").read_text(encoding="utf-8").partition("\n")[0]
# Columns named by one everyday word (fare, tips, company) may stand in a docstring's example.
COLUMNS = {name for name in HEADER.split(",") if "_" in name}


def _files():
    for pattern in ("trueline/**/*", "scripts/*", "benchmarks/*", "docs/**/*", "*.*", "Makefile", ".ci/*"):
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and path.suffix in ("", ".py", ".md", ".toml", ".txt", ".html", ".js", ".css", ".sh"):
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def test_no_taxi_column_outside_the_examples():
    assert {"trip_start_hour", "pickup_community_area", "payment_type", "trip_miles"} <= COLUMNS
    files = dict(_files())
    assert "trueline/components/trainer.py" in files
    word = re.compile(r"\b(" + "|".join(sorted(COLUMNS)) + r")\b")
    found = {name: sorted(set(word.findall(text))) for name, text in files.items() if word.search(text)}
    found.pop("docs/tutorial.md")  # it walks through the taxi template
    assert found == {}

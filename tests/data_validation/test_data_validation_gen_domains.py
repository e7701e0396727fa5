"""Guesses at images, natural language and points in time, and the counter of empty values."""

from __future__ import annotations

import datetime
import struct
import zlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline.data_validation import StatsOptions, generate_statistics
from trueline.data_validation.generators.base import features_spec
from trueline.data_validation.generators.images import image_size, image_stats
from trueline.data_validation.generators.times import FORMATS
from trueline.engine import Dataset, LocalEngine


def custom(part: str, column: pa.Array, block_rows: int = 1000, **options: Any) -> dict[str, Any]:
    """The custom statistics of one column."""
    plan = features_spec(part, [["c"]], options)
    assert plan is not None
    found = LocalEngine(1).run(plan[0], Dataset.from_table(pa.table({"c": column}), block_rows))
    stats = found.features[0].custom_stats if found.features else []
    return {s.name: getattr(s, s.WhichOneof("val")) for s in stats}


@settings(max_examples=150, deadline=None)
@given(
    moment=st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2029, 12, 31)),
    number=st.integers(0, len(FORMATS) - 1),
)
def test_every_format_recognises_its_own_times(moment: datetime.datetime, number: int) -> None:
    """What strftime writes in a format, the guess takes for that format, or one before it that reads it as well."""
    text = moment.strftime(FORMATS[number])
    found = custom("times:TimeGuess", pa.array([text] * 100))
    guess = found["domain_info"].removeprefix("time_domain {string_format: '").removesuffix("'}")
    assert FORMATS.index(guess) <= number
    datetime.datetime.strptime(text, guess)
    assert found["time_match_ratio"] == 1.0


@pytest.mark.parametrize(
    "text",
    ["2018-13-01", "2018-11-32", "24:00", "23:60", "Nov 30", "2018-11-30Z", "x2018-11-30", "2018-11-30 ", "12.5", "é"],
)
def test_what_is_no_time(text: str) -> None:
    """Months, days, hours and minutes out of range, and texts with something around a time."""
    assert custom("times:TimeGuess", pa.array([text] * 100)) == {}


def test_days_of_the_week_and_names_of_months() -> None:
    """English names in any locale; a wrong name is no time."""
    right = custom("times:TimeGuess", pa.array(["Fri Nov 30 10:11:12 2018"] * 100))
    assert right["domain_info"] == "time_domain {string_format: '%a %b %d %H:%M:%S %Y'}"
    assert custom("times:TimeGuess", pa.array(["Fri Foo 30 10:11:12 2018"] * 100)) == {}
    assert "%d-%B-%Y" in custom("times:TimeGuess", pa.array(["30-November-2018"] * 100))["domain_info"]


@pytest.mark.parametrize(("unit", "number"), [(1, 1), (1000, 2), (10**6, 3), (10**9, 4)])
def test_unix_times(unit: int, number: int) -> None:
    """The unit by the window of the years 1990 to 2029, its end excluded."""
    first, end = 631_152_000 * unit, 1_893_456_000 * unit
    found = custom("times:TimeGuess", pa.array([first, end - 1] * 50))
    assert found["domain_info"] == f"time_domain {{integer_format: {number}}}"
    assert custom("times:TimeGuess", pa.array([first - 1, end] * 50)) == {}


def test_a_hundred_thousand_distinct_texts_are_no_matter() -> None:
    """Free text has as many shapes as rows; none of them is tried against the formats."""
    texts = pa.array([f"Word{i} and {i * 7 % 1000} more" for i in range(100_000)])
    assert custom("times:TimeGuess", texts, 65_536) == {}


def test_sampling_looks_at_a_share_of_the_rows() -> None:
    """A rate of 0.1 looks at a tenth of the rows, the same on every run; too few values are no guess."""
    column = pa.array(["2018-11-30"] * 10_000)
    assert custom("times:TimeGuess", column, sample_rate=0.1, values_threshold=900)
    assert not custom("times:TimeGuess", column, sample_rate=0.1, values_threshold=1100)


def png(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def jpeg(width: int, height: int) -> bytes:
    app0 = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + b"\0" * 9
    return b"\xff\xd8" + app0 + b"\xff\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\0" * 3


IMAGES = {
    "png": png(640, 480),
    "jpeg": jpeg(640, 480),
    "gif": b"GIF89a" + struct.pack("<HH", 640, 480) + b"\0\0\0",
    "bmp": b"BM" + b"\0" * 12 + struct.pack("<Iii", 40, 640, -480) + b"\0" * 28,
    "old bmp": b"BM" + b"\0" * 12 + struct.pack("<IHH", 12, 640, 480),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_sizes_are_read_from_headers(kind: str) -> None:
    """Width before height, whatever the format's order; a cut header gives none and never fails."""
    assert image_size(IMAGES[kind]) == (640, 480)
    for end in range(len(IMAGES[kind])):
        assert image_size(IMAGES[kind][:end]) in (None, (640, 480))


@given(st.binary(max_size=60), st.sampled_from([b"", b"BM", b"GIF8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
def test_any_bytes_are_measured_without_failing(tail: bytes, head: bytes) -> None:
    """Damaged images have no size, or some size."""
    size = image_size(head + tail)
    assert size is None or (size[0] >= 0 and size[1] >= 0)


def test_image_sizes_only_when_asked() -> None:
    """The greatest width and the greatest height, over all blocks."""
    column = pa.array([png(10, 20), png(30, 5), None] * 60, pa.binary())
    assert set(custom("images:ImageGuess", column)) == {"domain_info", "image_format_histogram"}
    found = custom("images:ImageGuess", column, 7, enable_size_stats=True)
    assert (found["image_max_width"], found["image_max_height"]) == (30.0, 20.0)
    options = StatsOptions(generators=[image_stats(["c"])])
    stats = generate_statistics(pa.table({"c": column, "other": range(len(column))}), options).datasets[0]
    assert {s.name: s.num for s in stats.features[0].custom_stats}["image_max_width"] == 30.0


def test_natural_language_in_stretches() -> None:
    """The first 100 values of each 1000 rows count: 60 sentences and 40 words of them are a rate of 0.6."""
    stretch = ["Five words make a sentence"] * 60 + ["word"] * 940
    column = pa.array(stretch * 3)
    assert custom("texts:NaturalLanguageGuess", column, 3000) == {}
    found = custom("texts:NaturalLanguageGuess", column, 3000, match_ratio=0.5)
    assert found == {"domain_info": "natural_language_domain {}", "natural_language_match_rate": pytest.approx(0.6)}
    assert custom("texts:NaturalLanguageGuess", pa.array(["日本 の 文章 は 短い"] * 200)) == {}


def test_empty_values() -> None:
    """-1 as integer and as float, the empty text, and empty lists inside lists; null and NaN are none of them."""
    assert custom("empties:EmptyValues", pa.array([-1, 0, None, -1])) == {"int_-1": 2.0}
    assert custom("empties:EmptyValues", pa.array([-1.0, np.nan, None])) == {"int_-1": 1.0}
    assert custom("empties:EmptyValues", pa.array([["", "a"], None, [""]])) == {"str_empty": 2.0}
    assert custom("empties:EmptyValues", pa.array([b"", b"\xff"])) == {"str_empty": 1.0}
    assert custom("empties:EmptyValues", pa.array([[[], [1]], None, []])) == {"list_empty": 1.0}
    assert custom("empties:EmptyValues", pa.array([True, False])) == {}

"""Spans and versions: the pattern language, which span and version is taken, ranges, and the same words in queries."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueline._core import store
from trueline._core.errors import ConfigError, DataError
from trueline.data import Examples, ResolvedInput, RollingRange, StaticRange, ingest, resolve_spans
from trueline.data.spans_pattern import SpanPattern
from trueline.data.spans_query import has_span_words, queries_of_spans, query_of_span

NUMBERED = "span-{SPAN}/v{VERSION}/*"


def folder(*names: str) -> str:
    """An input in memory with these files."""
    base = f"memory://{uuid.uuid4().hex}/in"
    for name in names:
        store.write_text(f"{base}/{name}", "x\n1\n")
    return base


@pytest.fixture(scope="module")
def days() -> str:
    """Spans 7, 8 and 10 with versions 1, 2 (and 11 of span 8)."""
    names = [f"span-{s}/v{v}/{n}.csv" for s in (7, 8, 10) for v in (1, 2) for n in "ba"]
    return folder(*names, "span-8/v11/x.csv", "span-9x/v1/x.csv", "span-07/v1/x.csv", "other/v1/x.csv")


def test_the_newest_span_and_its_newest_version_are_taken_by_number_not_by_text(days):
    assert resolve_spans(days, NUMBERED) == ResolvedInput(
        (10,), (2,), {"single_split": ("span-10/v2/a.csv", "span-10/v2/b.csv")}
    )
    assert resolve_spans(days, NUMBERED, span=8).version == 11
    found = resolve_spans(days, NUMBERED, span=8, version=2)
    assert (found.span, found.version, found.names) == (8, 2, ("span-8/v2/a.csv", "span-8/v2/b.csv"))
    assert resolve_spans(days, NUMBERED, version=1).names == ("span-10/v1/a.csv", "span-10/v1/b.csv")


def test_several_spans_come_in_their_order_each_with_its_newest_version(days):
    found = resolve_spans(days, NUMBERED, range=StaticRange(7, 8))
    assert (found.spans, found.versions, found.span, found.version) == ((7, 8), (2, 11), 8, 11)
    assert found.names == ("span-7/v2/a.csv", "span-7/v2/b.csv", "span-8/v11/x.csv")
    with pytest.raises(DataError, match=r"spans are missing: 9\n  - the input has spans: 10, 8, 7\n.*allow_gaps"):
        resolve_spans(days, NUMBERED, range=StaticRange(8, 10))
    assert resolve_spans(days, NUMBERED, range=StaticRange(8, 10, allow_gaps=True)).spans == (8, 10)


@pytest.mark.parametrize(
    ("window", "spans"),
    [
        (RollingRange(1), (10,)),
        (RollingRange(2), (10,)),
        (RollingRange(3), (8, 10)),
        (RollingRange(100), (7, 8, 10)),
        (RollingRange(100, start_span=8), (8, 10)),
        (RollingRange(2, skip=2), (7, 8)),
        (RollingRange(2, start_span=8, skip=1), (8,)),
    ],
)
def test_a_rolling_range_counts_numbers_and_does_not_fill_gaps(days, window, spans):
    assert resolve_spans(days, NUMBERED, range=window).spans == spans


def test_a_range_without_any_span_says_what_there_is(days):
    with pytest.raises(DataError, match=r"no span from 20 to 30\n  - the input has spans: 10, 8, 7"):
        resolve_spans(days, NUMBERED, range=StaticRange(20, 30))
    with pytest.raises(DataError, match=r"there is no span 9\n"):
        resolve_spans(days, NUMBERED, span=9)
    with pytest.raises(DataError, match=r"span 10: there is no version 5\n  - the input has versions: 2, 1"):
        resolve_spans(days, NUMBERED, version=5)
    with pytest.raises(DataError, match="no span from 10 to 9"):
        resolve_spans(days, NUMBERED, range=RollingRange(1, start_span=10, skip=1))


def test_several_spans_go_in_together_in_their_order(out):
    """From the pattern to Examples: parts are numbered span by span and named with it, and 10 comes after 9."""
    base = folder(*(f"{split}/{s}/{n}.csv" for split in ("train", "eval") for s in (9, 10, 8) for n in "ba"))
    for split in ("train", "eval"):
        for span in (8, 9, 10):
            for n in "ab":
                store.write_text(f"{base}/{split}/{span}/{n}.csv", f"span,file\n{span},{n}\n")
    both = {split: f"{split}/{{SPAN}}/*" for split in ("train", "eval")}
    found = resolve_spans(base, both, range=RollingRange(2))
    ingest(found.sources("trueline.data:CsvSource", base), out)
    examples = Examples.open(out)
    for split in ("train", "eval"):
        rows = examples.table(split).sort_by("__row__")
        assert (rows["span"].to_pylist(), rows["file"].to_pylist()) == ([9, 9, 10, 10], ["a", "b", "a", "b"])
    names = [s["name"] for s in json.loads(store.read_text(f"{out}/examples.json"))["sources"]]
    assert names == [f"{split}/{s}/{n}.csv" for split in ("train", "eval") for s in (9, 10) for n in "ab"]
    alone = resolve_spans(base, "train/{SPAN}/a.csv").sources("trueline.data:CsvSource", base, {"delimiter": ","})
    assert ingest(alone, out).rows == 1
    changed = alone.open().fingerprint()
    store.write_text(f"{base}/train/10/a.csv", "span,file\n10,c\n")
    assert alone.open().fingerprint() != changed


def test_a_date_is_a_span_of_days():
    base = folder("2024/02/29/a", "2024/03/01/b", "1969/12/31/c", "20240301.csv", "20240302.csv")
    found = resolve_spans(base, "{YYYY}/{MM}/{DD}/*")
    assert (found.spans, found.names) == (((dt.date(2024, 3, 1) - dt.date(1970, 1, 1)).days,), ("2024/03/01/b",))
    assert resolve_spans(base, "{YYYY}/{MM}/{DD}/*", span=-1).names == ("1969/12/31/c",)
    assert resolve_spans(base, "{YYYY}{MM}{DD}.csv", range=RollingRange(7)).names == ("20240301.csv", "20240302.csv")


def test_digits_that_are_no_date_are_an_error_that_names_the_file():
    base = folder("d-20240230.csv")
    with pytest.raises(DataError, match=r"d-20240230\.csv: 2024-02-30 is no date"):
        resolve_spans(base, "d-{YYYY}{MM}{DD}.csv")


def test_a_width_is_exactly_so_many_digits_and_without_one_there_is_no_padding():
    base = folder("s7.csv", "s07.csv", "s007.csv", "s12.csv", "s0.csv", "s100.csv")
    assert [f.span for f in sorted(SpanPattern.parse("s{SPAN}.csv").files(base), key=str)] == [0, 100, 12, 7]
    assert resolve_spans(base, "s{SPAN:2}.csv").names == ("s12.csv",)
    assert resolve_spans(base, "s{SPAN:2}.csv", span=7).names == ("s07.csv",)
    assert resolve_spans(base, "s{SPAN:3}*", span=7).names == ("s007.csv",)
    assert resolve_spans(base, "s{SPAN:2}*", range=StaticRange(0, 99, allow_gaps=True)).names == ("s07.csv", "s12.csv")
    with pytest.raises(DataError, match=r"no file matches.*\n.*\{SPAN:5\} is exactly 5 digits.*there is: s0\.csv"):
        resolve_spans(base, "s{SPAN:5}.csv")


def test_all_splits_take_the_same_span_and_version():
    base = folder("train/1/1/a", "train/2/1/a", "train/2/2/a", "eval/1/1/a", "eval/2/1/a", "eval/3/1/a")
    both = {"train": "train/{SPAN}/{VERSION}/*", "eval": "eval/{SPAN}/{VERSION}/*"}
    with pytest.raises(
        DataError, match=r"different spans\n  - split 'train' lacks: 3\n  - split 'train' has spans: 2, 1"
    ):
        resolve_spans(base, both)
    with pytest.raises(
        DataError, match=r"span 2: the splits have different newest versions\n.*'train' has versions: 2, 1"
    ):
        resolve_spans(base, both, span=2)
    assert resolve_spans(base, both, span=1).files == {"train": ("train/1/1/a",), "eval": ("eval/1/1/a",)}
    assert resolve_spans(base, both, span=2, version=1).version == 1
    with pytest.raises(ConfigError, match=r"'train' has .*\{SPAN\} and \{VERSION\}\n.*'eval' has .*: \{SPAN\}\n"):
        resolve_spans(base, {**both, "eval": "eval/{SPAN}/1/*"})
    with pytest.raises(DataError, match="split 'eval': no file matches"):
        resolve_spans(base, {**both, "eval": "nothing/{SPAN}/{VERSION}/*"})


def test_without_tokens_it_is_span_0_and_no_version(days):
    assert resolve_spans(days, {"train": "span-7/v1/*", "eval": "other/v1/*"}) == ResolvedInput(
        (0,), (None,), {"train": ("span-7/v1/a.csv", "span-7/v1/b.csv"), "eval": ("other/v1/x.csv",)}
    )
    for asked in ({"span": 1}, {"range": StaticRange(1, 1)}, {"range": RollingRange(1)}, {"version": 1}):
        with pytest.raises(ConfigError, match="asked for"):
            resolve_spans(days, "other/v1/*", **asked)


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("{VERSION}/*", "{VERSION} needs {SPAN} or a date"),
        ("{SPAN}/{SPAN}", "{SPAN} stands there twice"),
        ("{SPAN}/{VERSION}{VERSION:2}", "{VERSION} stands there twice"),
        ("{YYYY}{MM}/*", "{YYYY}{MM} alone is no date"),
        ("{DD}", "{DD} alone is no date"),
        ("{YYYY}{MM}{DD}{MM}", "{MM} stands there twice"),
        ("{YYYY}{MM}{DD}/{SPAN}", "exclude each other"),
        ("{YYYY:4}{MM}{DD}", "a date has no width"),
        ("{SPAN:x}", "the width is a whole number"),
        ("{SPAN:0}", "the width is a whole number"),
        ("{SPAN:}", "the width is a whole number"),
        ("{span}", "{span} is no token"),
        ("{SPAM}", "{SPAM} is no token"),
    ],
)
def test_tokens_written_wrongly(pattern, problem):
    with pytest.raises(ConfigError, match=re.escape(problem)):
        SpanPattern.parse(pattern)


def test_ranges_and_requests_written_wrongly(days):
    with pytest.raises(ConfigError, match=r"num_spans is 0.*\n.*skip is -1"):
        RollingRange(0, skip=-1)
    with pytest.raises(ConfigError, match="starts at span 3 and ends at 2"):
        StaticRange(3, 2)
    with pytest.raises(ConfigError, match=r"exclude each other\n.*a version is one span's"):
        resolve_spans(days, NUMBERED, range=StaticRange(7, 8), span=8, version=1)
    for path in ("../{SPAN}", "/{SPAN}/*", "a/../{SPAN}"):
        with pytest.raises(ConfigError, match="must lie in the input's folder"):
            resolve_spans(days, path)
    with pytest.raises(ConfigError, match="there is no pattern"):
        resolve_spans(days, {})


_LITERAL = st.text(st.characters(exclude_characters="*?[]{}/\0", exclude_categories=["Cs", "Nd"]), max_size=6)


@given(
    st.tuples(_LITERAL, _LITERAL, _LITERAL),
    st.integers(0, 10**6),
    st.integers(0, 99),
    st.sampled_from(["", ":7", ":9"]),
    st.sampled_from(["", ":2", ":4"]),
    st.booleans(),
)
def test_what_a_pattern_renders_it_finds_again(texts, span, version, span_width, version_width, folders):
    """Any literal text, regular expressions' own characters too, between a span and a version."""
    between = f"{texts[1]}-" + ("/s" if folders else "")
    pattern = SpanPattern.parse(f"s{texts[0]}{{SPAN{span_width}}}{between}{{VERSION{version_width}}}e{texts[2]}")
    name = pattern.render(span, version)
    assert "{" not in name
    steps = [re.compile(pattern._step(step)) for step in pattern.text.split("/")]
    groups = {}
    for step, part in zip(steps, name.split("/"), strict=True):
        match = step.fullmatch(part)
        assert match
        groups |= match.groupdict()
    assert (int(groups["SPAN"]), int(groups["VERSION"])) == (span, version)
    assert not steps[-1].fullmatch(name.split("/")[-1] + "x")


@given(st.dates(dt.date(1000, 1, 1), dt.date(9999, 12, 31)))
def test_a_day_renders_as_its_date(day):
    span = (day - dt.date(1970, 1, 1)).days
    assert SpanPattern.parse("{YYYY}/{MM}-{DD}").render(span) == day.strftime("%Y/%m-%d")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), min_size=1, max_size=12, unique=True), st.data())
def test_the_choice_is_the_plain_one(pairs, data):
    """Against the rule written down anew: numbers in the window, the newest version of each."""
    base = folder(*(f"{s}/{v}.csv" for s, v in pairs))
    window = data.draw(st.builds(RollingRange, st.integers(1, 40), st.integers(0, 30), st.integers(0, 5)))
    latest = max(s for s, _ in pairs) - window.skip
    newest = {s: max(v for t, v in pairs if t == s) for s, _ in pairs}
    expected = [s for s in sorted(newest) if max(window.start_span, latest - window.num_spans + 1) <= s <= latest]
    if not expected:
        with pytest.raises(DataError, match="there is no span"):
            resolve_spans(base, "{SPAN}/{VERSION}.csv", range=window)
        return
    found = resolve_spans(base, "{SPAN}/{VERSION}.csv", range=window)
    assert found.spans == tuple(expected)
    assert found.names == tuple(f"{s}/{newest[s]}.csv" for s in expected)


def test_words_for_a_span_in_a_query():
    assert query_of_span("select * from t where d = @span_yyyymmdd_utc", 1) == "select * from t where d = '19700102'"
    between = "ts >= @span_begin_timestamp and ts < @span_end_timestamp"
    assert query_of_span(between, 2) == "ts >= 172800 and ts < 259200"
    assert query_of_span("select @other", 3) == "select @other"
    assert not has_span_words("select @spans")
    assert list(queries_of_spans(between, StaticRange(3, 5))) == [3, 4, 5]
    assert queries_of_spans("select 1", None) == {None: "select 1"}
    with pytest.raises(ConfigError, match="@span_begin_time"):
        query_of_span("@span_begin_time", 1)
    with pytest.raises(ConfigError, match="no range says which"):
        queries_of_spans(between, None)
    with pytest.raises(ConfigError, match="the query asks for none"):
        queries_of_spans("select 1", StaticRange(1, 1))

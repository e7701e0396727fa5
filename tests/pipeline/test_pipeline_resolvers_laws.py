"""The pure functions of resolvers against slow, plain statements of what they promise."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueline._core.errors import ArtifactError
from trueline.metadata.records import Artifact
from trueline.pipeline import resolvers_choose as choose
from trueline.pipeline import resolvers_spans as spans
from trueline.pipeline.resolvers_candidates import Candidate, property_of


def made(pairs: Sequence[tuple[int | None, int]], **custom: object) -> list[Candidate]:
    """Candidates with these spans and versions, the last put out (the largest id) first."""
    found = []
    for number, (span, version) in enumerate(pairs):
        properties = {"version": version} if span is None else {"span": span, "version": version}
        artifact = Artifact("Examples", id=len(pairs) - number, properties=properties, custom_properties=dict(custom))  # type: ignore[arg-type]
        found.append(Candidate.of(artifact))
    return found


def seen(found: Sequence[Candidate]) -> list[tuple[int | None, int]]:
    return [(item.span, item.version) for item in found]


PAIRS = st.lists(st.tuples(st.one_of(st.none(), st.integers(-3, 12)), st.integers(0, 3)), max_size=14)
SPAN = st.one_of(st.none(), st.integers(-3, 12))
EXCLUDED = st.lists(st.integers(-3, 12), max_size=4)


@given(PAIRS, st.integers(-1, 6), SPAN, st.integers(0, 4), EXCLUDED)
def test_a_rolling_range_is_the_latest_spans_that_exist(
    pairs: list[tuple[int | None, int]], num: int, start: int | None, skip: int, excluded: list[int]
) -> None:
    """Brute force: take the largest span that is there, one after the other."""
    left = {span for span, _ in pairs if span is not None and (start is None or span >= start)}
    for _ in range(min(skip, len(left))):
        left.remove(max(left))
    wanted = []
    while left and (num <= 0 or len(wanted) < num):
        wanted.append(max(left))
        left.remove(max(left))
    expected = sorted(span for span in wanted if span not in excluded)
    found = spans.rolling_range(made(pairs), num, start, skip, False, excluded)
    assert [item.span for item in found] == expected
    for item in found:
        assert item.version == max(version for span, version in pairs if span == item.span)
        # Of equal span and version the one that was put out last, which has the largest id here.
        same = [c for c in made(pairs) if (c.span, c.version) == (item.span, item.version)]
        assert item.artifact.id == max(c.artifact.id or 0 for c in same)
    every = spans.rolling_range(made(pairs), num, start, skip, True, excluded)
    assert sorted(seen(every)) == sorted(pair for pair in pairs if pair[0] in expected)
    assert seen(every) == sorted(seen(every)), "ascending by span and version"


@given(PAIRS, SPAN, SPAN, EXCLUDED, st.booleans())
def test_a_static_range_holds_its_bounds(
    pairs: list[tuple[int | None, int]], start: int | None, end: int | None, excluded: list[int], every: bool
) -> None:
    found = spans.static_range(made(pairs), start, end, every, excluded)
    inside = [
        (span, version)
        for span, version in pairs
        if span is not None
        and (start is None or start <= span)
        and (end is None or span <= end)
        and span not in excluded
    ]
    expected = sorted(inside) if every else sorted({s: (s, v) for s, v in sorted(inside)}.values())
    assert seen(found) == expected


@given(PAIRS, st.integers(1, 4), SPAN, st.integers(0, 3), EXCLUDED)
def test_sequential_windows_have_no_gap_and_move_by_one(
    pairs: list[tuple[int | None, int]], num: int, start: int | None, skip: int, excluded: list[int]
) -> None:
    there = {span for span, _ in pairs if span is not None}
    wanted: list[int] = []
    if there:
        span = min(there) if start is None else start
        while span <= max(there) - skip and (span in there or span in excluded):
            wanted += [span] if span not in excluded else []
            span += 1
    windows = spans.sequential_rolling_range(made(pairs), num, start, skip, False, excluded)
    assert [[item.span for item in window] for window in windows] == [
        wanted[at : at + num] for at in range(len(wanted) - num + 1)
    ]


@given(PAIRS, PAIRS, st.booleans())
def test_paired_lists_speak_of_the_same_spans_place_by_place(
    left: list[tuple[int | None, int]], right: list[tuple[int | None, int]], every: bool
) -> None:
    paired = spans.paired_spans({"a": made(left), "b": made(right)}, True, every)
    common = {pair for pair in left if pair in right and pair[0] is not None}
    expected = sorted(common) if every else sorted({s: (s, v) for s, v in sorted(common)}.values())  # type: ignore[type-var]
    assert seen(paired["a"]) == seen(paired["b"]) == expected
    loose = spans.paired_spans({"a": made(left), "b": made(right)}, False)
    assert [item.span for item in loose["a"]] == [item.span for item in loose["b"]]
    for item in loose["a"]:
        assert item.version == max(version for span, version in left if span == item.span)


@given(
    st.lists(st.one_of(st.none(), st.integers(-5, 5), st.floats(allow_infinity=True)), max_size=10), st.integers(1, 4)
)
def test_the_best_of_a_property_is_the_best_and_nothing_undefined(values: list[float | None], n: int) -> None:
    found = [
        Candidate.of(Artifact("Model", id=at, custom_properties={} if value is None else {"auc": value}))
        for at, value in enumerate(values)
    ]
    chosen = [property_of(item.artifact, "auc") for item in choose.newest_by_property(found, "auc", n=n)]
    assert chosen == sorted((v for v in values if v is not None and v == v), reverse=True)[:n]
    small = [property_of(item.artifact, "auc") for item in choose.newest_by_property(found, "auc", "ascending", n)]
    assert small == sorted(v for v in values if v is not None and v == v)[:n]


def test_of_equal_values_the_last_put_out_wins() -> None:
    found = [Candidate.of(Artifact("Model", id=number, properties={"auc": 0.5})) for number in (3, 2, 1)]
    assert [item.artifact.id for item in choose.newest_by_property(found, "auc", n=2)] == [3, 2]
    assert [item.artifact.id for item in choose.newest_by_property(found, "auc", "ascending", 2)] == [3, 2]


def test_numbers_and_text_are_not_compared() -> None:
    found = [Candidate.of(Artifact("Model", id=at, properties={"rank": value})) for at, value in enumerate((1, "one"))]
    with pytest.raises(ArtifactError, match="a number in artifact 0 and text in artifact 1"):
        choose.newest_by_property(found, "rank")


@given(PAIRS, st.integers(-16, 16), st.integers(0, 3))
def test_picking_is_python_s_indexing(pairs: list[tuple[int | None, int]], i: int, seed: int) -> None:
    found = made(pairs)
    try:
        expected = [found[i]]
    except IndexError:
        expected = []
    assert choose.pick(found, i) == expected
    assert choose.pick_range(found, i, None) == found[i:]
    mixed = choose.shuffle(found, seed)
    assert mixed == choose.shuffle(found, seed)
    assert sorted(item.artifact.id or 0 for item in mixed) == sorted(item.artifact.id or 0 for item in found)


@given(st.integers(0, 9), st.integers(1, 4), st.integers(1, 3))
def test_a_sliding_window_has_its_size_and_stride(count: int, size: int, stride: int) -> None:
    found = made([(at, 0) for at in range(count)])
    windows = [[item.span for item in window] for window in spans.sliding_window(found, size, stride)]
    numbers = list(range(count))
    assert windows == [numbers[at : at + size] for at in range(count) if at % stride == 0 and at + size <= count]


def test_the_true_span_of_a_tfx_database_is_the_custom_one() -> None:
    """TFX leaves the declared span at 0 and writes the true one as a custom property, in places as text."""
    told = {"declared": 7, "both": 4, "text": 12, "none": None, "word": None, "half": None}
    stored = {
        "declared": Artifact("Examples", properties={"span": 7}),
        "both": Artifact("Examples", properties={"span": 0}, custom_properties={"span": 4}),
        "text": Artifact("Examples", properties={"span": 0}, custom_properties={"span": "12"}),
        "none": Artifact("Examples"),
        "word": Artifact("Examples", custom_properties={"span": "last"}),
        "half": Artifact("Examples", custom_properties={"span": 1.5}),
    }
    assert {name: Candidate.of(artifact).span for name, artifact in stored.items()} == told


def test_a_declared_and_a_custom_property_of_one_name_are_told_apart() -> None:
    both = Candidate.of(Artifact("Examples", id=1, properties={"country": "DE"}, custom_properties={"country": "FR"}))
    assert choose.filter_property_equal([both], "country", "DE") == [both]
    assert choose.filter_property_equal([both], "country", "FR") == []
    assert choose.filter_custom_property_equal([both], "country", "FR") == [both]
    flag = Candidate.of(Artifact("Examples", id=2, properties={"n": 1}))
    assert choose.filter_property_equal([flag], "n", True) == [], "1 is no True"
    listed = Candidate.of(Artifact("Examples", id=3, custom_properties={"tags": {"__value__": ["a"]}}))
    assert choose.filter_custom_property_equal([listed], "tags", ["a"]) == [listed]

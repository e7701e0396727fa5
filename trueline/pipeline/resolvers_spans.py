"""Choosing by span: pure functions from candidates to candidates.

Candidates come in with those first that a run put out last. Of two with the same span and version the first of these
counts. What comes out is in the order of span, then version, ascending: the order in which a training reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from trueline.pipeline.resolvers_candidates import Candidate

__all__ = [
    "all_spans",
    "consecutive_spans",
    "latest_version",
    "paired_spans",
    "rolling_range",
    "sequential_rolling_range",
    "sliding_window",
    "static_range",
]


def latest_version(found: Sequence[Candidate], n: int = 1) -> list[Candidate]:
    """The n largest versions, the largest first, whatever the span."""
    return sorted(found, key=lambda item: item.version, reverse=True)[:n]


def all_spans(found: Sequence[Candidate], keep_all_versions: bool = False) -> list[Candidate]:
    """Every span once, with its largest version; or with every version."""
    return _of_spans(found, _spans(found), keep_all_versions)


def static_range(
    found: Sequence[Candidate],
    start_span_number: int | None = None,
    end_span_number: int | None = None,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
) -> list[Candidate]:
    """Spans from start to end, both inclusive; None is open."""
    wanted = [
        span
        for span in _spans(found)
        if (start_span_number is None or span >= start_span_number)
        and (end_span_number is None or span <= end_span_number)
        and span not in set(exclude_span_numbers)
    ]
    return _of_spans(found, wanted, keep_all_versions)


def rolling_range(
    found: Sequence[Candidate],
    num_spans: int = 1,
    start_span_number: int | None = None,
    skip_num_recent_spans: int = 0,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
) -> list[Candidate]:
    """The `num_spans` largest spans that exist: gaps are not counted.

    As in TFX the steps are: drop spans before the start, drop the most recent, take the largest that are left, and
    only then leave the excluded ones out. 0 or less takes all.
    """
    spans = [span for span in _spans(found) if start_span_number is None or span >= start_span_number]
    spans = spans[: max(0, len(spans) - skip_num_recent_spans)]
    spans = spans[-num_spans:] if num_spans > 0 else spans
    return _of_spans(found, [span for span in spans if span not in set(exclude_span_numbers)], keep_all_versions)


def consecutive_spans(
    found: Sequence[Candidate],
    start_span_number: int | None = None,
    skip_num_recent_spans: int = 0,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
) -> list[Candidate]:
    """Spans from the start on without a gap; the first that is missing and not excluded ends them.

    `skip_num_recent_spans` counts numbers back from the largest span, as TFX does here.
    """
    there, excluded = set(_spans(found)), set(exclude_span_numbers)
    if not there:
        return []
    wanted, last = [], max(there) - skip_num_recent_spans
    for span in range(min(there) if start_span_number is None else start_span_number, last + 1):
        if span in excluded:
            continue
        if span not in there:
            break
        wanted.append(span)
    return _of_spans(found, wanted, keep_all_versions)


def sliding_window(found: Sequence[Candidate], window_size: int = 1, stride: int = 1) -> list[list[Candidate]]:
    """Windows of `window_size` neighbours, `stride` apart; what is left over at the end makes no window."""
    return [list(found[at : at + window_size]) for at in range(0, len(found) - window_size + 1, stride)]


def sequential_rolling_range(
    found: Sequence[Candidate],
    num_spans: int = 1,
    start_span_number: int | None = None,
    skip_num_recent_spans: int = 0,
    keep_all_versions: bool = False,
    exclude_span_numbers: Sequence[int] = (),
) -> list[list[Candidate]]:
    """A window of `num_spans` spans over the consecutive spans, one span further each time.

    With all versions kept a window still holds `num_spans` spans, each with its versions.
    """
    run = consecutive_spans(found, start_span_number, skip_num_recent_spans, keep_all_versions, exclude_span_numbers)
    spans = sorted({item.span for item in run if item.span is not None})
    size = num_spans if num_spans > 0 else len(spans)
    windows = [set(spans[at : at + size]) for at in range(len(spans) - size + 1)] if size else []
    return [[item for item in run if item.span in window] for window in windows]


def paired_spans(
    found: Mapping[str, Sequence[Candidate]], match_version: bool = True, keep_all_versions: bool = False
) -> dict[str, list[Candidate]]:
    """Artifacts of several outputs that speak of the same span (and version), at the same place of each list.

    Without `keep_all_versions` the largest version that all of them have; without `match_version` each one's largest.
    """

    def place(item: Candidate) -> tuple[int, int]:
        return (item.span or 0, item.version if match_version else 0)

    chosen: dict[str, dict[tuple[int, int], Candidate]] = {}
    for key, items in found.items():
        by_place: dict[tuple[int, int], Candidate] = {}
        for item in items if match_version else sorted(items, key=lambda i: i.version, reverse=True):
            if item.span is not None:
                by_place.setdefault(place(item), item)
        chosen[key] = by_place
    common = sorted(set.intersection(*(set(by_place) for by_place in chosen.values()))) if chosen else []
    if not keep_all_versions:
        common = sorted({span: (span, version) for span, version in common}.values())
    return {key: [by_place[at] for at in common] for key, by_place in chosen.items()}


def _spans(found: Iterable[Candidate]) -> list[int]:
    return sorted({item.span for item in found if item.span is not None})


def _of_spans(found: Sequence[Candidate], spans: Sequence[int], keep_all_versions: bool) -> list[Candidate]:
    by_span: dict[int, dict[int, list[Candidate]]] = {}
    for item in found:
        if item.span is not None:
            by_span.setdefault(item.span, {}).setdefault(item.version, []).append(item)
    chosen: list[Candidate] = []
    for span in spans:
        versions = by_span.get(span, {})
        if keep_all_versions:
            # Made one after the other, the last made comes last.
            chosen += [item for version in sorted(versions) for item in reversed(versions[version])]
        elif versions:
            chosen.append(versions[max(versions)][0])
    return chosen

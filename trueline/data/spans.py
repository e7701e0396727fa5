"""Spans and versions: which part of a growing input an ingestion takes.

A span is a number in a file's path (a day, a batch), a version another try at the same span. Without a range the
newest span is taken, and of each span the newest version. All splits take the same spans and versions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trueline._core import store
from trueline._core.errors import ConfigError, DataError
from trueline.data.inputs import list_inputs, what_is_there
from trueline.data.source import SourceSpec
from trueline.data.spans_pattern import SpanFile, SpanPattern

__all__ = ["ONE_SPLIT", "ResolvedInput", "RollingRange", "StaticRange", "resolve_spans"]

ONE_SPLIT = "single_split"
"""The name of the only input split, when a pattern stands alone."""
_SHOWN = 20
_Found = Mapping[int, Mapping[int | None, Sequence[str]]]


@dataclass(frozen=True)
class StaticRange:
    """The spans from `start` to `end`, both included.

    Attributes:
        start: the first span.
        end: the last span.
        allow_gaps: whether spans within may be missing; otherwise each must be there.
    """

    start: int
    end: int
    allow_gaps: bool = False

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise ConfigError(f"the range starts at span {self.start} and ends at {self.end}", hint="turn them round.")

    def bounds(self, latest: int) -> tuple[int, int]:
        """The first and the last span."""
        return self.start, self.end


@dataclass(frozen=True)
class RollingRange:
    """The newest spans by number: of ``num_spans=7`` and newest span 20, spans 14 to 20. Gaps are not filled up.

    Attributes:
        num_spans: how many numbers the window has.
        start_span: spans before it are never taken.
        skip: how many numbers at the end are left out.
    """

    num_spans: int
    start_span: int = 0
    skip: int = 0

    def __post_init__(self) -> None:
        problems = [f"num_spans is {self.num_spans}, give at least 1"] if self.num_spans < 1 else []
        problems += [f"skip is {self.skip}, give 0 or more"] if self.skip < 0 else []
        if problems:
            raise ConfigError("the rolling range is wrong", problems=problems)

    def bounds(self, latest: int) -> tuple[int, int]:
        """The first and the last span."""
        return max(self.start_span, latest - self.skip - self.num_spans + 1), latest - self.skip


@dataclass(frozen=True)
class ResolvedInput:
    """Which files an ingestion takes.

    Attributes:
        spans: the spans, ascending; ``(0,)`` without a token.
        versions: each span's version; None without a token.
        files: names relative to the input's folder by split, in the order of the spans, sorted within one.
    """

    spans: tuple[int, ...]
    versions: tuple[int | None, ...]
    files: Mapping[str, tuple[str, ...]]

    @property
    def span(self) -> int:
        """The newest span: the artifact's property."""
        return self.spans[-1]

    @property
    def version(self) -> int | None:
        """The newest span's version."""
        return self.versions[-1]

    @property
    def names(self) -> tuple[str, ...]:
        """The files of all splits, in the order of the splits."""
        return tuple(name for names in self.files.values() for name in names)

    def sources(
        self, name: str, input_base: str, params: Mapping[str, Any] | None = None
    ) -> SourceSpec | dict[str, SourceSpec]:
        """What `trueline.data.ingest` takes: one source for a pattern that stood alone, else one for each split.

        Args:
            name: a source of files, such as ``trueline.data:CsvSource``: it takes `input_base` and `files`.
            input_base: the folder that was resolved.
            params: the source's other parameters.
        """
        found = {
            split: SourceSpec(name, {**(params or {}), "input_base": input_base, "files": list(files)})
            for split, files in self.files.items()
        }
        return found[ONE_SPLIT] if list(found) == [ONE_SPLIT] else found


def resolve_spans(
    input_base: str,
    pattern: str | Mapping[str, str],
    *,
    range: StaticRange | RollingRange | None = None,
    span: int | None = None,
    version: int | None = None,
) -> ResolvedInput:
    """Finds the files of the spans and versions that an ingestion takes.

    Args:
        input_base: the input's folder, local or remote.
        pattern: one pattern, or one for each input split; see `trueline.data.spans_pattern`.
        range: which spans; the newest by default.
        span: this span and no other.
        version: this version of the one span; the newest of each span by default.

    Raises:
        ConfigError: patterns, range, span or version that contradict each other; all at once.
        DataError: no file matches, or splits that have different spans or versions: with what there is.
    """
    named = {ONE_SPLIT: pattern} if isinstance(pattern, str) else dict(pattern)
    parsed = {split: SpanPattern.parse(text) for split, text in named.items()}
    _check_request(parsed, range, span, version)
    if span is not None:
        range = StaticRange(span, span)
    if not store.exists(input_base) or not any(p.has_span for p in parsed.values()):
        files = {split: tuple(list_inputs(input_base, p.text)) for split, p in parsed.items()}
        return ResolvedInput((0,), (None,), files)
    found = {split: _by_span(p.files(input_base)) for split, p in parsed.items()}
    for split, by_span in found.items():
        if not by_span:
            where = f"{input_base}, {_split(split)}"
            hint = f"{_layout(parsed[split])} {what_is_there(input_base)}"
            raise DataError(f"no file matches {parsed[split].text!r}", where=where, hint=hint)
    spans = _chosen_spans(input_base, found, range)
    versions = {s: _chosen_version(input_base, found, s, version) for s in spans}
    files = {
        split: tuple(name for s in spans for name in sorted(by_span[s][versions[s]]))
        for split, by_span in found.items()
    }
    return ResolvedInput(tuple(spans), tuple(versions.values()), files)


def _check_request(
    parsed: Mapping[str, SpanPattern], wanted: StaticRange | RollingRange | None, span: int | None, version: int | None
) -> None:
    problems = [] if parsed else ["there is no pattern"]
    kinds = {_kind(p): split for split, p in parsed.items()}
    if len(kinds) > 1:
        problems += [f"{_split(split)} has {p.text!r}: {_kind(p)}" for split, p in parsed.items()]
    has_span = any(p.has_span for p in parsed.values())
    if not has_span and (wanted is not None or span is not None):
        problems.append("a span or a range is asked for, and the pattern has no {SPAN} and no date")
    if wanted is not None and span is not None:
        problems.append("span and range exclude each other")
    if version is not None and not any(p.has_version for p in parsed.values()):
        problems.append(f"version {version} is asked for, and the pattern has no {{VERSION}}")
    single = wanted is None or (isinstance(wanted, StaticRange) and wanted.start == wanted.end)
    if version is not None and not single:
        problems.append("a version is one span's; a range of spans takes the newest of each")
    if problems:
        hint = "all patterns carry the same tokens." if len(kinds) > 1 else None
        raise ConfigError("spans and versions are asked for wrongly", problems=problems, hint=hint)


def _kind(pattern: SpanPattern) -> str:
    names = ["a date" if "YYYY" in pattern.tokens else "{SPAN}"] if pattern.has_span else []
    names += ["{VERSION}"] if pattern.has_version else []
    return " and ".join(names) or "no token"


def _split(name: str) -> str:
    return "the input" if name == ONE_SPLIT else f"split {name!r}"


def _layout(pattern: SpanPattern) -> str:
    padded = [f"{{{n}:{w}}} is exactly {w} digits" for n, w in pattern.tokens.items() if w is not None]
    plain = [f"{{{n}}} is a number without leading zeros" for n in ("SPAN", "VERSION") if n in pattern.tokens]
    plain = [text for text in plain if not any(text[: text.index("}")] in p for p in padded)]
    return "; ".join([*padded, *plain]) + "." if padded or plain else ""


def _by_span(files: Iterable[SpanFile]) -> dict[int, dict[int | None, list[str]]]:
    found: dict[int, dict[int | None, list[str]]] = {}
    for file in files:
        found.setdefault(file.span, {}).setdefault(file.version, []).append(file.name)
    return found


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN]))
    return shown + (f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else "") if numbers else "none"


def _chosen_spans(input_base: str, found: Mapping[str, _Found], wanted: StaticRange | RollingRange | None) -> list[int]:
    """The spans to take, ascending; each must be there in every split."""
    everything = sorted({s for spans in found.values() for s in spans})
    first, last = (everything[-1], everything[-1]) if wanted is None else wanted.bounds(everything[-1])
    chosen = [s for s in everything if first <= s <= last]
    there = [f"{_split(split)} has spans: {_listed(sorted(spans, reverse=True))}" for split, spans in found.items()]
    if not chosen:
        what = f"there is no span {first}" if first == last else f"there is no span from {first} to {last}"
        raise DataError(what, where=input_base, problems=there)
    if isinstance(wanted, StaticRange) and not wanted.allow_gaps and len(chosen) < last - first + 1:
        gone = [s for s in _span_numbers(first, last) if s not in set(chosen)]
        hint = "take another range, or set allow_gaps."
        raise DataError(f"spans are missing: {_listed(gone)}", where=input_base, problems=there, hint=hint)
    lacking = {split: [s for s in chosen if s not in spans] for split, spans in found.items()}
    if any(lacking.values()):
        problems = [f"{_split(split)} lacks: {_listed(gone)}" for split, gone in lacking.items() if gone]
        raise DataError("the splits have different spans", where=input_base, problems=[*problems, *there])
    return chosen


def _span_numbers(first: int, last: int) -> Sequence[int]:
    count = min(last - first + 1, 10_000)
    return [first + i for i in range(count)]


def _chosen_version(input_base: str, found: Mapping[str, _Found], span: int, wanted: int | None) -> int | None:
    """The version of a span that all splits take."""
    versions = {
        split: sorted((v for v in spans[span] if v is not None), reverse=True) for split, spans in found.items()
    }
    there = [f"{_split(split)} has versions: {_listed(v)}" for split, v in versions.items()]
    where = f"{input_base}, span {span}"
    if wanted is not None:
        if not all(wanted in v for v in versions.values()):
            raise DataError(f"there is no version {wanted}", where=where, problems=there)
        return wanted
    newest = {v[0] if v else None for v in versions.values()}
    if len(newest) > 1:
        raise DataError("the splits have different newest versions", where=where, problems=there)
    return newest.pop()

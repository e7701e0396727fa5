"""Patterns that say where in a path the span and the version of the data stand.

``{SPAN}`` and ``{VERSION}`` are numbers without padding, ``{SPAN:4}`` and ``{VERSION:2}`` exactly so many digits. A
date is written with ``{YYYY}``, ``{MM}`` and ``{DD}``; its span is the number of days since 1970-01-01. All else is a
pattern of files as in `trueline.data.inputs`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trueline._core.errors import ConfigError, DataError
from trueline.data.inputs import check_names, glob_regex, matching

__all__ = ["EPOCH", "SpanFile", "SpanPattern", "day_of_span"]

EPOCH = dt.date(1970, 1, 1)
_TOKEN = re.compile(r"\{([A-Za-z]+)(?::([^{}]*))?\}")
_DATE = {"YYYY": 4, "MM": 2, "DD": 2}
_NUMBERS = ("SPAN", "VERSION")
_WILD, _WILD_BEFORE = ("*", "?", "]"), ("*", "?", "[")
_MAX_WIDTH = 18
"""Digits of a number, so that it fits int64."""


@dataclass(frozen=True)
class SpanFile:
    """A file that a pattern matches: its name below the input's folder, its span and its version (None: no token)."""

    name: str
    span: int
    version: int | None


@dataclass(frozen=True)
class SpanPattern:
    """A pattern of files with tokens.

    Attributes:
        text: as the user wrote it.
        tokens: the tokens in it and their widths (None: unpadded).
    """

    text: str
    tokens: Mapping[str, int | None]

    @classmethod
    def parse(cls, text: str) -> SpanPattern:
        """Reads a pattern.

        Raises:
            ConfigError: all that is wrong with its tokens, or a path that leads out of the folder.
        """
        check_names([text], "pattern")
        problems: list[str] = []
        tokens: dict[str, int | None] = {}
        for found in _TOKEN.finditer(text):
            name, width = found[1], found[2]
            if name not in _DATE and name not in _NUMBERS:
                if name.upper() in _DATE or name.upper() in _NUMBERS or name.isupper():
                    problems.append(f"{found[0]} is no token; there is: {{SPAN}}, {{VERSION}}, {{YYYY}}{{MM}}{{DD}}")
                continue
            if name in tokens:
                problems.append(f"{{{name}}} stands there twice")
            tokens[name] = None if width is None else _width(found[0], name, width, problems)
        problems += _combination_problems(tokens)
        if problems:
            raise ConfigError(
                "the pattern's span or version is written wrongly",
                where=text,
                problems=problems,
                hint="for example: 'span-{SPAN}/version-{VERSION:2}/*.csv', or '{YYYY}/{MM}/{DD}/*'.",
            )
        return cls(text, tokens)

    @property
    def has_span(self) -> bool:
        """Whether a number or a date names the span."""
        return "SPAN" in self.tokens or "YYYY" in self.tokens

    @property
    def has_version(self) -> bool:
        """Whether a number names the version."""
        return "VERSION" in self.tokens

    def render(self, span: int, version: int | None = None) -> str:
        """The pattern with the tokens replaced, which is a pattern of files.

        Raises:
            DataError: a number with more digits than the width, or a date that the calendar does not have.
        """
        values = {"SPAN": span, "VERSION": version}
        if "YYYY" in self.tokens:
            day = day_of_span(span)
            values |= {"YYYY": day.year, "MM": day.month, "DD": day.day}

        def write(found: re.Match[str]) -> str:
            if found[1] not in self.tokens:
                return found[0]
            width = _DATE.get(found[1]) or self.tokens[found[1]]
            text = str(values[found[1]]).zfill(width or 0)
            if width is not None and len(text) != width:
                raise DataError(f"{values[found[1]]} cannot be written with {width} digits", where=self.text)
            return text

        return _TOKEN.sub(write, self.text)

    def files(self, input_base: str) -> Iterator[SpanFile]:
        """All files that match, in no set order.

        Raises:
            DataError: a file whose digits are no date, naming it.
        """
        steps = [re.compile(self._step(step)) for step in self.text.split("/")]
        for name, matches in matching(input_base, steps):
            groups: dict[str, str] = {}
            for match in matches:
                groups |= match.groupdict()
            version = int(groups["VERSION"]) if "VERSION" in groups else None
            yield SpanFile(name, self._span(groups, f"{input_base.rstrip('/')}/{name}"), version)

    def _step(self, step: str) -> str:
        """One part of the path as a regular expression; beside ``*`` and ``?`` a number is all the digits there are."""
        out, position = "", 0
        for found in _TOKEN.finditer(step):
            if found[1] not in self.tokens:
                continue
            before, after = step[position : found.start()], step[found.end() : found.end() + 1]
            alone = ("(?<![0-9])" if before.endswith(_WILD) else "", "(?![0-9])" if after in _WILD_BEFORE else "")
            out += glob_regex(before) + f"(?P<{found[1]}>{alone[0]}{self._digits(found[1])}{alone[1]})"
            position = found.end()
        return out + glob_regex(step[position:])

    def _digits(self, name: str) -> str:
        width = _DATE.get(name) or self.tokens[name]
        return f"[0-9]{{{width}}}" if width is not None else f"(?:0|[1-9][0-9]{{0,{_MAX_WIDTH - 1}}})"

    def _span(self, groups: Mapping[str, str], place: str) -> int:
        if "SPAN" in groups:
            return int(groups["SPAN"])
        if "YYYY" not in groups:
            return 0
        try:
            return (dt.date(int(groups["YYYY"]), int(groups["MM"]), int(groups["DD"])) - EPOCH).days
        except ValueError as error:
            written = "-".join(groups[part] for part in _DATE)
            raise DataError(
                f"{written} is no date: {error}",
                where=place,
                hint=f"move it away, or narrow the pattern {self.text!r}.",
            ) from error


def _width(token: str, name: str, width: str, problems: list[str]) -> int | None:
    if name in _DATE:
        problems.append(f"{token}: a date has no width, write {{{name}}}")
    elif not re.fullmatch(r"[0-9]+", width) or not 1 <= int(width) <= _MAX_WIDTH:
        problems.append(f"{token}: the width is a whole number from 1 to {_MAX_WIDTH}")
    else:
        return int(width)
    return None


def _combination_problems(tokens: Mapping[str, int | None]) -> list[str]:
    problems = []
    dates = [name for name in _DATE if name in tokens]
    if dates and len(dates) < len(_DATE):
        problems.append(
            f"{''.join(f'{{{d}}}' for d in dates)} alone is no date: {{YYYY}}, {{MM}} and {{DD}} go together"
        )
    if dates and "SPAN" in tokens:
        problems.append("{SPAN} and a date exclude each other: a date is the span")
    if "VERSION" in tokens and "SPAN" not in tokens and not dates:
        problems.append("{VERSION} needs {SPAN} or a date")
    return problems


def day_of_span(span: int) -> dt.date:
    """The day of a span that counts days.

    Raises:
        DataError: beyond the years 1 to 9999.
    """
    try:
        return EPOCH + dt.timedelta(days=span)
    except OverflowError as error:
        raise DataError(f"span {span} is no day that a calendar has", hint="days since 1970-01-01.") from error

"""Texts of times: which formats there are, what the fields of a text are, and the oracle that reads them.

A format is fixed: every field has its number of characters, so that a field is always at the same place of the text.
ISO 8601 has optional parts and rules of its own.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from dataclasses import dataclass
from functools import lru_cache

from trueline.transform.operations.base import RuleError

__all__ = [
    "DIRECTIVES",
    "ISO",
    "ISO_PATTERN",
    "MONTHS",
    "ONE_DIGIT",
    "Format",
    "fixed_formats",
    "microseconds",
    "parsed_format",
    "quoted",
]

ISO = "iso"
_HOURS, _SIXTY = "([01][0-9]|2[0-3])", "[0-5][0-9]"
_MONTH, _DAY = "(0[1-9]|1[0-2])", "(0[1-9]|[12][0-9]|3[01])"
ISO_PATTERN = (
    f"[0-9]{{4}}-{_MONTH}-{_DAY}([T ]{_HOURS}:{_SIXTY}(:{_SIXTY}([.,][0-9]{{1,9}})?)?(Z|[+-]{_HOURS}(:?{_SIXTY})?)?)?"
)
"""Dates and times of ISO 8601 in the extended form, with a fraction of 1 to 9 digits and an offset."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NAMES = "|".join(f"{m}|{m.upper()}|{m.lower()}" for m in MONTHS)
DIRECTIVES: dict[str, tuple[int, str]] = {
    "%Y": (4, "[0-9]{4}"),
    "%y": (2, "[0-9]{2}"),
    "%m": (2, _MONTH),
    "%b": (3, f"({_MONTH_NAMES})"),
    "%d": (2, _DAY),
    "%j": (3, "[0-3][0-9]{2}"),
    "%H": (2, _HOURS),
    "%I": (2, "(0[1-9]|1[0-2])"),
    "%p": (2, "(AM|PM|am|pm)"),
    "%M": (2, _SIXTY),
    "%S": (2, _SIXTY),
    "%f": (6, "[0-9]{6}"),
}
"""Fields of a format, as `strptime` names them: how many characters each has, and their pattern."""
ONE_DIGIT = {"%m": "[1-9]", "%d": "[1-9]", "%H": "[0-9]", "%I": "[1-9]"}
"""Fields that may stand as a single digit, in formats as ``%1m``, and its pattern."""


@dataclass(frozen=True)
class Format:
    """A fixed format.

    Attributes:
        pattern: the regular expression of its texts.
        places: where each directive begins in the text, counted in characters.
        width: the length of its texts.
        widths: how many characters each directive has.
    """

    pattern: str
    places: dict[str, int]
    width: int
    widths: dict[str, int]

    def field(self, text: str, directive: str) -> str | None:
        """The characters of a field; None if the format does not have it."""
        start = self.places.get(directive)
        return None if start is None else text[start : start + self.widths[directive]]


def quoted(text: str) -> str:
    """A pattern that matches just that text, for RE2 and for Python."""
    return "".join(
        c if c.isalnum() or not c.isascii() or c == " " else f"[{c}]" if c not in r"\^[]" else f"\\{c}" for c in text
    )


@lru_cache(maxsize=64)
def parsed_format(text: str) -> Format:
    """The format that a text such as ``%d/%m/%Y %H:%M`` describes.

    Raises:
        RuleError: for an unknown or repeated field, and for fields that do not make a day.
    """
    pattern, places, widths, at = "", {}, {}, 0
    for piece in re.findall(r"%1.|%.|%|[^%]+", text, re.DOTALL):
        if piece == "%%" or not piece.startswith("%"):
            literal = piece.replace("%%", "%")
            pattern, at = pattern + quoted(literal), at + len(literal)
            continue
        name = piece.replace("%1", "%")
        if name not in DIRECTIVES or (name != piece and name not in ONE_DIGIT):
            raise RuleError(f"the format {text!r} holds {piece!r}; fields: {', '.join(DIRECTIVES)}, %% and 'iso'")
        if name in places:
            raise RuleError(f"the format {text!r} holds {name!r} twice")
        width, field = DIRECTIVES[name] if name == piece else (1, ONE_DIGIT[name])
        places[name], widths[name] = at, width
        pattern, at = pattern + field, at + width
    _check_fields(text, set(places))
    return Format(pattern, places, at, widths)


def fixed_formats(text: str) -> list[str]:
    """The fixed formats that a format with fields such as ``%-m``, of one digit or two, stands for.

    Raises:
        RuleError: for a field that is never a single digit.
    """
    pieces = re.findall(r"%-.|%.|%|[^%]+", text, re.DOTALL)
    choices = [[p] if not p.startswith("%-") else _either(text, p) for p in pieces]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _either(text: str, piece: str) -> list[str]:
    name = piece.replace("%-", "%")
    if name not in ONE_DIGIT:
        known = ", ".join(n.replace("%", "%-") for n in ONE_DIGIT)
        raise RuleError(f"the format {text!r} holds {piece!r}; fields of one digit or two: {known}")
    return [name, name.replace("%", "%1")]


def _check_fields(text: str, fields: set[str]) -> None:
    for one, other in (("%Y", "%y"), ("%m", "%b"), ("%H", "%I"), ("%m", "%j"), ("%b", "%j"), ("%d", "%j")):
        if {one, other} <= fields:
            raise RuleError(f"the format {text!r} holds both {one} and {other}")
    if not fields & {"%Y", "%y"}:
        raise RuleError(f"the format {text!r} has no year: %Y or %y")
    if "%d" in fields and not fields & {"%m", "%b"}:
        raise RuleError(f"the format {text!r} has a day without a month: %m or %b")
    if ("%I" in fields) != ("%p" in fields):
        raise RuleError(f"the format {text!r} must hold both %I and %p, or %H")


def microseconds(text: str, time_format: str) -> int | None:
    """The oracle: microseconds since 1970-01-01T00:00 UTC of a text, None if it is no time of that format."""
    try:
        moment, offset = _iso(text) if time_format == ISO else (_fixed(text, parsed_format(time_format)), 0)
    except ValueError:
        return None
    if moment is None:
        return None
    passed = moment - dt.datetime(1970, 1, 1)  # naive on both sides: UTC
    whole = (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
    return whole - offset * 60_000_000


def _iso(text: str) -> tuple[dt.datetime | None, int]:
    """The clock's time and its offset in minutes."""
    if re.fullmatch(ISO_PATTERN, text, re.ASCII) is None:
        return None, 0
    clock, sign, zone = re.fullmatch(r"(.{10}(?:.[0-9:]{5,8}(?:[.,][0-9]+)?)?)(?:Z|([+-])(.+))?", text).groups()  # type: ignore[union-attr]  # what ISO_PATTERN takes fits
    digits = (zone or "").replace(":", "").ljust(4, "0")
    offset = int(digits[:2]) * 60 + int(digits[2:])
    whole, _, fraction = clock.replace(",", ".").partition(".")
    moment = dt.datetime.fromisoformat(whole)
    return moment.replace(microsecond=int(fraction[:6].ljust(6, "0"))), -offset if sign == "-" else offset


def _fixed(text: str, layout: Format) -> dt.datetime | None:
    if re.fullmatch(layout.pattern, text, re.ASCII) is None:
        return None
    found = {name: layout.field(text, name) or "" for name in layout.places}
    number = {name: int(value) for name, value in found.items() if value.isdigit()}
    short = number.get("%y", 0)
    year = number.get("%Y", short + (1900 if short >= 69 else 2000))
    month = MONTHS.index(found["%b"].capitalize()) + 1 if "%b" in found else number.get("%m", 1)
    hour = number.get("%H", number.get("%I", 0) % 12 + (12 if found.get("%p", "").upper() == "PM" else 0))
    rest = (number.get("%M", 0), number.get("%S", 0), number.get("%f", 0))
    moment = dt.datetime(year, month, number.get("%d", 1), hour, *rest)
    if "%j" not in number:
        return moment
    moved = moment + dt.timedelta(days=number["%j"] - 1)
    return moved if moved.year == year else None

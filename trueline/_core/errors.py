"""Every error that trueline raises on purpose.

    TruelineError
    ├── ConfigError        a pipeline, component or option is wrong (lists every problem at once)
    ├── DataError          rows or files that cannot be read, or break a limit
    │   └── FeedError      values that do not fit a model's signature
    ├── SchemaError        a schema or statistics file that contradicts itself
    ├── ExprError          an expression that does not parse or names an unknown column
    ├── TransformError     a preprocessing function that cannot be traced, analysed or lowered
    ├── ModelError         a model that cannot be exported, merged or loaded
    │   └── ParityError    the exported model and the framework's own model disagree
    ├── GateError          a gate is closed: data, model or infrastructure did not pass
    ├── ArtifactError      an artifact is missing, half-written or changed
    ├── MetadataError      the metadata store refuses: unknown type, wrong version, conflict
    ├── EngineError        a job could not be run to its end
    └── ServingError       a request or a model that the server cannot answer

A message says what went wrong, where, what exists instead, and how to mend it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "ArtifactError",
    "ConfigError",
    "DataError",
    "EngineError",
    "ExprError",
    "FeedError",
    "GateError",
    "MetadataError",
    "ModelError",
    "ParityError",
    "SchemaError",
    "ServingError",
    "TransformError",
    "TruelineError",
    "did_you_mean",
    "first_line",
    "reason_of",
]


class TruelineError(Exception):
    """Base of all deliberate errors.

    Args:
        message: what went wrong, in one sentence.
        where: the place: file, line, row, column, node or slice.
        hint: how to mend it.
        problems: all single problems, when there are several.
    """

    def __init__(
        self, message: str, *, where: str | None = None, hint: str | None = None, problems: Sequence[str] = ()
    ) -> None:
        self.message = message
        self.where = where
        self.hint = hint
        self.problems = tuple(problems)
        text = f"{where}: {message}" if where else message
        for problem in self.problems:
            text += f"\n  - {problem}"
        if hint:
            text += f"\nHint: {hint}"
        super().__init__(text)


class ConfigError(TruelineError):
    """A pipeline, component or option is wrong; ``problems`` holds all of them."""


class DataError(TruelineError):
    """Rows or files that cannot be read, or that break a stated limit."""


class FeedError(DataError):
    """Values that do not fit a model's signature; ``problems`` has one entry per row and field."""


class SchemaError(TruelineError):
    """A schema or statistics file that contradicts itself or the data's types."""


class ExprError(TruelineError):
    """An expression that does not parse, or names an unknown column or function."""


class TransformError(TruelineError):
    """A preprocessing function that cannot be traced, analysed or lowered."""


class ModelError(TruelineError):
    """A model that cannot be exported, merged or loaded."""


class ParityError(ModelError):
    """The exported model and the framework's own model disagree beyond the tolerance."""


class GateError(TruelineError):
    """A gate is closed: nothing goes further down the line."""


class ArtifactError(TruelineError):
    """An artifact is missing, half-written or changed since it was published."""


class MetadataError(TruelineError):
    """The metadata store refuses: unknown type, wrong schema version, conflicting write.

    Args:
        code: the kind of refusal by its canonical name, as ML Metadata's client has it: NOT_FOUND, ALREADY_EXISTS,
            INVALID_ARGUMENT, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED; UNKNOWN for any other.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        problems: Sequence[str] = (),
        code: str = "UNKNOWN",
    ) -> None:
        self.code = code
        super().__init__(message, where=where, hint=hint, problems=problems)


class EngineError(TruelineError):
    """A job could not be run to its end."""


class ServingError(TruelineError):
    """A request or a model that the server cannot answer."""


def did_you_mean(name: str, existing: Iterable[str], *, limit: int = 12) -> str:
    """A hint that lists what exists, the closest name first.

    >>> did_you_mean("tip", ["fare", "tips"])
    "Did you mean 'tips'? There is: fare, tips."
    """
    names = sorted(existing)
    if not names:
        return "There is nothing by any name here."
    close = difflib.get_close_matches(name, names, n=1) or [n for n in names if n.lower() == name.lower()][:1]
    listed = ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
    start = f"Did you mean {close[0]!r}? " if close else ""
    return f"{start}There is: {listed}."


def first_line(error: BaseException) -> str:
    """The first line with words in what an error says; its kind where it says nothing, as a bare ``assert`` does."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)


def reason_of(error: BaseException) -> str:
    """An error's kind and the first line of what it says.

    >>> reason_of(ValueError("too long\\nby 3")), reason_of(AssertionError())
    ('ValueError: too long', 'AssertionError')
    """
    kind, line = type(error).__name__, first_line(error)
    return kind if line == kind else f"{kind}: {line}"

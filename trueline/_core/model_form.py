"""The form of ``model.json``, checked before anything is made of it: every entry that is there has the type it must.

A model's folder may come from anyone. What is checked here need not be checked by those who read the entries later:
they index, count and print them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trueline._core.errors import ModelError

__all__ = ["check_model_form", "check_outputs"]

Check = Callable[[Any], bool]
_SHOWN = 20
_DTYPES = ("bool", "int64", "utf8", "float32")


def _text(value: Any) -> bool:
    """Text that UTF-8 can hold: JSON can spell half of a surrogate pair."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    """A number that JSON knows: Python reads NaN and the infinities too, and nothing here writes them."""
    return _whole(value) or (isinstance(value, float) and math.isfinite(value))


def _scalar(value: Any) -> bool:
    return isinstance(value, bool) or _whole(value) or _text(value)


def _plain(value: Any) -> bool:
    """JSON of any form, all of its texts sound."""
    if isinstance(value, dict):
        return all(_text(k) and _plain(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(_plain, value))
    return value is None or isinstance(value, bool) or _number(value) or _text(value)


def _one_of(*allowed: str) -> Check:
    return lambda value: value in allowed if isinstance(value, str) else False


def _maybe(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _many(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(_text(k) and _text(v) for k, v in value.items())


def _facts(value: Any) -> bool:
    return isinstance(value, dict) and _plain(value)


def _record(**checks: Check) -> Check:
    """An object that has at least these entries; the others are plain."""

    def check(value: Any) -> bool:
        return _facts(value) and all(name in value and one(value[name]) for name, one in checks.items())

    return check


def _size(value: Any) -> bool:
    return _maybe(lambda size: _whole(size) and 0 <= size < 2**31)(value)


def _feature(value: Any) -> bool:
    """What `RawFeature.from_json` reads; it checks type and kind itself."""
    return _record(name=_text, dtype=_text)(value) and _size(value.get("size")) and _text(value.get("kind", ""))


def _shape(value: Any) -> bool:
    """Of an output: any number of rows, then fixed sizes."""
    return _many(_size)(value) and all((size is None) == (place == 0) for place, size in enumerate(value))


_OUTPUT = _record(name=_text, dtype=_one_of(*_DTYPES), shape=_shape, meaning=_text)


def _parity(value: Any) -> bool:
    if not _record(rows=_whole, max_difference=_number)(value):
        return False
    changes = value.get("class_changes", [])
    return _whole(changes) or isinstance(changes, list)  # a variant's are counted, not listed


def _targets(value: Any) -> bool:
    parts = _record(feeds=_many(_feature), outputs=_record(label=_text, present=_text))(value)
    return parts and _texts(value["outputs"]) and _many(_facts)(value.get("host", []))


_REQUIRED: Mapping[str, tuple[Check, str]] = {
    "name": (_text, "a text"),
    "task": (_one_of("binary", "multiclass", "regression", "ranking", "embedding"), "a task"),
    "framework": (_text, "a text"),
    "versions": (_texts, "texts by name"),
    "label": (_maybe(_text), "a text or null"),
    "features": (_many(_text), "a list of texts"),
    "feeds": (_many(_feature), "a list of features"),
    "signature": (_record(inputs=_many(_feature), outputs=_many(_OUTPUT)), "inputs and outputs"),
}
_OPTIONAL: Mapping[str, tuple[Check, str]] = {
    "weight": (_maybe(_text), "a text or null"),
    "classes": (_maybe(_many(_scalar)), "a list of values or null"),
    "inputs": (_many(_record(name=_text, dtype=_text, features=_many(_text))), "a list of inputs"),
    "parity": (_parity, "rows and max_difference"),
    "leakage": (_many(_record(feature=_text)), "a list of features"),
    "transform": (_text, "a text"),
    "native": (_maybe(_text), "a text or null"),
    "about": (_maybe(_texts), "texts by name"),
    "training": (_maybe(_facts), "facts by name"),
    "targets": (_maybe(_targets), "feeds and outputs"),
    "decision": (_maybe(_facts), "facts by name"),
    "python": (_maybe(_facts), "facts by name"),
}


def check_model_form(info: Mapping[str, Any], where: str, needed: Sequence[str] = ()) -> None:
    """Compares ``model.json`` with what this version reads; of others only that they are sound JSON.

    Args:
        info: its contents.
        where: the model's folder.
        needed: entries that must be there beside those that a server needs.

    Raises:
        ModelError: every entry that is missing or of another form.
    """
    known = {**_REQUIRED, **_OPTIONAL}
    problems = [f"{name!r} is missing: {known[name][1]}" for name in [*_REQUIRED, *needed] if name not in info]
    problems += [
        f"{name!r} is not {what}" for name, (check, what) in known.items() if name in info and not check(info[name])
    ]
    problems += [f"{name!r} is no sound JSON" for name in info if name not in known and not _plain({name: info[name]})]
    if problems:
        raise ModelError("model.json has not the form of a model", where=where, problems=problems[:_SHOWN])


def check_outputs(info: Mapping[str, Any], made: Sequence[str], where: str) -> None:
    """Compares the declared outputs with those that the graph makes.

    Raises:
        ModelError: an output that the graph does not make, or none at all.
    """
    declared = [str(output["name"]) for output in info["signature"]["outputs"]]
    absent = [name for name in declared if name not in made]
    if absent or not declared or len(set(declared)) != len(declared):
        raise ModelError(
            f"model.json declares the outputs {declared}, the graph makes {list(made)}",
            where=where,
            hint="the model directory was put together from different models.",
        )

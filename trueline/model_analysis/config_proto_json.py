"""TFMA's configurations in protobuf's JSON form: field names in camelCase or as in the proto, maps as objects.

The mapping is that of https://protobuf.dev/programming-guides/json/: wrappers are bare values, enums names or numbers,
whole numbers may be texts, and so may be ``"NaN"`` and ``"Infinity"``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from trueline._core.errors import did_you_mean
from trueline.model_analysis.config_fields import ENUMS, LIMITS, MESSAGES, SCALARS, WRAPPERS, Field, Tree, camel

__all__ = ["is_proto_json", "read_proto_json", "read_value"]

_ONLY_CAMEL = frozenset(camel(n) for fields in MESSAGES.values() for n in fields if "_" in n)
_BOXES = ("class_ids", "k_list", "top_k_list", "disabled_outputs", "per_slice_thresholds", "cross_slice_thresholds")
_WORDS = {"nan": math.nan, "infinity": math.inf, "-infinity": -math.inf, "inf": math.inf, "-inf": -math.inf}
_NUMBER = re.compile(r"-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,6})?", re.ASCII)


def is_proto_json(data: Any) -> bool:
    """Whether a JSON value without a format number is in protobuf's form and not in ours.

    Where nothing tells the two apart, they mean the same.
    """
    stack = [data]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack += value
        if isinstance(value, Mapping):
            if any(key in _ONLY_CAMEL or key in MESSAGES["EvalRun"] for key in value):
                return True
            if "class_name" in value and isinstance(value.get("config"), str):
                return True
            if any(isinstance(value.get(n), Mapping) and _boxed(value[n]) for n in _BOXES):
                return True
            stack += [v for k, v in value.items() if k != "config"]
    return False


def _boxed(value: Mapping[str, Any]) -> bool:
    """``{"values": [...]}``, or a map whose values are ``{"thresholds": [...]}``."""
    inner = [value, *value.values()]
    return any(isinstance(v, Mapping) and ("values" in v or "thresholds" in v) for v in inner)


def read_proto_json(data: Any, message: str, path: str, problems: list[str]) -> Any:
    """The fields that are set, as `read_text` gives them; what is wrong is added to `problems`, each with its path.

    Args:
        data: a JSON value.
        message: its type, a name in `MESSAGES` or in `WRAPPERS`.
        path: where it stands.
        problems: takes what is wrong.
    """
    if message in WRAPPERS:
        if isinstance(data, Mapping) and set(data) <= {"value"}:
            data = data.get("value", False if message == "BoolValue" else 0)
        return _scalar(data, WRAPPERS[message], path, problems)
    if not isinstance(data, Mapping):
        problems.append(f"{path or 'top'}: an object is expected, not {_shown(data)}")
        return {}
    fields = MESSAGES[message]
    names = {camel(name): name for name in fields} | {name: name for name in fields}
    tree: Tree = {}
    places: dict[str, str] = {}
    for key, value in data.items():
        place = f"{path}.{key}" if path else str(key)
        name = names.get(key)
        if name is None:
            shown = sorted(fields) if "_" in key or not re.search("[A-Z]", key) else sorted(map(camel, fields))
            problems.append(f"{place}: {message} has no such field. {did_you_mean(key, shown, limit=20)}")
            continue
        if value is None:
            continue
        if name in tree:
            problems.append(f"{place}: the field is given twice")
        other = places.setdefault(fields[name].oneof or name, name)
        if other != name:
            problems.append(f"{place}: {name!r} and {other!r} exclude each other")
        tree[name] = _field(value, fields[name], place, problems)
    return tree


def _field(value: Any, field: Field, path: str, problems: list[str]) -> Any:
    if field.key is not None:
        if not isinstance(value, Mapping):
            problems.append(f"{path}: an object is expected, not {_shown(value)}")
            return {}
        return {
            _scalar(key, field.key, f"{path}.{key}", problems): read_value(item, field.kind, f"{path}.{key}", problems)
            for key, item in value.items()
        }
    if not field.many:
        return read_value(value, field.kind, path, problems)
    if not isinstance(value, list):
        problems.append(f"{path}: a list is expected, not {_shown(value)}")
        return []
    return [read_value(item, field.kind, f"{path}[{i}]", problems) for i, item in enumerate(value)]


def read_value(value: Any, kind: str, path: str, problems: list[str]) -> Any:
    """The same for a value of any kind: a message, a wrapper, an enum or a scalar."""
    if kind in MESSAGES or kind in WRAPPERS:
        return read_proto_json(value, kind, path, problems)
    if kind in ENUMS:
        found = next((n for n, number in ENUMS[kind].items() if value in (n, number) and value is not False), None)
        if found is None or value is True:
            problems.append(f"{path}: one of {', '.join(ENUMS[kind])} is expected, not {_shown(value)}")
        return found
    return _scalar(value, kind, path, problems)


def _scalar(value: Any, kind: str, path: str, problems: list[str]) -> Any:
    made = _READERS[kind](value, kind)
    if made is None:
        problems.append(f"{path}: {SCALARS[kind]} is expected, not {_shown(value)}")
        return {"string": "", "bool": False}.get(kind, 0)
    return made


def _whole(value: Any, kind: str) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,20}", value, re.ASCII):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    low, high = LIMITS[kind]
    return value if low <= value <= high else None


def _real(value: Any, _: str) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else _WORDS.get(value.lower())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _text(value: Any, _: str) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can write and a proto cannot hold
        return None
    return value


_READERS = {
    "string": _text,
    "bool": lambda v, _: v if isinstance(v, bool) else None,
    "int32": _whole,
    "int64": _whole,
    "float": _real,
    "double": _real,
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

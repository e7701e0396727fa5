"""What differs between two schemas, as single changes that can be read, kept as text, and applied to another schema.

Features, domains and everything else that has a name are matched by it; values of lists come and go one by one; a
single field is replaced. `apply_changes(a, diff_schemas(a, b))` equals `b`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core.errors import SchemaError
from trueline.schema.changes_fields import append_item, field_text, parsed, set_field

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["SchemaChange", "apply_changes", "diff_schemas"]

Where = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class SchemaChange:
    """One change.

    Attributes:
        kind: ``set`` a field or clear it, ``add`` or ``remove`` an item of a list, or ``order`` a list anew.
        where: the message that it is in: steps of a field and, in a list, a name.
        field: the field that changes.
        before, after: proto text of the field or item; empty where there is none. For ``order``, names as JSON.
    """

    kind: str
    where: Where
    field: str
    before: str
    after: str

    @property
    def place(self) -> str:
        """The message in words: ``feature 'fare' presence``; empty for the schema itself."""
        return " ".join(field if name is None else f"{field} {name!r}" for field, name in self.where)

    def __str__(self) -> str:
        """The change in one line."""
        at = f"{self.place}: " if self.where else ""
        before, after = _one_line(self.before), _one_line(self.after)
        if self.kind == "order":
            return f"{at}order of {self.field}: {before} -> {after}"
        if self.before and self.after:
            return f"{at}{before} -> {after}"
        return f"{at}add {after}" if self.after else f"{at}remove {before}"


def _one_line(text: str) -> str:
    return " ".join(text.split()) if "\n" in text.rstrip("\n") else text.strip()


# --- difference ---


def diff_schemas(a: schema_pb2.Schema, b: schema_pb2.Schema) -> list[SchemaChange]:
    """The changes that make `b` of `a`, in the order of fields, removals first.

    Raises:
        SchemaError: if one of them is another thing than a schema.
    """
    from tensorflow_metadata.proto.v0 import schema_pb2

    for given in (a, b):
        if not isinstance(given, schema_pb2.Schema):
            raise SchemaError(f"a Schema proto is needed, got {type(given).__name__}")
    return list(_diff(a, b, ()))


def _diff(a: Any, b: Any, where: Where) -> Iterator[SchemaChange]:
    if a == b:
        return
    found: list[SchemaChange] = []
    for field in a.DESCRIPTOR.fields:
        if field.is_repeated:
            found += _diff_list(a, b, field, where)
            continue
        has_a, has_b = a.HasField(field.name), b.HasField(field.name)
        if field.message_type is not None and has_b and not _opaque(field) and (has_a or _named_items(b, field)):
            if not has_a:  # an empty one first: several changes may each add an item to it
                found.append(SchemaChange("set", where, field.name, "", f"{field.name} {{\n}}\n"))
            found += _diff(getattr(a, field.name), getattr(b, field.name), (*where, (field.name, None)))
        elif has_a != has_b or (has_a and getattr(a, field.name) != getattr(b, field.name)):
            found.append(SchemaChange("set", where, field.name, field_text(a, field), field_text(b, field)))
    # What leaves a oneof goes before what takes its place.
    yield from sorted(found, key=lambda change: change.kind == "set" and bool(change.after) and change.where == where)


def _named_items(message: Any, field: Any) -> bool:
    """Whether a message holds a list whose items are known by name, such as the fields of a struct."""
    inner = getattr(message, field.name)
    return any(_keys(value, f) and f.message_type is not None for f, value in inner.ListFields() if f.is_repeated)


def _opaque(field: Any) -> bool:
    return field.message_type is not None and field.message_type.full_name == "google.protobuf.Any"


def _diff_list(a: Any, b: Any, field: Any, where: Where) -> Iterator[SchemaChange]:
    one, other = getattr(a, field.name), getattr(b, field.name)
    if one == other:
        return
    keys_a, keys_b = _keys(one, field), _keys(other, field)
    if keys_a is None or keys_b is None:
        yield SchemaChange("set", where, field.name, field_text(a, field), field_text(b, field))
        return
    kept = [key for key in keys_a if key in keys_b]
    added = [key for key in keys_b if key not in keys_a]
    for key, item in keys_a.items():
        if key not in keys_b:
            yield SchemaChange("remove", where, field.name, field_text(a, field, item), "")
    if field.message_type is not None:
        for key in kept:
            yield from _diff(keys_a[key], keys_b[key], (*where, (field.name, key)))
    for key in added:
        yield SchemaChange("add", where, field.name, "", field_text(b, field, keys_b[key]))
    if [*kept, *added] != list(keys_b):
        before, after = json.dumps([*kept, *added]), json.dumps(list(keys_b))
        yield SchemaChange("order", where, field.name, before, after)


def _keys(items: Any, field: Any) -> dict[Any, Any] | None:
    """Items by name or, plain ones, by themselves; None where that is not unique."""
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry or "name" not in field.message_type.fields_by_name:
            return None
        found = {item.name: item for item in items}
        return found if len(found) == len(items) and "" not in found else None
    found = {item: item for item in items}
    return found if len(found) == len(items) else None


# --- application ---


def apply_changes(schema: schema_pb2.Schema, changes: Iterable[SchemaChange]) -> schema_pb2.Schema:
    """A schema with changes made; the one given is left as it is.

    Changes that have been made already are made once; a value that two changes set gets the last one's.

    Raises:
        SchemaError: naming every change that does not fit: its place is not there, or holds something else than the
            change says it was.
    """
    changes = list(changes)
    result = type(schema)()
    result.CopyFrom(schema)
    finder = _Finder(schema)
    problems = [f"{change}: {why}" for change in changes if (why := _misfit(finder, change))]
    if problems:
        raise SchemaError(
            "the schema has changed since these changes were made out",
            problems=problems,
            hint="validate with the schema as it is now, and accept what is found then.",
        )
    finder = _Finder(result)
    for change in changes:
        _apply(finder.message(change.where), change)
        # Plain values have no names; what is set is no item of a list.
        if change.kind == "order" or (change.kind != "set" and "{" in change.before + change.after):
            finder.forget()
    return result


class _Finder:
    """Finds messages by their places, names looked up once for each list."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._names: dict[Where, dict[str, Any]] = {}

    def message(self, where: Where) -> Any | None:
        """The message, created where only a field leads to it; None where a name is missing."""
        found = self.root
        for depth, (field, name) in enumerate(where):
            if name is None:
                found = getattr(found, field)
                continue
            key = (*where[:depth], (field, None))
            if key not in self._names:
                self._names[key] = {item.name: item for item in reversed(getattr(found, field))}
            found = self._names[key].get(name)
            if found is None:
                return None
        return found

    def forget(self) -> None:
        """Forgets names, after a list has changed."""
        self._names.clear()


def _misfit(finder: _Finder, change: SchemaChange) -> str:
    """Why a change does not fit a schema; empty if it does."""
    message = finder.message(change.where)
    if message is None:
        return "its place is not in the schema"
    field = message.DESCRIPTOR.fields_by_name[change.field]
    if change.kind == "set":
        now = field_text(message, field)
        if _only_presence(change) and now:
            return ""
        return "" if now in (change.before, change.after) else f"the schema has {_one_line(now) or 'nothing'} there"
    if change.kind == "order":
        return ""
    present = _keys(getattr(message, change.field), field)
    wanted = getattr(parsed(message, change.before or change.after), change.field)[0]
    key = wanted.name if hasattr(wanted, "DESCRIPTOR") else wanted
    if present is not None and key in present and present[key] != wanted:
        return f"the schema has another {change.field} of this name"
    return ""


def _apply(message: Any, change: SchemaChange) -> None:
    if message is None:  # it was in a message that an earlier change has removed
        return
    if change.kind == "set" and _only_presence(change):
        getattr(message, change.field).SetInParent()
        return
    if change.kind == "set":
        set_field(message, change.field, change.before, change.after)
        return
    items = getattr(message, change.field)
    if change.kind == "order":
        order = {key: i for i, key in enumerate(json.loads(change.after))}
        _replace(message, change.field, sorted(items, key=lambda item: order.get(_key(item), len(order))))
        return
    wanted = getattr(parsed(message, change.before or change.after), change.field)[0]
    if change.kind == "remove":
        _replace(message, change.field, [item for item in items if _key(item) != _key(wanted)])
    elif all(_key(item) != _key(wanted) for item in items):
        append_item(items, wanted)


def _only_presence(change: SchemaChange) -> bool:
    """Whether a change makes an empty message of none; what may be in one already stays."""
    return not change.before and "".join(change.after.split()) == change.field + "{}"


def _key(item: Any) -> Any:
    return item.name if hasattr(item, "DESCRIPTOR") else item


def _replace(message: Any, field: str, items: list[Any]) -> None:
    copies = [
        type(item).FromString(item.SerializeToString()) if hasattr(item, "DESCRIPTOR") else item for item in items
    ]
    message.ClearField(field)
    getattr(message, field).extend(copies)

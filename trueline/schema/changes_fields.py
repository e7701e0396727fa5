"""Fields of messages as proto text: written, read, and set as a change says."""

from __future__ import annotations

from typing import Any

__all__ = ["append_item", "field_text", "parsed", "set_field"]


def field_text(message: Any, field: Any, item: Any = None) -> str:
    """Proto text of one field, or of one item of a list; empty where it is not set."""
    from google.protobuf import text_format

    alone = type(message)()
    target = getattr(alone, field.name)
    if item is not None:
        append_item(target, item)
    elif field.is_repeated:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            target.MergeFrom(getattr(message, field.name))
        else:
            target.extend(getattr(message, field.name))
    elif not message.HasField(field.name):
        return ""
    elif field.message_type is not None:
        target.CopyFrom(getattr(message, field.name))
        target.SetInParent()
    else:
        setattr(alone, field.name, getattr(message, field.name))
    return str(text_format.MessageToString(alone, as_utf8=True))


def append_item(target: Any, item: Any) -> None:
    """Adds a message or a plain value to a list."""
    if hasattr(item, "DESCRIPTOR"):
        target.add().CopyFrom(item)
    else:
        target.append(item)


def parsed(message: Any, text: str) -> Any:
    """A message of the same type from proto text."""
    from google.protobuf import text_format

    return text_format.Parse(text, type(message)())


def set_field(message: Any, name: str, before: str, after: str) -> None:
    """Sets a field, or clears it where nothing comes after.

    Of a list whose items have no names, such as ``value_count``, only those parts of items are set that differ before
    and after: another change may have set the others.
    """
    field = message.DESCRIPTOR.fields_by_name[name]
    wanted = parsed(message, after)
    lists = [getattr(m, name) for m in (message, parsed(message, before), wanted)] if _holds_messages(field) else []
    if lists and len({len(items) for items in lists}) == 1:
        for item, old, new in zip(*lists, strict=True):
            for part in item.DESCRIPTOR.fields:
                text = field_text(new, part)
                if text != field_text(old, part):
                    item.ClearField(part.name)
                    item.MergeFrom(parsed(item, text))
        return
    message.ClearField(name)
    message.MergeFrom(wanted)


def _holds_messages(field: Any) -> bool:
    return bool(field.is_repeated and field.message_type is not None and not field.message_type.GetOptions().map_entry)

"""From an artifact to pieces of HTML: a table of readers by artifact type, which people can add to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from trueline._core import store as files
from trueline._core.errors import ArtifactError, ConfigError, TruelineError
from trueline._core.manifest import MANIFEST_NAME

if TYPE_CHECKING:
    from trueline.display import Html
    from trueline.pipeline.artifacts import ArtifactType

__all__ = ["Found", "View", "artifact_sections", "has_view", "register_view"]

Found = tuple[str, "Html"]
View = Callable[[str, Mapping[str, Any]], Iterator[Found]]
"""Called with an artifact's folder and properties; gives titles and pieces."""

_ADDED: dict[str, View] = {}


def register_view(artifact_type: type[ArtifactType] | str, view: View) -> None:
    """Says how artifacts of a type are shown, in notebooks and reports; takes the place of an earlier view.

    Args:
        artifact_type: the type or its name.
        view: called with the artifact's URI and its properties, gives (title, HTML) pairs. It only reads.

    Raises:
        ConfigError: something that cannot be called.
    """
    if not callable(view):
        raise ConfigError(
            f"{view!r} is no view", hint="give a function of (uri, properties) that yields (title, Html)."
        )
    _ADDED[artifact_type if isinstance(artifact_type, str) else artifact_type.TYPE_NAME] = view


def _table() -> Mapping[str, View]:
    from trueline.interactive.views_data import DATA_VIEWS
    from trueline.interactive.views_model import MODEL_VIEWS

    return {**DATA_VIEWS, **MODEL_VIEWS, **_ADDED}


def has_view(type_name: str) -> bool:
    """Whether a type has a view of its own; others are shown by their files."""
    return type_name in _table()


def artifact_sections(type_name: str, uri: str, properties: Mapping[str, Any] | None = None) -> list[Found]:
    """The views of an artifact; one whose files are gone or unreadable says so instead of raising.

    Args:
        type_name: the artifact type's name.
        uri: its folder.
        properties: declared and custom ones.
    """
    from trueline.display.html import tag

    found: list[Found] = []
    try:
        found.extend(_table().get(type_name, _any)(uri, properties or {}))
    except (TruelineError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        found.append((type_name, tag("p", f"The artifact cannot be shown: {error}", class_="soft")))
    return found


def _any(uri: str, properties: Mapping[str, Any]) -> Iterator[Found]:
    """A value artifact's value; of anything else the files."""
    from trueline.display.artifact_tables import files_view
    from trueline.interactive.views_model import shown_value
    from trueline.pipeline.artifacts import VALUE_FILE

    if not files.exists(uri):
        raise ArtifactError("the files are gone", where=uri)
    names = [name for name in files.walk(uri) if name != MANIFEST_NAME]
    if names == [VALUE_FILE]:
        yield "Value", shown_value(uri)
    else:
        yield "Files", files_view([(name, _size(uri, name)) for name in names])


def _size(uri: str, name: str) -> int | None:
    place = files.join(uri, name)
    return files.local_path(place).stat().st_size if files.is_local(uri) else None

"""A line with a container in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trueline.pipeline import Input, Pipeline, component, create_container_component
from trueline.pipeline.artifacts import JsonValue, Schema
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.placeholders import exec_property, input, output

__all__ = ["Copy", "line", "made", "read", "shell"]


@component
def made() -> dict:
    """What goes into the container."""
    return {"rows": 3}


@component
def read(schema: Input[Schema]) -> str:
    """What came out of it."""
    return (Path(schema.uri) / "schema.pbtxt").read_text()


def shell(script: str, **options: Any) -> Any:
    """A component class whose container runs a script: ``$1`` the input's folder, ``$2`` the output's, ``$3`` steps."""
    return create_container_component(
        name="Copy",
        image="busybox:1.36",
        command=["sh", "-c", script, "copy", input("data").uri, output("schema").uri, exec_property("steps")],
        inputs={"data": JsonValue},
        outputs={"schema": Schema},
        parameters={"steps": 2},
        **options,
    )


Copy = shell('echo "steps $3"; cat "$1/value" > "$2/schema.pbtxt"; echo " $3" >> "$2/schema.pbtxt"')


def line(root: Path, kind: Any = Copy, settings: dict[str, Any] | None = None, **arguments: Any) -> Pipeline:
    """made -> the container -> read."""
    source = made()
    copy = kind(data=source.outputs["result"], **arguments).with_settings(**(settings or {}))
    return Pipeline("line", [read(schema=copy.outputs["schema"])], root=root)


def handle(uri: str) -> ArtifactHandle:
    """An artifact somewhere."""
    return ArtifactHandle("JsonValue", uri)

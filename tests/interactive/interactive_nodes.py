"""Nodes that the tests of notebooks' sessions run; in a file of their own, as user code is."""

from __future__ import annotations

from pathlib import Path

from trueline.pipeline import ExecutionContext, Input, Output, component
from trueline.pipeline.artifacts import Examples, Integer, JsonValue, Model, String

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def cut(source: Path, rows: int, target: Path) -> Path:
    """Header and the first rows of a CSV file, in a folder of their own."""
    target.mkdir(parents=True, exist_ok=True)
    with source.open(encoding="utf-8") as lines:
        (target / source.name).write_text(
            "".join(line for line, _ in zip(lines, range(rows + 1), strict=False)), encoding="utf-8"
        )
    return target


@component
def greet(name: str = "you") -> str:
    """Hello."""
    return f"hello {name}"


@component
def shout(words: Input[String], times: int = 1) -> str:
    """The same, louder."""
    return str(words.value).upper() * times


@component
def break_down(words: Input[String]) -> int:
    """Fails."""
    raise ValueError("the well is dry")


@component
def refuse(context: ExecutionContext, words: Input[String]) -> str:
    """Closes its gate."""
    context.close_gate("nobody may pass")
    return str(words.value)


@component
def odd_files(result: Output[Model]) -> None:
    """A model that is none."""
    Path(result.uri, "model.json").write_text("{", encoding="utf-8")
    result.properties["note"] = "<script>alert(1)</script>"


__all__ = ["EXAMPLES", "Examples", "Integer", "JsonValue", "break_down", "cut", "greet", "odd_files", "refuse", "shout"]

"""The places in which templates run: sandboxed, without files, every value escaped unless it is markup of ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from trueline._core.errors import did_you_mean
from trueline.display.html import percent, visible
from trueline.model_analysis.card import markdown_text
from trueline.model_analysis.card.yaml_text import yaml_text

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["HTML", "KINDS", "MARKDOWN", "environment", "own_source"]

MARKDOWN, HTML = "model_card.md.j2", "model_card.html.j2"
KINDS: Mapping[str, str] = {"markdown": MARKDOWN, "html": HTML}
"""Kind of template -> the name of ours, which a user's extends."""
Loader = Callable[[str], str | None]


def own_source(name: str) -> str:
    """The text of a template of ours."""
    return files("trueline.model_analysis.card").joinpath("templates", name).read_text(encoding="utf-8")


def environment(kind: str, sources: Mapping[str, str]) -> Environment:
    """The environment for one kind of template.

    A template reads the records that it is given and nothing else: no names that begin with ``_``, no methods but those
    of texts, lists and dicts that change nothing, no files.

    Args:
        kind: a key of `KINDS`.
        sources: a user's templates by name.
    """
    from jinja2 import BaseLoader, TemplateNotFound
    from jinja2.sandbox import ImmutableSandboxedEnvironment
    from markupsafe import Markup

    class Texts(BaseLoader):
        def get_source(self, environment: Environment, template: str) -> Any:
            if template in sources:
                return sources[template], template, lambda: True
            if template == KINDS[kind]:
                return own_source(template), template, lambda: True
            raise TemplateNotFound(template)

        def list_templates(self) -> list[str]:
            return [*sources, KINDS[kind]]

    class Sandbox(ImmutableSandboxedEnvironment):
        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            if dataclasses.is_dataclass(obj):
                return not attr.startswith("_") and not callable(value)
            return super().is_safe_attribute(obj, attr, value)

    finalize = _markdown_value if kind == "markdown" else _html_value
    made = Sandbox(
        loader=Texts(),
        autoescape=True,
        undefined=_undefined(),
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        cache_size=0,
    )
    if kind == "markdown":
        made.filters |= {
            "code": lambda v: Markup(markdown_text.code(v)),  # noqa: S704
            "prose": lambda v: Markup(markdown_text.prose(str(v))),  # noqa: S704
            "yaml": lambda v: Markup(yaml_text(v)),  # noqa: S704
            "join": _join(markdown_text.escaped),
            "codes": lambda vs: Markup(", ".join(markdown_text.code(v) for v in vs)),  # noqa: S704
        }
    else:
        from trueline.display.card import CARD_FILTERS

        made.filters |= {**CARD_FILTERS, "plots": _plots}
    made.filters |= {"shown": markdown_text.shown, "percent": lambda share: percent(share, 1)}
    return made


def _markdown_value(value: Any) -> Any:
    """Every value that a template writes: markup of ours stays, all else is escaped."""
    from markupsafe import Markup

    return value if hasattr(value, "__html__") else Markup(markdown_text.escaped(value))  # noqa: S704


def _html_value(value: Any) -> Any:
    """The same for HTML, where jinja escapes texts by itself."""
    return value if hasattr(value, "__html__") else visible(markdown_text.shown(value))


def _join(escape: Callable[[Any], str]) -> Callable[..., Any]:
    """A ``join`` that escapes each part as its format asks for."""
    from markupsafe import Markup

    def join(values: Iterable[Any], d: str = "") -> Any:
        parts = [str(v) if hasattr(v, "__html__") else escape(v) for v in values]
        return Markup(d.join(parts))  # noqa: S704

    return join


def _plots(facts: Any) -> Any:
    """The charts of all rows that the card holds."""
    from markupsafe import Markup

    from trueline.model_analysis.measured import Estimate, Measured, SliceMetrics
    from trueline.model_analysis.page import slice_plots

    if not facts.plots:
        return Markup("")
    whole = SliceMetrics((), facts.rows, metrics={name: Estimate(None, data=d) for name, d in facts.plots.items()})
    groups = slice_plots(Measured((whole,), rows=facts.rows), facts.confidence)
    return Markup("".join(group.charts.text for group in groups))  # noqa: S704


def _undefined() -> Any:
    """What stands for a name that does not exist: an error that says what does, as soon as it is used."""
    from jinja2 import StrictUndefined

    class Missing(StrictUndefined):
        @property
        def _undefined_message(self) -> str:
            name, obj = self._undefined_name, self._undefined_obj
            if dataclasses.is_dataclass(obj):
                exist = [f.name for f in dataclasses.fields(obj)]
                return f"{type(obj).__name__} has no {name!r}. {did_you_mean(str(name), exist, limit=30)}"
            return str(super()._undefined_message)

    return Missing

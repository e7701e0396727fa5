"""Data and template -> Markdown or HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.errors import ConfigError
from trueline.model_analysis.card.data import ModelCardData
from trueline.model_analysis.card.environment import KINDS, environment
from trueline.model_analysis.card.header import card_header

if TYPE_CHECKING:
    from trueline.model_analysis.card.template import CardTemplate

__all__ = ["render"]


def render(kind: str, data: ModelCardData, template: CardTemplate | None = None) -> str:
    """The card's text: ``markdown`` with its header, or the ``html`` of a page's body.

    Raises:
        ConfigError: the template asks for what does not exist or what is not allowed, with its line.
    """
    from jinja2 import TemplateError

    from trueline.model_analysis.card.template_check import line_of

    made = environment(kind, {} if template is None else template.sources)
    name = KINDS[kind] if template is None else template.name
    try:
        text = made.get_template(name).render(card=data, header=card_header(data))
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        place = line_of(error, [KINDS[kind], *([] if template is None else template.sources)])
        where = f"{name}" if place is None else f"{place[0]}, line {place[1]}"
        raise ConfigError(f"{where}: {error}") from error
    return _tidy(text) if kind == "markdown" else text


def _tidy(text: str) -> str:
    """No spaces at the ends of lines, one empty line at most, one line end at the end."""
    lines: list[str] = []
    for line in text.split("\n"):
        if line.strip() or (lines and lines[-1]):
            lines.append(line.rstrip())
    return "\n".join(lines).strip("\n") + "\n"

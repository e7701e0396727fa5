"""What is wrong with a template, before anything runs: syntax, blocks, variables, and fields of the card's records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.card.environment import KINDS, environment
from trueline.model_analysis.card.sample import sample_card

if TYPE_CHECKING:
    from jinja2 import nodes

    from trueline.model_analysis.card.template import CardTemplate

__all__ = ["CONTEXT", "line_of", "template_problems"]

CONTEXT = ("card", "header")
"""What a template is given: the card's data, and the header as a dictionary."""


def template_problems(template: CardTemplate) -> list[str]:
    """Sentences, each with the template, the line and what exists instead; empty where it can run."""
    from jinja2 import TemplateSyntaxError

    made = environment(template.kind, template.sources)
    problems: list[str] = []
    for name, text in template.sources.items():
        try:
            tree = made.parse(text, name, name)
            made.compile(text, name, name)
        except TemplateSyntaxError as error:
            problems.append(f"{error.name or name}, line {error.lineno}: {error.message}")
            continue
        problems += _unknown_names(tree, name, set(made.globals))
        problems += _unknown_blocks(template, tree, name)
    return problems or _trial(template)


def _unknown_names(tree: nodes.Template, name: str, known: set[str]) -> Iterator[str]:
    from jinja2 import meta, nodes

    unknown = meta.find_undeclared_variables(tree) - known - set(CONTEXT)
    for variable in sorted(unknown):
        line = next((n.lineno for n in tree.find_all(nodes.Name) if n.name == variable), 0)
        yield f"{name}, line {line}: there is no variable {variable!r}. {did_you_mean(variable, CONTEXT)}"


def _unknown_blocks(template: CardTemplate, tree: nodes.Template, name: str) -> Iterator[str]:
    """A block that our template does not have would never be written."""
    from jinja2 import nodes

    if not any(True for _ in tree.find_all(nodes.Extends)):
        return
    made = environment(template.kind, template.sources)
    sources = [made.loader.get_source(made, KINDS[template.kind])[0]] if made.loader is not None else []
    sources += [text for other, text in template.sources.items() if other != name]
    exist = {b.name for text in sources for b in made.parse(text).find_all(nodes.Block)}
    for block in tree.body:
        if isinstance(block, nodes.Block) and block.name not in exist:
            hint = did_you_mean(block.name, sorted(exist), limit=40)
            yield f"{name}, line {block.lineno}: there is no block {block.name!r} to replace. {hint}"


def _trial(template: CardTemplate) -> list[str]:
    """Writes the card of a model that does not exist: fields that the records do not have come to light.

    Whatever depends on a model's own names (its metrics, its features) is no problem here.
    """
    from jinja2 import TemplateError, UndefinedError

    from trueline.model_analysis.card.render import render

    for card in sample_card():
        try:
            render(template.kind, card, template)
        except ConfigError as error:
            cause = error.__cause__
            if isinstance(cause, UndefinedError) and " has no '" not in str(cause):
                continue
            if isinstance(cause, TemplateError):
                return [error.message]
    return []


def line_of(error: BaseException, names: Any) -> tuple[str, int] | None:
    """The last template and line that an error went through."""
    found, trace = None, error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name in names:
            found = (name, trace.tb_lineno)
        trace = trace.tb_next
    return found

"""`ModelCard`: the data, and how they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trueline._core import store
from trueline.model_analysis.card.data import ModelCardData
from trueline.model_analysis.card.header import card_header
from trueline.model_analysis.card.render import render
from trueline.model_analysis.card.template import CardTemplate

__all__ = ["HTML_FILE", "JSON_FILE", "MARKDOWN_FILE", "ModelCard", "load_card"]

JSON_FILE, MARKDOWN_FILE, HTML_FILE = "model_card.json", "model_card.md", "model_card.html"


@dataclass(frozen=True)
class ModelCard:
    """A model card.

    Attributes:
        data: everything that it says.
        templates: a user's templates, one of a kind.
    """

    data: ModelCardData
    templates: tuple[CardTemplate, ...] = ()

    @property
    def header(self) -> dict[str, Any]:
        """The header of the Markdown, which Hugging Face reads, as JSON values."""
        return card_header(self.data)

    def to_markdown(self, path: str | None = None) -> str:
        """Markdown with the header that Hugging Face reads, also written to `path` if it is given.

        Raises:
            ConfigError: a template that asks for what this card does not have, with its line.
        """
        text = render("markdown", self.data, self._template("markdown"))
        if path is not None:
            store.write_text(str(path), text)
        return text

    def to_html(self, path: str | None = None) -> str:
        """One self-contained page for screens, phones and paper, also written to `path` if it is given.

        Raises:
            ConfigError: a template that asks for what this card does not have, with its line.
        """
        from trueline.display.card import card_document
        from trueline.display.html import visible

        body = render("html", self.data, self._template("html"))
        html = card_document(f"{visible(self.data.model.name)}: model card", body)
        if path is not None:
            store.write_text(str(path), html)
        return html

    def view(self) -> str:
        """The page's body without its document, for reports."""
        return render("html", self.data, self._template("html"))

    def save(self, uri: str) -> None:
        """Writes ``model_card.json``, ``model_card.md`` and ``model_card.html`` into a folder."""
        markdown, html = self.to_markdown(), self.to_html()
        store.makedirs(str(uri))
        store.write_text(store.join(str(uri), JSON_FILE), self.data.to_json())
        store.write_text(store.join(str(uri), MARKDOWN_FILE), markdown)
        store.write_text(store.join(str(uri), HTML_FILE), html)

    @classmethod
    def load(cls, uri: str) -> ModelCard:
        """The card that `save` wrote, in our own template.

        Raises:
            ArtifactError: no data, or data of another format.
        """
        path = store.join(str(uri), JSON_FILE)
        return cls(ModelCardData.from_json(store.read_text(path), path))

    def _template(self, kind: str) -> CardTemplate | None:
        return next((t for t in self.templates if t.kind == kind), None)

    def _repr_html_(self) -> str:
        from trueline.display.card import card_view

        return card_view(self.view())._repr_html_()


def load_card(uri: str) -> ModelCard:
    """The card that `ModelCard.save` wrote; see `ModelCard.load`."""
    return ModelCard.load(uri)

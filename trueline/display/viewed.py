"""What every result with a view has: a page of its own, and a notebook's view."""

from __future__ import annotations

from typing import ClassVar

from trueline.display.html import Html, join, tag

__all__ = ["Viewed"]


class Viewed:
    """A result that can be looked at; a subclass says its `TITLE` and makes its `view`."""

    TITLE: ClassVar[str]

    def view(self) -> Html:
        """The result as a piece of HTML."""
        raise NotImplementedError

    def to_html(self, path: str | None = None) -> str:
        """One self-contained page, also written to `path` if it is given."""
        return join([tag("h1", self.TITLE), self.view()]).to_html(path, self.TITLE)

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()

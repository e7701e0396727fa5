"""Style and script of the pages of evaluations, beside those that all views share.

Colours of lines follow Okabe and Ito's palette, which people with any kind of colour blindness tell apart; dashes and
shapes say the same again.
"""

from __future__ import annotations

from importlib.resources import files

from trueline.display.html import Html, join, page

__all__ = ["evaluation_document", "styled"]


def _asset(name: str) -> str:
    return files("trueline.display").joinpath("assets", name).read_text(encoding="utf-8")


def styled(body: Html) -> Html:
    """A piece with the style that its tables and charts need."""
    return Html(f"<style>{_asset('eval.css')}</style><div class='ev'>{body}</div>")


def evaluation_document(title: str, body: Html) -> str:
    """One self-contained document; what is folded away is opened when it is printed."""
    return page(title, join([styled(body), Html(f"<script>{_asset('eval.js')}</script>")]))

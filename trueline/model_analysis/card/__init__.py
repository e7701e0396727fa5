"""Model cards: what a reader must know of a model, as data, as Markdown and as one HTML page.

May import what `trueline.model_analysis` may, and the readers of statistics, schemas and rows below it. The sections
follow Mitchell et al. 2019, "Model Cards for Model Reporting". A card says what was measured and what was not: a
missing input is a section that says so.
"""

from __future__ import annotations

from trueline._core.lazy import lazy_names

_PUBLIC = {
    "CardTemplate": "template",
    "CardTexts": "data",
    "ModelCard": "card",
    "ModelCardData": "data",
    "load_card": "card",
    "make_card": "make",
    "read_templates": "template",
}

__all__ = [*sorted(_PUBLIC)]

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)

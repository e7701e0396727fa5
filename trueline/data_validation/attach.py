"""``stats.to_html()``, ``stats.compare(other)`` and what a notebook shows, on the statistics message itself.

Statistics are tensorflow-metadata's own messages, so that every tool that knows these reads ours. Python lets a class
be given methods; these three are the only ones, and change nothing of what the messages hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2

__all__ = ["new_statistics"]


def new_statistics() -> statistics_pb2.DatasetFeatureStatisticsList:
    """An empty ``DatasetFeatureStatisticsList``, which has the methods `to_html`, `compare` and ``_repr_html_``."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    message: Any = statistics_pb2.DatasetFeatureStatisticsList
    if not hasattr(message, "to_html"):
        message.to_html = _to_html
        message.compare = _compare
        message._repr_html_ = _repr_html
    return statistics_pb2.DatasetFeatureStatisticsList()


def _to_html(self: Any, path: str | None = None, **options: Any) -> str:
    """One self-contained HTML page, also written to `path` if it is given; options of `get_statistics_html`."""
    from trueline.data_validation.show import get_statistics_html

    html = get_statistics_html(self, **options)
    if path is not None:
        from trueline._core import store

        store.write_text(str(path), html)
    return html


def _compare(self: Any, other: Any, names: tuple[str, str] = ("first", "second"), **options: Any) -> Any:
    """Both data sets laid over each other, see `compare_statistics`; ``.text`` is the HTML."""
    from trueline.data_validation.show import compare_statistics

    return compare_statistics(self, other, names, **options)


def _repr_html(self: Any) -> str:
    """What a notebook shows."""
    from trueline.display.statistics import statistics_view

    return statistics_view(self)._repr_html_()

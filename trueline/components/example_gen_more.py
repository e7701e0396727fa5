"""ExampleGens of what is no table of files: folders of images, databases, and sources of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from trueline._core.errors import TruelineError
from trueline.components.example_gen_base import ExampleGen, IngestOptions, problems_of

if TYPE_CHECKING:
    from trueline.data import StaticRange

__all__ = ["CustomExampleGen", "ImageExampleGen", "SqlExampleGen"]


class ImageExampleGen(ExampleGen):
    """Examples from a folder of images: their bytes, format and size, and the folder that each lies in as its label.

    Args:
        input_base: the folder.
        pattern: which files, by name or path, as in a shell.
        label_from: ``folder``, or ``none`` for images without labels.
        options: see `IngestOptions`.

    Outputs: ``examples``.
    """

    def __init__(
        self,
        *,
        input_base: str,
        pattern: str = "*",
        label_from: str = "folder",
        node_id: str | None = None,
        **options: Unpack[IngestOptions],
    ) -> None:
        params = {"input_base": str(input_base), "pattern": pattern, "label_from": label_from}
        source = "trueline.data.images_source:ImageFolderSource"
        super().__init__(node_id=node_id, source=source, params=params, files=None, options=options)


class SqlExampleGen(ExampleGen):
    """Examples from a query, through SQLAlchemy: PostgreSQL, MySQL, SQLite, BigQuery, Trino and the like.

    Args:
        query: a SELECT, best with ``ORDER BY``: it fixes the numbers of the rows.
        connection: ``env:NAME`` of an environment variable that holds an SQLAlchemy URL, or a URL without a password:
            what stands here is kept in the metadata.
        fingerprint_query: a SELECT of one row whose values change when the data does. Without it the query runs in
            every run.
        span_range: the spans of a query with ``@span_begin_timestamp``, ``@span_end_timestamp`` or
            ``@span_yyyymmdd_utc``.
        column_types: columns whose type is declared.
        decimals: ``float64``, or ``utf8`` to keep every digit.
        options: see `IngestOptions`.

    Outputs: ``examples``.
    """

    def __init__(
        self,
        query: str,
        connection: str,
        *,
        fingerprint_query: str | None = None,
        span_range: StaticRange | None = None,
        column_types: Mapping[str, str] | None = None,
        decimals: str = "float64",
        node_id: str | None = None,
        **options: Unpack[IngestOptions],
    ) -> None:
        params: dict[str, Any] = {
            "query": query,
            "connection": connection,
            "types": dict(column_types or {}),
            "decimals": decimals,
            "fingerprint_query": fingerprint_query,
            "spans": None if span_range is None else [span_range.start, span_range.end],
        }
        from trueline.data import SqlSource

        problems = problems_of(lambda: SqlSource(**params))
        if problems:
            params["connection"] = "refused"  # it may hold a password
        super().__init__(
            node_id=node_id, source="trueline.data.sql:SqlSource", params=params, files=None, options=options
        )
        for problem in problems:
            self.note(problem)


class CustomExampleGen(ExampleGen):
    """Examples from a source of one's own: a function that yields rows, or a class.

    Args:
        source: ``package.module:name`` of a function that yields dicts, tuples or Arrow batches, or of a class with the
            methods of `trueline.data.Source`.
        params: JSON values that it is called with.
        column_names: the columns' names, for a function that yields tuples.
        column_types: columns whose type is declared.
        fingerprint: ``package.module:name`` of a function that gives a text which changes when the rows do. Without it
            (or a class's own) the source is read in every run.
        options: see `IngestOptions`.

    Outputs: ``examples``.
    """

    def __init__(
        self,
        source: str,
        *,
        params: Mapping[str, Any] | None = None,
        column_names: Sequence[str] | None = None,
        column_types: Mapping[str, str] | None = None,
        fingerprint: str | None = None,
        node_id: str | None = None,
        **options: Unpack[IngestOptions],
    ) -> None:
        import inspect

        from trueline.engine.base import resolve

        given = dict(params or {})
        problems: list[str] = []
        try:
            is_class = inspect.isclass(resolve(source))
        except TruelineError as error:
            problems.append(f"has no source: {error.message}")
            is_class = True
        function = {
            "function": source,
            "params": given,
            "columns": None if column_names is None else list(column_names),
            "types": dict(column_types or {}),
            "fingerprint": fingerprint,
        }
        name, kept = (source, given) if is_class else ("trueline.data.custom:FunctionSource", function)
        super().__init__(node_id=node_id, source=name, params=kept, files=None, options=options)
        for problem in problems:
            self.note(problem)

"""CSV files become Examples.

Types are guessed on what is read first of each file. A value that does not fit widens its column, and the files are
written again with the wider type, so the result is that of inference over all values of all files. Rows with a wrong
number of cells, or with a value that does not convert to a type which a schema fixes, are rejects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ConfigError, DataError
from trueline.data.assemble import SourceResult, assemble, check_same_names, source_dataset
from trueline.data.cells import FIXED_TYPES, arrow_type_of_class, join
from trueline.data.examples import EXAMPLES_NAME
from trueline.data.inputs import input_uri, list_inputs
from trueline.data.report import IngestReport
from trueline.data.splits import DEFAULT_SPLITS, SplitRule
from trueline.engine.base import DEFAULT_BLOCK_ROWS, Engine, FunctionSpec

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["fixed_types", "ingest_csv"]

_PART = "trueline.data.csv_job"


def ingest_csv(
    input_base: str,
    uri: str,
    *,
    splits: Sequence[tuple[str, int]] = DEFAULT_SPLITS,
    max_rejects: int = 0,
    block_rows: int = DEFAULT_BLOCK_ROWS,
    engine: Engine | None = None,
    schema: schema_pb2.Schema | None = None,
    pattern: str = "*",
    delimiter: str = ",",
    encoding: str = "utf8",
    null_values: Sequence[str] = ("",),
    read_bytes: int = 4 << 20,
) -> IngestReport:
    """Writes the rows of CSV files as Examples.

    Args:
        input_base: a CSV file, or a folder of them (``.gz``, ``.bz2`` and ``.zst`` are unpacked).
        uri: the folder of the Examples.
        splits: names and shares; two thirds train and one third eval by default.
        max_rejects: how many rows may go to ``rejects/``; with one more the ingestion stops and names the first.
        block_rows: rows of a block.
        engine: runs the files; threads of this machine by default.
        schema: fixes the types of its features: BYTES utf8, INT int64, FLOAT float64. Features with a bool or time
            domain, and columns that it does not name, are guessed.
        pattern: which files of the folder, as in a shell.
        delimiter: one character.
        encoding: a name that Python's codecs know.
        null_values: cells that are missing, quoted or not. The empty cell is always missing; ``""`` in quotes is text.
        read_bytes: how much is parsed at a time; the result does not depend on it.

    Raises:
        DataError: no file, headers that differ, undecodable bytes, more rejects than allowed: with file and line.
        ConfigError: an option that is wrong.
    """
    rule = SplitRule.of(splits)
    _check_options(max_rejects, block_rows, delimiter, read_bytes)
    file_format = {
        "delimiter": delimiter,
        "encoding": encoding,
        "null_values": list(null_values),
        "read_bytes": read_bytes,
    }
    run = _Run(
        input_base, uri, tuple(list_inputs(input_base, pattern)), fixed_types(schema), file_format, _engine(engine)
    )
    store.remove_tree(store.join(uri, EXAMPLES_NAME))
    names, classes = run.guess()
    results, classes = run.write(names, classes, rule, block_rows, max_rejects)
    rejected = sum(r.rejects for r in results)
    if rejected > max_rejects:
        raise DataError(
            f"{rejected} rows cannot be taken in, {max_rejects} are allowed",
            where=input_base,
            problems=[sentence for r in results for sentence in r.first][:10],
            hint="mend the rows, or allow more with max_rejects.",
        )
    return assemble(uri, run.schema(names, classes), results, rule)


def _engine(engine: Engine | None) -> Engine:
    if engine is not None:
        return engine
    from trueline.engine.local import default_engine

    return default_engine()


def _check_options(max_rejects: int, block_rows: int, delimiter: str, read_bytes: int) -> None:
    problems = []
    if max_rejects < 0:
        problems.append(f"max_rejects is {max_rejects}, give 0 or more")
    if block_rows < 1:
        problems.append(f"block_rows is {block_rows}, give at least 1")
    if len(delimiter) != 1 or delimiter in '"\r\n' or not delimiter.isascii():
        problems.append(f"delimiter is {delimiter!r}, give one ASCII character that is no quote or line end")
    if not 1 <= read_bytes <= 1 << 30:
        problems.append(f"read_bytes is {read_bytes}, give 1 to {1 << 30}")
    if problems:
        raise ConfigError("the CSV options are wrong", problems=problems)


def fixed_types(schema: schema_pb2.Schema | None) -> dict[str, str]:
    """The column types that a schema fixes, by column."""
    if schema is None:
        return {}
    from tensorflow_metadata.proto.v0 import schema_pb2

    types = {schema_pb2.BYTES: "utf8", schema_pb2.INT: "int64", schema_pb2.FLOAT: "float64"}
    open_domains = {"bool_domain", "time_domain", "time_of_day_domain"}
    return {
        feature.name: types[feature.type]
        for feature in schema.feature
        if feature.type in types and feature.WhichOneof("domain_info") not in open_domains
    }


@dataclass(frozen=True)
class _Run:
    """One ingestion's passes over its files."""

    input_base: str
    uri: str
    files: tuple[str, ...]
    fixed: Mapping[str, str]
    file_format: Mapping[str, Any]
    engine: Engine

    def _label(self, number: int) -> str:
        return self.files[number] or self.input_base.rstrip("/").rsplit("/", 1)[-1]

    def _uris(self, numbers: Sequence[int]) -> dict[int, str]:
        return {n: input_uri(self.input_base, self.files[n]) for n in numbers}

    def guess(self) -> tuple[list[str], dict[str, str]]:
        """The common header, and the classes in what is read first of every file."""
        params = {"file_format": dict(self.file_format), "fixed": dict(self.fixed)}
        dataset = source_dataset(self._uris(range(len(self.files))))
        guesses = self.engine.map_blocks(FunctionSpec(f"{_PART}:guess_file", params), dataset)
        check_same_names([(self._label(n), g["names"]) for n, g in enumerate(guesses)])
        classes: dict[str, str] = dict(guesses[0]["classes"])
        for guess in guesses[1:]:
            classes = {n: join(c, guess["classes"][n]) for n, c in classes.items()}
        return list(guesses[0]["names"]), classes

    def write(
        self, names: list[str], classes: dict[str, str], rule: SplitRule, block_rows: int, max_rejects: int
    ) -> tuple[list[SourceResult], dict[str, str]]:
        """Writes all files; those written with a type that turns out too narrow once more."""
        done: dict[int, dict[str, Any]] = {}
        waiting = list(range(len(self.files)))
        while waiting:
            params = {
                "uri": self.uri,
                "names": names,
                "classes": classes,
                "fixed": dict(self.fixed),
                "file_format": dict(self.file_format),
                "splits": [list(s) for s in rule.splits],
                "block_rows": block_rows,
                "max_rejects": max_rejects,
                "labels": {str(n): self._label(n) for n in waiting},
            }
            function = FunctionSpec(f"{_PART}:ingest_file", params)
            results = self.engine.map_blocks(function, source_dataset(self._uris(waiting)))
            wider = classes
            for number, result in zip(waiting, results, strict=True):
                done[number] = result
                wider = {n: join(c, result["classes"][n]) for n, c in wider.items()}
            same_types = self.schema(names, wider) == self.schema(names, classes)
            waiting = [n for n in waiting if not done[n]["complete"]] if same_types else list(range(len(self.files)))
            classes = wider
        return [SourceResult.of(n, self._label(n), done[n]) for n in sorted(done)], classes

    def schema(self, names: Sequence[str], classes: Mapping[str, str]) -> Any:
        """The Arrow schema of the raw columns."""
        import pyarrow as pa

        found = {n: FIXED_TYPES[self.fixed[n]] if n in self.fixed else classes[n] for n in names}
        return pa.schema([pa.field(n, arrow_type_of_class(c)) for n, c in found.items()])

"""Finding data: what kind of file, folder or pattern a command was pointed at; and schemas, in their files."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trueline._core.errors import ArtifactError, ConfigError, DataError, did_you_mean
from trueline.cli.data_files import DataFile, DataOptions

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["find_data", "find_other", "load_schema"]

_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".avro": "avro",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
    ".pb": "statistics",
    ".pbtxt": "statistics",
}
_PACKED = (".gz", ".bz2", ".zst")
_EXAMPLES, _STATISTICS, _SCHEMA = "examples.json", "FeatureStats.pb", "schema.pbtxt"


def find_data(location: str, options: DataOptions | None = None) -> DataFile:
    """The data or statistics at a location, by ending and content.

    Raises:
        DataError: nothing is there, or files of no kind or of several.
        ConfigError: a split that does not exist, or that has to be named.
    """
    options = options or DataOptions()
    if options.format:
        if options.format == "tsv":
            return DataFile(location, "csv", _tabbed(options))
        return DataFile(location, options.format, options)
    from trueline._core import store
    from trueline.data import list_inputs
    from trueline.data_validation.entry import location_of

    if store.exists(store.join(location, _EXAMPLES)):
        from trueline.data import Examples

        return DataFile(location, "examples", options, _split(location, options, Examples.open(location).splits))
    splits = [n.removeprefix("Split-") for n in store.listdir(location) if n.startswith("Split-")]
    if splits and all(store.exists(store.join(location, f"Split-{split}", _STATISTICS)) for split in splits):
        return DataFile(location, "statistics", options, _split(location, options, splits))
    own = location.rstrip("/").rsplit("/", 1)[-1]
    base, pattern = location_of(location)
    if pattern == "*" and not store.exists(location):
        raise DataError("no such file", where=location, hint=_near(location))
    names = [name or own for name in list_inputs(base, pattern)]
    kinds = {name: _kind_of(name) for name in names}
    return DataFile(location, _one_kind(location, kinds), options)


def find_other(location: str, options: DataOptions) -> DataFile:
    """Data to compare with, read as the first are; a kind that was given for those holds where no ending tells one."""
    return find_data(location, replace(options, format="") if _kind_of(location) else options)


def _tabbed(options: DataOptions) -> DataOptions:
    return replace(options, delimiter=options.delimiter or "\t")


def _near(location: str) -> str | None:
    """What lies where a local file was looked for."""
    from trueline._core import store

    folder, _, name = location.rstrip("/").rpartition("/")
    names = [found for found in store.listdir(folder or ".") if not found.startswith((".", "_"))]
    return did_you_mean(name, names) if difflib.get_close_matches(name, names) else None


def _split(location: str, options: DataOptions, splits: Sequence[str]) -> str:
    if options.split:
        if options.split not in splits:
            raise ConfigError(
                f"there is no split {options.split!r}", where=location, hint=did_you_mean(options.split, list(splits))
            )
        return options.split
    if "train" in splits:
        return "train"
    if len(splits) == 1:
        return splits[0]
    raise ConfigError("there are several splits", where=location, hint=f"give --split: {', '.join(splits)}.")


def _kind_of(name: str) -> str | None:
    lowered = name.lower()
    for packed in _PACKED:
        lowered = lowered.removesuffix(packed)
    return next((kind for ending, kind in _ENDINGS.items() if lowered.endswith(ending)), None)


def _one_kind(location: str, kinds: Mapping[str, str | None]) -> str:
    found = {kind for kind in kinds.values() if kind is not None}
    unknown = [name for name, kind in kinds.items() if kind is None]
    if len(found) == 1 and not unknown:
        return found.pop()
    if found == {"statistics"} or (found and not unknown):
        problems = [f"{name}: {kind}" for name, kind in kinds.items()]
        raise DataError("there are files of several kinds", where=location, problems=problems[:_SHOWN], hint=_PATTERN)
    raise DataError(
        "the ending does not tell the kind of the file" if len(kinds) == 1 else "some files are of no known kind",
        where=location,
        problems=[] if len(kinds) == 1 else unknown[:_SHOWN],
        hint=f"known endings: {' '.join(_ENDINGS)} (.gz too); or say it with --format"
        + ("." if len(kinds) == 1 else ", or give a pattern such as 'folder/*.csv'."),
    )


_SHOWN = 10
_PATTERN = "give a pattern that takes one kind, such as 'folder/*.csv'."


def load_schema(location: str) -> schema_pb2.Schema:
    """The schema in a text file, or in a Schema artifact's folder.

    Raises:
        SchemaError: naming file, line and column, if the text does not parse.
        ArtifactError: when there is no such file.
    """
    from trueline._core import store
    from trueline.schema import load_schema_text

    inside = store.join(location, _SCHEMA)
    if store.exists(inside):
        return load_schema_text(inside)
    if not store.exists(location):
        raise ArtifactError("there is no schema here", where=location, hint=_near(location) or _INFER)
    if store.listdir(location) or (store.is_local(location) and store.local_path(location).is_dir()):
        raise ArtifactError(f"the folder holds no {_SCHEMA}", where=location, hint=_INFER)
    return load_schema_text(location)


_INFER = "`trueline schema infer DATA --out schema.pbtxt` makes one from data."

"""What callers hand over as data and as options, in one form; and what to call where they hand over another thing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, SchemaError, did_you_mean
from trueline.engine.base import Dataset

if TYPE_CHECKING:
    from trueline.data_validation.options import StatsOptions

__all__ = ["check_compression", "check_named", "check_pipeline", "dataset_of", "options_of"]

_FROM = "generate_statistics_from_csv, generate_statistics_from_parquet or another generate_statistics_from_..."

_COMPRESSIONS = ("auto", "gzip", "bzip2", "zstd", "uncompressed")


def dataset_of(data: Any, what: str = "dataset") -> Dataset:
    """A dataset as it is; one block of a pyarrow Table, or of whatever else hands out Arrow columns.

    Args:
        data: what was given.
        what: the argument's name.

    Raises:
        ConfigError: for a path: rows lie in a file, and another function reads them.
        DataError: for what is no table.
    """
    import pyarrow as pa

    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | os.PathLike):
        raise ConfigError(
            f"{what} is the path {os.fspath(data)!r}, rows are needed",
            hint=f"statistics of files: {_FROM}; rows of an artifact: Examples.open(uri).dataset(split).",
        )
    if not isinstance(data, pa.Table):
        from trueline.data.tables import to_arrow_table

        data = to_arrow_table(data)
    return Dataset.from_table(data)


def options_of(options: Any) -> StatsOptions:
    """The options, or those of nobody's choice.

    Raises:
        ConfigError: for another thing, such as a dict.
    """
    from trueline.data_validation.options import StatsOptions

    if options is None:
        return StatsOptions()
    if isinstance(options, StatsOptions):
        return options
    if options is StatsOptions:
        raise ConfigError("the options are the class StatsOptions itself", hint="write StatsOptions().")
    hint = "write StatsOptions(**options)." if isinstance(options, dict) else "give StatsOptions(...) or None."
    raise ConfigError(f"the options are a {type(options).__name__}, StatsOptions are needed", hint=hint)


def check_named(columns: Sequence[str], options: StatsOptions) -> None:
    """Refuses a label and features with a weight of their own that the data lack: else they would do nothing.

    Raises:
        SchemaError: naming each.
    """
    named = {"label_feature": [] if options.label_feature is None else [options.label_feature]}
    named["per_feature_weight_override"] = [path.steps[0] for path in options.per_feature_weight_override or {}]
    problems = [
        f"{option} {name!r}. {did_you_mean(name, columns)}"
        for option, names in named.items()
        for name in names
        if name not in columns
    ]
    if problems:
        raise SchemaError("the options name columns that the data lack", problems=problems)


def check_pipeline(pipeline_options: Any) -> None:
    """Refuses options of a pipeline: there is none.

    Raises:
        ConfigError: for anything but None.
    """
    if pipeline_options is not None:
        raise ConfigError(
            "pipeline_options are given, and there is no pipeline to configure",
            hint="n_jobs says how many threads count; over Examples, generate_statistics takes an engine.",
        )


def check_compression(compression_type: Any) -> None:
    """Refuses what is no compression of upstream's.

    Raises:
        ConfigError: naming those that there are.
    """
    if compression_type is not None and str(compression_type).lower() not in _COMPRESSIONS:
        raise ConfigError(
            f"compression_type is {compression_type!r}",
            hint=f"leave it out, or give one of {', '.join(_COMPRESSIONS)}; files are unpacked by their names.",
        )

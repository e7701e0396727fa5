"""Statistics to a schema, or a schema from a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from trueline._core import store
from trueline._core.errors import SchemaError
from trueline._core.manifest import file_sha256
from trueline.components.common import split_path, splits_of
from trueline.components.statistics_gen import STATISTICS_FILE
from trueline.pipeline.artifacts import ExampleStatistics, Schema
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ExecutionContext
from trueline.pipeline.node import Component, In, Out

__all__ = ["SCHEMA_FILE", "ImportSchemaGen", "SchemaGen", "execute", "execute_import", "fingerprint"]

SCHEMA_FILE = "schema.pbtxt"


class SchemaGen(Component):
    """A schema that fits the statistics: inferred from the first split, widened by the others.

    It is a first draft for a person to read: what it says of the data is checked from then on. Copy it beside the
    pipeline, mend it, and use `ImportSchemaGen` with it.

    Args:
        statistics: what was measured.
        infer_feature_shape: whether a column with one value in every row is declared to have exactly one.
        max_string_domain_size: columns with at most so many distinct texts get them as their domain.
        exclude_splits: splits to leave out.

    Outputs: ``schema``.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {"statistics": In(ExampleStatistics)}
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"schema": Out(Schema)}
    EXECUTOR = "trueline.components.schema_gen:execute"

    def __init__(
        self,
        *,
        statistics: Channel,
        infer_feature_shape: bool = True,
        max_string_domain_size: int = 100,
        exclude_splits: Sequence[str] = (),
        node_id: str | None = None,
    ) -> None:
        super().__init__(
            node_id=node_id,
            inputs={"statistics": statistics},
            params={
                "infer_feature_shape": infer_feature_shape,
                "max_string_domain_size": max_string_domain_size,
                "exclude_splits": list(exclude_splits),
            },
        )


class ImportSchemaGen(Component):
    """A schema from a text file (tensorflow-metadata's ``Schema``; a TFX ``schema.pbtxt`` works as it is).

    What contradicts itself (a feature declared twice, a domain that does not exist, an empty range) fails the node,
    with everything that is wrong at once.

    Args:
        schema_file: the file's path or URI; its contents are in the cache key.

    Outputs: ``schema``.
    """

    OUTPUTS: ClassVar[Mapping[str, Out]] = {"schema": Out(Schema)}
    EXECUTOR = "trueline.components.schema_gen:execute_import"
    FINGERPRINT = "trueline.components.schema_gen:fingerprint"

    def __init__(self, *, schema_file: str, node_id: str | None = None) -> None:
        super().__init__(node_id=node_id, params={"schema_file": str(schema_file)})


def execute(ctx: ExecutionContext) -> None:
    """Infers the schema."""
    from trueline.data_validation import infer_schema, load_statistics, update_schema
    from trueline.schema import write_schema_text

    source = ctx.input("statistics")
    first, *rest = splits_of(source, ctx.params["exclude_splits"])
    size = ctx.params["max_string_domain_size"]
    schema = infer_schema(
        load_statistics(split_path(source, first, STATISTICS_FILE)),
        infer_feature_shape=ctx.params["infer_feature_shape"],
        max_string_domain_size=size,
    )
    for split in rest:
        schema = update_schema(
            schema, load_statistics(split_path(source, split, STATISTICS_FILE)), max_string_domain_size=size
        )
    write_schema_text(schema, store.join(ctx.output("schema").uri, SCHEMA_FILE))
    ctx.report(features=len(schema.feature), domains=len(schema.string_domain))


def execute_import(ctx: ExecutionContext) -> None:
    """Reads the file, checks it, writes it as it was.

    Raises:
        SchemaError: it does not parse, or contradicts itself; all contradictions are listed.
    """
    from trueline.components.schema_checks import schema_problems
    from trueline.schema import load_schema_text

    file = ctx.params["schema_file"]
    schema = load_schema_text(file)
    problems = schema_problems(schema)
    if problems:
        raise SchemaError("the schema contradicts itself", where=str(file), problems=problems)
    store.write_bytes(store.join(ctx.output("schema").uri, SCHEMA_FILE), store.read_bytes(file))
    ctx.report(features=len(schema.feature), domains=len(schema.string_domain))


def fingerprint(params: Mapping[str, Any]) -> str:
    """sha256 of the schema file.

    Raises:
        ArtifactError: when it is not there.
    """
    return file_sha256(str(params["schema_file"]))

"""What all ExampleGens share: the options of an ingestion, the executor, and the fingerprint that the cache trusts."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from trueline._core.errors import ConfigError, DataError, TruelineError, did_you_mean
from trueline.pipeline.artifacts import Examples
from trueline.pipeline.context import ArtifactHandle, ExecutionContext
from trueline.pipeline.node import Component, Out

if TYPE_CHECKING:
    from trueline.data import RollingRange, SourceSpec, StaticRange

__all__ = ["ExampleGen", "IngestOptions", "execute", "fingerprint", "problems_of", "range_to_json"]


class IngestOptions(TypedDict, total=False):
    """The options that every ExampleGen takes, whatever it reads; see `trueline.data.ingest`.

    Attributes:
        splits: names and shares (``{"train": 2, "eval": 1}`` by default), or a rule such as `trueline.data.TimeSplit`.
        partition_feature: rows go by the hash of this column (or of several), not of the whole row.
        split_by: a column of times: the earliest rows go to the first split, the latest to the last.
        group_by: rows with the same value (of one or several columns) are never parted.
        stratify_by: each value's rows are shared out alike.
        where: an expression over the columns; only rows for which it is true go in.
        sample: the share of these rows that goes in.
        shuffle: True puts each split's rows in a random order.
        seed: of sample, strata and shuffle.
        max_rejects: how many rows that cannot be taken in may be set aside in ``rejects/`` before the node fails.
        block_rows: rows of a block, the unit of computation.
    """

    splits: Any
    partition_feature: str | Sequence[str] | None
    split_by: str | None
    group_by: str | Sequence[str] | None
    stratify_by: str | Sequence[str] | None
    where: str | None
    sample: float | None
    shuffle: bool
    seed: int
    max_rejects: int
    block_rows: int


_DEFAULTS: dict[str, Any] = {
    "splits": None,
    "partition_feature": None,
    "split_by": None,
    "group_by": None,
    "stratify_by": None,
    "where": None,
    "sample": None,
    "shuffle": False,
    "seed": 0,
    "max_rejects": 0,
    "block_rows": 65_536,
}
_SCHEMA_TYPES = {
    "trueline.data.csv_source:CsvSource": ("schema_types", "trueline.data.csv_ingest:fixed_types"),
    "trueline.data.jsonl_source:JsonlSource": ("schema_types", "trueline.data.jsonl_ingest:scalar_types"),
    "trueline.data.tfrecord_source:TfRecordSource": ("fixed", "trueline.data.tf_example_types:fixed_example_types"),
}
"""Sources whose column types a schema fixes: the parameter that holds them, and the function that reads the schema."""
_SPLITTING = ("splits", "partition_feature", "split_by", "group_by", "stratify_by")


class ExampleGen(Component):
    """Base of the nodes that turn a source into Examples.

    Args:
        node_id: the node's name.
        source: ``package.module:factory`` of a `trueline.data.Source`.
        params: the source's JSON parameters.
        files: for a source of files: ``input_base``, ``pattern`` (or one for each input split), ``range`` and
            ``schema_file``.
        options: see `IngestOptions`.
    """

    OUTPUTS: ClassVar[Mapping[str, Out]] = {"examples": Out(Examples)}
    EXECUTOR = "trueline.components.example_gen_base:execute"
    FINGERPRINT = "trueline.components.example_gen_base:fingerprint"

    def __init__(
        self,
        *,
        node_id: str | None,
        source: str,
        params: Mapping[str, Any],
        files: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> None:
        params, told = _without_password(params)
        if files is not None:
            files, told = _without_password(files)
        problems = [*told]
        problems += [f"has no option {n!r}. {did_you_mean(n, list(_DEFAULTS))}" for n in options if n not in _DEFAULTS]
        given = {**_DEFAULTS, **{k: v for k, v in options.items() if k in _DEFAULTS}}
        split, more = self._split_rule(given, isinstance((files or {}).get("pattern"), Mapping))
        kept = {name: value for name, value in given.items() if name not in _SPLITTING}
        found = {"source": source, "source_params": dict(params), "files": files, "split": split, **kept}
        super().__init__(node_id=node_id, params=found)
        for problem in [*problems, *more, *_option_problems(given)]:
            self.note(problem)

    @staticmethod
    def _split_rule(given: Mapping[str, Any], has_splits: bool) -> tuple[dict[str, Any] | None, list[str]]:
        """The rule as JSON, None where the input has splits of its own; and what is wrong with it."""
        from trueline.data.splits_rules import choose_rule

        asked = {name: given[name] for name in _SPLITTING}
        if has_splits:
            named = [name for name, value in asked.items() if value is not None]
            return None, [f"has input splits; {', '.join(named)} cannot split them again"] if named else []
        try:
            return choose_rule(**asked, seed=given["seed"]).to_json(), []
        except ConfigError as error:
            return None, [f"cannot split so: {problem}" for problem in error.problems or (error.message,)]


def _without_password(params: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """The parameters with no password in the input's address, and what is said of one: what stands here is kept."""
    from trueline.data.inputs import check_no_password

    base = params.get("input_base")
    found = problems_of(lambda: check_no_password(base)) if isinstance(base, str) else []
    return ({**params, "input_base": "refused"} if found else params), found


def _option_problems(given: Mapping[str, Any]) -> list[str]:
    from trueline._core.errors import ExprError
    from trueline._core.expr import parse

    problems = []
    if given["block_rows"] < 1:
        problems.append(f"block_rows is {given['block_rows']}; give at least 1")
    if given["max_rejects"] < 0:
        problems.append(f"max_rejects is {given['max_rejects']}; give 0 or more")
    if given["sample"] is not None and not 0 < given["sample"] <= 1:
        problems.append(f"sample is {given['sample']}; give a share above 0 and up to 1")
    if given["where"] is not None:
        try:
            parse(given["where"])
        except ExprError as error:
            problems.append(f"cannot filter by where={given['where']!r}: {error.message}")
    return problems


def problems_of(make: Callable[[], Any]) -> list[str]:
    """What a source says of its options, before anything is read."""
    try:
        make()
    except TruelineError as error:
        return [f"is set up wrongly: {problem}" for problem in error.problems or (error.message,)]
    return []


def range_to_json(span_range: object) -> dict[str, Any] | None:
    """A range of spans as JSON, with its kind."""
    if span_range is None:
        return None
    from dataclasses import asdict

    from trueline.data import RollingRange, StaticRange

    if not isinstance(span_range, StaticRange | RollingRange):
        hint = "give StaticRange(start, end) or RollingRange(num_spans)."
        raise ConfigError(f"span_range is {span_range!r}", hint=hint)
    return {"kind": type(span_range).__name__, **asdict(span_range)}


def _range_from_json(data: Mapping[str, Any] | None) -> StaticRange | RollingRange | None:
    from trueline.data import RollingRange, StaticRange

    if data is None:
        return None
    fields = {name: value for name, value in data.items() if name != "kind"}
    return StaticRange(**fields) if data["kind"] == "StaticRange" else RollingRange(**fields)


def _resolved(params: Mapping[str, Any]) -> tuple[dict[str, SourceSpec], int, int | None]:
    """The source of each input split (``""``: the only one), and the newest span and its version."""
    from trueline.data import SourceSpec, resolve_spans
    from trueline.data.spans import ONE_SPLIT

    files, own = params["files"], params["source_params"]
    if files is None:
        spans = own.get("spans")
        return {"": SourceSpec(params["source"], own)}, int(spans[1]) if spans else 0, None
    base = files["input_base"]
    if files["schema_file"] is not None:
        own = {**own, **_schema_types(params["source"], files["schema_file"])}
    found = resolve_spans(base, files["pattern"], range=_range_from_json(files["range"]))
    specs = {
        "" if split == ONE_SPLIT else split: SourceSpec(
            params["source"], {**own, "input_base": base, "files": list(names)}
        )
        for split, names in found.files.items()
    }
    return specs, found.span, found.version


def _schema_types(source: str, schema_file: str) -> dict[str, Any]:
    from trueline.engine.base import resolve
    from trueline.schema import load_schema_text

    name, function = _SCHEMA_TYPES[source]
    return {name: resolve(function)(load_schema_text(schema_file))}


def execute(ctx: ExecutionContext) -> None:
    """Reads the source and writes Examples; in a sampled run its first rows alone.

    Raises:
        DataError: an input that cannot be read, more rejects than allowed, or no row at all.
    """
    from trueline.data import ingest
    from trueline.data.splits_rules import rule_from_json

    out, params = ctx.output("examples"), ctx.params
    specs, span, version = _resolved(params)
    options = {name: params[name] for name in _DEFAULTS if name not in _SPLITTING}
    if params["split"] is not None:
        options["splits"] = rule_from_json(params["split"])
    report = ingest(specs.get("", specs), out.uri, engine=ctx.engine, first_rows=ctx.sample, **options)
    if not report.rows:
        left_out = f", left out: {report.filtered + report.sampled_out}" if report.filtered + report.sampled_out else ""
        raise DataError(
            f"there is no row in it (rejects: {report.rejects}{left_out})",
            where=_place(params),
            hint="a header alone is no data: a line that went on would learn and judge nothing.",
        )
    out.properties.update(span=span, version=version or 0, split_names=list(report.splits))
    _note_revision(out, params)
    ctx.report(rows=report.rows, rejects=report.rejects, splits=dict(report.splits))
    if span:
        ctx.report(span=span)
    for sentence in report.first_rejects:
        ctx.log.warning("rejected: %s", sentence)


def _note_revision(out: ArtifactHandle, params: Mapping[str, Any]) -> None:
    """The data's git, DVC or lakeFS revision as a custom property, which is in no cache key."""
    from trueline.pipeline.revisions import DATA_REVISION, revision_of, revision_text

    base = (params["files"] or params["source_params"]).get("input_base")
    revision = revision_of(base) if isinstance(base, str) else None
    if revision is not None:
        out.properties[DATA_REVISION] = revision_text(revision)


def _place(params: Mapping[str, Any]) -> str:
    return str(params["files"]["input_base"] if params["files"] else params["source"].rpartition(":")[2])


def fingerprint(params: Mapping[str, Any]) -> dict[str, Any]:
    """What the cache key holds of the outside world: the span, and each source's fingerprint.

    A source that has none is new each time: no run takes the rows of an earlier one for its own.

    Raises:
        DataError: when the input is not there.
    """
    specs, span, version = _resolved(params)
    types = {
        split: [dict(spec.params).get(name) for name in ("schema_types", "fixed")] for split, spec in specs.items()
    }
    prints = {split: spec.open().fingerprint() for split, spec in specs.items()}
    known = {
        split: found if found is not None else f"unknown {secrets.token_hex(8)}" for split, found in prints.items()
    }
    return {"span": span, "version": version, "inputs": known, "types": types}

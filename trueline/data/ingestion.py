"""Any source becomes Examples: one job a part, types that widen with a restart, rejects, filter, splits, shuffle."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ConfigError, DataError
from trueline._core.rowid import ROW_COLUMN
from trueline.data.assemble import SourceResult, finish, rejects_json, report_of, source_dataset
from trueline.data.examples import EXAMPLES_NAME
from trueline.data.file_source import Watch
from trueline.data.first_rows import first_parts
from trueline.data.ingest_part import STAGED
from trueline.data.report import IngestReport
from trueline.data.rows import SHOWN_REJECTS, Keep, known_columns
from trueline.data.source import SchemaGrew, Source, SourceSpec
from trueline.data.splits import check_names
from trueline.data.splits_rules import Rule, SplitSpec, choose_rule, needs_plan
from trueline.data.widening import final_schema, join_schemas, problems_of, schema_from_text, schema_to_text
from trueline.engine.base import DEFAULT_BLOCK_ROWS, Engine, FunctionSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.data.repartition_job import RowFile

__all__ = ["ingest", "staging"]

_JOB = "trueline.data.ingest_part:ingest_part"


def ingest(
    source: SourceSpec | Mapping[str, SourceSpec],
    uri: str,
    *,
    splits: SplitSpec | None = None,
    partition_feature: str | Sequence[str] | None = None,
    split_by: str | None = None,
    group_by: str | Sequence[str] | None = None,
    stratify_by: str | Sequence[str] | None = None,
    where: str | None = None,
    sample: float | None = None,
    shuffle: bool | int = False,
    max_rejects: int = 0,
    block_rows: int = DEFAULT_BLOCK_ROWS,
    engine: Engine | None = None,
    seed: int = 0,
    first_rows: int | None = None,
) -> IngestReport:
    """Writes the rows of a source as Examples.

    Args:
        source: the source as data; or one for each input split, whose rows then stay in that split.
        uri: the folder of the Examples.
        splits: names and shares (two thirds train and one third eval by default), or a rule: `HashSplit`,
            `GroupSplit`, `TimeSplit`, `StratifiedSplit`.
        partition_feature: rows go by the hash of this column, not of the whole row.
        split_by: a column of times: the earliest rows go to the first split, the latest to the last.
        group_by: rows with the same value are never parted, and the result is checked for that.
        stratify_by: each value's rows are shared out alike.
        where: an expression over raw columns; only rows for which it is true go in.
        sample: the share of these rows that goes in, by a hash of ``__row__`` and `seed`.
        shuffle: puts each split's rows in a random order, with `seed` or with the number given here.
        max_rejects: how many rows may go to ``rejects/``; with one more the ingestion stops and names the first.
        block_rows: rows of a block.
        engine: runs the parts; threads of this machine by default.
        seed: of the sample, the strata and the shuffle.
        first_rows: no more than so many rows go in, the first ones that are kept, in the order of the parts; of input
            splits each gets its share. What comes after them is not read.

    Raises:
        DataError: an input that is not there or cannot be read, more rejects than allowed, parts that do not fit.
        ConfigError: options that are wrong; all problems at once, before the rows are read.
    """
    rule = _rule(source, splits, (partition_feature, split_by, group_by, stratify_by), seed)
    keep = Keep(where, sample, seed)
    _check_options(max_rejects, block_rows, shuffle, first_rows)
    if engine is None:
        from trueline.engine.local import default_engine

        engine = default_engine()
    run = _Run(uri, rule, keep, shuffle, max_rejects, block_rows, engine, seed, first_rows)
    return run.all(_inputs(source))


def _rule(
    source: SourceSpec | Mapping[str, SourceSpec],
    splits: SplitSpec | None,
    by: tuple[Any, Any, Any, Any],
    seed: int,
) -> Rule | None:
    if isinstance(source, SourceSpec):
        named = dict(zip(("partition_feature", "split_by", "group_by", "stratify_by"), by, strict=True))
        return choose_rule(splits, **named, seed=seed)
    problems = check_names(list(source))
    if splits is not None or any(b is not None for b in by):
        problems.append("the input has splits of its own, its rows cannot be split again")
    if problems:
        raise ConfigError(
            "the input splits are wrong",
            problems=problems,
            hint="give one source and splits, or a source for each split and no splits.",
        )
    return None


def _check_options(max_rejects: int, block_rows: int, shuffle: object, first_rows: int | None) -> None:
    problems = []
    if max_rejects < 0:
        problems.append(f"max_rejects is {max_rejects}, give 0 or more")
    if block_rows < 1:
        problems.append(f"block_rows is {block_rows}, give at least 1")
    if first_rows is not None and first_rows < 1:
        problems.append(f"first_rows is {first_rows}, give at least 1")
    if not isinstance(shuffle, int):
        problems.append(f"shuffle is {shuffle!r}, give True, False or a seed")
    if problems:
        raise ConfigError("the ingestion's options are wrong", problems=problems)


@dataclass(frozen=True)
class _Input:
    """An opened source: its parts are numbered from `first`."""

    spec: SourceSpec
    first: int
    split: str | None
    parts: tuple[str, ...]
    schema: pa.Schema = field(compare=False)
    watch: Watch = field(compare=False)


def _inputs(source: SourceSpec | Mapping[str, SourceSpec]) -> list[_Input]:
    found: list[_Input] = []
    named = {None: source} if isinstance(source, SourceSpec) else source
    for split, spec in named.items():
        opened = spec.open()
        parts = tuple(opened.parts())
        if not parts:
            raise DataError("the source has no part", where=spec.name, hint="give it a file, a table or a query.")
        watch, schema = Watch(opened, str(spec.params.get("input_base", spec.name))), opened.schema()
        problems = problems_of(schema, {ROW_COLUMN: "row numbers"})
        if problems:
            problems += [] if schema.names else _first_reject(opened, parts, schema)
            raise DataError("the columns cannot be taken in", where=parts[0] or spec.name, problems=problems)
        found.append(_Input(spec, sum(len(f.parts) for f in found), split, parts, schema, watch))
    return found


def _first_reject(source: Source, parts: Sequence[str], schema: pa.Schema) -> list[str]:
    """Why there is no column: the first part's first row that cannot be taken in, if there is one."""
    batches = source.read(0, schema)
    try:
        return next(([found.rejects[0].sentence(parts[0])] for found in batches if found.rejects), [])
    except SchemaGrew:
        return []
    finally:
        if isinstance(batches, Generator):
            batches.close()


@dataclass(frozen=True)
class _Run:
    """One ingestion's passes over its parts."""

    uri: str
    rule: Rule | None
    keep: Keep
    shuffle: bool | int
    max_rejects: int
    block_rows: int
    engine: Engine
    seed: int
    first_rows: int | None = None

    def all(self, inputs: Sequence[_Input]) -> IngestReport:
        """All passes."""
        raw = inputs[0].schema
        for other in inputs[1:]:
            raw = join_schemas(raw, other.schema, names=(str(inputs[0].split), str(other.split)))
        self._check_columns(raw)
        store.remove_tree(store.join(self.uri, EXAMPLES_NAME))
        with staging(self.uri):
            results, raw = self._first_pass(inputs, raw)
            for one in inputs:
                one.watch.check()
            self._check_rejects(results)
            return self._finish(results, final_schema(raw), [i.split for i in inputs if i.split is not None])

    def _check_columns(self, raw: pa.Schema) -> None:
        wanted = self.rule.columns if self.rule is not None else ()
        problems = known_columns(wanted, raw.names, "the split") + self.keep.check(raw)
        if problems:
            raise ConfigError("columns that the data do not have", problems=problems)

    @property
    def _staged(self) -> bool:
        return self.shuffle is not False or (self.rule is not None and needs_plan(self.rule))

    def _first_pass(self, inputs: Sequence[_Input], raw: pa.Schema) -> tuple[list[SourceResult], pa.Schema]:
        """Reads all parts; those that were read with a type that turns out too narrow once more."""
        labels = [label for i in inputs for label in i.parts]
        splits = [i.split for i in inputs for _ in i.parts]
        rule = None if self._staged else {"kind": "fixed", "split": "-"} if self.rule is None else self.rule.to_json()
        params = {
            "uri": self.uri,
            "inputs": [
                {"spec": {"name": i.spec.name, "params": dict(i.spec.params)}, "first": i.first, "split": i.split}
                for i in inputs
            ],
            "labels": labels,
            "rule": rule,
            "keep": self.keep.to_json(),
            "block_rows": self.block_rows,
            "max_rejects": self.max_rejects,
        }
        done: dict[int, dict[str, Any]] = {}
        waiting = list(range(len(labels)))
        while waiting:
            function = FunctionSpec(_JOB, {**params, "schema": schema_to_text(raw)})
            if self.first_rows is None:
                found = self.engine.map_blocks(function, source_dataset({n: labels[n] for n in waiting}))
                done.update(zip(waiting, found, strict=True))
            else:
                done = first_parts(self.engine, function, labels, splits, self.first_rows)
            wider = _wider(raw, {labels[n]: r["grew"] for n, r in done.items() if r["grew"]})
            same = final_schema(wider) == final_schema(raw)
            waiting = [n for n in sorted(done) if done[n]["grew"] or not same]
            raw = wider
        results = [SourceResult.of(n, labels[n], done[n], splits[n]) for n in sorted(done)]
        return results, raw

    def _check_rejects(self, results: Sequence[SourceResult]) -> None:
        rejected = sum(r.rejects for r in results)
        if rejected > self.max_rejects:
            raise DataError(
                f"{rejected} rows cannot be taken in, {self.max_rejects} are allowed",
                where=", ".join(r.name for r in results if r.rejects),
                problems=[sentence for r in results for sentence in r.first][:SHOWN_REJECTS],
                hint="mend the rows, or allow more with max_rejects.",
            )

    def _finish(self, results: Sequence[SourceResult], schema: pa.Schema, input_splits: list[str]) -> IngestReport:
        import pyarrow as pa

        full = schema.append(pa.field(ROW_COLUMN, pa.int64()))
        names = tuple(input_splits) if self.rule is None else self.rule.names
        more: dict[str, Any] = {"rejects": rejects_json(results), **self._kept_json()}
        if self._staged:
            from trueline.data.repartitioning import Passes

            passes = Passes(self.uri, self.rule, Keep(), self.shuffle, self.block_rows, self.engine, self.seed)
            dealt, rule = passes.run(self._row_files(results), full, [r.name for r in results])
            outputs = [(d.number, d.parts) for d in dealt]
            store.remove_tree(store.join(self.uri, STAGED))
        else:
            outputs, rule = [(r.number, r.parts) for r in results], self.rule
        more["split_rule"] = {"name": "input splits v1"} if rule is None else rule.describe()
        sources = [r.to_json() for r in results]
        splits = finish(self.uri, full, names, outputs, sources, more, more["rejects"]["files"])
        from trueline.data.leaks import checked_report

        return checked_report(report_of(results, splits, schema), self.uri, self.rule, self.engine)

    def _kept_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {} if self.keep.all else {"kept": self.keep.to_json()}
        if self.first_rows is not None:
            found["first_rows"] = self.first_rows
        if self.shuffle is not False:
            found["shuffle"] = {"seed": self.seed if self.shuffle is True else int(self.shuffle)}
        return found

    def _row_files(self, results: Sequence[SourceResult]) -> list[RowFile]:
        from trueline.data.repartition_job import RowFile

        found = []
        for r in results:
            blocks = next(iter(r.parts.values()), ())
            if blocks:
                place = store.join(self.uri, STAGED, "rows", f"part-{r.number:05d}.parquet")
                found.append(RowFile(r.number, place, blocks, r.split))
        return found


def _wider(raw: pa.Schema, grown: Mapping[str, str]) -> pa.Schema:
    wider = raw
    for label, text in grown.items():
        wider = join_schemas(wider, schema_from_text(text), names=("the parts before it", label))
    if grown and wider.equals(raw, check_metadata=True):
        raise DataError(
            "the source says that its schema grew, and gives the same one",
            where=next(iter(grown)),
            hint="SchemaGrew takes a schema in which the value that did not fit has room.",
        )
    return wider


@contextmanager
def staging(uri: str) -> Iterator[None]:
    """Rows that wait for a second pass lie in a folder that is gone afterwards, whatever happens."""
    place = store.join(uri, STAGED)
    store.remove_tree(place)
    try:
        yield
    except BaseException:
        with suppress(Exception):
            store.remove_tree(place)
        raise
    store.remove_tree(place)

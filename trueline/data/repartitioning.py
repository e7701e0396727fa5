"""Examples to Examples: rows filtered, sampled, split anew or shuffled; and the second pass of an ingestion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueline._core import store
from trueline._core.errors import ConfigError, did_you_mean
from trueline.data.assemble import finish
from trueline.data.examples import EXAMPLES_NAME, Examples
from trueline.data.ingest_part import STAGED
from trueline.data.repartition_job import Dealt, RowFile, deal, rows_dataset
from trueline.data.report import IngestReport
from trueline.data.rows import Keep, known_columns
from trueline.data.splits_rules import Rule, SplitSpec, choose_rule, planned
from trueline.engine.base import DEFAULT_BLOCK_ROWS, Engine

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Passes", "repartition"]


@dataclass(frozen=True)
class Passes:
    """The passes over rows that lie in Parquet files with ``__row__``.

    Attributes:
        uri: the artifact's folder.
        rule: which split a row goes to; None: its file says it.
        keep: which rows are kept.
        shuffle: False, or a seed (True: `seed`).
        block_rows: rows of a block.
        engine: runs the files.
        seed: of the shuffle.
    """

    uri: str
    rule: Rule | None
    keep: Keep
    shuffle: bool | int
    block_rows: int
    engine: Engine
    seed: int = 0

    def run(self, files: Sequence[RowFile], full: pa.Schema, sources: Sequence[str]) -> tuple[list[Dealt], Rule | None]:
        """What each job wrote, and the rule as it was applied."""
        rule = self.rule
        if rule is not None:
            rule = planned(rule, rows_dataset(files, full), self.keep, self.engine, sources)
        if self.shuffle is False:
            dealt = deal(
                self.uri,
                files,
                full,
                rule=rule,
                keep=self.keep,
                block_rows=self.block_rows,
                engine=self.engine,
                sources=sources,
            )
            return dealt, rule
        from trueline.data.shuffle import Shuffle

        seed = self.seed if self.shuffle is True else int(self.shuffle)
        shuffle = Shuffle(self.uri, store.join(self.uri, STAGED), seed, self.block_rows, self.engine)
        return shuffle.run(files, full, rule=rule, keep=self.keep, sources=sources), rule


def repartition(
    examples: Examples | str,
    uri: str,
    *,
    only: Sequence[str] | None = None,
    splits: SplitSpec | None = None,
    partition_feature: str | Sequence[str] | None = None,
    split_by: str | None = None,
    group_by: str | Sequence[str] | None = None,
    stratify_by: str | Sequence[str] | None = None,
    where: str | None = None,
    sample: float | None = None,
    shuffle: bool | int = False,
    block_rows: int = DEFAULT_BLOCK_ROWS,
    engine: Engine | None = None,
    seed: int = 0,
) -> IngestReport:
    """Writes the rows of Examples as other Examples; ``__row__`` still says where a row came from.

    Args:
        examples: the Examples, or their folder.
        uri: the folder of the new ones, another one.
        only: the splits whose rows are taken; all by default.
        splits: a new split, as for `ingest`; without it, and without a keyword, every row stays in its split.
        partition_feature: as for `ingest`, like the other keywords.
        split_by: as for `ingest`.
        group_by: as for `ingest`.
        stratify_by: as for `ingest`.
        where: keeps the rows for which this expression is true.
        sample: keeps this share of them.
        shuffle: puts each split's rows in a random order.
        block_rows: rows of a block.
        engine: runs the files; threads of this machine by default.
        seed: of sample, strata and shuffle.

    Raises:
        ConfigError: options that are wrong, all problems at once; a split or column that does not exist.
        ArtifactError: when the Examples cannot be read.
    """
    opened = Examples.open(examples) if isinstance(examples, str) else examples
    by: dict[str, Any] = {"partition_feature": partition_feature, "split_by": split_by}
    by |= {"group_by": group_by, "stratify_by": stratify_by}
    again = splits is not None or any(b is not None for b in by.values())
    rule = choose_rule(splits, **by, seed=seed) if again else None
    keep = Keep(where, sample, seed)
    taken = tuple(opened.splits if only is None else only)
    _check(opened, uri, taken, rule, keep, block_rows)
    if engine is None:
        from trueline.engine.local import default_engine

        engine = default_engine()
    from trueline.data.ingestion import staging

    store.remove_tree(store.join(uri, EXAMPLES_NAME))
    files = _row_files(opened, taken, rule)
    labels = [str(s.get("name", n)) for n, s in enumerate(opened.sources)]
    with staging(uri):
        passes = Passes(uri, rule, keep, shuffle, block_rows, engine, seed)
        dealt, applied = passes.run(files, opened.arrow_schema, labels)
    more = _more(opened, applied, keep, shuffle, seed)
    names = taken if rule is None else rule.names
    counts = finish(uri, opened.arrow_schema, names, [(d.number, d.parts) for d in dealt], opened.sources, more)
    from trueline.data.leaks import checked_report

    return checked_report(
        IngestReport(
            rows=sum(counts.values()),
            rejects=0,
            splits=counts,
            files=len(files),
            columns={f.name: str(f.type) for f in opened.arrow_schema if not f.name.startswith("__")},
            filtered=sum(d.filtered for d in dealt),
            sampled_out=sum(d.sampled_out for d in dealt),
        ),
        uri,
        rule,
        engine,
    )


def _check(examples: Examples, uri: str, taken: Sequence[str], rule: Rule | None, keep: Keep, block_rows: int) -> None:
    problems = [
        f"there is no split {s!r}. {did_you_mean(s, examples.splits)}" for s in taken if s not in examples.blocks
    ]
    if not taken:
        problems.append("no split is taken")
    if len(set(taken)) != len(taken):
        problems.append("a split is taken twice")
    if uri.rstrip("/") == examples.uri.rstrip("/"):
        problems.append("the new Examples lie where the old ones do")
    if block_rows < 1:
        problems.append(f"block_rows is {block_rows}, give at least 1")
    problems += known_columns(() if rule is None else rule.columns, examples.arrow_schema.names, "the split")
    problems += keep.check(examples.arrow_schema)
    if problems:
        raise ConfigError("the Examples cannot be written anew so", problems=problems)


def _row_files(examples: Examples, taken: Sequence[str], rule: Rule | None) -> list[RowFile]:
    """The files of the taken splits, each with the rows of its row groups."""
    found: list[RowFile] = []
    for split in taken:
        files: dict[str, list[int]] = {}
        for block in examples.blocks[split]:
            files.setdefault(block.file, []).append(block.rows)
        for name, rows in files.items():
            place = store.join(examples.uri, name)
            found.append(RowFile(len(found), place, tuple(rows), split if rule is None else None))
    return found


def _more(examples: Examples, rule: Rule | None, keep: Keep, shuffle: bool | int, seed: int) -> Mapping[str, Any]:
    """Further entries of ``examples.json``: what the old ones said, and what was done to them."""
    old = {k: v for k, v in examples.info.items() if k in ("split_rule", "rejects")}
    found: dict[str, Any] = {**old, "rejects": {"rows": old.get("rejects", {}).get("rows", 0), "files": []}}
    if rule is not None:
        found["split_rule"] = rule.describe()
    if not keep.all:
        found["kept"] = keep.to_json()
    if shuffle is not False:
        found["shuffle"] = {"seed": seed if shuffle is True else int(shuffle)}
    return found

"""Partial dependence and individual conditional expectation: the score when a raw feature takes one value everywhere.

Sources: Friedman 2001 (partial dependence); Goldstein et al. 2015 (individual curves, centred ones). The means are
those of scikit-learn's ``partial_dependence(method="brute")`` on the same rows. Rows are made that may not exist: read
it beside the shares of rows that each value stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, did_you_mean
from trueline.model_analysis.explain.dependence_result import Dependence, PartialDependence
from trueline.model_analysis.explain.explanation import plain
from trueline.model_analysis.explain.grids import Grid, grid_of, is_number
from trueline.model_analysis.explain.rows import Pool, check_features, row_numbers, sample_rows
from trueline.model_analysis.explain.slicing import SlicesGiven, slice_specs, slices_of
from trueline.model_analysis.explain.target import Floats, Target, model_facts, target_of
from trueline.model_analysis.slices import slice_name, spec_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.model_analysis.explain.rows import Ints

__all__ = ["partial_dependence"]

KINDS = ("average", "individual", "both")
_ASKED = 65_536


def partial_dependence(
    model: Any,
    data: Any,
    features: Sequence[str | Sequence[str]] | None = None,
    *,
    kind: str = "average",
    grid: int | Mapping[str, Sequence[Any]] = 20,
    max_rows: int | None = 1000,
    individual_rows: int = 50,
    centred: bool = False,
    output_class: Any = None,
    link: str = "identity",
    slices: SlicesGiven = None,
    seed: int = 0,
) -> PartialDependence:
    """The mean score when a raw feature, or a pair of them, takes one value in every row.

    Args:
        model: a Model, or a model's folder.
        data: rows, in any form; of more than `max_rows` that many, by the hash of ``__row__``.
        features: raw features, and pairs of them; all of them one by one if None.
        kind: ``average``, ``individual`` (curves of single rows) or ``both``.
        grid: how many values at most, or feature -> values. Numbers are taken at quantiles of the data, texts by
            frequency, and missing is a value of its own where the data have it.
        max_rows: rows at most; None for all, which are held in memory.
        individual_rows: how many rows have curves of their own.
        centred: curves start at 0, at the grid's first value.
        output_class, link: see `shap_values`.
        slices: the mean is given for each of these too.
        seed: of the sample.

    Raises:
        ConfigError: a kind, grid or pair that does not fit.
        DataError: no rows, or columns or features that are not there.
    """
    target = target_of(model, output_class, link)
    if kind not in KINDS:
        raise ConfigError(f"there is no kind {kind!r}", hint=did_you_mean(str(kind), KINDS))
    wanted = _asked(target, features)
    specs = slice_specs(slices)
    table = sample_rows(data, target, max_rows, seed, spec_columns(specs))
    sliced = slices_of(table, specs)
    shown = 0 if kind == "average" else min(individual_rows, table.num_rows)
    grids = _grids(target, table, wanted, grid)
    parts = []
    for names in wanted:
        scores = _scores(target, table, [grids[n] for n in names])
        if centred:
            scores = scores - scores.reshape(*scores.shape[:2], -1)[:, :, :1].reshape(
                *scores.shape[:2], *[1] * len(names)
            )
        parts.append(_part(target, names, [grids[n] for n in names], scores, sliced, shown, row_numbers(table)))
    options = {
        "kind": kind, "max_rows": max_rows, "output_class": plain(output_class), "link": link, "seed": seed,
        "slices": [str(s) for s in specs],
    }  # fmt: skip
    counts = {slice_name(key): len(places) for key, places in sliced}
    return PartialDependence(model_facts(target), options, target.names, tuple(parts), counts, centred)


def _asked(target: Target, features: Sequence[str | Sequence[str]] | None) -> list[tuple[str, ...]]:
    given = target.feature_names if features is None else [features] if isinstance(features, str) else features
    wanted = [(n,) if isinstance(n, str) else tuple(n) for n in given]
    check_features(target, [n for names in wanted for n in names])
    if wrong := [names for names in wanted if len(names) not in (1, 2) or len(set(names)) != len(names)]:
        raise ConfigError(f"{wrong[0]!r} is no feature and no pair of two", hint="give 'a', or ('a', 'b').")
    return list(dict.fromkeys(wanted))


def _grids(
    target: Target, table: pa.Table, wanted: list[tuple[str, ...]], grid: int | Mapping[str, Sequence[Any]]
) -> dict[str, Grid]:
    by_name = {f.name: f for f in target.features}
    given = grid if isinstance(grid, Mapping) else {}
    check_features(target, list(given))
    most = 20 if isinstance(grid, Mapping) else grid
    if most < 2:
        raise ConfigError(f"a grid of {most} values says nothing", hint="give at least 2.")
    names = dict.fromkeys(n for names in wanted for n in names)
    return {n: grid_of(by_name[n], table.column(n), given.get(n, most)) for n in names}


def _scores(target: Target, table: pa.Table, grids: Sequence[Grid]) -> Floats:
    """Scores ``[N, K, G...]`` of every row at every point of the grid."""
    import pyarrow as pa

    from trueline.models.model_data import as_table

    rows, base = table.num_rows, as_table(table, target.features)
    names, sizes = target.feature_names, [len(g.values) for g in grids]
    # The pool is the rows, then a row for each point of the grid: only the grid's features are taken from those.
    points = list(np.ndindex(*sizes))
    filler = base.take(pa.array([0] * len(points)))
    for axis, grid in enumerate(grids):
        column = grid.array().take(pa.array([p[axis] for p in points]))
        filler = filler.set_column(names.index(grid.feature.name), grid.feature.name, column)
    pool = Pool(target, pa.concat_tables([base, filler]))
    moved = [names.index(g.feature.name) for g in grids]
    parts = []
    step = max(1, _ASKED // len(points))
    for start in range(0, rows, step):
        own = np.arange(start, min(start + step, rows), dtype=np.int64)
        places = np.repeat(own[:, None], len(points), axis=1)[:, :, None].repeat(len(names), axis=2)
        places[:, :, moved] = (rows + np.arange(len(points)))[None, :, None]
        found = pool.scores(places.reshape(-1, len(names)))
        parts.append(found.reshape(len(own), len(points), -1).transpose(0, 2, 1))
    joined = np.concatenate(parts)
    return joined.reshape(*joined.shape[:2], *sizes)


def _part(
    target: Target,
    names: tuple[str, ...],
    grids: Sequence[Grid],
    scores: Floats,
    sliced: Sequence[tuple[Any, Ints]],
    shown: int,
    numbers: Sequence[int | None],
) -> Dependence:
    average, errors = {}, {}
    for key, places in sliced:
        chosen = scores[places]
        average[slice_name(key)] = chosen.mean(axis=0)
        count = len(places)
        spread = chosen.std(axis=0, ddof=1) if count > 1 else np.full(chosen.shape[1:], np.nan)
        errors[slice_name(key)] = spread / np.sqrt(count)
    curves = scores[:shown] if shown and len(names) == 1 else None
    return Dependence(
        names,
        tuple(is_number(g.feature) for g in grids),
        tuple(tuple(plain(v) for v in g.values) for g in grids),
        tuple(g.shares for g in grids),
        average,
        errors,
        curves,
        tuple(numbers[:shown]) if curves is not None else (),
    )

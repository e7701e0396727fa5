"""SHAP values of raw features: exact, sampled, for trees and for sums; always adding up to the score less the base."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ConfigError, ModelError, did_you_mean
from trueline.model_analysis.explain.explanation import plain
from trueline.model_analysis.explain.rows import Pool, row_numbers, sample_rows
from trueline.model_analysis.explain.shapley_games import MOST_EXACT, exact_values, sampled_values, walks_of
from trueline.model_analysis.explain.shapley_values import ShapValues
from trueline.model_analysis.explain.slicing import SlicesGiven, slice_specs, slices_of
from trueline.model_analysis.explain.target import LINKS, Floats, Target, model_facts, target_of
from trueline.model_analysis.slices import slice_name, spec_columns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["METHODS", "shap_values"]

METHODS = ("auto", "exact", "sampling", "tree", "linear")
_FEW = 8
_CLOSE = 1e-4


@dataclass(frozen=True, eq=False)
class _Game:
    """What the methods are given."""

    target: Target
    pool: Pool
    background: int
    permutations: int
    seed: int

    @property
    def own(self) -> Any:
        """Places of the rows to explain."""
        return np.arange(self.background, len(self.pool))


_Found = tuple[str, tuple[str, ...], Floats, Floats, Floats, Floats | None]
"""Method, names of the outputs, values, scores, base, errors."""


def shap_values(
    model: Any,
    rows: Any,
    background: Any = None,
    *,
    method: str = "auto",
    output_class: Any = None,
    link: str | None = None,
    permutations: int = 16,
    max_rows: int | None = 1000,
    background_rows: int = 64,
    slices: SlicesGiven = None,
    seed: int = 0,
) -> ShapValues:
    """How much each raw feature moves each row's score away from the mean over the background.

    Args:
        model: a Model, or a model's folder.
        rows: the rows to explain, in any form; of more than `max_rows` that many by the hash of ``__row__``.
        background: rows whose values stand for "unknown"; by default those of `rows`. Of more than `background_rows`
            that many, by the hash of ``__row__``.
        method: ``exact`` (all coalitions, up to 12 features), ``sampling`` (permutations, with standard errors),
            ``linear`` (exact for a score that is a sum of functions of single features, and refused for any other),
            ``tree`` (exact for one tree ensemble: its margin, refused where a column of the ensemble is made from
            several raw ones), or ``auto``: trees where their sum is the prediction, all coalitions up to 8 features,
            sampling beyond.
        output_class: the class to explain; by default the second of two, and each of more.
        link: ``identity`` or ``log_odds``; for ``linear`` of a classifier ``log_odds`` by default.
        permutations: pairs of walks, for sampling.
        max_rows: rows at most; None for all.
        background_rows: background rows at most.
        slices: the summary is given for each of these too.
        seed: of samples and permutations.

    Raises:
        ConfigError: a method, class, link or number that does not fit.
        DataError: no rows, or columns that are not there.
        ModelError: a model that the method cannot explain, and why.
    """
    if method not in METHODS:
        raise ConfigError(f"there is no method {method!r}", hint=did_you_mean(str(method), METHODS))
    if permutations < 1 or background_rows < 1 or (max_rows is not None and max_rows < 1):
        raise ConfigError(
            f"permutations={permutations}, background_rows={background_rows}, max_rows={max_rows}: at least 1 each"
        )
    specs = slice_specs(slices)
    target = target_of(model, output_class)
    linked = "identity" if link is None else link
    if link is None and method == "linear" and target.columns:
        linked = "log_odds"
    target = target_of(target.runtime, output_class, linked)
    table = sample_rows(rows, target, max_rows, seed, spec_columns(specs), "the data to explain")
    others = sample_rows(
        rows if background is None else background, target, background_rows, seed, (), "the background"
    )
    import pyarrow as pa

    names = list(target.feature_names)
    pool = Pool(target, pa.concat_tables([_typed(others, target), _typed(table, target)]))
    game = _Game(target, pool, others.num_rows, permutations, seed)
    how, outputs, values, scores, base, errors = _METHODS[method](game)
    options = {
        "method": method, "output_class": plain(output_class), "link": linked, "permutations": permutations,
        "background_rows": others.num_rows, "seed": seed, "slices": [str(s) for s in specs],
    }  # fmt: skip
    raw = tuple(tuple(plain(row[n]) for n in names) for row in pool.table.slice(others.num_rows).to_pylist())
    found = {slice_name(key): tuple(places.tolist()) for key, places in slices_of(table, specs)}
    return ShapValues(
        model_facts(target), options, how, tuple(names), outputs, values, scores, base, errors,
        tuple(row_numbers(table)), raw, found,
    )  # fmt: skip


def _typed(table: pa.Table, target: Target) -> pa.Table:
    from trueline.models.model_data import as_table

    return as_table(table, target.features)


def _ends(game: _Game) -> tuple[Floats, Floats]:
    """Scores of the rows ``[N, K]`` and the mean over the background ``[K]``."""
    scores = game.target.scores(game.pool.table)
    return scores[game.background :], scores[: game.background].mean(axis=0)


def _exact(game: _Game) -> _Found:
    count = len(game.target.features)
    if count > MOST_EXACT:
        raise ModelError(
            f"{count} raw features have {2**count:,} coalitions; all of them are asked of up to {MOST_EXACT} features",
            where=game.target.runtime.uri,
            hint="use method='sampling'.",
        )
    values = exact_values(game.pool, game.background, game.own)
    scores, base = _ends(game)
    return "exact", game.target.names, _added_up(values, scores - base), scores, base, None


def _added_up(values: Floats, total: Floats) -> Floats:
    """The values with the rounding error of their sum, some 1e-16, dealt to the greatest of them."""
    gap = total - values.sum(axis=2)
    most = np.abs(values).argmax(axis=2)
    out = values.copy()
    np.put_along_axis(
        out, most[:, :, None], np.take_along_axis(out, most[:, :, None], axis=2) + gap[:, :, None], axis=2
    )
    return out


def _walks(game: _Game, pairs: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Values, values by pair, scores, base."""
    walks = walks_of(len(game.target.features), pairs, game.seed)
    values, by_pair = sampled_values(game.pool, game.background, game.own, walks)
    scores, base = _ends(game)
    return _added_up(values, scores - base), by_pair, scores, base


def _sampling(game: _Game) -> _Found:
    values, by_pair, scores, base = _walks(game, game.permutations)
    count = by_pair.shape[2]
    errors = by_pair.std(axis=2, ddof=1) / np.sqrt(count) if count > 1 else np.full(values.shape, np.nan)
    return "sampling", game.target.names, values, scores, base, errors


def _linear(game: _Game) -> _Found:
    """Two pairs of walks agree for a sum of functions of single features, and for nothing else that they can see."""
    values, by_pair, scores, base = _walks(game, 2)
    gap = np.abs(by_pair - values[:, :, None]).max(initial=0.0)
    size = max(np.abs(scores).max(initial=0.0), 1.0)
    if gap > _CLOSE * size:
        raise ModelError(
            f"the score is no sum of functions of single raw features: their order matters by {gap:.3g}",
            where=game.target.runtime.uri,
            hint="use method='exact' or 'sampling'; for a classifier say link='log_odds'.",
        )
    return "linear", game.target.names, values, scores, base, None


def _tree(game: _Game) -> _Found:
    """Values of the ensemble's margin; what the margin is, is found by comparing it with the scores."""
    from trueline.model_analysis.explain.shapley_trees import tree_margins, tree_values
    from trueline.model_analysis.explain.trees_onnx import tree_model

    target, pool = game.target, game.pool
    made = tree_model(target.runtime)
    inputs = made.inputs(pool.table)
    margins = tree_margins(made.trees, inputs)
    made.check(pool.table, margins)
    values = tree_values(made.trees, inputs[: game.background], inputs[game.background :], len(target.features))
    names = None
    for change in _linear_changes(margins):
        if (names := _margin_names(target, pool.table, change(margins))) is not None:
            values, margins = change(values), change(margins)
            break
    classes = (target.runtime.classes or [])[-margins.shape[1] :]
    names = names or tuple(f"margin of {c!r}" for c in classes) or (f"sum of the trees behind {target.names[0]}",)
    several = margins.shape[1] > 1 and len(target.columns) > 0
    keep = list(target.columns) if several else [0]
    scores, base = margins[game.background :, keep], margins[: game.background, keep].mean(axis=0)
    values = _added_up(values[:, keep], scores - base)
    return "tree", tuple(names[k] for k in keep), values, scores, base, None


def _linear_changes(margins: Floats) -> list[Callable[[Floats], Floats]]:
    """What may stand between the sums and the scores and is linear, so that it is the same for the values.

    A forest's sums over classes are divided by the number of its trees; sums that go into a softmax may be centred.
    Each function works on the second axis.
    """
    found: list[Callable[[Floats], Floats]] = [lambda v: v]
    if margins.shape[1] > 1:
        total = margins.sum(axis=1)
        size = float(np.abs(total).max(initial=0.0))
        if size and np.allclose(total, total[0], rtol=_CLOSE):
            found.append(lambda v: v / total[0])
        twice = 2.0 if margins.shape[1] == 2 else 1.0  # log odds of two classes are the distance, not from the middle
        found.append(lambda v: twice * (v - v.mean(axis=1, keepdims=True)))
    return found


def _margin_names(target: Target, table: pa.Table, margins: Floats) -> tuple[str, ...] | None:
    """What the sums of the trees are, by their values: the prediction, a probability, log odds; None: none of these."""
    classes = target.runtime.classes
    if classes is None:
        return target.names if np.allclose(margins, target.scores(table), rtol=_CLOSE, atol=_CLOSE) else None
    for link in LINKS:
        found = [target_of(target.runtime, c, link) for c in (classes[1:] if margins.shape[1] == 1 else classes)]
        scores = np.concatenate([t.scores(table) for t in found], axis=1)
        if scores.shape == margins.shape and np.allclose(scores, margins, rtol=_CLOSE, atol=_CLOSE):
            return tuple(t.names[0] for t in found)
    return None


def _auto(game: _Game) -> _Found:
    """See `shap_values`."""
    if len(game.target.features) > _FEW and game.target.runtime.classes is None:
        try:
            found = _tree(game)
        except ModelError:
            found = None
        if found is not None and found[1] == game.target.names:
            return found
    return (_exact if len(game.target.features) <= _FEW else _sampling)(game)


_METHODS: dict[str, Callable[[_Game], _Found]] = {
    "auto": _auto,
    "exact": _exact,
    "sampling": _sampling,
    "linear": _linear,
    "tree": _tree,
}

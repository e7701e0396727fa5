"""``trueline explain``: why a model says what it says, as a table, a page or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from trueline._core.errors import ConfigError, DataError, did_you_mean
from trueline.cli.data_files import DataOptions
from trueline.cli.data_files_find import find_data
from trueline.cli.data_files_options import comma_separated, data_options
from trueline.cli.what_if import show_what_if, what_if_options, what_if_page

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline.engine import Dataset
    from trueline.model_analysis.explain import Explanation
    from trueline.models import Model

__all__ = ["METHODS", "explain"]

_TAKES_ROWS = ("pdp", "shap")
_NEEDS_ROW = ("lime", "counterfactual", "neighbours")


@click.command(
    epilog="\b\nMethods:\n"
    "  permutation     how much worse the model gets without a feature, with intervals\n"
    "  pdp             the mean prediction by the values of a feature\n"
    "  shap            what each feature adds to each prediction\n"
    "  lime            a linear function that does near one row what the model does\n"
    "  counterfactual  the nearest rows of which the model says something else\n"
    "  neighbours      the rows of the data that lie nearest to one row\n"
    "\b\nExamples:\n"
    "  trueline explain models/taxi --data rides.csv\n"
    "  trueline explain models/taxi --data rides.csv --method permutation --metric AUC --slice company\n"
    "  trueline explain models/taxi --data rides.csv --method shap --row 7 --html row7.html\n"
    "  trueline explain models/taxi --data rides.csv --method counterfactual --row 7 --schema schema.pbtxt\n"
    "  trueline explain models/taxi --data rides.csv --what-if --slice company --serve"
)
@click.argument("model")
@click.option("--data", required=True, metavar="DATA", help="The rows: a file, a folder, a pattern, or Examples.")
@click.option("--method", default="permutation", show_default=True, metavar="METHOD", help="The list stands below.")
@click.option("--row", type=click.IntRange(0), help="The row of DATA to explain, counted from 0.")
@click.option(
    "--rows", "most", type=click.IntRange(1), help="At most so many rows of DATA, by the hash of their number."
)
@click.option("--features", metavar="A,B,...", multiple=True, callback=comma_separated, help="Only these raw features.")
@click.option("--slice", "slices", metavar="COLUMN", multiple=True, help="For each value of a column too; repeatable.")
@click.option("--metric", default="loss", show_default=True, help="permutation: a metric of the evaluation, or a loss.")
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(1), help="permutation: dealings.")
@click.option("--class", "class_", metavar="CLASS", help="pdp, shap, lime: the class to explain.")
@click.option("--target", metavar="CLASS|LOW:HIGH", help="counterfactual: the class or the interval that is wanted.")
@click.option("--schema", metavar="SCHEMA", help="counterfactual: the schema that changed rows must keep to.")
@click.option(
    "--immutable", metavar="A,B,...", multiple=True, callback=comma_separated, help="... what must not change."
)
@click.option("--max-changes", default=3, show_default=True, type=click.IntRange(1), help="... so many at most.")
@click.option("--k", default=5, show_default=True, type=click.IntRange(1), help="neighbours: how many.")
@click.option("--seed", default=0, show_default=True, type=int, help="Of samples and dealings.")
@click.option("--html", metavar="FILE", help="Write a page.")
@click.option(
    "--json",
    "json_",
    metavar="[FILE]",
    is_flag=False,
    flag_value="-",
    help="Write the whole explanation there; without FILE print it.",
)
@click.option(
    "--allow-host", metavar="MODULE,...", multiple=True, callback=comma_separated, help="Modules whose code may run."
)
@what_if_options
@data_options
def explain(
    model: str, data: str, method: str, html: str | None, json_: str | None, allow_host: tuple[str, ...],
    reading: DataOptions, **asked: Any,
) -> None:  # fmt: skip
    """Explain what MODEL says of rows (a model's folder, or the folder that it was pushed to)."""
    from trueline.cli.explain_table import print_explanation
    from trueline.cli.predict import model_folder, model_rows
    from trueline.models import Model
    from trueline.transform.datasets import opened

    if method not in METHODS:
        raise ConfigError(f"there is no method {method!r}", hint=did_you_mean(method, METHODS))
    if method in _NEEDS_ROW and asked["row"] is None:
        raise ConfigError(f"{method} explains one row", hint="say which: --row 0 is the first.")
    loaded = Model.load(model_folder(model), allow_host=allow_host)
    found = find_data(data, reading)
    if not found.has_rows:
        raise ConfigError("statistics have no rows to explain", where=data, hint="give the data.")
    with opened(model_rows(loaded, found)) as dataset:
        page = what_if_page(loaded, dataset, asked, html, json_)
        if page is None and asked["most"] is not None and method not in _TAKES_ROWS:
            hint = f"--rows is for {' and '.join(_TAKES_ROWS)}, and for --what-if: leave it out."
            raise ConfigError(f"{method} looks at all rows", hint=hint)
        if page is None:
            made = METHODS[method](loaded, dataset, asked)
    if page is not None:
        show_what_if(page, asked, html)
        return
    if json_ == "-":
        click.echo(json.dumps(made.to_json(), ensure_ascii=False, allow_nan=False, indent=1))
    else:
        print_explanation(made)
    if html is not None:
        made.to_html(html)
        click.echo(f"Wrote {html}", err=json_ == "-")
    if json_ not in (None, "-"):
        made.save(str(json_))
        click.echo(f"Wrote {json_}")


def _row(dataset: Dataset, place: int) -> pa.Table:
    """One row of the data.

    Raises:
        DataError: there are fewer rows.
    """
    import pyarrow as pa

    left = place
    for batch in dataset.batches():
        if left < batch.num_rows:
            return pa.Table.from_batches([batch.slice(left, 1)])
        left -= batch.num_rows
    raise DataError(f"there is no row {place}: the data have {dataset.num_rows}", hint="rows are counted from 0.")


def _class(model: Model, text: str | None) -> Any:
    """The class that a text means.

    Raises:
        ConfigError: none of the model's.
    """
    if text is None:
        return None
    named = {str(c).lower() if isinstance(c, bool) else str(c): c for c in model.classes or ()}
    found = text if text in named else text.lower()
    if found not in named:
        raise ConfigError(f"{text!r} is no class of the model", hint=did_you_mean(text, named))
    return named[found]


def _permutation(model: Model, dataset: Dataset, asked: Mapping[str, Any]) -> Explanation:
    from trueline.model_analysis.explain import permutation_importance

    if asked["row"] is not None:
        raise ConfigError("permutation importance is of all rows", hint="leave --row out, or say --method shap.")
    given = {"metric": asked["metric"], "n_repeats": asked["repeats"], "features": asked["features"] or None}
    return permutation_importance(model, dataset, seed=asked["seed"], slices=asked["slices"], **given)


def _pdp(model: Model, dataset: Dataset, asked: Mapping[str, Any]) -> Explanation:
    from trueline.model_analysis.explain import partial_dependence

    given: dict[str, Any] = {"max_rows": asked["most"]} if asked["most"] else {}
    given |= {"output_class": _class(model, asked["class_"]), "slices": asked["slices"], "seed": asked["seed"]}
    rows = dataset if asked["row"] is None else _row(dataset, asked["row"])
    return partial_dependence(model, rows, asked["features"] or None, **given)


def _shap(model: Model, dataset: Dataset, asked: Mapping[str, Any]) -> Explanation:
    from trueline.model_analysis.explain import shap_values

    rows = dataset if asked["row"] is None else _row(dataset, asked["row"])
    given = {"output_class": _class(model, asked["class_"]), "slices": asked["slices"], "seed": asked["seed"]}
    return shap_values(model, rows, dataset, max_rows=asked["most"] or 200, **given)


def _lime(model: Model, dataset: Dataset, asked: Mapping[str, Any]) -> Explanation:
    from trueline.model_analysis.explain import lime_surrogate

    chosen = _class(model, asked["class_"])
    return lime_surrogate(model, _row(dataset, asked["row"]), dataset, output_class=chosen, seed=asked["seed"])


def _counterfactual(model: Model, dataset: Dataset, asked: Mapping[str, Any]) -> Explanation:
    from trueline.cli.data_files_find import load_schema
    from trueline.model_analysis.explain import counterfactuals

    schema = load_schema(asked["schema"]) if asked["schema"] else None
    given = {"immutable": asked["immutable"], "max_changes": asked["max_changes"], "seed": asked["seed"]}
    target = _target(model, asked["target"])
    return counterfactuals(model, _row(dataset, asked["row"]), dataset, schema=schema, target=target, **given)


def _target(model: Model, text: str | None) -> Any:
    """A class, or the interval ``LOW:HIGH`` of which one end may be empty."""
    if text is None or model.classes is not None:
        return _class(model, text)
    ends = text.split(":")
    try:
        numbers = tuple(float(e) if e.strip() else None for e in ends)
    except ValueError:
        numbers = ()
    if len(numbers) != 2:
        raise ConfigError(f"{text!r} is no interval", hint="write --target 10:20, 10: or :20.")
    return numbers


def _neighbours(model: Model, dataset: Dataset, asked: Mapping[str, Any]) -> Explanation:
    from trueline.model_analysis.explain import nearest_examples

    given: dict[str, Any] = {"features": asked["features"] or None, "seed": asked["seed"]}
    row = _row(dataset, asked["row"])
    # The row is one of the data, and no neighbour of itself.
    given["skip"] = row.column("__row__").to_pylist() if "__row__" in row.column_names else [asked["row"]]
    return nearest_examples(model, row, dataset, asked["k"], **given)


METHODS: dict[str, Callable[[Model, Dataset, Mapping[str, Any]], Explanation]] = {
    "permutation": _permutation,
    "pdp": _pdp,
    "shap": _shap,
    "lime": _lime,
    "counterfactual": _counterfactual,
    "neighbours": _neighbours,
}
"""Method -> how the command line asks for it."""

"""Trainers that need no module file: `Trainer.sklearn`, `.xgboost`, `.lightgbm`, `.torch_mlp` and `.keras`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

from trueline._core.errors import did_you_mean
from trueline.pipeline.channel import Channel

if TYPE_CHECKING:
    from trueline.pipeline.node import Component

__all__ = ["ReadyTrainers"]

_TASKS = ("binary", "multiclass", "regression", "ranking")
_RANKERS = ("xgboost", "lightgbm")
_IN_PROCESSES = ("torch_mlp",)


class ReadyTrainers:
    """The ready-made trainers, as class methods of `Trainer`.

    All of them take Trainer's own keywords but `run_fn` and `module_file`, options (as keywords, or in
    `hyperparameters`, where a Tuner can set them), and these:

    Args:
        task: ``binary``, ``multiclass``, ``regression`` or ``ranking``. By default the label decides: a bool, a text, a
            whole number with a domain or with at most 20 values is a class; any other number is predicted.
        query: for ranking: the transform output, or the column of `raw_examples`, whose value groups rows.
        categorical: whole-number features to be taken as categories; by default those that the transform gave a domain,
            such as vocabulary indices, buckets and hashes.
        numeric: features to be taken as numbers although they have a domain.
        class_weight: ``"balanced"``, or a weight for each class, multiplied by the row's own weight.
    """

    @classmethod
    def xgboost(cls, **arguments: Any) -> Self:
        """Gradient-boosted trees by XGBoost; see `trueline.training.ready.xgboost` for defaults."""
        return cast(Self, _ready(cls, "xgboost", arguments))

    @classmethod
    def lightgbm(cls, **arguments: Any) -> Self:
        """Gradient-boosted trees by LightGBM; see `trueline.training.ready.lightgbm` for defaults."""
        return cast(Self, _ready(cls, "lightgbm", arguments))

    @classmethod
    def torch_mlp(cls, **arguments: Any) -> Self:
        """A network with embeddings in PyTorch; see `trueline.training.ready.torch_mlp` for defaults."""
        return cast(Self, _ready(cls, "torch_mlp", arguments))

    @classmethod
    def keras(cls, **arguments: Any) -> Self:
        """The same network in Keras; see `trueline.training.ready.keras` for defaults."""
        return cast(Self, _ready(cls, "keras", arguments))

    @classmethod
    def sklearn(cls, *, estimator: str = "hist_gradient_boosting", **arguments: Any) -> Self:
        """An estimator of scikit-learn, by a short name (see `trueline.training.ready.sklearn.ESTIMATORS`) or as
        ``"sklearn.ensemble:ExtraTreesClassifier"``; its options are the estimator's own parameters."""
        return cast(Self, _ready(cls, "sklearn", arguments, {"estimator": estimator}))


_STRUCTURE = ("task", "query", "categorical", "numeric", "class_weight")


def _ready(cls: Any, trainer: str, arguments: dict[str, Any], more: Mapping[str, Any] | None = None) -> Any:
    """The node: Trainer's keywords go through, structure into ``custom_config["ready"]``, the rest are options."""
    own = set(inspect.signature(cls.__init__).parameters) - {"self", "run_fn", "module_file"}
    structure = {name: arguments.pop(name, None) for name in _STRUCTURE}
    given = {name: value for name, value in arguments.items() if name in own}
    options = {name: value for name, value in arguments.items() if name not in own}
    ready: dict[str, Any] = {
        "trainer": trainer,
        **{k: v for k, v in structure.items() if v is not None},
        **(more or {}),
    }
    for name in ("categorical", "numeric"):
        if isinstance(ready.get(name), Sequence) and not isinstance(ready[name], str):
            ready[name] = list(ready[name])
    if isinstance(ready.get("class_weight"), Mapping):  # JSON has keys of text alone
        ready["class_weight"] = {str(key): value for key, value in ready["class_weight"].items()}
    tuned = given.get("hyperparameters")
    if isinstance(tuned, Channel):
        ready["options"] = options  # what the Tuner found goes before them
    else:
        options = {**(tuned or {}), **options}
        given["hyperparameters"] = options
    config = dict(given.pop("custom_config", None) or {})
    run_fn = f"trueline.training.ready.{trainer}:run_fn"
    node: Component = cls(run_fn=run_fn, custom_config={**config, "ready": ready}, **given)
    taken = sorted({"run_fn", "module_file"} & set(options))
    for name in taken:
        node.note(f"takes no {name}: Trainer.{trainer} brings its own")
    left = {name: value for name, value in options.items() if name not in taken}
    problems = [*_structure_problems(trainer, ready), *_option_problems(trainer, ready, left, sorted(own))]
    if (given.get("processes") or 1) > 1 and trainer not in _IN_PROCESSES:
        problems.append(f"trains in one process: of the ready-made trainers only {_IN_PROCESSES[0]} shares its work")
    if given.get("base_model") is not None:
        problems.append(
            "starts from no base_model: a ready-made trainer trains anew. A run_fn can read fn_args.base_model"
        )
    for problem in problems:
        node.note(problem)
    return node


def _option_problems(trainer: str, ready: Mapping[str, Any], options: Mapping[str, Any], own: list[str]) -> list[str]:
    from trueline.training.ready.options import OPTIONS, option_problems

    known = [*own, *_STRUCTURE]
    if trainer in OPTIONS:
        return option_problems(trainer, options, known)
    from trueline.training.ready.sklearn import sklearn_problems

    return sklearn_problems(ready.get("estimator"), ready.get("task"), options, known)


def _structure_problems(trainer: str, ready: Mapping[str, Any]) -> list[str]:
    problems = []
    task, query, weights = ready.get("task"), ready.get("query"), ready.get("class_weight")
    if task is not None and task not in _TASKS:
        problems.append(f"task is {task!r}. {did_you_mean(str(task), _TASKS)}")
    if task == "ranking" and trainer not in _RANKERS:
        problems.append(f"cannot rank: {' and '.join(_RANKERS)} can")
    if task == "ranking" and query is None:
        problems.append('task="ranking" needs query: the feature that groups rows')
    if query is not None and (task != "ranking" or not isinstance(query, str)):
        problems.append('query is the name of a feature, and belongs to task="ranking"')
    for name in ("categorical", "numeric"):
        value = ready.get(name)
        if value is not None and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            problems.append(f"{name} is {value!r}; give a list of feature names")
    if weights is not None and weights != "balanced" and not _is_weights(weights):
        problems.append(f'class_weight is {weights!r}; give "balanced", or a weight above 0 for each class')
    return problems


def _is_weights(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(v, int | float) and not isinstance(v, bool) and v > 0 for v in value.values()
    )

"""From what a user writes (a name with a configuration, steps, a function) to checked steps, all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.pipeline.resolvers_table import FUNCTIONS, REQUIRED, Function, Step
from trueline.pipeline.user_function import UserFunction

__all__ = ["ALIASES", "checked", "steps_from_json", "steps_of"]

ALIASES = {
    "LatestArtifactStrategy": "latest",
    "latest_artifact": "latest",
    "LatestBlessedModelStrategy": "latest_blessed",
    "latest_blessed_model": "latest_blessed",
    "LatestPolicyModel": "latest_blessed",
    "latest_policy_model": "latest_blessed",
    "SpanRangeStrategy": "span_range",
    "LatestCreateTime": "latest_created",
    "LatestVersion": "latest_version",
    "AllSpans": "all_spans",
    "PairedSpans": "paired_spans",
    "SlidingWindow": "sliding_window",
    "Slice": "pick_range",
    "slice": "pick_range",
    "Shuffle": "shuffle",
    "LatestPipelineRunOutputs": "latest_pipeline_run_outputs",
}
"""Other names of the functions, TFX's class names among them."""

_RENAMED = {"desired_num_of_artifacts": "n", "property_key": "key", "property_value": "value"}
_RANGES = ("static_range", "rolling_range")


def steps_of(strategy: object, config: Mapping[str, Any], note: Callable[[str], None]) -> list[Step]:
    """The steps that a user's strategy means; what is wrong is noted and left out.

    Args:
        strategy: a function's name, ``file.py:name`` or a function of one's own, a `Step`, or a list of steps.
        config: parameters of a function that is given by name.
        note: told every problem as a sentence that follows the node's name.
    """
    if isinstance(strategy, list | tuple):
        if config:
            note("takes no config= beside a list of steps: give each step its own parameters")
        steps = [found for item in strategy for found in steps_of(item, {}, note)]
        if not strategy:
            note("was given an empty list of steps")
        return _in_order(steps, note)
    if isinstance(strategy, Step):
        return _checked_step(strategy.name, {**strategy.params, **config}, note)
    if isinstance(strategy, UserFunction) or callable(strategy) or (isinstance(strategy, str) and ":" in strategy):
        try:
            return [Step("custom", {"function": UserFunction.of(strategy)})]
        except ConfigError as error:
            note(f"cannot take {strategy!r} as its strategy: {error.message}")
            return []
    if not isinstance(strategy, str):
        note(f"has the strategy {strategy!r}; give a name, a function, a step or a list of steps")
        return []
    return _checked_step(strategy, config, note)


def steps_from_json(params: Mapping[str, Any]) -> list[Step]:
    """The steps in a compiled node's (decoded) parameters.

    Raises:
        ConfigError: a function or parameter that does not exist here.
    """
    problems: list[str] = []
    strategy = params["strategy"]
    if isinstance(strategy, list):
        given: Any = [Step(str(item["name"]), dict(item["params"])) for item in strategy]
        steps = steps_of(given, {}, problems.append)
    else:
        config = dict(params.get("config") or {})
        function = FUNCTIONS.get(ALIASES.get(strategy, strategy))
        if function is not None and "n" in function.params and params.get("n") is not None:
            config.setdefault("n", params["n"])
        steps = _checked_step(str(strategy), config, problems.append)
    if problems:
        raise ConfigError("the resolver's strategy cannot be carried out", problems=problems)
    return steps


def _checked_step(name: str, given: Mapping[str, Any], note: Callable[[str], None]) -> list[Step]:
    short = name.rpartition(".")[2]
    known = ALIASES.get(short, short)
    params = {_RENAMED.get(key, key): value for key, value in given.items()}
    if known == "span_range":
        known, params = _span_range(params, note)
        if not known:
            return []
    function = FUNCTIONS.get(known)
    if function is None:
        note(f"has no strategy {name!r}. {did_you_mean(name, [*FUNCTIONS, 'span_range', *ALIASES])}")
        return []
    if known == "latest_blessed" and "policy" in params:  # text of now, for the outputs follow from it
        params["policy"] = str(params["policy"]).lower().removeprefix("latest_")
    return [Step(known, checked(function, params, note))]


def checked(function: Function, params: Mapping[str, Any], note: Callable[[str], None]) -> dict[str, Any]:
    """The parameters with their defaults; every problem is noted."""
    full: dict[str, Any] = {}
    for key in params:
        if key not in function.params:
            note(f"{function.name} has no parameter {key!r}. {did_you_mean(key, function.params)}")
    for key, param in function.params.items():
        value = params.get(key, param.default)
        if value is REQUIRED:
            note(f"{function.name} needs {key}=: {param.told}")
        elif _only_known_later(value):
            full[key] = value
        elif not param.good(value):
            note(f"{function.name} was given {key}={value!r}; give {param.told}")
        else:
            full[key] = list(value) if isinstance(value, tuple) else value
    return full


def _span_range(given: Mapping[str, Any], note: Callable[[str], None]) -> tuple[str, dict[str, Any]]:
    """``span_range`` is a static range where a start or an end is given alone, else a rolling one.

    TFX's form is taken too: ``{"range_config": {"rolling_range": {"num_spans": 3}}}``.
    """
    params = dict(given)
    config = params.pop("range_config", None)
    if config is not None:
        chosen = [key for key in _RANGES if isinstance(config, Mapping) and isinstance(config.get(key), Mapping)]
        if len(chosen) != 1 or len(config) != 1:
            note("span_range takes range_config={'static_range': {...}} or {'rolling_range': {...}}")
            return "", {}
        renamed = {"skip": "skip_num_recent_spans"}
        params |= {renamed.get(key, key): value for key, value in config[chosen[0]].items()}
        return chosen[0], params
    if "end_span_number" in params and "num_spans" in params:
        note("span_range takes end_span_number= (a static range) or num_spans= (a rolling one), not both")
        return "", {}
    rolling = {"num_spans", "skip_num_recent_spans"} & set(params)
    return ("rolling_range" if rolling else "static_range"), params


def _in_order(steps: Sequence[Step], note: Callable[[str], None]) -> list[Step]:
    """Functions that look for themselves stand alone, those that make groups stand at the end."""
    for at, step in enumerate(steps):
        over = FUNCTIONS[step.name].over
        if over == "runs" and len(steps) > 1:
            note(f"{step.name} looks among the runs for itself and stands alone")
        elif over == "windows" and at != len(steps) - 1:
            note(f"{step.name} makes groups of artifacts and must be the last step")
    return list(steps)


def _only_known_later(value: Any) -> bool:
    """Whether it is no value yet but stands for one: such a parameter is checked when the node runs."""
    if isinstance(value, Mapping):
        return "__placeholder__" in value
    return not (value is None or isinstance(value, bool | int | float | str | list | tuple | UserFunction))

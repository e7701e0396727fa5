"""Values of a plan's runtime parameters: given with the run, or the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trueline._core.errors import ConfigError, did_you_mean
from trueline.pipeline.compile import CompiledPipeline
from trueline.pipeline.runtime_parameter import convert

__all__ = ["runtime_values"]


def runtime_values(plan: CompiledPipeline, given: Mapping[str, Any]) -> dict[str, Any]:
    """Each runtime parameter's value in its type; texts are read as the command line gives them.

    Raises:
        ConfigError: unknown names, values of another type, parameters that have neither value nor default: all at
            once.
    """
    problems = [
        f"there is no runtime parameter {name!r}. {did_you_mean(name, plan.parameters)}"
        for name in given
        if name not in plan.parameters
    ]
    values: dict[str, Any] = {}
    for name, record in plan.parameters.items():
        if name not in given:
            if record["default"] is None:
                problems.append(f"the runtime parameter {name!r} ({record['type']}) has no default: give it a value")
            values[name] = record["default"]
            continue
        try:
            values[name] = convert(name, str(record["type"]), given[name])
        except ConfigError as error:
            problems.append(error.message)
    if problems:
        raise ConfigError(f"the runtime parameters of pipeline {plan.name!r} are not right", problems=problems)
    return values

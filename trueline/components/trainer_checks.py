"""What is wrong with a Trainer's numbers and names, all of it, before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trueline._core.errors import did_you_mean

__all__ = ["DISTRIBUTED", "training_problems"]

DISTRIBUTED = ("torchrun", "ray")
TOLERANCES = ("absolute", "relative", "class_changes")
_COUNTS = ("train_steps", "eval_steps", "epochs")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def training_problems(params: Mapping[str, Any]) -> list[str]:
    """The problems of a Trainer's parameters, each one sentence."""
    from trueline.models.about import ABOUT_KEYS

    found = [
        f"{name}={params[name]!r}: give a whole number of at least one, or None"
        for name in _COUNTS
        if params[name] is not None and not _is_count(params[name])
    ]
    if not _is_count(params["processes"]):
        found.append(f"processes={params['processes']!r}: give a whole number of at least one")
    if not isinstance(params["seed"], int) or isinstance(params["seed"], bool) or params["seed"] < 0:
        found.append(f"seed={params['seed']!r}: give a whole number of at least zero")
    if params["distributed"] not in (None, *DISTRIBUTED):
        found.append(f"distributed={params['distributed']!r}. {did_you_mean(str(params['distributed']), DISTRIBUTED)}")
    if not isinstance(params["device"], str) or not _DEVICE.fullmatch(params["device"]):
        found.append(f"device={params['device']!r}: give auto, cpu, cuda, cuda:<number> or mps")
    for name, value in (params["tolerance"] or {}).items():
        if name not in TOLERANCES:
            found.append(f"tolerance has {name!r}. {did_you_mean(str(name), TOLERANCES)}")
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            found.append(f"tolerance[{name!r}] is {value!r}: give a number from 0 to below 1")
    for name, text in params["about"].items():
        if name not in ABOUT_KEYS:
            found.append(f"about has {name!r}. {did_you_mean(str(name), ABOUT_KEYS)}")
        elif not isinstance(text, str):
            found.append(f"about[{name!r}] is {text!r}, which is no text")
    return found


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1

"""Where to compute: one setting for every framework, resolved once, before the user's code runs.

Nothing needs a GPU. torch is asked, and imported for it, only where it is installed and a GPU's driver is there;
without torch the NVIDIA driver's device files are counted.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
from pathlib import Path

from trueline._core.errors import ConfigError

__all__ = ["DEVICE_VARIABLE", "resolve_device"]

DEVICE_VARIABLE = "TRUELINE_DEVICE"
_DRIVERS = ("kfd", "dxg")  # AMD's, and Windows' for Linux
_KNOWN = re.compile(r"auto|cpu|mps|cuda(?::(\d+))?")


def resolve_device(setting: str = "auto") -> str:
    """The device by name: ``cpu``, ``cuda``, ``cuda:<n>`` or ``mps``.

    Args:
        setting: one of these or ``auto``; the environment's ``TRUELINE_DEVICE``, where set, goes before it.

    Raises:
        ConfigError: a name that means nothing, or a device that is not there: saying what is.
    """
    overriding = os.environ.get(DEVICE_VARIABLE, "").strip()
    wanted, said_by = (overriding, DEVICE_VARIABLE) if overriding else (setting, "device")
    match = _KNOWN.fullmatch(wanted)
    if match is None:
        raise ConfigError(f"{said_by}={wanted!r} is no device", hint="give auto, cpu, cuda, cuda:<number> or mps.")
    if wanted == "cpu":
        return "cpu"
    gpus, mps = _gpus(), _has_mps()
    if wanted == "auto":
        return "cuda" if gpus else "mps" if mps else "cpu"
    there = mps if wanted == "mps" else gpus > int(match.group(1) or 0)
    if not there:
        have = ["cpu", *(f"cuda:{n}" for n in range(gpus)), *(["mps"] if mps else [])]
        raise ConfigError(f"{said_by}={wanted!r}: there is no such device here", hint=f"there is {', '.join(have)}.")
    return wanted


def _gpus() -> int:
    """How many GPUs of torch's ``cuda`` kind the process may use."""
    if not _has_driver():
        return 0
    if importlib.util.find_spec("torch") is not None:
        import torch

        return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([part for part in visible.split(",") if part.strip() not in ("", "-1")])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def _has_driver() -> bool:
    """Whether a GPU's driver is there at all: asked first, for torch takes seconds to import."""
    if platform.system() == "Darwin":
        return False
    if platform.system() != "Linux":
        return True
    return any(Path("/dev").glob("nvidia[0-9]*")) or any(Path("/dev", name).exists() for name in _DRIVERS)


def _has_mps() -> bool:
    if platform.system() != "Darwin" or importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.backends.mps.is_available())

"""The raw rows and the transform are those of tests/models."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
if importlib.util.find_spec("tensorflow") is not None:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")

_FILE = Path(__file__).parents[1] / "models" / "conftest.py"
_spec = importlib.util.spec_from_file_location("models_conftest", _FILE)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["models_conftest"] = _module
_spec.loader.exec_module(_module)

line = _module.line
nothing_written = _module.nothing_written
_one_thread = _module._one_thread
sys.path.insert(0, str(_FILE.parent))

"""The cases of the operations are those of tests/transform."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
for folder in (Path(__file__).parent, Path(__file__).parents[1] / "transform"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

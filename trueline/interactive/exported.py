"""What an exported file describes, told by a process of its own: ``python -m trueline.interactive.exported FILE``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from trueline._core.errors import ConfigError

__all__ = ["compiled_json"]


def compiled_json(file: str) -> str:
    """The compiled pipeline of a file's ``create_pipeline()``, as JSON.

    Raises:
        ConfigError: the file is no Python module.
    """
    from trueline.pipeline.compile import compile_pipeline

    path = Path(file).resolve()
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError("the file is no Python module", where=file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return compile_pipeline(module.create_pipeline()).to_json()


if __name__ == "__main__":
    print(compiled_json(sys.argv[1]))

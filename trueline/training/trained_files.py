"""The model that a `run_fn` wrote to ``fn_args.serving_model_dir``, as TFX's do, instead of returning it.

| file                     | read as                                                          |
|--------------------------|------------------------------------------------------------------|
| ``*.onnx``               | an ONNX graph of the features                                    |
| ``*.ubj``, ``*.json``    | an XGBoost booster                                               |
| ``*.txt``                | a LightGBM booster                                               |
| ``*.cbm``                | a CatBoost model                                                 |
| ``*.keras``              | a Keras model, in safe mode: nothing in the file is run          |
| ``saved_model.pb``       | a TensorFlow SavedModel                                          |

A pickle can do anything to the machine that reads it: files that are, or hold, pickles are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trueline._core import store
from trueline._core.errors import ModelError

__all__ = ["PICKLES", "trained_files"]

PICKLES = (
    ".pkl",
    ".pickle",
    ".joblib",
    ".dill",
    ".cloudpickle",
    ".pt",
    ".pth",
    ".ckpt",
    ".bin",
    ".npy",
    ".h5",
    ".hdf5",
)
"""Endings of files that are pickles, or in which their readers accept pickles or code."""
_SAVED_MODEL = "saved_model.pb"


def _onnx(path: Path) -> Any:
    from trueline.models.exporters.onnx_file import OnnxModel

    return OnnxModel(str(path))


def _xgboost(path: Path) -> Any:
    import xgboost

    return xgboost.Booster(model_file=str(path))


def _lightgbm(path: Path) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=str(path))


def _catboost(path: Path) -> Any:
    import catboost

    return catboost.CatBoost().load_model(str(path))


def _keras(path: Path) -> Any:
    import keras

    return keras.saving.load_model(str(path), compile=False, safe_mode=True)


def _saved_model(path: Path) -> Any:
    import tensorflow as tf

    return tf.saved_model.load(str(path))


_READERS: Mapping[str, Callable[[Path], Any]] = {
    ".onnx": _onnx,
    ".ubj": _xgboost,
    ".json": _xgboost,
    ".txt": _lightgbm,
    ".cbm": _catboost,
    ".keras": _keras,
}


def trained_files(folder: str) -> Any | None:
    """The model in the folder; None where there is no folder, or nothing in it.

    Raises:
        ModelError: several models, none that is read, a pickle, or a file that does not load.
    """
    root = Path(store.local_path(folder))
    files = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else []
    if not files:
        return None
    saved = [path.parent for path in files if path.name == _SAVED_MODEL]
    single = [path for path in files if path.suffix in _READERS and not any(s in path.parents for s in saved)]
    found = [*saved, *single]
    if len(found) != 1:
        raise _not_one(root, files, found)
    path = found[0]
    try:
        return _saved_model(path) if saved else _READERS[path.suffix](path)
    except ImportError:
        raise
    except Exception as error:
        raise ModelError(f"the file does not load: {type(error).__name__}: {error}", where=str(path)) from error


def _not_one(root: Path, files: list[Path], found: list[Path]) -> ModelError:
    if found:
        names = ", ".join(str(path.relative_to(root)) for path in found)
        return ModelError(f"fn_args.serving_model_dir holds several models: {names}", hint="leave one, or return it.")
    names = ", ".join(str(path.relative_to(root)) for path in files[:5])
    pickles = [path.name for path in files if path.suffix.lower() in PICKLES]
    wanted = f"write {', '.join('*' + suffix for suffix in _READERS)} or a SavedModel; or return the model."
    if pickles:
        return ModelError(
            f"fn_args.serving_model_dir holds {', '.join(pickles)}: pickles, or files that may hold code, are not read",
            hint=wanted,
        )
    return ModelError(f"fn_args.serving_model_dir holds no model that is read: {names}", hint=wanted)

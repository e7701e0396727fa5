"""The files of a model put into its folder: all of them and the manifest last, or none."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from trueline._core import store
from trueline._core.errors import ModelError, TruelineError
from trueline._core.manifest import MANIFEST_NAME, write_manifest
from trueline._core.runtime import MODEL_FORMAT

__all__ = ["write_model_files"]

_OWN = ("host.json", "model.json", "model.onnx", "native", "targets.onnx")


def write_model_files(uri: str, files: Mapping[str, bytes]) -> None:
    """Writes a model's files. What a killed writer left of a model goes first: the manifest would take it in.

    Args:
        uri: a folder without a finished artifact.
        files: contents by path.

    Raises:
        ModelError: there is a finished artifact.
        OSError: they cannot be written; nothing of them stays.
    """
    if store.exists(store.join(uri, MANIFEST_NAME)):
        raise ModelError("there is a finished artifact already", where=uri, hint="write into a folder of its own.")
    _clear(uri)
    try:
        for path, content in files.items():
            store.write_bytes(store.join(uri, path), content)
        write_manifest(uri, "Model", MODEL_FORMAT)
    except BaseException:
        with contextlib.suppress(OSError, TruelineError):
            _clear(uri)
        raise


def _clear(uri: str) -> None:
    for name in (*_OWN, MANIFEST_NAME):
        store.remove_tree(store.join(uri, name))

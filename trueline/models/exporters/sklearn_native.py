"""A fitted estimator in skops' format, which holds no code: equal estimators give equal bytes.

skops names its parts by addresses in memory and stamps them with the time; both are replaced by places and one date.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from typing import Any

from trueline._core.errors import reason_of

__all__ = ["native"]

_DATE = (1980, 1, 1, 0, 0, 0)
_SCHEMA = "schema.json"
_NAME = "model.skops"


def native(estimator: Any) -> tuple[dict[str, bytes], str]:
    """``model.skops``, and a note on the types that a reader must trust; or why there is none."""
    try:
        from skops import io as skops_io
    except ImportError:
        return {}, "skops is not installed, and pickle executes code when it is read; the ONNX graph is the model"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = _settled(skops_io.dumps(estimator))
            unknown = sorted(skops_io.get_untrusted_types(data=data))
    except Exception as error:
        reason = reason_of(error)
        return {}, f"skops does not take {type(estimator).__name__} ({reason[:200]}); the ONNX graph is the model"
    trust = f"; to be trusted on reading: {', '.join(unknown)}" if unknown else ""
    return {_NAME: data}, f"skops.io.load reads it without executing code{trust}"


def _settled(data: bytes) -> bytes:
    """The same contents with numbers in the order of their first use, and one date."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        files = {name: archive.read(name) for name in archive.namelist() if name != _SCHEMA}
    ids: dict[Any, int] = {}
    names: dict[str, str] = {}
    _renumber(schema, ids, names, set(files))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        contents = {_SCHEMA: json.dumps(schema, indent=1, sort_keys=False).encode()}
        contents |= {names[name]: files[name] for name in names}
        for name, content in contents.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return made.getvalue()


def _renumber(node: Any, ids: dict[Any, int], names: dict[str, str], files: set[str]) -> None:
    """Replaces ids and file names in place."""
    if isinstance(node, list):
        for item in node:
            _renumber(item, ids, names, files)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == "__id__":
            node[key] = ids.setdefault(value, len(ids) + 1)
        elif isinstance(value, str) and value in files:
            ending = value.rpartition(".")[2]
            node[key] = names.setdefault(value, f"{len(names) + 1}.{ending}")
        else:
            _renumber(value, ids, names, files)

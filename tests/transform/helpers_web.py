"""Talking with node and with a page: values with all their bits, one process that answers JSON lines."""

from __future__ import annotations

import json
import math
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

HERE = Path(__file__).parent / "web"
ROOT = Path(__file__).parents[2]
NODE = shutil.which("node")
RUNTIME = ROOT / ".venvs" / "web" / "node_modules" / "onnxruntime-web" / "dist"
"""Where scripts/web_env.sh puts onnxruntime-web."""
_NUMPY = {"float64": "<f8", "float32": "<f4", "int64": "<i8", "bool": "?"}


def encode(value: Any) -> Any:
    """The form that codec.mjs decodes."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return {"i": str(value)}
    if isinstance(value, float):
        return {"f": f"{struct.unpack('<Q', struct.pack('<d', value))[0]:016x}"}
    if isinstance(value, list):
        return {"l": [encode(v) for v in value]}
    return {"d": [[k, encode(v)] for k, v in value.items()]}


def decode_arrays(arrays: dict[str, Any]) -> dict[str, np.ndarray]:
    """Arrays by name, from what codec.mjs encoded."""
    found = {}
    for name, (kind, dims, data) in arrays.items():
        if kind == "string":
            array = np.empty(math.prod(dims), object)
            array[:] = data
        else:
            array = np.frombuffer(bytes.fromhex(data), _NUMPY[kind])
        found[name] = array.reshape(dims)
    return found


def json_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as JSON would have them: times are integers."""
    names = table.schema.names
    columns = [c.cast(_without_times(c.type)).to_pylist() for c in table.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _without_times(arrow_type: pa.DataType) -> pa.DataType:
    if pa.types.is_fixed_size_list(arrow_type):
        return pa.list_(_without_times(arrow_type.value_type), arrow_type.list_size)
    if pa.types.is_list(arrow_type):
        return pa.list_(_without_times(arrow_type.value_type))
    return pa.int64() if pa.types.is_timestamp(arrow_type) else arrow_type


class Node:
    """A node process that answers one JSON line with one."""

    def __init__(self, script: str, *arguments: str) -> None:
        assert NODE is not None
        self._process = subprocess.Popen(
            [NODE, str(HERE / script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "node ended: its error stands above"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)

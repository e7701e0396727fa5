"""A small text encoder whose vectors are known, written as a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "un",
    "##aff",
    "##able",
    "##a",
    "a",
    "runn",
    "##ing",
    "want",
    "##ed",
    "wa",
    ",",
    "!",
    "'",
    "s",
    "the",
    "quick",
    "hello",
    "日",
    "本",
    "cafe",
    "##s",
    ".",
]


def encoder_folder(folder: Path, *, scale: float = 1.0, config: dict[str, Any] | None = None) -> str:
    """An encoder whose token vectors are rows of a known matrix."""
    folder.mkdir(exist_ok=True)
    table = (np.arange(len(VOCABULARY) * 3, dtype=np.float32).reshape(-1, 3) - 20) * np.float32(scale)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "encoder",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["B", "T"]) for n in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["B", "T", 3])],
        [numpy_helper.from_array(table, "table")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
    )
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return str(folder)

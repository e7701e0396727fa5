"""Matrix products in 8-bit integers whose activations have fixed scales, measured on sample rows beforehand (QDQ)."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline.models.optimise.int8 import embeddings_int8, matrix_weight
from trueline.models.optimise.weights import tensors

if TYPE_CHECKING:
    import onnx

__all__ = ["static_int8"]

_READ_BY_QUANTIZER = ("onnx.quant.pre_process", "onnxruntime.quant")


def static_int8(part: onnx.ModelProto, calibration: Sequence[Mapping[str, npt.NDArray[Any]]]) -> Counter[str]:
    """Rewrites products with QuantizeLinear and DequantizeLinear around them, and embeddings as int8 rows; in place.

    Values beyond the range of the calibration become its ends, and NaN becomes a number: where features may be missing,
    `calibration` must have rows in which they are, so that the comparison sees it.

    Args:
        part: the model's part of a merged graph.
        calibration: batches of the part's inputs, as they come out of the transform of sample rows.

    Returns:
        How many nodes of each operator were rewritten.

    Raises:
        ModelError: ONNX Runtime's quantizer refuses, with its reason.
    """
    known = tensors(part.graph)
    products = [n for n in part.graph.node if matrix_weight(n, known) is not None]
    changed = Counter(n.op_type for n in products)
    if changed:
        for i, node in enumerate(part.graph.node):
            node.name = f"{node.op_type}_{i}"
        _quantize(part, [n.name for n in products], calibration)
    return changed + embeddings_int8(part)


def _quantize(part: onnx.ModelProto, nodes: list[str], calibration: Sequence[Mapping[str, npt.NDArray[Any]]]) -> None:
    import onnx
    from onnx import helper
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(calibration)

        def get_next(self) -> dict[str, npt.NDArray[Any]] | None:
            batch = next(self._left, None)
            return None if batch is None else dict(batch)

    copy = onnx.ModelProto()
    copy.CopyFrom(part)
    helper.set_model_props(copy, dict([_READ_BY_QUANTIZER]))  # else it warns that it did not optimise the graph itself
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "static.onnx")
        try:
            quantize_static(
                copy,
                target,
                Reader(),
                quant_format=QuantFormat.QDQ,
                nodes_to_quantize=nodes,
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
            )
            part.CopyFrom(onnx.load(target))
        except Exception as error:
            raise ModelError(f"ONNX Runtime cannot quantize the model: {type(error).__name__}: {error}") from error
    del part.metadata_props[:]
    del part.graph.value_info[:]

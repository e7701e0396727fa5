"""A small writer of ONNX nodes: named tensors, shared constants, no repeated nodes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["EXTENSIONS_DOMAIN", "ML_DOMAIN", "MS_DOMAIN", "Emitter", "elem_type", "numpy_constant"]

ML_DOMAIN = "ai.onnx.ml"
MS_DOMAIN = "com.microsoft"
EXTENSIONS_DOMAIN = "ai.onnx.contrib"
"""The operators of onnxruntime-extensions: profile ``server`` alone."""
_DTYPES: dict[str, Any] = {
    "float64": np.float64,
    "float32": np.float32,
    "int64": np.int64,
    "timestamp": np.int64,
    "bool": np.bool_,
    "utf8": object,
}


def numpy_constant(value: Any, dtype: str) -> npt.NDArray[Any]:
    """A literal or a list of literals as an array of the dtype."""
    array: npt.NDArray[Any] = np.array(value, dtype=_DTYPES[dtype])
    return array


class Emitter:
    """Collects nodes and initialisers; equal nodes and equal constants are written once.

    Args:
        reserved: tensor names that are taken: the graph's inputs and outputs.
    """

    def __init__(self, reserved: Collection[str] = ()) -> None:
        self._reserved = frozenset(reserved)
        self._negations: set[str] = set()
        self._nearly_neutral: set[str] = set()
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.domains: set[str] = {""}
        self._constants: dict[tuple[Any, ...], str] = {}
        self._known: dict[tuple[Any, ...], str] = {}
        self._count = 0

    def _name(self, stem: str) -> str:
        while True:
            self._count += 1
            name = f"{stem}_{self._count}"
            if name not in self._reserved:
                return name

    def node(self, op: str, *inputs: str, domain: str = "", **attrs: Any) -> str:
        """Writes one node with one output and returns the output's name."""
        from onnx import helper

        if op in _NEUTRAL and not self._nearly_neutral.isdisjoint(inputs):
            inputs = self._kept(*inputs)
        key = (op, inputs, domain, repr(sorted(attrs.items()))) if _short(attrs) else None
        if key is not None and key in self._known:
            return self._known[key]
        name = self._name(op)
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, domain=domain, **attrs))
        self.domains.add(domain)
        if op == "Not":
            self._negations.add(name)
        if key is not None:
            self._known[key] = name
        return name

    def _kept(self, left: str, right: str) -> tuple[str, str]:
        """Operands of arithmetic; a constant that is almost 0 or 1 gets the other's shape.

        ONNX Runtime drops ``x + c``, ``x - c``, ``x * c`` and ``x / c`` where the double c, a single one and known when
        the graph is loaded, is 0 or 1 after rounding to float32: 1 + 1e-9 then counts as 1. What has the shape of a
        column is not known before it.
        """

        def shaped(tensor: str, other: str) -> str:
            if tensor not in self._nearly_neutral or other in self._nearly_neutral:
                return tensor
            return self.node("Expand", tensor, self.node("Shape", other))

        return shaped(left, right), shaped(right, left)

    def outputs(self, count: int, op: str, *inputs: str, **attrs: Any) -> tuple[str, ...]:
        """Writes one node with several outputs and returns their names."""
        from onnx import helper

        name = self._name(op)
        names = [f"{name}:{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=name, **attrs))
        return tuple(names)

    def either(self, condition: str, yes: Callable[[], str], no: Callable[[], str], *, dtype: str) -> str:
        """An If: what `yes` or `no` write is computed only where the condition, one bool for the batch, has it so.

        Args:
            condition: a bool tensor without dimensions.
            yes: writes nodes and returns a tensor's name; it reads tensors that are written already, as it likes.
            no: as `yes`, for the other case.
            dtype: of both results.
        """
        branches = {"then_branch": self._branch(yes, dtype), "else_branch": self._branch(no, dtype)}
        return self.outputs(1, "If", condition, **branches)[0]

    def _branch(self, write: Callable[[], str], dtype: str) -> Any:
        from onnx import helper

        outer, known = self.nodes, self._known
        # nodes of the branch are not seen from outside it; constants are the outer graph's
        self.nodes, self._known = [], dict(known)
        try:
            result, name = write(), self._name("branch")
            self.nodes.append(helper.make_node("Identity", [result], [name], name=name))
            return helper.make_graph(
                self.nodes, name, [], [helper.make_tensor_value_info(name, elem_type(dtype), None)]
            )
        finally:
            self.nodes, self._known = outer, known

    def array(self, value: npt.NDArray[Any]) -> str:
        """A constant tensor's name."""
        from onnx import numpy_helper

        content = tuple(value.ravel().tolist()) if value.dtype == object else value.tobytes()
        key = (str(value.dtype), value.shape, content)
        if key not in self._constants:
            name = self._name("const")
            self.initializers.append(numpy_helper.from_array(value, name))
            self._constants[key] = name
            if _nearly_neutral(value):
                self._nearly_neutral.add(name)
        return self._constants[key]

    def constant(self, value: Any, dtype: str) -> str:
        """A literal, or a list of literals, as a constant tensor."""
        return self.array(numpy_constant(value, dtype))

    def ints(self, *values: int) -> str:
        """An int64 vector: axes, shapes."""
        return self.array(np.array(values, dtype=np.int64))

    def cast(self, tensor: str, dtype: str) -> str:
        """A Cast to one of the contract's dtypes."""
        return self.node("Cast", tensor, to=elem_type(dtype))

    def all_of(self, masks: Sequence[str | None]) -> str | None:
        """The conjunction of presence masks; None counts as all there."""
        result: str | None = None
        for mask in masks:
            if mask is not None and mask != result:
                result = mask if result is None else self.node("And", result, mask)
        return result

    def where_bool(self, condition: str, yes: str, no: str) -> str:
        """Where over booleans, for which ONNX Runtime has no kernel."""
        taken = self.node("And", condition, yes)
        return self.node("Or", taken, self.node("And", self.node("Not", condition), no))

    def where(self, condition: str, yes: str, no: str, dtype: str, *, like: str | None = None) -> str:
        """Where for any dtype; see `trueline.transform.operations.base.select` for the sign of zero.

        Args:
            condition: a bool tensor.
            yes: where it holds.
            no: where it does not.
            dtype: of both branches.
            like: a tensor of the result's shape where condition and `no` are both narrower. ONNX Runtime then takes
                another road for the sign of zero, in some cases not the same one for one row as for many.
        """
        if dtype == "bool":
            return self.where_bool(condition, yes, no)
        if dtype == "float64" and like is not None:
            condition = self.node("Expand", condition, self.node("Shape", like))
        elif dtype == "float64" and condition in self._negations:
            # ONNX Runtime fuses Not into Where by swapping the branches, which would change the sign of zeros
            condition = self.node("And", condition, condition)
        return self.node("Where", condition, yes, no)

    def width(self, tensor: str) -> str:
        """The second dimension, int64 ``[1]``."""
        return self.node("Shape", tensor, start=1, end=2)

    def rows(self, tensor: str) -> str:
        """The first dimension, int64 ``[1]``."""
        return self.node("Shape", tensor, start=0, end=1)

    def positions(self, tensor: str) -> str:
        """The places ``0 .. K - 1`` of the cells of padded lists, int64 ``[K]``."""
        scalar = self.node("Squeeze", self.width(tensor), self.ints(0))
        return self.node("Range", self.constant(0, "int64"), scalar, self.constant(1, "int64"))

    def inside(self, tensor: str, lengths: str) -> str:
        """Which cells ``[N, K]`` of padded lists are elements."""
        return self.node("Less", self.positions(tensor), self.column(lengths))

    def column(self, tensor: str) -> str:
        """``[N]`` as ``[N, 1]``."""
        return self.node("Unsqueeze", tensor, self.ints(1))


_NEUTRAL = frozenset(("Add", "Sub", "Mul", "Div"))


def _nearly_neutral(value: npt.NDArray[Any]) -> bool:
    """Whether it is one double that rounds to the float32 0 or 1 and is neither; or the 0 of a vector of one, which
    `trueline.transform.bind` does not drop: -0.0 + 0.0 is 0.0."""
    if value.dtype != np.float64 or value.size != 1:
        return False
    with np.errstate(all="ignore"):
        rounded = float(value.astype(np.float32).item())
    return rounded in (0.0, 1.0) and (rounded != value.item() or (value.ndim > 0 and rounded == 0.0))


def _short(attrs: dict[str, Any]) -> bool:
    return all(not isinstance(v, list) or len(v) < 16 for v in attrs.values())


def elem_type(dtype: str) -> int:
    """The ONNX element type of a dtype."""
    from onnx import TensorProto

    names = {
        "float64": "DOUBLE",
        "float32": "FLOAT",
        "int64": "INT64",
        "timestamp": "INT64",
        "bool": "BOOL",
        "utf8": "STRING",
    }
    return int(getattr(TensorProto, names[dtype]))

"""Inverse links of statsmodels as ONNX nodes: from the linear predictor to the mean, in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from trueline._core.errors import ModelError

if TYPE_CHECKING:
    import onnx

__all__ = ["LINKS", "Nodes", "inverse_link"]


class Nodes:
    """ONNX nodes and constants in the making, all double unless said."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any, dtype: Any = np.float64) -> str:
        """The name of a constant."""
        from onnx import numpy_helper

        name = f"const_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, op: str, *inputs: str | float, **attributes: Any) -> str:
        """The name of a node's result; numbers among the inputs become constants."""
        from onnx import helper

        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        output = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [output], **attributes))
        return output

    def in_float(self, op: str, value: str) -> str:
        """An operation that ONNX Runtime has for float32 alone."""
        narrow = self.add("Cast", value, to=1)
        return self.add("Cast", self.add(op, narrow), to=11)


Inverse = Callable[[Nodes, str, Any], str]


def _normal(g: Nodes, eta: str, link: Any) -> str:
    error = g.in_float("Erf", g.add("Mul", eta, 1 / math.sqrt(2)))
    return g.add("Mul", g.add("Add", error, 1.0), 0.5)


def _cauchy(g: Nodes, eta: str, link: Any) -> str:
    return g.add("Add", g.add("Mul", g.in_float("Atan", eta), 1 / math.pi), 0.5)


def _cloglog(g: Nodes, eta: str, link: Any) -> str:
    return g.add("Sub", 1.0, _loglog(g, g.add("Neg", eta), link))


def _loglog(g: Nodes, eta: str, link: Any) -> str:
    return g.add("Exp", g.add("Neg", g.add("Exp", g.add("Neg", eta))))


def _logc(g: Nodes, eta: str, link: Any) -> str:
    return g.add("Sub", 1.0, g.add("Exp", eta))


def _power(g: Nodes, eta: str, link: Any) -> str:
    """mu = eta ** (1 / power): the names Power, Sqrt, InversePower and InverseSquared are all this."""
    return eta if link.power == 1 else g.add("Pow", eta, 1.0 / float(link.power))


def _negative_binomial(g: Nodes, eta: str, link: Any) -> str:
    """mu = -1 / (alpha * (1 - exp(-eta)))."""
    below = g.add("Sub", 1.0, g.add("Exp", g.add("Neg", eta)))
    return g.add("Div", -1.0, g.add("Mul", below, float(link.alpha)))


LINKS: Mapping[str, Inverse] = {
    "Identity": lambda g, eta, link: eta,
    "Log": lambda g, eta, link: g.add("Exp", eta),
    "Logit": lambda g, eta, link: g.add("Sigmoid", eta),
    "Probit": _normal,
    "CLogLog": _cloglog,
    "LogLog": _loglog,
    "Cauchy": _cauchy,
    "LogC": _logc,
    "Power": _power,
    "Sqrt": _power,
    "InversePower": _power,
    "InverseSquared": _power,
    "NegativeBinomial": _negative_binomial,
}


def inverse_link(g: Nodes, eta: str, link: Any) -> str:
    """The mean for a linear predictor ``[N, 1]``.

    Raises:
        ModelError: a link of the user's own.
    """
    name = type(link).__name__
    if name not in LINKS or not type(link).__module__.startswith("statsmodels."):
        raise ModelError(f"the link {name} cannot be exported", hint=f"use one of {', '.join(LINKS)}.")
    return LINKS[name](g, eta, link)

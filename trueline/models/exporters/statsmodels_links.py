"""Inverse links of statsmodels as ONNX nodes: from the linear predictor to the mean, in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from trueline._core.errors import ModelError
from trueline.models.exporters.nodes import Nodes

__all__ = ["LINKS", "inverse_link"]


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

"""statsmodels to ONNX: linear, generalised linear, discrete and ordered models, written by hand in double precision."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ModelError
from trueline._core.values import RawFeature
from trueline.models.contract import Fitted, Head, head_of
from trueline.models.exporters.base import Arrays, Exported
from trueline.models.exporters.nodes import Nodes
from trueline.models.exporters.statsmodels_design import Design, design_of
from trueline.models.exporters.statsmodels_links import inverse_link
from trueline.models.inputs import ModelInput

if TYPE_CHECKING:
    import onnx

__all__ = ["StatsmodelsExporter"]

_LINEAR = ("OLS", "WLS", "GLS", "GLSAR", "RLM", "QuantReg")
_COUNTS = ("Poisson", "NegativeBinomial", "NegativeBinomialP", "GeneralizedPoisson")
_GENERALISED = ("GLM", "GEE")
_BINARY = ("Logit", "Probit")
_MULTINOMIAL, _ORDERED = "MNLogit", "OrderedModel"
_ALL = (*_LINEAR, *_GENERALISED, *_BINARY, _MULTINOMIAL, *_COUNTS, _ORDERED)


class StatsmodelsExporter:
    """The results of one fit, wrapped or not."""

    framework = "statsmodels"

    def __init__(self, fitted: Fitted) -> None:
        self.fitted = fitted
        self.results = getattr(fitted.model, "_results", fitted.model)
        self.model: Any = getattr(self.results, "model", None)
        self._kind = type(self.model).__name__
        if self._kind not in _ALL:
            raise ModelError(
                f"{self._kind} of statsmodels cannot be exported",
                hint=f"there is: {', '.join(_ALL)}; time series and mixed models predict from more than a row.",
            )
        for name in ("offset", "exposure"):
            given = getattr(self.model, name, None)
            if given is not None and np.size(given) > 1 and np.any(np.asarray(given) != 0):
                raise ModelError(
                    f"{self._kind} was fitted with an {name}, which each row would need to be predicted",
                    hint=f"fit without {name}, or make the logarithm of it a feature.",
                )
        self._columns: tuple[str, ...] = ()

    def inputs(self, inputs: Sequence[ModelInput]) -> tuple[ModelInput, ...]:
        """One float32 input whose columns the model's parameters stand for.

        Raises:
            ModelError: columns that do not fit, see `design_of`.
        """
        if len(inputs) != 1:
            raise ModelError(f"a statsmodels model has one input and was given {len(inputs)}")
        one = ModelInput(inputs[0].name, inputs[0].features)
        self._columns = tuple(one.column_names)
        design_of(self.model, self._columns)
        return (one,)

    @property
    def _design(self) -> Design:
        return design_of(self.model, self._columns)

    @property
    def _binomial(self) -> bool:
        """Whether a generalised model's mean is the probability of one of two classes."""
        if self._kind not in _GENERALISED or type(self.model.family).__name__ != "Binomial":
            return False
        return self.fitted.output not in ("prediction", "score") and set(np.unique(self.model.endog).tolist()) <= {
            0.0,
            1.0,
        }

    def head(self, label: RawFeature) -> Head:
        """Two classes for binary models, those of the fit for MNLogit and OrderedModel, a regression otherwise."""
        classes = self.fitted.classes
        if self._kind in _BINARY or self._binomial:
            return head_of(label, "probabilities", 1, classes)
        if self._kind in (_MULTINOMIAL, _ORDERED):
            own = self._own_classes(label) if classes is None else classes
            return head_of(label, "probabilities", self._classes, own)
        return head_of(label, "score" if self.fitted.output == "score" else "prediction", 1, None)

    @property
    def _classes(self) -> int:
        return int(self.model.J if self._kind == _MULTINOMIAL else self.model.k_levels)

    def _own_classes(self, label: RawFeature) -> list[Any]:
        """The outcome's values in the model's order, as values of the label."""
        if self._kind == _ORDERED:
            found = [v.item() if isinstance(v, np.generic) else v for v in self.model.labels]
        else:
            found = [self.model._ynames_map[i] for i in range(self._classes)]
        if label.dtype != "utf8":
            try:
                found = [int(float(v)) for v in found]
            except ValueError:
                return found
        return [bool(v) for v in found] if label.dtype == "bool" else found

    def to_onnx(self, inputs: Sequence[ModelInput], label: RawFeature) -> Exported:
        """The linear predictor, the inverse link and the head, as nodes of ai.onnx."""
        head, g = self.head(label), Nodes()
        x = g.add("Cast", inputs[0].name, to=11)
        mean = self._mean(g, x, inputs[0].width)
        if head.is_classifier and len(head.classes) == 2 and self._kind not in (_MULTINOMIAL, _ORDERED):
            mean = g.add("Concat", g.add("Sub", 1.0, mean), mean, axis=1)
        narrow = g.add("Cast", mean, to=1)
        shape = [-1, head.columns] if head.columns else [-1]
        self._reshape(g, narrow, shape, head.output)
        return Exported(_model(g, inputs[0], head), head)

    def _reshape(self, g: Nodes, value: str, shape: list[int], name: str) -> None:
        from onnx import helper

        g.nodes.append(helper.make_node("Reshape", [value, g.constant(shape, np.int64)], [name]))

    def _mean(self, g: Nodes, x: str, width: int) -> str:
        """The mean ``[N, 1]``, or the probabilities ``[N, C]``."""
        params = np.asarray(self.results.params, np.float64)
        design = self._design
        beta = params if self._kind == _MULTINOMIAL else params[: len(design.names)].reshape(-1, 1)
        weights, intercept = design.weights(beta, width)
        eta = g.add("Add", g.add("MatMul", x, g.constant(weights)), g.constant(intercept))
        if self._kind in _LINEAR:
            return eta
        if self._kind in _GENERALISED:
            return inverse_link(g, eta, self.model.family.link)
        if self._kind in _COUNTS:
            return g.add("Exp", eta)
        if self._kind == _MULTINOMIAL:
            # the first class is the base: its predictor is 0
            return g.add("Softmax", g.add("Concat", _nothing(g, eta), eta, axis=1), axis=1)
        if self._kind == _ORDERED:
            return self._ordered(g, eta, params)
        return g.add("Sigmoid", eta) if self._kind == "Logit" else _normal(g, eta)

    def _ordered(self, g: Nodes, eta: str, params: npt.NDArray[np.float64]) -> str:
        """Differences of the distribution function at the thresholds."""
        inner = np.asarray(self.model.transform_threshold_params(params), np.float64)[1:-1]
        name = self.model.distr.name
        if name not in ("norm", "logistic"):
            raise ModelError(f"OrderedModel with the distribution {name} cannot be exported", hint="logit or probit.")
        z = g.add("Sub", g.constant(inner.reshape(1, -1)), eta)
        below = g.add("Sigmoid", z) if name == "logistic" else _normal(g, z)
        nothing = _nothing(g, eta)
        one = g.add("Add", nothing, 1.0)
        return g.add("Sub", g.add("Concat", below, one, axis=1), g.add("Concat", nothing, below, axis=1))

    def predict(self, arrays: Arrays) -> npt.NDArray[np.float64]:
        """statsmodels' own ``predict`` on the design matrix, with the first class's probability for binary models.

        Raises:
            ModelError: rows with missing values, for which statsmodels has no prediction.
        """
        (x,) = arrays.values()
        if np.isnan(x).any():
            raise ModelError(
                f"{self._kind} has no prediction for rows with missing values",
                hint="use fill_missing in preprocessing_fn for features that may be missing.",
            )
        made = np.asarray(self.model.predict(self.results.params, exog=self._design.matrix(x)), np.float64)
        if self._kind in (_MULTINOMIAL, _ORDERED):
            return made
        made = made.reshape(len(x))
        return np.stack([1 - made, made], axis=1) if self._kind in _BINARY or self._binomial else made

    def native_files(self) -> tuple[dict[str, bytes], str]:
        """The parameters and what they belong to, as JSON that a person reads; nothing is pickled."""
        design, results = self._design, self.results
        params = np.asarray(results.params, np.float64)
        names = list(design.names)
        extra = [str(n) for n in self.model.exog_names][len(names) :] if params.ndim == 1 else []
        if params.ndim == 1 and len(names) + len(extra) != len(params):
            extra = [f"extra_{i}" for i in range(len(params) - len(names))]
        content: dict[str, Any] = {
            "format": 1,
            "model": self._kind,
            "features": list(self._columns),
            "constant": design.constant if -1 in design.source else None,
            "params": dict(zip([*names, *extra], params.tolist(), strict=True)),
            "observations": int(np.shape(self.model.exog)[0]),
        }
        if self._kind in _GENERALISED:
            family = self.model.family
            content |= {"family": type(family).__name__, "link": type(family.link).__name__}
        if self._kind == _ORDERED:
            content["distribution"] = self.model.distr.name
            content["thresholds"] = self.model.transform_threshold_params(params)[1:-1].tolist()
        content |= {n: _number(results, n) for n in ("scale", "llf", "aic", "rsquared")}
        text = json.dumps({k: v for k, v in content.items() if v is not None}, indent=1, allow_nan=False)
        return {"statsmodels.json": (text + "\n").encode()}, "parameters by name, family and link"

    def versions(self) -> dict[str, str]:
        """statsmodels."""
        import statsmodels

        return {"statsmodels": statsmodels.__version__}


def _nothing(g: Nodes, eta: str) -> str:
    """A column of zeros, as long as `eta` ``[N, K]``."""
    from onnx import numpy_helper

    ends = [g.constant([v], np.int64) for v in (0, 1, 1)]
    shape = g.add("Shape", g.add("Slice", eta, *ends))
    return g.add("ConstantOfShape", shape, value=numpy_helper.from_array(np.zeros(1)))


def _normal(g: Nodes, z: str) -> str:
    """The normal distribution function."""
    return g.add("Mul", g.add("Add", g.in_float("Erf", g.add("Mul", z, 1 / math.sqrt(2))), 1.0), 0.5)


def _number(results: Any, name: str) -> float | None:
    """A figure of the fit, where there is one and it is finite."""
    try:
        value = float(getattr(results, name))
    except (AttributeError, TypeError, ValueError, NotImplementedError):
        return None
    return value if math.isfinite(value) else None


def _model(g: Nodes, spec: ModelInput, head: Head) -> onnx.ModelProto:
    from onnx import TensorProto, helper

    shape: list[str | int | None] = ["N", head.columns] if head.columns else ["N"]
    made = helper.make_graph(
        g.nodes,
        "statsmodels",
        [helper.make_tensor_value_info(spec.name, TensorProto.FLOAT, ["N", spec.width])],
        [helper.make_tensor_value_info(head.output, TensorProto.FLOAT, shape)],
        g.constants,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)

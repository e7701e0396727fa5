"""Why a model says what it says: importance, dependence, Shapley values, surrogates, counterfactuals, neighbours.

Everything here asks the whole model, from raw features on, so it is the same for a tree, a network or an ONNX file. May
import what `trueline.model_analysis` may; the library shap only to hand values over to it.
"""

from __future__ import annotations

from trueline._core.lazy import lazy_names

_PUBLIC = {
    "Counterfactuals": "counterfactual_result",
    "Explanation": "explanation",
    "LocalSurrogate": "surrogate",
    "Neighbours": "neighbours",
    "PartialDependence": "dependence_result",
    "PermutationImportance": "importance",
    "ShapValues": "shapley_values",
    "attributions": "attribution",
    "correlated_groups": "correlation",
    "counterfactuals": "counterfactual",
    "lime_surrogate": "surrogate",
    "load_explanation": "explanation",
    "nearest_examples": "neighbours",
    "partial_dependence": "dependence",
    "permutation_importance": "permutation",
    "shap_values": "shapley",
}

__all__ = [*sorted(_PUBLIC)]

__getattr__, __dir__ = lazy_names(__name__, _PUBLIC)

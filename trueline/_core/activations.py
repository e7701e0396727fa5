"""From logits to probabilities in numpy: for Python models, and for what exported graphs are compared with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["probabilities_of"]


def probabilities_of(raw: npt.NDArray[np.float64], meaning: str) -> npt.NDArray[np.float64]:
    """Probabilities ``[N, C]`` from logits or probabilities of shape ``[N]``, ``[N, 1]`` or ``[N, C]``.

    One column is the second class's: sigmoid of a logit p gives ``[1 - p, p]``. Otherwise softmax, computed with
    the row's maximum subtracted.
    """
    if raw.ndim == 1 or raw.shape[1] == 1:
        p = raw.reshape(-1, 1)
        if meaning == "logits":
            p = np.where(p >= 0, 1 / (1 + np.exp(-np.abs(p))), np.exp(-np.abs(p)) / (1 + np.exp(-np.abs(p))))
        return np.concatenate([1 - p, p], axis=1)
    if meaning == "logits":
        e = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))
    return raw

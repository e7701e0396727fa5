"""What of a model is explained: a probability, every class's, a number, or their log odds; as float64 columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from trueline._core.errors import ConfigError, ModelError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

    from trueline._core.runtime import ModelRuntime
    from trueline._core.values import RawFeature

__all__ = ["LINKS", "Floats", "Target", "model_facts", "runtime_of", "target_of"]

Floats: TypeAlias = npt.NDArray[np.float64]
LINKS = ("identity", "log_odds")
_CHUNK = 8192
_NUMBER = {"regression": "prediction", "ranking": "score"}
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class Target:
    """A function of raw rows.

    Attributes:
        runtime: the model.
        names: what each of the K columns is, for people.
        columns: which columns of ``probabilities``; empty where the output is one number.
        link: ``identity``, or ``log_odds``: for two classes ``log(p / (1 - p))``, for more the centred log ratio
            ``log p_c - mean(log p)``. A linear or boosted model adds up on that scale.
        row_class: whether a row's own predicted class is what a summary speaks of.
    """

    runtime: ModelRuntime
    names: tuple[str, ...]
    columns: tuple[int, ...]
    link: str
    row_class: bool

    @property
    def features(self) -> tuple[RawFeature, ...]:
        """The raw features, in the signature's order."""
        return self.runtime.inputs

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(f.name for f in self.runtime.inputs)

    def scores(self, table: pa.Table) -> Floats:
        """The values for raw rows, ``[N, K]``; rows go through the model some thousand at a time."""
        starts = range(0, max(table.num_rows, 1), _CHUNK)
        return np.concatenate([self.of(self.runtime.predict_arrow(table.slice(s, _CHUNK))) for s in starts])

    def of(self, outputs: Any) -> Floats:
        """The values out of the model's outputs by name."""
        if not self.columns:
            number: Floats = outputs[_NUMBER[self.runtime.info["task"]]].astype(np.float64).reshape(-1, 1)
            return number
        p: Floats = outputs["probabilities"].astype(np.float64)
        if self.link == "log_odds":
            logs = np.log(np.clip(p, _TINY, 1.0))
            p = logs - (logs[:, ::-1] if p.shape[1] == 2 else logs.mean(axis=1, keepdims=True))
        return p[:, list(self.columns)]


def runtime_of(model: Any) -> ModelRuntime:
    """The runtime of a model, of a folder that holds one, or the runtime itself.

    Raises:
        ModelError: something that is no model.
    """
    from trueline._core.runtime import ModelRuntime

    if isinstance(model, ModelRuntime):
        return model
    if isinstance(model, str):
        return ModelRuntime.load(model)
    found = getattr(model, "runtime", None)
    if not isinstance(found, ModelRuntime):
        raise ModelError(
            f"cannot explain a {type(model).__name__}", hint="give a trueline.models.Model, or its folder's name."
        )
    return found


def target_of(model: Any, output_class: Any = None, link: str = "identity") -> Target:
    """What is explained of a model.

    Args:
        model: a Model, a runtime, or a model's folder.
        output_class: the class whose probability it is; by default the second of two, and each one of more.
        link: one of `LINKS`.

    Raises:
        ModelError: an embedding, or no model at all.
        ConfigError: a class or a link that there is not.
    """
    runtime = runtime_of(model)
    task, classes = str(runtime.info["task"]), runtime.classes
    if link not in LINKS:
        raise ConfigError(f"there is no link {link!r}", hint=did_you_mean(str(link), LINKS))
    if classes is None:
        if task not in _NUMBER:
            raise ModelError("an embedding has no score that could be explained", where=runtime.uri)
        if output_class is not None or link != "identity":
            raise ConfigError(f"a {task} model has no classes, so no output_class and no log odds", where=runtime.uri)
        return Target(runtime, (_NUMBER[task],), (), link, False)
    if output_class is not None and output_class not in classes:
        raise ConfigError(
            f"{output_class!r} is no class of the model", where=runtime.uri, hint=f"the classes are {classes!r}."
        )
    chosen = [classes.index(output_class)] if output_class is not None else range(len(classes))
    chosen = [1] if output_class is None and len(classes) == 2 else list(chosen)
    said = "probability" if link == "identity" else "log odds" if len(classes) == 2 else "centred log probability"
    names = tuple(f"{said} of {classes[c]!r}" for c in chosen)
    return Target(runtime, names, tuple(chosen), link, len(chosen) > 1)


def model_facts(target: Target) -> dict[str, Any]:
    """Which model it is, without where it lies: equal models give equal explanations."""
    runtime = target.runtime
    info = runtime.info
    fingerprint = runtime.manifest.fingerprint if runtime.manifest is not None else None
    return {"name": info.get("name"), "task": info["task"], "label": info.get("label"), "fingerprint": fingerprint}

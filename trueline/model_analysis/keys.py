"""What a metric's value is the value of: `MetricKey`, TFMA's key without the model, and its canonical text.

Texts are what results, thresholds and tables are keyed by: ``auc``, ``precision[class_id=1]``,
``auc[micro_average]``, ``ndcg[top_k=3]``, ``mean_label[output=ctr,unweighted]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

__all__ = ["AGGREGATIONS", "MetricKey", "SubKey", "keys_of"]

AGGREGATIONS = ("micro_average", "macro_average", "weighted_macro_average")
_TEXT = re.compile(r"^(?P<name>.*?)(?:\[(?P<parts>[^\[\]]*)\])?$", re.DOTALL)


@dataclass(frozen=True)
class SubKey:
    """Which binary problem of a multi-class one.

    Attributes:
        class_id: this class against the rest.
        k: the k-th greatest prediction.
        top_k: the k greatest predictions.
    """

    class_id: int | None = None
    k: int | None = None
    top_k: int | None = None

    def __bool__(self) -> bool:
        return (self.class_id, self.k, self.top_k) != (None, None, None)

    @property
    def tfma(self) -> str:
        """TFMA's text in results: ``classId:1``, ``k:2``, ``topK:3``, empty without any."""
        named = (("classId", self.class_id), ("k", self.k), ("topK", self.top_k))
        return " ".join(f"{name}:{value}" for name, value in named if value is not None)


@dataclass(frozen=True)
class MetricKey:
    """A metric of one model.

    Attributes:
        name: the metric's name.
        output_name: the output, of models with several.
        sub_key: the binary problem.
        aggregation: one of `AGGREGATIONS`, or empty.
        unweighted: it leaves the example weights out although there are some.
    """

    name: str
    output_name: str = ""
    sub_key: SubKey = field(default_factory=SubKey)
    aggregation: str = ""
    unweighted: bool = False

    @property
    def text(self) -> str:
        """The canonical text; `parse` is its inverse for names without square brackets."""
        sub = self.sub_key
        parts = [
            *([f"output={self.output_name}"] if self.output_name else []),
            *(f"{n}={v}" for n in ("class_id", "k", "top_k") if (v := getattr(sub, n)) is not None),
            *([self.aggregation] if self.aggregation else []),
            *(["unweighted"] if self.unweighted else []),
        ]
        return f"{self.name}[{','.join(parts)}]" if parts else self.name

    @classmethod
    def parse(cls, text: str) -> MetricKey:
        """The key of a canonical text; a text without brackets is a name alone."""
        match = _TEXT.match(text)
        if match is None or not match["parts"]:
            return cls(text)
        key = cls(match["name"])
        for part in match["parts"].split(","):
            name, equals, value = part.partition("=")
            if name in ("class_id", "k", "top_k") and equals and value.lstrip("-").isdigit():
                key = replace(key, sub_key=replace(key.sub_key, **{name: int(value)}))
            elif name == "output" and equals:
                key = replace(key, output_name=value)
            elif part in AGGREGATIONS:
                key = replace(key, aggregation=part)
            elif part == "unweighted":
                key = replace(key, unweighted=True)
            else:
                return cls(text)
        return key


def keys_of(name: str, keys: Iterable[str]) -> list[str]:
    """The keys that are meant by a metric's name: itself, or all of its parts, classes, averages and outputs."""
    every = list(keys)
    return [name] if name in every else [key for key in every if MetricKey.parse(key).name == name]

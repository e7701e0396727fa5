"""What a reader must bear in mind, found in the facts themselves: one function a kind of limit, one sentence each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from trueline.display.html import percent
from trueline.model_analysis.card.data import ModelCardData

__all__ = ["with_limits"]

_OFTEN_MISSING = 0.1
_NAMED = 8


def with_limits(data: ModelCardData) -> ModelCardData:
    """The same data with `limits` filled in; the automatic sentences depend on the other facts alone."""
    return replace(data, limits=tuple(sentence for find in _KINDS for sentence in find(data)))


def _named(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _verdict(data: ModelCardData) -> Iterator[str]:
    found = data.evaluation
    if found is None:
        yield "The model's quality was not measured: no evaluation was given."
    elif not found.judged:
        yield "The model was measured and not judged: no threshold was configured."
    elif not found.ok:
        yield f"The model did not pass its gates. {found.failures[0] if found.failures else ''}".rstrip()
    if found is not None and not found.has_baseline:
        yield "There was no other model to compare with: no change is known."


def _other_model(data: ModelCardData) -> Iterator[str]:
    found = data.evaluation
    if found is not None and found.candidate and data.model.fingerprint not in ("", found.candidate):
        yield "The evaluation is of another model: its fingerprint is not this model's."


def _noise(data: ModelCardData) -> Iterator[str]:
    found = data.evaluation
    if found is not None and found.overall and not any(m.low is not None for m in found.overall):
        yield "Sampling noise was not measured: the metrics have no intervals."


def _small(data: ModelCardData) -> Iterator[str]:
    found = data.evaluation
    if found is None:
        return
    if found.too_small:
        count = len(found.too_small) + found.too_small_left
        names = _named([f"{s.slice} ({s.rows:,})" for s in found.too_small])
        yield f"Slices below {found.min_slice_size:,} rows were not measured ({count:,}): {names}."
    if not found.slices:
        yield "Slices were not measured: how the model does on parts of the data is not known."
    if found.missing_labels:
        yield f"Rows without a label, left out of the evaluation: {found.missing_labels:,}."


def _undefined(data: ModelCardData) -> Iterator[str]:
    found = data.evaluation
    if found is not None and found.undefined:
        count = len(found.undefined) + found.undefined_left
        first = found.undefined[0]
        yield f"Undefined values: {count:,}; the first is {first.metric} on {first.slice}: {first.reason}."


def _missing(data: ModelCardData) -> Iterator[str]:
    features = data.data.statistics
    used = {i.name for i in data.model.inputs}
    often = [f for f in features or () if f.name in used and f.missing_share >= _OFTEN_MISSING]
    if often:
        names = _named([f"{f.name} ({percent(f.missing_share)})" for f in often])
        yield f"Inputs that are often missing in the data: {names}."
    if features is None:
        yield "Statistics of the data were not given."


def _anomalies(data: ModelCardData) -> Iterator[str]:
    found = data.data.anomalies
    if found is None:
        yield "Whether the data fit the schema was not given."
    elif found:
        yield f"Places where the data part from the schema: {len(found):,}."


def _leaks(data: ModelCardData) -> Iterator[str]:
    for raw in dict.fromkeys(leak.raw for leak in data.model.leakage):
        features = _named([leak.feature for leak in data.model.leakage if leak.raw == raw])
        yield f"Probable leakage: {features} and the label read the same raw column {raw}."


def _host(data: ModelCardData) -> Iterator[str]:
    if data.model.host_steps:
        yield (
            "The model runs Python code beside its graph: a server must allow it, and browsers cannot run it: "
            f"{_named(list(data.model.host_steps))}."
        )


def _not_measured(data: ModelCardData) -> Iterator[str]:
    if data.model.parity is None:
        yield "Agreement with the framework's own predictions is not known."
    for part, what in (
        (data.fairness, "Fairness between groups of people"),
        (data.explanation, "Which features the model depends on"),
        (data.robustness, "Robustness against disturbed inputs"),
        (data.server, "Whether the real server loads the model"),
    ):
        if part is None:
            yield f"{what}: not measured for this card."


def _server(data: ModelCardData) -> Iterator[str]:
    if data.server is not None and not data.server.ok:
        yield f"The model did not stand in the real server: {data.server.message.rstrip('.') or 'no reason is known'}."


_KINDS: tuple[Callable[[ModelCardData], Iterator[str]], ...] = (
    _verdict, _other_model, _noise, _small, _undefined, _missing, _anomalies, _leaks, _host, _server, _not_measured,
)  # fmt: skip

"""Views of what the components found: facts, anomalies, the model, the evaluation by slices."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trueline.display.html import Html, Safe, join, number, table, tag

__all__ = ["anomalies_view", "evaluation_view", "facts_view", "model_view", "skew_view"]


def facts_view(facts: Mapping[str, Any]) -> Html:
    """Named figures as cards."""
    cards = [tag("div", tag("b", _value(v)), tag("span", k.replace("_", " ")), class_="card") for k, v in facts.items()]
    return tag("div", *cards, class_="cards")


def _value(value: Any) -> Safe:
    if value is None or isinstance(value, bool | int | float):
        return number(value)
    return value if isinstance(value, Html) else str(value)


_SEVERITY = {0: "unknown", 1: "warning", 2: "error"}


def anomalies_view(anomalies: Any, findings: Sequence[Mapping[str, Any]] = ()) -> Html:
    """A table of an ``Anomalies`` proto (tensorflow-metadata), one row an anomaly.

    Args:
        anomalies: the proto.
        findings: what is known of single reasons beyond it: ``feature``, ``owner``, ``how_to_accept``.
    """
    known = [(name, info) for name, info in sorted(anomalies.anomaly_info.items())]
    if anomalies.dataset_anomaly_info.reason:
        known.insert(0, ("(the data set)", anomalies.dataset_anomaly_info))
    if not known:
        return tag("p", tag("span", "No anomalies found.", class_="good"))
    rows: list[Sequence[Safe]] = []
    for name, info in known:
        class_ = "bad" if info.severity == 2 else "warn"
        severity = tag("span", _SEVERITY.get(info.severity, "?"), class_=f"badge {class_}")
        own = [f for f in findings if (f.get("feature") or "(the data set)") == name]
        cells: list[Safe] = [tag("b", name), severity, info.short_description, info.description]
        if findings:
            cells += [", ".join(sorted({str(f["owner"]) for f in own if f.get("owner")})), _how_to_accept(own)]
        rows.append(cells)
    head = ["Feature", "Severity", "What", "Description"]
    return table([*head, "Owner", "To accept it"] if findings else head, rows)


def _how_to_accept(findings: Sequence[Mapping[str, Any]]) -> Html:
    """The change of the schema, folded away."""
    texts = [str(f["how_to_accept"]) for f in findings if f.get("how_to_accept")]
    if not texts:
        return tag("span", "–", class_="soft")
    first, _, change = texts[0].partition("\n")
    change = "\n\n".join([change, *texts[1:]]).strip()
    return (
        tag("details", tag("summary", first or "change the schema"), tag("pre", change))
        if change
        else tag("span", first)
    )


def skew_view(found: Mapping[str, Any]) -> Html:
    """What a row-by-row comparison counted, features that differ most first."""
    stats = {name: found["match_stats"][name] for name in _MATCHES if name in found["match_stats"]}
    names = ("base_count", "test_count", "match_count", "mismatch_count", "base_only", "test_only", "diff_count")
    results = sorted(found["skew_results"], key=lambda r: (-r["diff_count"], r["feature_name"]))
    rows = [[tag("b", r["feature_name"]), *(r[name] for name in names)] for r in results]
    head = ["Feature", *(name.removesuffix("_count").replace("_", " ") for name in names)]
    return join([facts_view(stats), table(head, rows, numeric=range(1, len(head)))])


_MATCHES = ("matching_pairs_count", "ids_missing_in_base_count", "ids_missing_in_test_count", "duplicate_id_count")


def model_view(info: Mapping[str, Any]) -> Html:
    """What ``model.json`` says: task, inputs, outputs, parity, leakage."""
    signature = info.get("signature", {})
    inputs = [
        [
            tag("b", f["name"]),
            f["dtype"],
            f.get("kind", "scalar"),
            "optional" if f.get("optional", True) else "required",
        ]
        for f in signature.get("inputs", ())
    ]
    outputs = [
        [tag("b", o["name"]), o["dtype"], json.dumps(o.get("shape")), str(o.get("meaning", "")).replace("_", " ")]
        for o in signature.get("outputs", ())
    ]
    facts = {k: info.get(k) for k in ("task", "framework", "label", "classes") if info.get(k) is not None}
    facts["features"] = len(info.get("features", ()))
    parts: list[Safe] = [
        facts_view(facts),
        tag("h3", "What a request gives"),
        table(["Input", "type", "kind", ""], inputs),
    ]
    parts += [tag("h3", "What an answer holds"), table(["Output", "type", "shape", "meaning"], outputs)]
    parity = info.get("parity")
    if parity:
        shown = {k: v for k, v in parity.items() if isinstance(v, bool | int | float | str)}
        parts += [tag("h3", "Parity with the framework's own prediction"), facts_view(shown)]
    leaks = info.get("leakage") or ()
    if leaks:
        rows = [[tag("b", x["feature"]), x["raw"], " → ".join(x["path"]), " → ".join(x["label_path"])] for x in leaks]
        note = tag("p", "These features read a raw column that the label reads too. Is it known when a request comes?")
        parts += [tag("h3", "Probable leakage"), note, table(["Feature", "Raw column", "Path", "Label's path"], rows)]
    return join(parts)


def _metric(value: Any) -> Safe:
    if isinstance(value, Mapping):
        return tag("span", "undefined", class_="soft", title=str(value.get("undefined", "")))
    return number(value) if isinstance(value, bool | int | float) else str(value)


def evaluation_view(
    slicing_metrics: Sequence[tuple[Any, Mapping[str, Any]]], validation: Mapping[str, Any] | None
) -> Html:
    """Metrics by slice, the whole data first, with the verdict of the gates.

    Args:
        slicing_metrics: (slice key, metric name to value) pairs; the empty slice key is the whole data.
        validation: the validation result: ``ok``, ``failures`` with a ``sentence`` each, ``rubber_stamp``.
    """
    parts: list[Safe] = []
    if validation is not None:
        verdict = ("good", "passes every gate") if validation.get("ok") else ("bad", "does not pass")
        parts.append(tag("p", tag("span", f"The model {verdict[1]}.", class_=f"badge {verdict[0]}")))
        failures = [tag("li", f.get("sentence", str(f))) for f in validation.get("failures", ())]
        if failures:
            parts.append(tag("ul", *failures))
        if validation.get("rubber_stamp"):
            parts.append(tag("p", "There was no other blessed model: value thresholds alone decided.", class_="soft"))
    names: dict[str, None] = {}
    for _, metrics in slicing_metrics:
        names.update(dict.fromkeys(metrics))
    rows = [
        [tag("b", _slice_name(key)), *(_metric(metrics.get(n)) if n in metrics else "" for n in names)]
        for key, metrics in slicing_metrics
    ]
    search = tag("input", type="search", placeholder="filter slices", data_filter="slices", aria_label="filter slices")
    parts += [search, tag("div", table(["Slice", *names], rows, numeric=range(1, len(names) + 1)), id="slices")]
    return join(parts)


def _slice_name(key: Any) -> str:
    if not key:
        return "Overall"
    if isinstance(key, str):
        return key
    return ", ".join(str(k) if v is None else f"{k} = {v}" for k, v in key)

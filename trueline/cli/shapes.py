"""What each command prints with ``--json``: the keys of its document, which stay as they are from version to version.

New keys may come; a key is never taken away or given another meaning without a major version. Times are milliseconds
since 1970. An error stands in its place on one line: ``{"error": {"type", "message", "where", "hint", "problems"},
"exit_code": n}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ERROR", "SHAPES", "Shape"]

_RUN = (
    "run_id", "pipeline", "status", "started", "finished", "seconds", "message", "params", "settings", "resumed",
    "cancel_requested", "host", "pid", "metadata",
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """The document of one command.

    Attributes:
        keys: of the object that is printed, in order; empty where another format's own rules say what it holds.
        many: a list of such objects.
        lines: one object a line, as things happen.
        optional: keys that stand there only where they were asked for.
        about: what the keys hold, where their names do not say it.
    """

    keys: tuple[str, ...] = ()
    many: bool = False
    lines: bool = False
    optional: tuple[str, ...] = ()
    about: str = ""

    def fits(self, told: Any) -> bool:
        """Whether a document has this shape."""
        if self.many:
            return isinstance(told, list) and all(self._fits(one) for one in told)
        return self._fits(told)

    def _fits(self, told: Any) -> bool:
        if not isinstance(told, dict):
            return False
        return not self.keys or tuple(key for key in told if key not in self.optional) == self.keys


ERROR = Shape(("error", "exit_code"), about="error: type, message, where, hint, problems.")

_RESULT = ("run_id", "status", "exit_code", "nodes")
_RESULT_ABOUT = "nodes: by id: state, gate_closed, seconds, found, message, cached_reason, outputs (name -> places)."

_STORE = ("place", "kind", "mlmd_version", "own_version", "current", "bytes", "counts", "next")
_STORE_ABOUT = "kind: ours, foreign, empty, half. counts: runs, artifacts, executions, contexts."

SHAPES: Mapping[str, Shape] = {
    "run": Shape(_RESULT, about=_RESULT_ABOUT + " With --every and --cron one object a line."),
    "plan": Shape(
        ("pipeline", "nodes"),
        optional=("diff",),
        about="nodes: node_id, action (run, cached, reuse, omit, skip, unknown, fail), reason. diff: null, or run_id, "
        "added, removed, changed (name -> sentences).",
    ),
    "resume": Shape(_RESULT, about=_RESULT_ABOUT),
    "cancel": Shape(("run_id", "status"), about="status RUNNING: it is asked to end."),
    "replay": Shape(
        ("same", "run_id", "node_id", "execution_id", "was", "log", "outputs", "found", "gate", "error", "trace"),
        about="same is null where nothing was recorded. outputs: by name: key, uri, same, files, properties.",
    ),
    "runs": Shape(_RUN, many=True, about="status DIED: the process is gone before its end."),
    "show": Shape(
        (*_RUN, "nodes"),
        about="nodes: node_id, base, state, attempt, started, finished, seconds, usage, found, message, reason, log, "
        "execution_id, outputs (name -> artifacts: id, type, uri, state, name).",
    ),
    "logs": Shape(("run_id", "nodes"), about="nodes: node_id, state, log, lines, problem. With --follow lines."),
    "logs --follow": Shape(("node_id", "line"), lines=True),
    "why": Shape(
        ("run_id", "node_id", "state", "reason", "message", "changes", "earlier_run", "earlier_execution"),
        about="changes: one sentence a difference from the earlier execution.",
    ),
    "lineage": Shape(
        ("of", "nodes", "edges"),
        about="of: kind, id. nodes: key, kind, id, type, state, name, uri, run_id, node_id, properties, "
        "custom_properties, focus. edges: from, to (keys), path.",
    ),
    "store info": Shape(_STORE, many=True, about=_STORE_ABOUT),
    "store adopt": Shape((*_STORE, "changed", "copy"), about=_STORE_ABOUT),
    "store upgrade": Shape((*_STORE, "changed", "copy"), about=_STORE_ABOUT + " copy: the file's copy, or null."),
    "store check": Shape(("place", "problems", "artifacts_checked", "recovered"), about="problems: sentences."),
    "doctor": Shape(("ok", "checks"), about="checks: check, state (ok, warning, missing, bad), text, hint."),
    "stats": Shape(about="tensorflow-metadata's DatasetFeatureStatisticsList, names of fields as in its proto."),
    "schema infer": Shape(about="tensorflow-metadata's Schema, names of fields as in its proto."),
    "schema view": Shape(about="tensorflow-metadata's Schema, names of fields as in its proto."),
    "schema accept": Shape(("findings", "dry_run", "written"), about="findings as of validate, and accepted."),
    "schema generate": Shape(("out", "rows")),
    "validate": Shape(
        ("ok", "rows", "data_missing", "findings", "drift_skew"),
        optional=("rows_broken",),
        about="findings: severity, owner, feature, type, short, description, how_to_accept, changes.",
    ),
    "predict": Shape(("model", "out", "rows")),
    "deploy docker": Shape(("out", "files")),
    "deploy k8s": Shape(("out", "objects")),
    "export": Shape(("model", "to", "out", "facts")),
    "evaluate": Shape(
        ("rows", "missing_labels", "split", "slices", "ok", "validation", "found_slices", "written"),
        about="slices: slice, rows, metrics (value, low, high, undefined), baseline, changes. ok is null where no "
        "threshold is set.",
    ),
    "explain": Shape(("format", "kind", "model", "options", "content")),
    "serve": Shape(lines=True, about="The server's events: event and its facts."),
}
"""By command, as it is called."""

"""Step two of a launch: has exactly this been done before?

The key covers everything that a result can depend on: the code of the executor and of user functions, the versions of
Python and of the packages that this code imports, the files beside it that it reads, parameters with their defaults,
the node's own fingerprint of outside files, and the contents (not the ids or times) of all inputs. Its parts are
stored, with notes that only explain them, so that a miss can say which of them changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trueline._core.errors import ArtifactError, ConfigError
from trueline._core.version import __version__
from trueline.metadata.records import Artifact, ExecutionState
from trueline.metadata.run_records import CacheEntry
from trueline.pipeline.artifacts import artifact_type
from trueline.pipeline.compile import CompiledInput, CompiledNode
from trueline.pipeline.context import ArtifactHandle
from trueline.pipeline.handles import handle_of
from trueline.pipeline.packages import packages_of, python_version
from trueline.pipeline.params import decode_params, functions_in
from trueline.pipeline.reasons import KEY_FORMAT, differences, earlier_entry
from trueline.pipeline.run_context import RunContext
from trueline.pipeline.user_function import UserFunction
from trueline.pipeline.whole import check_whole

__all__ = ["Hit", "Key", "Miss", "NodeCode", "cache_key", "code_of", "has_users_code", "look_up", "unsettled"]

_CODE_PARTS = ("executor", "functions", "packages", "missing", "files")


@dataclass(frozen=True)
class Key:
    """A cache key, the parts that it was hashed from, and under ``notes`` what explains them but is not in the hash."""

    digest: str
    parts: Mapping[str, Any]


@dataclass(frozen=True)
class Hit:
    """An earlier execution whose outputs are whole."""

    execution_id: int
    outputs: Mapping[str, list[Artifact]]
    reason: str


@dataclass(frozen=True)
class Miss:
    """Why the node has to run."""

    reason: str


def cache_key(
    run: RunContext,
    node: CompiledNode,
    inputs: Mapping[str, list[ArtifactHandle]],
    params: Mapping[str, Any] | None = None,
) -> Key:
    """The node's key in this run.

    Args:
        run: a sampled run (its `sample` is a number) has keys of its own: full runs never take its results.
        node: the node.
        inputs: the artifacts that it gets.
        params: its decoded parameters where they hold what is only known now; None: as the plan has them.

    Raises:
        ConfigError: code that cannot be read, or a fingerprint function that fails or returns no JSON value.
    """
    params = decode_params(node.params) if params is None else dict(params)
    code = code_of(node)
    sample = getattr(run, "sample", None)
    environment = node.settings.get("environment")  # of a secret the name alone
    parts = {
        "format": KEY_FORMAT,
        "pipeline": run.plan.name,
        "node": node.base_id,
        "trueline": __version__,
        "python": python_version(),
        **code.parts,
        "params": _nameless(params),
        "fingerprint": _own_fingerprint(node, params),
        "inputs": {key: [_input_part(handle) for handle in handles] for key, handles in inputs.items()},
        "outputs": dict(node.outputs),
        **({} if sample is None else {"sample": sample}),
        **({"environment": environment} if environment else {}),
    }
    notes = {"code": code.notes, "inputs": {key: _origins(made) for key, made in node.inputs.items()}}
    return _key_of(parts, notes)


def _key_of(parts: Mapping[str, Any], notes: Any) -> Key:
    text = json.dumps(parts, sort_keys=True)
    return Key(hashlib.sha256(text.encode()).hexdigest(), {**json.loads(text), "notes": notes})


def _origins(made: CompiledInput) -> list[str]:
    """``node.output`` of each source of an input."""
    return [f"{source[0]}.{source[1]}" for source in made.sources]


@dataclass(frozen=True)
class NodeCode:
    """The code of a node as the files are now: parts of its key, and short hashes by ``file:name`` as notes."""

    parts: Mapping[str, Any]
    notes: Mapping[str, Mapping[str, str]]


def code_of(node: CompiledNode) -> NodeCode:
    """The code of a node, the packages that it imports and the files that it reads, as they are now.

    Raises:
        ConfigError: code that cannot be read.
    """
    executor = UserFunction.from_json(node.executor) if node.executor else None
    functions = functions_in(decode_params(node.params))
    found = {path: function.code() for path, function in functions.items()}
    own = {} if executor is None else {"executor": executor.code()}
    modules = {module for code in (*own.values(), *found.values()) for module in code.modules}
    packages = packages_of(modules)
    named = {**{f"function {path}": code for path, code in found.items()}, **own}
    parts = {
        "executor": {"name": executor.name, "code": own["executor"].digest} if executor else None,
        "functions": {path: code.digest for path, code in found.items()},
        "packages": packages.versions,
        "missing": packages.missing,
        "files": {name: code.files for name, code in named.items() if code.files},
    }
    notes = {name: code.parts for name, code in named.items() if code.parts}
    return NodeCode(json.loads(json.dumps(parts)), notes)


def has_users_code(node: CompiledNode) -> bool:
    """Whether any code of the node lies in the user's own files."""
    executor = [UserFunction.from_json(node.executor)] if node.executor else []
    return any(
        function.file is not None for function in (*executor, *functions_in(decode_params(node.params)).values())
    )


def unsettled(node: CompiledNode, key: Key) -> Key | None:
    """Another key, which nothing is found by, if the code, a package that it imports or a file that it reads is no
    longer as it was when `key` was made; else None.

    A file can be edited before it is imported or after: nobody can say which code made the result.
    """
    try:
        now: Mapping[str, Any] = code_of(node).parts
    except ConfigError:  # being edited right now
        now = {}
    changed = [name for name in _CODE_PARTS if now.get(name, ...) != key.parts[name]]
    if not changed:
        return None
    parts = {name: value for name, value in key.parts.items() if name != "notes"}
    return _key_of({**parts, "unsettled": changed}, key.parts["notes"])


def _nameless(value: Any) -> Any:
    """Parameters with functions by name alone: their code is hashed, and a moved file is no change."""
    if isinstance(value, UserFunction):
        return {"__function__": value.name}
    if isinstance(value, Mapping):
        return {key: _nameless(item) for key, item in value.items()}
    return [_nameless(item) for item in value] if isinstance(value, list) else value


def _input_part(handle: ArtifactHandle) -> dict[str, Any]:
    declared = artifact_type(handle.type).PROPERTIES
    kept = {name: value for name, value in handle.properties.items() if name in declared}
    return {"fingerprint": handle.fingerprint, "properties": kept}


def _own_fingerprint(node: CompiledNode, params: dict[str, Any]) -> Any:
    if node.fingerprint is None:
        return None
    function = UserFunction.from_json(node.fingerprint)
    try:
        value = function.load()(params)
        return json.loads(json.dumps(value, sort_keys=True))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the fingerprint function {function} fails: {error}", where=f"node {node.id}") from error


def look_up(run: RunContext, node: CompiledNode, key: Key, params: Mapping[str, Any] | None = None) -> Hit | Miss:
    """The newest earlier execution with this key whose outputs are LIVE and whole, or the reason why not.

    `params` are those that `cache_key` was given.
    """
    if node.on_exit:
        return Miss("a node for the end runs in every run")
    own = node.node_settings.cache
    # What the run was told counts before what the node says, and that before what the pipeline says.
    if not (run.use_cache if own is None or run.use_cache != run.plan.cache else own):
        return Miss("the cache is off" + (" for this node" if own is False and run.use_cache else ""))
    damage: str | None = None
    for entry in run.runs.cache_entries(key=key.digest, pipeline=run.plan.name):
        execution = next(iter(run.store.executions(ids=[entry.execution_id])), None)
        if execution is None or execution.state not in (ExecutionState.COMPLETE, ExecutionState.CACHED):
            continue
        outputs = run.outputs_of(entry.execution_id)
        problem = _damage(run, node, outputs) or _outdated(node, outputs, params)
        if problem is None:
            return Hit(entry.execution_id, outputs, f"nothing changed since execution {entry.execution_id}")
        damage = damage or problem
    if damage is not None:
        return Miss(damage)
    return Miss(_reason(earlier_entry(run.runs, run.plan.name, node.base_id, node.id), key))


def _outdated(
    node: CompiledNode, outputs: Mapping[str, list[Artifact]], params: Mapping[str, Any] | None
) -> str | None:
    """Why an earlier result no longer describes the world outside, as the node itself sees it."""
    if node.outdated is None:
        return None
    properties = {key: handle_of(artifacts[0]).properties for key, artifacts in outputs.items()}
    given = decode_params(node.params) if params is None else dict(params)
    reason: str | None = UserFunction.from_json(node.outdated).load()(given, properties)
    return reason


def _reason(earlier: CacheEntry | None, key: Key) -> str:
    if earlier is None:
        return "first run of this node"
    if earlier.key == key.digest:
        return f"execution {earlier.execution_id} with the same inputs did not succeed"
    return "; ".join(differences(earlier.parts, key.parts)) or "the key changed"


def _damage(run: RunContext, node: CompiledNode, outputs: Mapping[str, list[Artifact]]) -> str | None:
    for key in node.outputs:
        if not outputs.get(key):
            return f"the output {key} was not recorded"
        for artifact in outputs[key]:
            try:
                check_whole(artifact, run.work_dir / "verified")
            except ArtifactError as error:
                what = "; ".join(error.problems) or error.message
                gone = "no MANIFEST.json" in error.message or "is gone" in what
                return f"the files of {key} are {'gone' if gone else 'damaged'} ({what})"
    return None

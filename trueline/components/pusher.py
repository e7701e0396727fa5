"""A blessed model put where servers look for it, all at once or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from trueline._core import store
from trueline._core.errors import ArtifactError
from trueline._core.manifest import MANIFEST_NAME, read_manifest
from trueline.components.push_targets import PushTarget, Version, push_to_target, ready_target, target_params
from trueline.components.pusher_rollback import ROLLED_BACK, read_rollback, refused_models
from trueline.components.pusher_versions import pushed_versions
from trueline.pipeline.artifacts import InfraBlessing, Model, ModelBlessing, PushedModel
from trueline.pipeline.channel import Channel
from trueline.pipeline.context import ArtifactHandle, ExecutionContext
from trueline.pipeline.node import Component, In, Out

__all__ = ["PUSHED_FILE", "Pusher", "execute", "outdated", "push_model", "pushed_versions"]

PUSHED_FILE = "pushed.json"
PUSHED_MANIFEST = "pushed_manifest.json"
_PUSHING = ".pushing-"


class Pusher(Component):
    """Copies a model to ``<push_destination>/<version>/``, where version is a growing whole number.

    Every blessing that is wired must be there, must say yes, and must speak of this very model; else nothing is pushed
    and the line stops here with the reason. Servers never see half a model: locally the copy is renamed into place,
    elsewhere its manifest comes last. If the newest version there is the same model already, it stays as it is.
    A sampled run never pushes, and a model that was rolled back at this destination is not pushed again.

    Args:
        model: the model.
        push_destination: a folder or URI that servers read.
        model_blessing: the Evaluator's blessing.
        infra_blessing: the InfraValidator's blessing.
        target: a service or registry that takes the version from there: `KServe`, `VertexEndpoint`,
            `SageMakerEndpoint`, `MlflowRegistry`. It is asked whether it would before anything is pushed.

    Outputs: ``pushed_model``, with the properties ``pushed`` (1 or 0), ``pushed_destination``, ``pushed_version``.
    """

    INPUTS: ClassVar[Mapping[str, In]] = {
        "model": In(Model),
        "model_blessing": In(ModelBlessing, optional=True),
        "infra_blessing": In(InfraBlessing, optional=True),
    }
    OUTPUTS: ClassVar[Mapping[str, Out]] = {"pushed_model": Out(PushedModel)}
    EXECUTOR = "trueline.components.pusher:execute"
    OUTDATED = "trueline.components.pusher:outdated"

    def __init__(
        self,
        *,
        model: Channel,
        push_destination: str | os.PathLike[str],
        model_blessing: Channel | None = None,
        infra_blessing: Channel | None = None,
        target: PushTarget | None = None,
        node_id: str | None = None,
    ) -> None:
        destination = os.fspath(push_destination)
        super().__init__(
            node_id=node_id,
            inputs={"model": model, "model_blessing": model_blessing, "infra_blessing": infra_blessing},
            params={
                "push_destination": destination,
                "needs": [
                    name
                    for name, channel in (("model_blessing", model_blessing), ("infra_blessing", infra_blessing))
                    if channel is not None
                ],
                **({} if target is None else {"target": target_params(target, destination)}),
            },
        )


def execute(ctx: ExecutionContext) -> None:
    """Pushes, or says why not."""
    model, out = ctx.input("model"), ctx.output("pushed_model")
    destination = ctx.params["push_destination"]
    if ctx.sample is not None:
        _leave(ctx, "a sampled run never pushes")
        return
    refusal = next((r for name in ctx.params["needs"] if (r := _refusal(name, ctx, model))), None)
    if refusal is not None:
        _leave(ctx, refusal)
        ctx.close_gate(refusal)
        return
    if model.fingerprint in refused_models(destination):
        out.properties[ROLLED_BACK] = 1
        _leave(ctx, f"this model was rolled back in {destination} on purpose; promote it to push it again")
        return
    asked = ctx.params.get("target")
    target = None if asked is None else ready_target(asked, destination)
    version, new = push_model(model.uri, destination)
    record = {"pushed": True, "destination": destination, "version": version, "model": model.fingerprint}
    if target is not None:
        pushed = Version(store.join(destination, str(version)), version, model.fingerprint or "")
        record["target"] = push_to_target(target, pushed)
        out.properties["pushed_target"] = target.KIND
    store.write_text(out.path(PUSHED_FILE), json.dumps(record, sort_keys=True))
    _tie(out.uri, store.join(destination, str(version)))
    out.properties.update(pushed=1, pushed_destination=destination, pushed_version=str(version))
    ctx.report(pushed=True, version=str(version), **({} if new else {"already_there": True}))


def _leave(ctx: ExecutionContext, reason: str) -> None:
    """Nothing is pushed, and the artifact says why."""
    out = ctx.output("pushed_model")
    out.properties["pushed"] = 0
    store.write_text(out.path(PUSHED_FILE), json.dumps({"pushed": False, "reason": reason}))
    ctx.report(pushed=False, reason=reason)


def outdated(params: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Why an earlier push does not count: servers take the newest version, and by now that is another one.

    So a line that goes back to an earlier model (its code, data or parameters as they were) pushes that model again. It
    does not where that model was rolled back: the version that replaced it stands there on purpose.
    """
    pushed, destination = outputs["pushed_model"], params["push_destination"]
    record = read_rollback(destination)
    if pushed.get("pushed") != 1:
        if pushed.get(ROLLED_BACK) == 1 and record is None:
            return f"the rollback in {destination} is over: another model was pushed since"
        return None
    versions = pushed_versions(destination)
    if not versions or str(versions[-1]) == pushed["pushed_version"]:
        return None
    if record is not None and pushed["pushed_version"] in record.versions:
        return None
    return f"version {versions[-1]} in {destination} has replaced version {pushed['pushed_version']}"


def _refusal(name: str, ctx: ExecutionContext, model: ArtifactHandle) -> str | None:
    """Why a blessing does not let the model pass, or None."""
    blessing = ctx.optional_input(name)
    what = name.replace("_", " ")
    if blessing is None:
        return f"Nothing was pushed: the {what} that the Pusher waits for is not there."
    # Contents, not numbers: the same model trained again is the same model.
    if blessing.properties.get("current_model_fingerprint") != model.fingerprint or model.fingerprint is None:
        return f"Nothing was pushed: the {what} speaks of another model."
    if blessing.properties.get("blessed") != 1:
        reason = str(blessing.properties.get("reason") or f"the {what} says no")
        return f"Nothing was pushed: {reason[0].lower()}{reason[1:]}"
    return None


def _tie(out_uri: str, pushed: str) -> None:
    """Makes the pushed version part of the artifact, by a link to its manifest.

    When somebody deletes or changes the version, the artifact is no longer whole, the cache sees that, and the next run
    pushes again. Only where both are local; elsewhere the record alone is kept.
    """
    if store.is_local(out_uri) and store.is_local(pushed):
        target = store.local_path(store.join(pushed, MANIFEST_NAME)).absolute()
        with contextlib.suppress(OSError):
            store.local_path(store.join(out_uri, PUSHED_MANIFEST)).symlink_to(target)


def push_model(model_uri: str, destination: str) -> tuple[int, bool]:
    """Copies a model to a new version; (version, True), or (newest version, False) when that is this model already.

    Raises:
        ArtifactError: the model is not whole, or its copy is not.
    """
    fingerprint = read_manifest(model_uri, "sha256").fingerprint
    with _alone(destination) as alone:
        if alone:
            _remove_left(destination)
        return _push(model_uri, fingerprint, destination)


def _push(model_uri: str, fingerprint: str, destination: str) -> tuple[int, bool]:
    versions = pushed_versions(destination)
    if versions and _fingerprint(store.join(destination, str(versions[-1]))) == fingerprint:
        return versions[-1], False
    taken = [int(name) for name in store.listdir(destination) if name.isascii() and name.isdigit()]
    version = max([int(time.time()), *(v + 1 for v in taken)])
    target = store.join(destination, str(version))
    if store.is_local(destination):
        _copy_and_rename(model_uri, destination, target)
    else:
        store.copy_tree(model_uri, target)
        read_manifest(target, "sha256")
    return version, True


@contextlib.contextmanager
def _alone(destination: str) -> Iterator[bool]:
    """Waits for other pushes to the same local folder, so that two do not take one version; whether that was possible.

    The lock is the folder's own and ends with the process that holds it. Not every system and file system has it.
    """
    if sys.platform == "win32" or not store.is_local(destination):
        yield False
        return
    import fcntl

    store.makedirs(destination)
    handle = os.open(store.local_path(destination), os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _remove_left(destination: str) -> None:
    """Removes the copies of pushes that were killed; for the holder of the lock there are no others."""
    for name in store.listdir(destination):
        if name.startswith(_PUSHING):
            store.remove_tree(store.join(destination, name))


def _fingerprint(uri: str) -> str | None:
    try:
        return read_manifest(uri, "sha256").fingerprint
    except ArtifactError:
        return None


def _copy_and_rename(model_uri: str, destination: str, target: str) -> None:
    # A name that is no number: no server takes it for a version, whenever this process dies.
    temporary = store.join(destination, f"{_PUSHING}{uuid.uuid4().hex}")
    try:
        store.copy_tree(model_uri, temporary)
        read_manifest(temporary, "sha256")
        store.local_path(temporary).rename(store.local_path(target))
    finally:
        store.remove_tree(temporary)

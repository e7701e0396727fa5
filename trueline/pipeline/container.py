"""Components whose work a container does: an image and a command, carried out by docker or podman.

    train = create_container_component(
        name="Train",
        image="registry.example/train:3",
        command=["train", "--data", input("examples").uri, "--steps", exec_property("steps"),
                 "--out", output("model").uri],
        inputs={"examples": Examples},
        outputs={"model": Model},
        parameters={"steps": int},
    )
    trainer = train(examples=gen.outputs["examples"], steps=100)

`input`, `output` and `exec_property` are `trueline.pipeline.placeholders`'. The command takes the place of the image's
own entry point, as on Kubernetes. Folders are seen at the same paths inside: inputs to be read, outputs to be written.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar, Self

from trueline._core.errors import ConfigError, did_you_mean
from trueline.pipeline.artifacts import ArtifactType
from trueline.pipeline.channel import Channel
from trueline.pipeline.node import Component, In, Out
from trueline.pipeline.placeholders import Placeholder

__all__ = ["ContainerComponent", "create_container_component"]

_TYPES = (int, float, str, bool, list, dict)
_OWN = ("image", "command", "environment", "resources", "network")
_KNOWN = {"input": "INPUTS", "output": "OUTPUTS", "exec_property": "PARAMETERS"}


class ContainerComponent(Component):
    """Base of what `create_container_component` makes; called with channels and parameters by name.

    The node has a process of its own, so that the container ends with a time-out or a cancelled run. Its image, its
    command and its environment are in the cache key; of a `Secret` only the name.
    """

    EXECUTOR = "trueline.pipeline.container_run:execute"
    IMAGE: ClassVar[str | Placeholder] = ""
    COMMAND: ClassVar[Sequence[str | Placeholder]] = ()
    PARAMETERS: ClassVar[Mapping[str, type]] = {}
    DEFAULTS: ClassVar[Mapping[str, Any]] = {}
    NETWORK: ClassVar[str | None] = None

    def __init__(self, *, node_id: str | None = None, **arguments: Any) -> None:
        cls = type(self)
        wired = {name: value for name, value in arguments.items() if name in cls.INPUTS}
        given = {name: value for name, value in arguments.items() if name in cls.PARAMETERS}
        values = {**cls.DEFAULTS, **given}
        own: dict[str, Any] = {"image": cls.IMAGE, "command": list(cls.COMMAND), "network": cls.NETWORK}
        super().__init__(
            node_id=node_id,
            inputs=wired,
            params={**values, **{f"container_{name}": value for name, value in own.items() if value is not None}},
        )
        self.settings = replace(self.settings, isolation="process")
        known = [*cls.INPUTS, *cls.PARAMETERS]
        for name in sorted(set(arguments) - set(known)):
            self.note(f"takes no argument {name!r}. {did_you_mean(name, known)}")
        for name, kind in cls.PARAMETERS.items():
            if name not in values:
                self.note(f"needs the argument {name!r} ({kind.__name__})")
            elif not _fits(values[name], kind):
                self.note(f"argument {name!r} takes {kind.__name__}, but was given {values[name]!r}")

    def with_settings(self, **settings: Any) -> Self:
        """As for every node; the environment and the resources are the container's."""
        super().with_settings(**settings)
        told: dict[str, Any] = {}
        if "environment" in settings:
            told["container_environment"] = dict(self.settings.environment)
        if "resources" in settings:
            told["container_resources"] = asdict(self.settings.resources)
        self.params.update(told)
        return self


def _fits(value: Any, kind: type) -> bool:
    if isinstance(value, Placeholder | Channel):
        return True
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind) or (kind is float and isinstance(value, int))


def create_container_component(
    name: str,
    image: str | Placeholder,
    command: Sequence[str | Placeholder],
    inputs: Mapping[str, type[ArtifactType] | In] | None = None,
    outputs: Mapping[str, type[ArtifactType] | Out] | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    network: str | None = None,
) -> type[ContainerComponent]:
    """A component class, as TFX's function of this name makes one.

    Args:
        name: the class's name, and the node's default id.
        image: the container image.
        command: the program and its arguments: text or placeholders. It takes the place of the image's entry point.
        inputs: artifact types by name; ``In(type, optional=True)`` for one that may be left out.
        outputs: artifact types by name.
        parameters: types by name (int, float, str, bool, list, dict), or a default in place of the type.
        network: as ``--network`` takes it, such as ``none``; by default what docker or podman does by itself.

    Raises:
        ConfigError: all that is wrong, at once.
    """
    taken = {key: kind if isinstance(kind, In) else In(kind) for key, kind in (inputs or {}).items()}
    made = {key: kind if isinstance(kind, Out) else Out(kind) for key, kind in (outputs or {}).items()}
    kinds, defaults = _parameters(parameters or {})
    problems = _problems(name, image, command, taken, made, kinds)
    if problems:
        raise ConfigError(f"{name!r} is no container component", problems=problems)
    namespace = {
        "__module__": sys._getframe(1).f_globals.get("__name__", __name__),
        "__qualname__": name,
        "__doc__": f"{name}: done by a container.",
        "INPUTS": taken,
        "OUTPUTS": made,
        "IMAGE": image,
        "COMMAND": tuple(command),
        "PARAMETERS": kinds,
        "DEFAULTS": defaults,
        "NETWORK": network,
    }
    return type(name, (ContainerComponent,), namespace)


def _parameters(given: Mapping[str, Any]) -> tuple[dict[str, type], dict[str, Any]]:
    kinds = {name: value if isinstance(value, type) else type(value) for name, value in given.items()}
    return kinds, {name: value for name, value in given.items() if not isinstance(value, type)}


def _problems(
    name: object,
    image: object,
    command: object,
    inputs: Mapping[str, In],
    outputs: Mapping[str, Out],
    parameters: Mapping[str, type],
) -> list[str]:
    found = []
    if not isinstance(name, str) or not name.isidentifier():
        found.append("the name must be one that Python takes for a class")
    if not isinstance(image, Placeholder) and not (isinstance(image, str) and image and image[0] != "-"):
        found.append(f"image is {image!r}; the name of an image is needed")
    declared = {**{key: one.type for key, one in inputs.items()}, **{key: one.type for key, one in outputs.items()}}
    found += [
        f"{key!r} is {kind!r}; an artifact type is needed"
        for key, kind in declared.items()
        if not (isinstance(kind, type) and issubclass(kind, ArtifactType))
    ]
    found += [
        f"parameter {key!r} has the type {kind.__name__}" for key, kind in parameters.items() if kind not in _TYPES
    ]
    every = [*inputs, *outputs, *parameters]
    found += [f"{key!r} is named twice" for key in sorted({key for key in every if every.count(key) > 1})]
    reserved = {f"container_{own}" for own in _OWN} | {"node_id"}
    found += [f"{key!r} is a name that is taken" for key in every if key in reserved or not str(key).isidentifier()]
    names = {"input": inputs, "output": outputs, "exec_property": parameters}
    return found + _command_problems(command, names)


def _command_problems(command: object, names: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not isinstance(command, list | tuple) or not command:
        return [f"command is {command!r}; a list with the program and its arguments is needed"]
    found = []
    for i, item in enumerate(command):
        if isinstance(item, Placeholder):
            found += [
                f"command[{i}] speaks of the {op} {key!r}. {did_you_mean(str(key), names[op])}"
                for op, key in _spoken_of(item)
                if key not in names[op]
            ]
        elif not isinstance(item, str):
            found.append(f"command[{i}] is {item!r}; text or a placeholder is needed")
    return found


def _spoken_of(item: Any) -> list[tuple[str, Any]]:
    """The container's own inputs, outputs and parameters in an expression."""
    if isinstance(item, Placeholder):
        here = [(item.op, item.args[0])] if item.op in _KNOWN else []
        return here + [found for arg in item.args for found in _spoken_of(arg)]
    if isinstance(item, Mapping):
        return [found for value in item.values() for found in _spoken_of(value)]
    return [found for one in item for found in _spoken_of(one)] if isinstance(item, list | tuple) else []

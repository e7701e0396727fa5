"""The nodes that the launcher itself carries out: `Importer` brings something in, `Resolver` looks something up."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from trueline._core.errors import did_you_mean
from trueline.pipeline.artifacts import ArtifactType, InfraBlessing, Model, ModelBlessing, PushedModel
from trueline.pipeline.channel import Channel
from trueline.pipeline.node import Component, Out
from trueline.pipeline.resolvers_names import ALIASES, steps_of
from trueline.pipeline.resolvers_table import FUNCTIONS, POLICIES, Step
from trueline.pipeline.resolvers_where import problem_of
from trueline.pipeline.user_function import UserFunction

__all__ = ["Importer", "Resolver", "ResolverRuns"]

ResolverRuns = Literal["any", "passed", "complete"]
_RUNS = ("any", "passed", "complete")
_PASSWORD = re.compile(r"://[^/@:]*:[^/@]+@")
_RESERVED = ("is_external", "trueline_version")
_KINDS: Mapping[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "str": (str,), "bool": (bool,)}
_VERDICTS: Mapping[str, tuple[str, type[ArtifactType]]] = {
    "ModelBlessing": ("model_blessing", ModelBlessing),
    "InfraBlessing": ("infra_blessing", InfraBlessing),
    "PushedModel": ("pushed_model", PushedModel),
}


class Importer(Component):
    """Makes an artifact of something that lies outside the pipeline.

    The newest artifact with the same URI, type, properties and contents is used again; changed contents make a
    new artifact. Nothing is copied and nothing is written beside the files.

    Args:
        source_uri: the folder or file; a path or an URI of a store.
        artifact_type: what it is.
        reimport: make a new artifact even if nothing changed.
        properties: properties of the artifact; those that its type does not declare become custom ones.
        custom_properties: custom properties, also of names that the type declares.
        output_key: the output's name.
    """

    SYSTEM = "importer"

    def __init__(
        self,
        *,
        source_uri: str,
        artifact_type: type[ArtifactType],
        reimport: bool = False,
        properties: Mapping[str, Any] | None = None,
        custom_properties: Mapping[str, Any] | None = None,
        output_key: str = "result",
        node_id: str | None = None,
    ) -> None:
        custom = {"custom_properties": dict(custom_properties)} if custom_properties else {}
        super().__init__(
            node_id=node_id,
            params={
                "source_uri": str(source_uri),
                "reimport": reimport,
                "properties": dict(properties or {}),
                **custom,
                "output_key": output_key,
            },
        )
        if _type_of(artifact_type) is not None:
            self.declared_outputs = {output_key: Out(artifact_type)}
        else:
            self.note(f"needs an artifact type, not {artifact_type!r}: artifact_type=Schema, say")
        self._note_problems(source_uri, output_key, properties or {}, custom_properties or {})
        self._wire({})

    def _note_problems(
        self, source_uri: object, output_key: object, properties: Mapping[str, Any], custom: Mapping[str, Any]
    ) -> None:
        if source_uri == "":
            self.note("needs a source_uri: a folder or a file")
        if not isinstance(output_key, str) or not output_key.isidentifier():
            self.note(f"cannot call its output {output_key!r}; give a name as Python has them")
        for name in [*properties, *custom]:
            if str(name).startswith("__") or name in _RESERVED:
                self.note(
                    f"cannot set the property {name!r}: trueline keeps {', '.join(_RESERVED)} and names with __ itself"
                )
        for out in self.declared_outputs.values():
            for name, kind in out.type.PROPERTIES.items():
                value = properties.get(name)
                plain = isinstance(value, bool | int | float | str | list | dict)
                if kind in _KINDS and plain and type(value) not in _KINDS[kind]:
                    self.note(f"was given {name}={value!r}, but {out.type.TYPE_NAME} declares it as {kind}")


class Resolver(Component):
    """Finds artifacts of earlier runs: of this pipeline, of another one, or of another metadata database.

    * ``Resolver(strategy="latest", examples=Examples)``: what a run put out last (the `n` last), made anew or taken
      from the cache, never by this very run. Too few is a failure, or with ``optional=True`` an empty output: what an
      optional input takes on a first run, such as the statistics that drift is measured against.
    * ``Resolver(strategy="latest_blessed")``: outputs ``model`` and ``model_blessing``, the newest model whose newest
      verdict is a blessing. None yet is a success with empty outputs, so that the first run passes.
    * ``Resolver(strategy=rolling_range(num_spans=7), examples=Examples)``: one or several functions of
      `trueline.pipeline.resolvers`, or their names; TFX's strategy classes go by their names.
    * ``Resolver(strategy=my_function, examples=Examples)``: a function of one's own, called with an
      `trueline.pipeline.resolvers_query.ArtifactQuery`; it returns lists of artifacts by output.

    Artifacts whose files are gone or changed, whose gate was closed, or that a sampled run made are passed over;
    ``passed_over`` in the node's findings says which and why.

    Args:
        strategy: a name, a step, a list of steps, or a function of one's own.
        n: how many, for the functions that take n.
        optional: fewer than asked for is no failure.
        config: parameters of a strategy that is given by name.
        where: only artifacts for which this holds, such as ``"span >= 3 and country == 'DE'"``.
        producer: only what this node put out; for a loop's node, what any of its passes did.
        output_key: only what was put out under this name.
        runs: ``passed``: artifacts of runs that have ended without a closed gate, so that nothing is built on what a
            later check refused; ``complete``: of runs that ended COMPLETE; ``any``: of all. None: ``passed``, but
            ``any`` for ``latest_blessed`` and functions of one's own, which judge for themselves.
        pipeline: the name of another pipeline in place of this one.
        metadata: the database of another pipeline's runs; its artifacts are noted in this one as external.
        artifacts: an artifact type for each output; or an output of a node of this pipeline, which stands for its
            type, producer and name in earlier runs, and is not waited for.
    """

    SYSTEM = "resolver"

    def __init__(
        self,
        *,
        strategy: str | Step | Callable[..., Any] | UserFunction | Sequence[Any] = "latest",
        n: int = 1,
        optional: bool = False,
        config: Mapping[str, Any] | None = None,
        where: str | None = None,
        producer: str | None = None,
        output_key: str | None = None,
        runs: ResolverRuns | None = None,
        pipeline: str | None = None,
        metadata: str | None = None,
        node_id: str | None = None,
        **artifacts: type[ArtifactType] | Channel,
    ) -> None:
        problems: list[str] = []
        steps = steps_of(strategy, self._config(strategy, config, n), problems.append)
        more = {"where": where, "producer": producer, "output_key": output_key, "runs": runs}
        more |= {"pipeline": pipeline, "metadata": metadata}
        params = {**_strategy_params(steps, n), "optional": optional}
        params |= {name: value for name, value in more.items() if value is not None}
        problems += _option_problems(params, steps)
        if steps and steps[0].name == "latest_blessed":
            artifacts = dict(_verdicts(str(steps[0].params.get("policy", "evaluator_blessed")), artifacts, problems))
        elif not artifacts:
            problems.append(
                "needs the artifact types to look for, as in Resolver(strategy='latest', examples=Examples)"
            )
        if any(FUNCTIONS[step.name].over == "together" for step in steps) and len(artifacts) < 2:
            problems.append(f"needs two or more artifact types, which {steps[0].name} puts together")
        kinds, sources = _declared(artifacts, problems)
        super().__init__(node_id=node_id, params={**params, **({"sources": sources} if sources else {})})
        for problem in problems:
            self.note(problem)
        self.declared_outputs = {key: Out(kind) for key, kind in kinds.items()}
        self._wire({})

    @staticmethod
    def _config(strategy: object, config: Mapping[str, Any] | None, n: Any) -> dict[str, Any]:
        """The configuration with n, for a function that takes it."""
        given = dict(config or {})
        name = ALIASES.get(strategy, strategy) if isinstance(strategy, str) else None
        function = FUNCTIONS.get(name) if name is not None else None
        if function is not None and "n" in function.params and not {"n", "desired_num_of_artifacts"} & set(given):
            given["n"] = n
        return given


def _strategy_params(steps: Sequence[Step], n: Any) -> dict[str, Any]:
    """The steps as parameters: one by its name, several as a list."""
    if len(steps) == 1:
        config = {name: value for name, value in steps[0].params.items() if name != "n"}
        own = {"config": config} if config else {}
        return {"strategy": steps[0].name, "n": steps[0].params.get("n", n), **own}
    return {"strategy": [step.to_json() for step in steps], "n": n}


def _option_problems(params: Mapping[str, Any], steps: Sequence[Step]) -> list[str]:
    problems = []
    n, where, runs, metadata = (params.get(name) for name in ("n", "where", "runs", "metadata"))
    takes_n = any("n" in FUNCTIONS[step.name].params for step in steps)
    if isinstance(n, int) and n != 1 and steps and not takes_n:
        problems.append(f"was given n={n}, which {', '.join(step.name for step in steps)} does not take")
    if isinstance(where, str) and (wrong := problem_of(where)) is not None:
        problems.append(f"cannot filter by where={where!r}: {wrong}")
    if isinstance(runs, str) and runs not in _RUNS:
        problems.append(f"cannot look at runs={runs!r}. {did_you_mean(runs, _RUNS)}")
    if isinstance(metadata, str) and _PASSWORD.search(metadata):
        problems.append(
            "was given a metadata database with a password, which would be kept and shown: give a Secret, or leave the "
            "password to the database's own files (.pgpass, .my.cnf)"
        )
    return problems


def _verdicts(
    policy: str, artifacts: Mapping[str, Any], problems: list[str]
) -> Mapping[str, type[ArtifactType] | Channel]:
    """The outputs of a policy: as given, or by their usual names."""
    wanted: dict[str, type[ArtifactType]] = {"model": Model}
    wanted |= {_VERDICTS[kind][0]: _VERDICTS[kind][1] for kind in POLICIES.get(policy, ())}
    if not artifacts:
        return wanted
    kinds = sorted(kind.TYPE_NAME for kind in (_type_of(given) for given in artifacts.values()) if kind is not None)
    if kinds != sorted(kind.TYPE_NAME for kind in wanted.values()):
        listed = " and ".join(f"one {kind.TYPE_NAME}" for kind in wanted.values())
        problems.append(f"with strategy 'latest_blessed' takes exactly {listed}")
    return artifacts


def _declared(
    artifacts: Mapping[str, Any], problems: list[str]
) -> tuple[dict[str, type[ArtifactType]], dict[str, list[str]]]:
    """The types of the outputs, and of those that name a node's output that node and output."""
    kinds: dict[str, type[ArtifactType]] = {}
    sources: dict[str, list[str]] = {}
    for key, given in artifacts.items():
        kind = _type_of(given)
        if kind is None:
            problems.append(f"argument {key!r} must be an artifact type, not {given!r}")
            continue
        kinds[key] = kind
        if isinstance(given, Channel):
            sources[key] = [given.producer.node_id, given.key]
    return kinds, sources


def _type_of(given: object) -> type[ArtifactType] | None:
    if isinstance(given, Channel):
        return given.type
    return given if isinstance(given, type) and issubclass(given, ArtifactType) else None

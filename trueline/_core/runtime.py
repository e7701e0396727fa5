"""A model directory as something that predicts: the same code in bulk, evaluation, batch inference and the server.

Reads ``MANIFEST.json``, ``model.json``, ``host.json`` and ``model.onnx`` with numpy and ONNX Runtime alone; pyarrow is
imported only by `ModelRuntime.predict_arrow`. Nothing in the directory is executed but the ONNX graph: host steps and
Python models are functions of installed modules, named by the directory and run only where their module is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from trueline._core import store
from trueline._core.errors import FeedError, ModelError
from trueline._core.feed_blocks import Packed
from trueline._core.feeds import Arrays, Feeds
from trueline._core.host import HOST_PREFIX, HostStep, check_allowed, run_host_steps
from trueline._core.host_forms import fed_values
from trueline._core.manifest import Manifest, read_manifest
from trueline._core.model_files import read_graph, read_json
from trueline._core.model_form import check_model_form, check_outputs
from trueline._core.providers import wanted_providers
from trueline._core.python_model import PythonPart, PythonStep
from trueline._core.sessions import make_session as make_session
from trueline._core.values import RawFeature

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MODEL_FORMAT", "ModelRuntime", "OnnxGraph"]

MODEL_FORMAT = 1


def _runner(session: Any) -> Callable[[list[str], Arrays, None], list[npt.NDArray[Any]]]:
    """The session's `run`, below the layer that looks every input's name up in a list.

    That look-up costs more than a small model's run when there are dozens of inputs; `OnnxGraph` has compared the
    names before, and ONNX Runtime checks names, types and shapes below.
    """
    run: Callable[[list[str], Arrays, None], list[npt.NDArray[Any]]] = getattr(session, "_sess", session).run
    return run


class OnnxGraph:
    """One ONNX graph with its feeds and host steps: columns in, named arrays out.

    Args:
        model: the serialised graph.
        feeds: what the graph takes, host columns included.
        steps: host steps that make the ``host:`` columns.
        raw: the raw columns that a caller gives; by default those of `feeds` that are no host columns.
        providers: where it runs, as `wanted_providers` gives them.
        after: a Python model that makes the outputs of those of the graph.
    """

    def __init__(
        self,
        model: bytes,
        feeds: Feeds,
        steps: Sequence[HostStep] = (),
        raw: Sequence[RawFeature] | None = None,
        *,
        providers: Sequence[str] = ("cpu",),
        after: PythonPart | None = None,
    ) -> None:
        self.feeds = feeds
        self.steps = tuple(steps)
        made = {s.feature.name for s in self.steps}
        self.raw = Feeds(raw if raw is not None else [f for f in feeds.features if f.name not in made])
        self._made = made
        self._session = make_session(model, providers)
        self._run = _runner(self._session)
        self._made_names = [o.name for o in self._session.get_outputs()]
        self._after = after
        self.output_names = after.output_names if after is not None else self._made_names
        self._wanted = [i.name for i in self._session.get_inputs()]
        declared = {name for name, _, _ in feeds.onnx_inputs()}
        self._declared = declared
        if not set(self._wanted) <= declared:
            raise ModelError(
                f"the graph reads inputs that its feeds do not give: {sorted(set(self._wanted) - declared)}",
                hint="the model directory was put together from different models.",
            )
        self._reads_all = len(self._wanted) == len(declared)
        self._rest = Feeds([f for f in feeds.features if f.name in made])
        raw_by_name = self.raw.by_name
        self._raw_as_fed = all(f.name in made or raw_by_name.get(f.name) == f for f in feeds.features)

    def run(self, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
        """Runs the graph on arrays that `feeds` made."""
        return self._outputs({n: arrays[n] for n in self._wanted})

    def _outputs(self, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
        try:
            values = self._run(self._made_names, arrays, None)
        except Exception as error:  # ONNX Runtime's own kinds have no common base
            raise ModelError(f"the graph fails on these rows: {error}") from error
        made = dict(zip(self._made_names, values, strict=True))
        return made if self._after is None else self._after(made)

    def run_packed(self, packed: Packed) -> dict[str, npt.NDArray[Any]]:
        """Runs the graph on what `packed_from_rows` and `packed_from_columns` made, alone or merged."""
        arrays = self.feeds.unpack(packed)
        if not self._reads_all:
            return self.run(arrays)
        return self._outputs(arrays)

    def packed_from_rows(self, rows: Sequence[Mapping[str, Any]]) -> Packed:
        """As `arrays_from_rows`, in the compact form for `run_packed`."""
        if not self.steps:
            return self.feeds.pack_rows(rows)
        given = self.raw.from_rows(rows)
        return self._packed(self._with_host(given, self._lists_of(rows), len(rows)), given, len(rows))

    def packed_from_columns(self, columns: Mapping[str, Any]) -> Packed:
        """As `arrays_from_columns`, in the compact form for `run_packed`."""
        if not self.steps:
            return self.feeds.pack_columns(columns)
        given = self.raw.from_columns(columns)
        lists = {n: v.tolist() if isinstance(v, np.ndarray) else list(v) for n, v in columns.items()}
        arrays = self._with_host(given, lists, len(next(iter(lists.values()), [])))
        return self._packed(arrays, given, max(map(len, arrays.values()), default=0))

    def _packed(self, arrays: Arrays, given: Arrays, rows: int) -> Packed:
        packed = self.feeds.pack_arrays(arrays, rows)
        unread = {n: array for n, array in given.items() if n not in self._declared}
        return replace(packed, unread=unread) if unread else packed

    def _lists_of(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
        return {f.name: [row.get(f.name) for row in rows] for f in self.raw.features}

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, npt.NDArray[Any]]:
        """Predictions for rows of named values; see `Feeds.from_rows` for the rules and errors."""
        return self.run(self.arrays_from_rows(rows))

    def arrays_from_rows(self, rows: Sequence[Mapping[str, Any]]) -> Arrays:
        """Validated arrays for `run`, host columns made."""
        if not self.steps:
            return self.feeds.from_rows(rows)
        given = self.raw.from_rows(rows)
        return self._with_host(given, self._lists_of(rows), len(rows))

    def predict_columns(self, columns: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
        """Predictions for columns of Python values; see `Feeds.from_columns`."""
        return self.run(self.arrays_from_columns(columns))

    def arrays_from_columns(self, columns: Mapping[str, Any]) -> Arrays:
        """Validated arrays for `run`, host columns made."""
        if not self.steps:
            return self.feeds.from_columns(columns)
        given = self.raw.from_columns(columns)
        lists = {n: v.tolist() if isinstance(v, np.ndarray) else list(v) for n, v in columns.items()}
        return self._with_host(given, lists, len(next(iter(lists.values()), [])))

    def _with_host(self, given: Arrays, lists: dict[str, list[Any]], rows: int) -> Arrays:
        """The graph's arrays: of the raw columns as `given`, of the host steps' columns as they come."""
        read = {n for step in self.steps for n in step.inputs} & self.raw.by_name.keys()
        made = run_host_steps(self.steps, {n: fed_values(self.raw.by_name[n], given) for n in read}, rows)
        try:
            if self._raw_as_fed:
                fresh = self._rest.from_columns({n: made[n] for n in self._rest.by_name})
                return {n: array for n, array in given.items() if n in self._declared} | fresh
            return self.feeds.from_columns({n: v for n, v in (lists | made).items() if n in self.feeds.by_name})
        except FeedError as error:
            if not all(f"'{HOST_PREFIX}" in problem for problem in error.problems):
                raise
            raise ModelError("a host step returned other values than it declares", problems=error.problems) from error

    def predict_arrow(self, data: pa.RecordBatch | pa.Table) -> dict[str, npt.NDArray[Any]]:
        """Predictions for Arrow rows; further columns are ignored."""
        return self.run(self.arrays_from_arrow(data))

    def arrays_from_arrow(self, data: pa.RecordBatch | pa.Table) -> Arrays:
        """Arrays for `run` from Arrow rows, host columns made."""
        if not self.steps:
            return self.feeds.from_arrow(data)
        from trueline._core.host_arrow import with_host_columns

        return self.feeds.from_arrow(with_host_columns(data, self.steps))


class ModelRuntime:
    """A loaded model: signature, graph and what ``model.json`` says.

    Attributes:
        uri: the model's folder.
        info: the contents of ``model.json``.
        manifest: what the folder holds; its fingerprint identifies the model.
        providers: where the graph runs; see `trueline._core.providers`.
        allow_host: the modules whose Python code may run: host steps, those of the label, and Python models.
    """

    def __init__(
        self,
        uri: str,
        info: Mapping[str, Any],
        manifest: Manifest | None,
        steps: Sequence[HostStep],
        providers: Sequence[str] = ("cpu",),
        allow_host: Collection[str] | None = None,
    ) -> None:
        self.uri = uri
        self.info = dict(info)
        self.manifest = manifest
        self.steps = tuple(steps)
        self.providers = tuple(providers)
        self.allow_host = allow_host if allow_host is None else tuple(allow_host)
        self.python = PythonStep.from_json(info["python"]) if info.get("python") else None

    @classmethod
    def load(
        cls,
        uri: str,
        *,
        allow_host: Collection[str] | None = (),
        verify: bool = True,
        providers: str | Sequence[str] | None = None,
    ) -> Self:
        """Loads a model directory.

        Args:
            uri: the folder.
            allow_host: modules whose host steps and Python models may run; None allows all, ``()`` none.
            verify: check the contents against the manifest; without, a folder that is still being made loads too.
            providers: where the graph runs, in order of preference: ``"cuda,cpu"``, ``"tensorrt,cuda,cpu"`` or a list;
                None takes the variable ``TRUELINE_PROVIDERS``, and without it the CPU alone.

        Raises:
            ArtifactError: the folder is incomplete or changed.
            ConfigError: a provider that does not exist or is not installed; there is no silent fall back.
            ModelError: files that do not parse, another format, a host step that is not allowed.
        """
        chosen = wanted_providers(providers)
        manifest = read_manifest(uri, "sha256") if verify else None
        try:
            info = read_json(uri, "model.json")
            if info["format"] != MODEL_FORMAT:
                raise ModelError(
                    f"model.json has format {info['format']}, this version reads {MODEL_FORMAT}", where=uri
                )
            check_model_form(info, uri)
            host = read_json(uri, "host.json") if store.exists(store.join(uri, "host.json")) else {"steps": []}
            runtime = cls(uri, info, manifest, [HostStep.from_json(s) for s in host["steps"]], chosen, allow_host)
            check_allowed([*runtime.steps, *([runtime.python] if runtime.python else [])], allow_host)
            check_outputs(info, runtime.graph.output_names, uri)  # loads the session, so that a bad file is known now
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(f"the model's files do not parse: {type(error).__name__}: {error}", where=uri) from error
        return runtime

    @cached_property
    def graph(self) -> OnnxGraph:
        """The graph raw features -> predictions."""
        raw = [RawFeature.from_json(f) for f in self.info["signature"]["inputs"]]
        model, feeds = read_graph(self.uri, "model.onnx"), Feeds.from_json(self.info["feeds"])
        after = PythonPart(self.python) if self.python is not None else None
        return OnnxGraph(model, feeds, self.steps, raw, providers=self.providers, after=after)

    @cached_property
    def targets(self) -> OnnxGraph:
        """The graph raw columns -> ``label``, ``label:present`` and ``weight``; for evaluation, never for serving.

        Raises:
            ModelError: the model has no label, or its label has host steps that are not allowed.
        """
        data = self.info.get("targets")
        if not data:
            raise ModelError(
                f"the model has no label: there is nothing to compare its {self.info['task']} with", where=self.uri
            )
        try:
            steps = [HostStep.from_json(s) for s in data.get("host", [])]
            check_allowed(steps, self.allow_host)
            made = OnnxGraph(read_graph(self.uri, "targets.onnx"), Feeds.from_json(data["feeds"]), steps)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"the label does not parse: {type(error).__name__}: {error}", where=self.uri) from error
        if absent := sorted(set(data["outputs"].values()) - set(made.output_names)):
            raise ModelError(f"targets.onnx does not make {', '.join(map(repr, absent))}", where=self.uri)
        return made

    @property
    def inputs(self) -> tuple[RawFeature, ...]:
        """The raw columns that a client gives."""
        return self.graph.raw.features

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """Name, dtype, shape and meaning of each output."""
        return list(self.info["signature"]["outputs"])

    @property
    def classes(self) -> list[Any] | None:
        """The label's values in the order of ``probabilities``; None for what is no classifier."""
        return self.info.get("classes")

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, npt.NDArray[Any]]:
        """Predictions for rows of named values: output name to array of shape ``[N, ...]``."""
        return self.graph.predict_rows(rows)

    def predict_columns(self, columns: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
        """Predictions for columns of Python values."""
        return self.graph.predict_columns(columns)

    def predict_arrow(self, data: pa.RecordBatch | pa.Table) -> dict[str, npt.NDArray[Any]]:
        """Predictions for Arrow rows."""
        return self.graph.predict_arrow(data)

"""The accumulator of one phase: all states that its analyzers read, filled in one pass over record batches.

It computes, per block, the part of the graph that the analyzers read (with ONNX Runtime, as the transform itself does;
a raw column is read from Arrow as it is) and feeds each mergeable state.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from trueline._core.errors import ArtifactError, TransformError, TruelineError
from trueline._core.rowid import ROW_COLUMN
from trueline._core.values import widen
from trueline.engine.state import pack_state, unpack_state
from trueline.transform.analyzers import State, state_maker
from trueline.transform.analyzers.inputs import Inputs, PlainColumn
from trueline.transform.bulk import Executor
from trueline.transform.folds import with_fold_columns
from trueline.transform.graph import Graph
from trueline.transform.operations.base import Coded, Value
from trueline.transform.pieces import Pieces
from trueline.transform.render import expression

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["STATE_VERSION", "PhaseAccumulator", "StateKey"]

_KIND, STATE_VERSION = "transform-phase", 2
"""The layout of a phase's states; a new number makes what caches hold unreadable."""


class PhaseAccumulator:
    """All states of one phase over record batches.

    Args:
        graph: JSON text of the graph, bound to what earlier phases found; workers keep its sessions by this text.
        states: ``[state name, node indices, params]`` of every state; of a user's, the place of its call too.
    """

    def __init__(self, graph: str, states: Sequence[Sequence[Any]]) -> None:
        self._plan = _plan(graph)
        self._wanted = [StateKey.from_json(described) for described in states]
        self._states: list[State] = []
        for key in self._wanted:
            with key.naming("be made"):
                self._states.append(key.empty(self._plan.graph))

    @classmethod
    def load(cls, state: bytes, graph: str, states: Sequence[Sequence[Any]]) -> Self:
        """The accumulator that gave this state."""
        made = cls(graph, states)
        _, headers, arrays = unpack_state(state, _KIND, STATE_VERSION)
        try:
            for i, child in enumerate(made._states):
                start = f"{i}."
                own = {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}
                with made._wanted[i].naming("restore its state"):
                    child.restore(headers[i], own)
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ArtifactError(
                f"these are no states of this phase: {type(error).__name__}: {error}",
                hint="a cache was changed by something else: delete it, and everything is read again.",
            ) from error
        return made

    def update(self, batch: pa.RecordBatch) -> None:
        """Takes in the rows of one block."""
        for piece in self._plan.pieces(batch, [i for key in self._wanted for i in key.columns(self._plan.graph)]):
            self._update(piece)

    def _update(self, batch: pa.RecordBatch) -> None:
        graph = self._plan.graph
        columns = self._plan.columns(batch, [i for key in self._wanted for i in key.columns(graph)])
        rows = batch.column(ROW_COLUMN).to_numpy() if ROW_COLUMN in batch.schema.names else None
        for key, state in zip(self._wanted, self._states, strict=True):
            own = key.columns(graph)
            with key.naming("take in a block"):
                state.update(Inputs([columns[i] for i in own], [expression(graph, i) for i in own], rows))

    def merge(self, other: Self) -> None:
        """Takes in the state of later blocks."""
        for key, mine, theirs in zip(self._wanted, self._states, other._states, strict=True):
            with key.naming("merge"):
                mine.merge(theirs)

    def state(self) -> bytes:
        """Headers and arrays of all states."""
        headers, arrays = [], {}
        for i, child in enumerate(self._states):
            with self._wanted[i].naming("give its parts"):
                header, own = child.parts()
            headers.append(header)
            arrays.update({f"{i}.{name}": array for name, array in own.items()})
        return pack_state(_KIND, STATE_VERSION, headers, arrays)

    def finish(self) -> bytes:
        """The state: what analyzers read of it is taken out where the results are wanted."""
        return self.state()

    @property
    def states(self) -> list[State]:
        """The states in the order of `states`."""
        return self._states


@dataclass(frozen=True)
class StateKey:
    """Which state, of which nodes, with which parameters; `where` a user's own was asked for does not count."""

    name: str
    indices: tuple[int, ...]
    params: Mapping[str, Any]
    where: str = field(default="", compare=False)

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> StateKey:
        """The key that `to_json` described."""
        name, indices, params, *where = data
        return cls(str(name), tuple(indices), dict(params), str(where[0]) if where else "")

    @contextlib.contextmanager
    def naming(self, what: str) -> Iterator[None]:
        """Tells what a user's class raises as an error that names it and the line that asked for it."""
        if ":" not in self.name:
            yield
            return
        try:
            yield
        except TruelineError as error:
            if error.where is not None:
                raise
            where = self.where or None
            raise TransformError(error.message, where=where, hint=error.hint, problems=error.problems) from error
        except Exception as error:
            message = f"analyzer {self.name} cannot {what}: {type(error).__name__}: {error}"
            raise TransformError(message, where=self.where or None) from error

    def columns(self, graph: Graph) -> list[int]:
        """The inputs that are no constants."""
        return [i for i in self.indices if not graph.nodes[i].type.constant]

    def empty(self, graph: Graph) -> State:
        """A state that has seen nothing; constant inputs are given to it by their values."""
        nodes = [graph.nodes[i] for i in self.indices]
        types = [replace(n.type, literal=n.attrs["value"]) if n.op == "constant" else n.type for n in nodes]
        state: State = state_maker(self.name)(types, self.params)
        return state

    def to_json(self) -> list[Any]:
        """As `PhaseAccumulator` takes it."""
        return [self.name, list(self.indices), dict(self.params), *([self.where] if self.where else [])]

    @property
    def text(self) -> str:
        """What two equal keys have in common, as text."""
        return json.dumps([self.name, list(self.indices), dict(self.params)], sort_keys=True)


class _Plan:
    """Computes the nodes that analyzers read."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._executors: dict[tuple[int, ...], Executor] = {}

    def pieces(self, batch: pa.RecordBatch, indices: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """The block in pieces whose values at these nodes memory bears; where they end depends on the block alone."""
        return Pieces(self.graph, indices).of(batch)

    def columns(self, batch: pa.RecordBatch, indices: Sequence[int]) -> dict[int, Value | PlainColumn | Coded]:
        """The value of each node in every row."""
        wanted = sorted(set(indices))
        batch = with_fold_columns(widen(batch, keep_dictionaries=True), self.graph.input_names(wanted))
        steps = self.graph.steps_for(self.graph.input_names(wanted))
        table: Any = batch
        if steps:
            from trueline._core.host_arrow import with_host_columns

            table = with_host_columns(batch, steps)
        raw = {i: str(self.graph.nodes[i].attrs["name"]) for i in wanted if self._plain(i)}
        computed = tuple(i for i in wanted if i not in raw)
        found: dict[int, Value | PlainColumn | Coded] = {
            i: PlainColumn(_whole(table.column(n))) for i, n in raw.items()
        }
        if computed:
            if computed not in self._executors:
                self._executors[computed] = Executor(self.graph, {str(i): i for i in computed}, final=False)
            results = self._executors[computed].run_coded(table)
            found.update({i: results[str(i)] for i in computed})
        return found

    def _plain(self, index: int) -> bool:
        node = self.graph.nodes[index]
        return (
            node.op == "input"
            and node.type.kind == "scalar"
            and node.type.dtype in ("float64", "int64", "utf8", "bool")
        )


@lru_cache(maxsize=8)
def _plan(graph: str) -> _Plan:
    return _Plan(Graph.from_json(json.loads(graph)))


def _whole(column: Any) -> pa.Array:
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column

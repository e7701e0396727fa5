"""What TensorFlow Transform's ``TFTransformOutput`` tells, by its names: vocabularies, buckets, specs, raw features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from trueline._core.errors import TransformError, did_you_mean, first_line
from trueline._core.values import RawFeature
from trueline.transform.analyzers import Vocabulary
from trueline.transform.graph import Graph
from trueline.transform.vocabulary_names import clean_name

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

    from trueline.transform.output import TransformOutput

__all__ = ["TransformViews", "feature_spec"]

_TF_DTYPES = {"float64": "float32", "float32": "float32", "utf8": "string", "bytes": "string"}


def feature_spec(features: Sequence[RawFeature]) -> dict[str, dict[str, Any]]:
    """Features as TensorFlow's parsing specs say it: kind, dtype and shape, by name, as plain values.

    ``FixedLenFeature`` is never missing; ``VarLenFeature`` is a list, or a scalar that may be missing.
    """
    specs: dict[str, dict[str, Any]] = {}
    for feature in features:
        dtype = _TF_DTYPES.get(feature.dtype, "int64")
        if feature.optional or feature.kind == "ragged":
            specs[feature.name] = {"kind": "VarLenFeature", "dtype": dtype}
        else:
            shape = [feature.size] if feature.kind == "fixed" else []
            specs[feature.name] = {"kind": "FixedLenFeature", "dtype": dtype, "shape": shape}
    return specs


class TransformViews:
    """The questions that a `TransformOutput` answers under TensorFlow Transform's names."""

    graph: Graph
    traced: Graph
    findings: dict[int, Any]

    @property
    def _whole(self) -> TransformOutput:
        return cast("TransformOutput", self)

    def __repr__(self) -> str:
        reads, outputs = ", ".join(sorted(self.raw_feature_spec())), ", ".join(name for name, _ in self.graph.outputs)
        return f"TransformOutput({reads} -> {outputs})"

    @property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """Every vocabulary by name."""
        found = {i: v for i, v in self.findings.items() if isinstance(v, Vocabulary)}
        return {str(self.traced.nodes[i].attrs["name"]): v for i, v in sorted(found.items())}

    def _vocabulary(self, name: str) -> Vocabulary:
        known = self.vocabularies
        own = name if name in known else clean_name(name)
        if own not in known:
            raise TransformError(f"there is no vocabulary {name!r}", hint=did_you_mean(name, known))
        return known[own]

    def vocabulary_by_name(self, name: str) -> list[Any]:
        """The tokens in order of id.

        Raises:
            TransformError: naming the vocabularies that exist.
        """
        return list(self._vocabulary(name).tokens)

    def vocabulary_size_by_name(self, name: str) -> int:
        """How many tokens the vocabulary has; an empty one has none (TensorFlow Transform counts a placeholder)."""
        return len(self._vocabulary(name).tokens)

    def num_buckets_for_transformed_feature(self, name: str) -> int:
        """How many ids a categorical output can have: its domain's greatest id + 1.

        Of `bucketize_per_key` the buckets alone, as in TensorFlow Transform: the -1 of an unseen key is not counted.

        Raises:
            TransformError: the output has no domain that begins at 0, or there is no such output.
        """
        least = -1 if self.graph.nodes[self.graph.output(name)].op == "apply_buckets_by_key" else 0
        entry = next(f for f in self._whole.output_schema.feature if f.name == name)
        if not entry.HasField("int_domain") or entry.int_domain.min != least:
            raise TransformError(
                f"output {name!r} has no ids that are counted from 0",
                hint="ids come from buckets, hashes, and vocabularies with num_oov_buckets or default_value >= 0.",
            )
        return int(entry.int_domain.max) + 1

    @property
    def transformed_metadata(self) -> schema_pb2.Schema:
        """The schema of the outputs."""
        return self._whole.output_schema

    def transformed_feature_spec(self) -> dict[str, dict[str, Any]]:
        """The outputs as TensorFlow's parsing specs, see `feature_spec`."""
        return feature_spec(self._whole.outputs)

    def raw_feature_spec(self) -> dict[str, dict[str, Any]]:
        """The raw columns that the outputs read, as TensorFlow's parsing specs."""
        names = self.graph.raw_names(self.graph.input_names(i for _, i in self.graph.outputs))
        return feature_spec([f for f in self.graph.features if f.name in names])

    @property
    def coded_columns(self) -> list[str]:
        """Raw columns of text that `transform` takes as dictionary arrays too, at less cost than plain."""
        names = self.graph.input_names(i for _, i in self.graph.outputs)
        return [f.name for f in self.graph.features if f.name in names and (f.dtype, f.kind) == ("utf8", "scalar")]

    def transformed_domains(self) -> dict[str, tuple[int, int]]:
        """Least and greatest value of the outputs that have an integer domain."""
        found = {f.name: f.int_domain for f in self._whole.output_schema.feature if f.HasField("int_domain")}
        return {name: (int(domain.min), int(domain.max)) for name, domain in found.items()}

    def transform_raw_features(self, rows: Any, drop_unused_features: bool = True) -> Any:
        """The transform of raw rows in the form in which they come, as clients and notebooks have them.

        Args:
            rows: an Arrow table or batch (gives the same), a DataFrame (gives an Arrow table), a list of dicts (gives
                a list of dicts), or a dict of lists or arrays (gives a dict of arrays; lists stay lists). None is
                missing.
            drop_unused_features: ignore columns that the transform does not read; otherwise they are an error.

        Raises:
            FeedError: values of another type than traced, or missing values of a required column.
            TransformError: unknown columns, where they are not to be ignored, and where there are no others.
        """
        import pyarrow as pa

        if hasattr(type(rows), "__arrow_c_stream__") and not isinstance(rows, pa.Table | pa.RecordBatch):
            from trueline.transform.frames import frame_table

            rows = frame_table(rows, self._whole.raw_features())
        if isinstance(rows, pa.Table | pa.RecordBatch):
            self._check_unused(rows.schema.names, drop_unused_features)
            return self._whole.transform(rows)
        columns, as_rows = _columns(rows)
        self._check_unused(list(columns), drop_unused_features)
        table = self._table(columns)
        made = self._whole.transform(table)
        if as_rows:
            return made.to_pylist()
        return {name: _array(made.column(name)) for name in made.schema.names}

    def _check_unused(self, names: Sequence[str], drop: bool) -> None:
        used = set(self.raw_feature_spec())
        unknown = [n for n in names if n not in used and not n.startswith("__")]
        if unknown and not drop:
            raise TransformError(
                f"the transform does not read {', '.join(map(repr, unknown))}",
                hint=f"it reads {', '.join(sorted(used))}.",
            )
        if unknown and used and used.isdisjoint(names):  # a misspelt name must not turn into rows of missing values
            raise TransformError(
                f"the transform reads none of these columns: {', '.join(map(repr, unknown))}",
                hint=did_you_mean(unknown[0], used),
            )

    def _table(self, columns: Mapping[str, list[Any]]) -> Any:
        import pyarrow as pa

        from trueline._core.errors import FeedError
        from trueline._core.values import arrow_type_of

        arrays, problems = {}, []
        for feature in self.graph.features:
            if feature.name not in columns:
                continue
            try:
                arrays[feature.name] = pa.array(columns[feature.name], arrow_type_of(feature))
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError) as error:
                problems.append(f"column {feature.name!r}: expected {feature.dtype}: {first_line(error)}")
        if problems:
            raise FeedError("the rows do not fit the raw features", problems=problems)
        if len({len(a) for a in arrays.values()}) > 1:
            raise FeedError("columns have different lengths", problems=[f"{n}: {len(a)}" for n, a in arrays.items()])
        return pa.table(arrays)


def _no_rows(what: str) -> TransformError:
    return TransformError(
        f"{what} is no form of rows",
        hint="give an Arrow table, a DataFrame, a list of dicts, or a dict of lists: one column by each name.",
    )


def _columns(rows: Any) -> tuple[dict[str, list[Any]], bool]:
    """The rows as columns of Python values, and whether they came as rows."""
    if isinstance(rows, Mapping):
        single = [n for n, v in rows.items() if isinstance(v, str | bytes) or not hasattr(v, "__iter__")]
        if single or any(not isinstance(n, str) for n in rows):
            raise _no_rows("a dict of " + (f"{single[0]!r} to a single value" if single else "names that are no text"))
        return {n: v.tolist() if isinstance(v, np.ndarray) else list(v) for n, v in rows.items()}, False
    if isinstance(rows, str | bytes) or not hasattr(rows, "__iter__"):
        raise _no_rows(f"a {type(rows).__name__}")
    rows = list(rows)
    strange = [type(r).__name__ for r in rows if not isinstance(r, Mapping) or any(not isinstance(n, str) for n in r)]
    if strange:
        raise _no_rows(f"a list with a {strange[0]}")
    names = dict.fromkeys(n for row in rows for n in row)
    return {n: [row.get(n) for row in rows] for n in names}, True


def _array(column: Any) -> Any:
    values = column.to_pylist()
    return values if any(v is None or isinstance(v, list) for v in values) else np.array(values)

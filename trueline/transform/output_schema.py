"""The transformed features as a tensorflow-metadata Schema: types, presence, shapes and integer domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from trueline._core.values import RawFeature
from trueline.transform.graph import Graph, Node

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["integer_domain", "output_schema"]

Domain = tuple[int, int] | None


def output_schema(graph: Graph, outputs: Sequence[RawFeature]) -> schema_pb2.Schema:
    """The schema of a bound graph's outputs.

    Args:
        graph: a bound graph.
        outputs: its outputs as features, in the order of ``graph.outputs``.
    """
    from tensorflow_metadata.proto.v0 import schema_pb2

    types = {"float32": schema_pb2.FLOAT, "int64": schema_pb2.INT, "timestamp": schema_pb2.INT, "bool": schema_pb2.INT}
    schema = schema_pb2.Schema()
    for feature, (_, index) in zip(outputs, graph.outputs, strict=True):
        entry = schema.feature.add(name=feature.name, type=types.get(feature.dtype, schema_pb2.BYTES))
        if not feature.optional:
            entry.presence.min_fraction = 1.0
            if feature.kind == "fixed":
                entry.shape.dim.add(size=feature.size)
            elif feature.kind == "scalar":
                entry.shape.SetInParent()
        domain = integer_domain(graph, index)
        if feature.dtype == "bool":
            entry.bool_domain.SetInParent()
        elif domain is not None:
            entry.int_domain.min, entry.int_domain.max = domain
            entry.int_domain.is_categorical = True
    return schema


def integer_domain(graph: Graph, index: int) -> Domain:
    """Least and greatest id that a categorical node can give, or None where that is not known."""
    node = graph.nodes[index]
    rule = _DOMAINS.get(node.op)
    return rule(graph, node) if rule is not None else None


def _of_vocabulary(graph: Graph, node: Node) -> Domain:
    size, oov = len(graph.nodes[node.inputs[1]].attrs["value"]), int(node.attrs["oov"])
    default = 0 if oov else int(node.attrs["default"])
    return min(0, default), max(size - 1 + oov, default)


def _of_filled(graph: Graph, node: Node) -> Domain:
    domain, filling = integer_domain(graph, node.inputs[0]), graph.nodes[node.inputs[1]]
    if domain is None or filling.op != "constant" or not isinstance(filling.attrs["value"], int):
        return None
    return min(domain[0], filling.attrs["value"]), max(domain[1], filling.attrs["value"])


def _of_hash(graph: Graph, node: Node) -> Domain:
    return 0, int(node.attrs["buckets"]) - 1


def _of_all(graph: Graph, node: Node) -> Domain:
    """Of elements taken out of the inputs: what all of them together can hold."""
    domains = [integer_domain(graph, i) for i in node.inputs]
    known = [d for d in domains if d is not None]
    if len(known) < len(domains):
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def _of_padded(graph: Graph, node: Node) -> Domain:
    domain, filling = integer_domain(graph, node.inputs[0]), node.attrs["value"]
    return None if domain is None else (min(domain[0], filling), max(domain[1], filling))


_DOMAINS: dict[str, Callable[[Graph, Node], Domain]] = {
    "apply_vocabulary": _of_vocabulary,
    "apply_buckets": lambda graph, node: (0, len(graph.nodes[node.inputs[1]].attrs["value"])),
    "apply_buckets_by_place": lambda graph, node: (0, len(graph.nodes[node.inputs[1]].attrs["value"][0])),
    # TensorFlow Transform leaves out the -1 of a key that the analysis did not see, and so its own data is anomalous
    "apply_buckets_by_key": lambda graph, node: (-1, int(node.attrs["num_buckets"]) - 1),
    "farm_vocabulary": _of_vocabulary,
    "wrap_ids": lambda graph, node: (0, max(1, int(graph.nodes[node.inputs[1]].attrs["value"])) - 1),
    "term_ids": lambda graph, node: integer_domain(graph, node.inputs[0]),
    **dict.fromkeys(("hash_bucket", "farm_bucket", "sip_bucket"), _of_hash),
    "fill_missing": _of_filled,
    "pad": _of_padded,
    **dict.fromkeys(("list_get", "missing_if"), lambda graph, node: integer_domain(graph, node.inputs[0])),
    **dict.fromkeys(("distinct", "list_slice", "list_concat", "fill_missing_list", "vector_slice", "concat"), _of_all),
}

"""A schema with its features and string domains by name: questions in constant time, also of wide schemas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from trueline.schema.features import walk_features
from trueline.schema.paths import FeaturePath

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

__all__ = ["SchemaIndex"]


class SchemaIndex:
    """Looks things up in a schema, and changes its string domains so that the changes can be taken back.

    Of several features or domains of one name the first counts. Features that are added to the schema must be
    announced with `add_feature`.

    Attributes:
        schema: the schema, changed in place.
        features: by path.
        domains: the schema's string domains by name.
        composites: names of sparse and weighted features, which are no columns of their own.
    """

    def __init__(self, schema: schema_pb2.Schema) -> None:
        self.schema: Any = schema
        self.features: dict[FeaturePath, Any] = {}
        for path, feature in walk_features(schema):
            self.features.setdefault(path, feature)
        self.domains: dict[str, Any] = {}
        for domain in self.schema.string_domain:
            self.domains.setdefault(domain.name, domain)
        self.composites = {f.name for kind in (self.schema.sparse_feature, self.schema.weighted_feature) for f in kind}
        self._before: dict[str, Any] = {}

    def add_feature(self, path: FeaturePath, feature: Any) -> None:
        """Announces a feature that was added to the schema."""
        self.features.setdefault(path, feature)

    def add_domain(self, wanted: str, values: Iterable[str]) -> str:
        """Adds a domain of these values, in byte order, under this name or the next free (``name2``, ``name3``...)."""
        name, number = wanted, 1
        while name in self.domains:
            number += 1
            name = f"{wanted}{number}"
        self._before.setdefault(name, None)
        self.domains[name] = self.schema.string_domain.add(name=name, value=sorted(values, key=str.encode))
        return name

    def extend_domain(self, name: str, values: Iterable[str]) -> None:
        """Adds values to one of the schema's domains."""
        self._keep(name)
        self.domains[name].value.extend(values)

    def drop_domain(self, name: str) -> None:
        """Takes a domain out of the schema."""
        self._keep(name)
        place = next(i for i, domain in enumerate(self.schema.string_domain) if domain.name == name)
        del self.schema.string_domain[place]
        del self.domains[name]

    def users(self, name: str) -> int:
        """How many features use a domain."""
        return sum(feature.domain == name for feature in self.features.values())

    def _keep(self, name: str) -> None:
        if name not in self._before:
            copy = type(self.domains[name])()
            copy.CopyFrom(self.domains[name])
            self._before[name] = copy

    def commit(self) -> None:
        """Makes the changes of domains final."""
        self._before.clear()

    def restore(self) -> None:
        """Takes back the changes of domains since the last `commit`; a dropped one returns to the end."""
        for name, before in list(self._before.items()):
            if before is None:
                self.drop_domain(name)
            elif name in self.domains:
                self.domains[name].CopyFrom(before)
            else:
                self.domains[name] = self.schema.string_domain.add()
                self.domains[name].CopyFrom(before)
        self._before.clear()

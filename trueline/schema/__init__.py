"""Schemas: reading, writing and asking a tensorflow-metadata `Schema` about its features and domains.

Imports only `trueline._core`; the protobuf library is loaded when a public name is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trueline._core.lazy import lazy_names

if TYPE_CHECKING:
    from trueline.schema.categories import (
        generate_dummy_schema_with_paths,
        get_bytes_features,
        get_categorical_features,
        get_categorical_numeric_features,
        get_multivalent_features,
        is_categorical_feature,
    )
    from trueline.schema.changes import SchemaChange, apply_changes, diff_schemas
    from trueline.schema.changes_text import render_changes
    from trueline.schema.domains import get_domain, set_domain
    from trueline.schema.features import deprecated, expects, get_feature, in_environment, raw_features, usable_features
    from trueline.schema.files import load_schema_text, read_message, write_message, write_schema_text
    from trueline.schema.paths import FeaturePath

_HOMES = {
    "FeaturePath": "paths",
    "SchemaChange": "changes",
    "apply_changes": "changes",
    "deprecated": "features",
    "diff_schemas": "changes",
    "expects": "features",
    "generate_dummy_schema_with_paths": "categories",
    "get_bytes_features": "categories",
    "get_categorical_features": "categories",
    "get_categorical_numeric_features": "categories",
    "get_domain": "domains",
    "get_feature": "features",
    "get_multivalent_features": "categories",
    "in_environment": "features",
    "is_categorical_feature": "categories",
    "load_schema_text": "files",
    "raw_features": "features",
    "usable_features": "features",
    "read_message": "files",
    "render_changes": "changes_text",
    "set_domain": "domains",
    "write_message": "files",
    "write_schema_text": "files",
}

__all__ = [
    "FeaturePath",
    "SchemaChange",
    "apply_changes",
    "deprecated",
    "diff_schemas",
    "expects",
    "generate_dummy_schema_with_paths",
    "get_bytes_features",
    "get_categorical_features",
    "get_categorical_numeric_features",
    "get_domain",
    "get_feature",
    "get_multivalent_features",
    "in_environment",
    "is_categorical_feature",
    "load_schema_text",
    "raw_features",
    "read_message",
    "render_changes",
    "set_domain",
    "usable_features",
    "write_message",
    "write_schema_text",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)

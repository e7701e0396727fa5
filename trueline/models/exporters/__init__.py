"""Exporters: one file a framework, chosen by the model's class without importing any framework.

An exporter may import its framework on use, and from trueline only `trueline._core` and `trueline.models`.
"""

from __future__ import annotations

from trueline.models.exporters.base import Exported, Exporter
from trueline.models.exporters.registry import EXPORTERS, ExporterRecord, export, exporter_of

__all__ = ["EXPORTERS", "Exported", "Exporter", "ExporterRecord", "export", "exporter_of"]

"""A journal in a local folder: one JSON file a trial, for searches without a pipeline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trueline._core import store
from trueline._core.errors import ArtifactError, ConfigError
from trueline.training.tuning.records import TrialRecord

__all__ = ["FolderJournal"]

_SEARCH_FILE = "search.json"


class FolderJournal:
    """Keeps trials in a folder that belongs to one search.

    Args:
        folder: made if it is absent.
        search: what the search is, as JSON.

    Raises:
        ConfigError: the folder holds the trials of another search.
    """

    def __init__(self, folder: Path, search: Mapping[str, Any]) -> None:
        self._folder = folder
        text = json.dumps(search, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self._folder.mkdir(parents=True, exist_ok=True)
        place = folder / _SEARCH_FILE
        if not place.exists():
            store.write_text(str(place), json.dumps({"format": 1, "search": digest}))
        elif self._read(place).get("search") != digest:
            raise ConfigError(
                "the folder keeps the trials of a search with another space or other settings",
                where=str(folder),
                hint="give another folder, or remove this one.",
            )

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ArtifactError(f"the file does not parse: {error}", where=str(path)) from error
        return found if isinstance(found, dict) else {}

    def read(self) -> list[TrialRecord]:
        """All trials that are kept."""
        return [TrialRecord.from_json(self._read(path)) for path in sorted(self._folder.glob("trial-*.json"))]

    def write(self, record: TrialRecord) -> None:
        """Keeps a trial, at once and whole."""
        place = self._folder / f"trial-{record.number:05d}.json"
        if not place.exists():
            store.write_text(str(place), record.to_text())

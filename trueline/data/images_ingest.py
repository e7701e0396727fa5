"""A folder of images becomes Examples: `ingest` with an `ImageFolderSource`."""

from __future__ import annotations

from typing import Any

from trueline.data.ingestion import ingest
from trueline.data.params import known_options
from trueline.data.report import IngestReport
from trueline.data.source import SourceSpec

__all__ = ["IMAGES_SOURCE", "images_spec", "ingest_images"]

IMAGES_SOURCE = "trueline.data.images_source:ImageFolderSource"


def images_spec(input_base: str, *, pattern: str = "*", label_from: str = "folder") -> SourceSpec:
    """The source of `ingest_images`, as data, for `ingest` with a source for each split."""
    from trueline.data.images_source import ImageFolderSource

    params: dict[str, Any] = {"input_base": input_base, "pattern": pattern, "label_from": label_from}
    params["folders"] = list(ImageFolderSource(**params).folders())
    return SourceSpec(IMAGES_SOURCE, params)


@known_options(ingest)
def ingest_images(
    input_base: str, uri: str, *, pattern: str = "*", label_from: str = "folder", **options: Any
) -> IngestReport:
    """Writes the images below a folder as Examples: columns image, label, path, format, width and height.

    Args:
        input_base: the folder; the folders right below it are the labels.
        uri: the folder of the Examples.
        pattern: which files, by their name or by their path below the folder, as in a shell.
        label_from: ``folder`` or ``none``.
        options: further options of `ingest`: ``splits``, ``stratify_by="label"``, ``max_rejects`` and so on.

    Raises:
        DataError: no folder, no file, or more files that are no images than ``max_rejects`` allows.
        ConfigError: an option that is wrong.
    """
    return ingest(images_spec(input_base, pattern=pattern, label_from=label_from), uri, **options)

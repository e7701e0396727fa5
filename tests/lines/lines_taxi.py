"""The taxi example on a cut of its data, in a folder of a test's own."""

from __future__ import annotations

from pathlib import Path

from trueline import LocalRunner
from trueline.cli.load import load_pipeline

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def cut(source: Path, rows: int) -> list[str]:
    """The header and evenly spaced rows of a CSV file without line breaks in cells."""
    header, *lines = source.read_text(encoding="utf-8").splitlines()
    return [header, *(lines[i * len(lines) // rows] for i in range(rows))]


class TaxiLine:
    """The taxi example with its data, artifacts and pushed versions in a folder of the test's own."""

    def __init__(self, folder: Path, rows: list[str]) -> None:
        self.folder = folder
        self.serving = folder / "serving"
        self.write(rows)

    def write(self, rows: list[str]) -> None:
        """Replaces the data."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        (self.folder / "data" / "taxi.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")

    def params(self, **more: object) -> dict[str, object]:
        """What create_pipeline is given."""
        places = {"data": self.folder / "data", "root": self.folder / "line", "serving_dir": self.serving}
        return {**{name: str(path) for name, path in places.items()}, "min_auc": 0.8, **more}

    def pipeline(self, **more: object):
        """The example's own pipeline."""
        return load_pipeline(str(EXAMPLES / "taxi" / "pipeline.py"), self.params(**more))

    def run(self, **more: object):
        """One run."""
        return LocalRunner().run(self.pipeline(**more))

    @property
    def versions(self) -> list[str]:
        """What servers would see."""
        return sorted(path.name for path in self.serving.iterdir()) if self.serving.exists() else []

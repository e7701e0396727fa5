"""What ``trueline run`` pushes is a release when the run ends, and a sampled run pushes and releases nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from trueline.cli import main
from trueline.metadata import MetadataStore
from trueline.metadata.model_releases import releases

LINE = """
from pathlib import Path

from trueline.components import Pusher
from trueline.pipeline import Output, Pipeline, component
from trueline.pipeline.artifacts import Model

HERE = Path(__file__).parent


@component
def train(model: Output[Model], rate: float) -> None:
    Path(model.uri, "weights").write_text(str(rate))


def create_pipeline(rate: float = 0.1) -> Pipeline:
    made = train(rate=rate)
    pusher = Pusher(model=made.outputs["model"], push_destination=HERE / "serving")
    return Pipeline("line", [made, pusher], root=HERE / "out")
"""


def released(folder: Path) -> list[str]:
    with closing(MetadataStore(str(folder / "out" / "metadata.db"), create=False, readonly=True)) as store:
        return [release.version for release in releases(store)]


def test_a_push_is_a_release_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "line.py"
    file.write_text(LINE)
    assert main(["run", str(file), "--sample", "3"]) == 0
    assert (released(tmp_path), (tmp_path / "serving").exists()) == ([], False)
    assert main(["run", str(file)]) == 0
    assert released(tmp_path) == ["1.0.0"]
    assert main(["run", str(file), "--param", "rate=0.2"]) == 0
    assert released(tmp_path) == ["2.0.0", "1.0.0"]
    assert main(["run", str(file), "--param", "rate=0.2"]) == 0
    assert released(tmp_path) == ["2.0.0", "1.0.0"], "what comes from the cache is pushed and released once"
    assert "no release yet" not in capsys.readouterr().err
    assert len(list((tmp_path / "serving").glob("[0-9]*"))) == 2

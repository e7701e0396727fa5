"""The revision of data and code: what git, DVC and lakeFS say, and nothing that a repository brings is run."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueline.components import CsvExampleGen
from trueline.metadata import MetadataStore
from trueline.pipeline import Pipeline, revisions
from trueline.pipeline.revisions import code_revision, revision_of, revision_text
from trueline.runners import LocalRunner


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True, env=env)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "data" / "taxi").mkdir(parents=True)
    (folder / "data" / "taxi" / "rows.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    (folder / "pipeline.py").write_text("X = 1\n")
    (folder / ".gitignore").write_text("ignored/\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def found(path: Path) -> dict[str, Any]:
    revision = revision_of(str(path))
    assert revision is not None
    return revision


def test_clean_data_of_a_repository(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert found(repository / "data" / "taxi") == {
        "kind": "git",
        "commit": commit,
        "dirty": False,
        "path": "data/taxi",
        "branch": "main",
    }
    assert revision_text(found(repository / "data" / "taxi" / "rows.csv")) == f"git:{commit}#data/taxi/rows.csv"
    git(repository, "checkout", "-q", "--detach")
    assert "branch" not in found(repository / "data")
    assert revision_of(f"file://{repository}/data") == found(repository / "data")


def test_what_makes_data_dirty_and_what_does_not(repository: Path) -> None:
    data, rows = repository / "data", repository / "data" / "taxi" / "rows.csv"
    (repository / "pipeline.py").write_text("X = 2\n")
    assert found(data)["dirty"] is False, "a change elsewhere is none of the data"
    os.utime(rows, (1, 1))
    assert found(data)["dirty"] is False, "a touched file has the same contents"
    rows.write_text("a,b\n1,2\n3,4\n5,7\n")
    assert found(data)["dirty"] is True
    assert revision_text(found(data)).endswith("+dirty#data")
    git(repository, "add", ".")
    assert found(data)["dirty"] is True, "what is staged is in no commit"
    git(repository, "commit", "-qm", "second")
    assert found(data)["dirty"] is False
    (data / "new.csv").write_text("a\n")
    assert found(data)["dirty"] is True, "the commit does not hold it"
    (data / "new.csv").unlink()
    rows.unlink()
    assert found(data)["dirty"] is True


def test_a_commit_says_nothing_of_data_that_it_does_not_hold(repository: Path, tmp_path: Path) -> None:
    (repository / "ignored").mkdir()
    (repository / "ignored" / "rows.csv").write_text("a\n")
    (repository / "fresh").mkdir()
    assert revision_of(str(repository / "ignored")) is None
    assert revision_of(str(repository / "fresh")) is None
    (tmp_path / "plain").mkdir()
    assert revision_of(str(tmp_path / "plain")) is None
    assert revision_of(str(tmp_path / "nowhere")) is None
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q")
    (empty / "rows.csv").write_text("a\n")
    assert revision_of(str(empty)) is None, "there is no commit yet"


def test_links_and_odd_names(repository: Path, tmp_path: Path) -> None:
    odd = repository / "data" / "[a] *\n'ü'"
    odd.mkdir()
    (odd / "rows.csv").write_text("a\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "odd")
    assert found(odd)["dirty"] is False
    (odd / "rows.csv").write_text("b\n")
    assert found(odd)["dirty"] is True
    link = tmp_path / "link"
    link.symlink_to(repository / "data" / "taxi")
    assert found(link)["path"] == "data/taxi"


def test_nothing_that_a_repository_brings_is_run(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    script = tmp_path / "script.sh"
    script.write_text(f"#!/bin/sh\ntouch {trap}\ncat\n")
    script.chmod(0o755)
    (repository / ".gitattributes").write_text("* filter=evil diff=evil\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "attributes")
    settings = {
        "core.fsmonitor": script,
        "core.hooksPath": tmp_path,
        "core.pager": script,
        "diff.external": script,
        "diff.evil.textconv": script,
        "filter.evil.clean": script,
        "filter.evil.process": script,
        "core.sshCommand": script,
    }
    for name, value in settings.items():
        with (repository / ".git" / "config").open("a") as config:
            section, _, key = name.rpartition(".")
            head, _, inner = section.partition(".")
            config.write(f'[{head} "{inner}"]\n' if inner else f"[{head}]\n")
            config.write(f"\t{key} = {value}\n")
    rows = repository / "data" / "taxi" / "rows.csv"
    for text in (rows.read_text(), "changed\n"):
        rows.write_text(text)
        os.utime(rows, (2, 2))
        assert found(repository / "data")["dirty"] is (text == "changed\n")
        assert code_revision(repository / "pipeline.py") is not None
    assert not trap.exists()


def test_git_that_does_not_answer_or_is_not_there_leaves_the_revision_unknown(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 20\n")
    slow.chmod(0o755)
    monkeypatch.setattr(revisions, "_SECONDS", 0.1)
    monkeypatch.setenv("PATH", f"{slow.parent}:/bin:/usr/bin")
    assert revision_of(str(repository / "data")) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revision_of(str(repository / "data")) is None
    assert code_revision(repository / "pipeline.py") is None


@pytest.mark.parametrize(
    ("remote", "told"),
    [
        ("https://user:token@example.com:8443/team/data.git?key=1#x", "https://example.com:8443/team/data.git"),
        ("git@example.com:team/data.git", "example.com:team/data.git"),
        ("ssh://git@example.com/team/data.git", "ssh://example.com/team/data.git"),
        ("/home/somebody/data.git", None),
        ("file:///home/somebody/data.git", None),
        ("https://user:pa ss@[broken/x", None),
    ],
)
def test_addresses_of_remotes_hold_no_secrets(repository: Path, remote: str, told: str | None) -> None:
    git(repository, "remote", "add", "origin", remote)
    assert found(repository / "data").get("remote") == told


@given(st.text(max_size=30), st.text(alphabet="abc:@/?#", max_size=12))
def test_no_password_of_a_remote_is_ever_told(start: str, end: str) -> None:
    assert "hunter2" not in (revisions._public(f"https://u:hunter2@{start}{end}") or "")


def test_the_revision_of_code(repository: Path, tmp_path: Path) -> None:
    revision = code_revision(repository / "pipeline.py")
    assert revision is not None
    assert (revision["dirty"], revision["path"]) == (False, "pipeline.py")
    (repository / "scratch.txt").write_text("x")
    assert code_revision(str(repository / "pipeline.py")) == revision, "files beside it that git does not keep"
    (repository / "other.py").write_text("X = 1\n")
    assert (code_revision(repository / "other.py") or {})["dirty"] is True, "this file is in no commit"
    (repository / "data" / "taxi" / "rows.csv").write_text("changed")
    assert (code_revision(repository / "pipeline.py") or {})["dirty"] is True
    assert code_revision(tmp_path / "nowhere.py") is None


def test_data_that_dvc_keeps(repository: Path) -> None:
    data = repository / "ignored" / "raw"
    data.mkdir(parents=True)
    (data / "a.csv").write_text("a\n1\n")
    (data / "b.csv").write_text("b\n")
    (repository / ".gitignore").write_text("ignored/raw\n")
    md5 = "0123456789abcdef0123456789abcdef.dir"
    note = repository / "ignored" / "raw.dvc"
    note.write_text(f"outs:\n- md5: {md5}\n  size: 6\n  nfiles: 2\n  hash: md5\n  path: raw\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "dvc")
    revision = found(data)
    assert {name: value for name, value in revision.items() if name != "git"} == {
        "kind": "dvc",
        "hash_name": "md5",
        "hash": md5,
        "path": "raw",
        "dirty": None,
    }
    assert revision["git"]["commit"] == git(repository, "rev-parse", "HEAD")
    assert revision_text(found(data / "a.csv")) == f"dvc:md5:{md5}#raw/a.csv"
    (data / "c.csv").write_text("c\n")
    assert found(data)["dirty"] is True


LOCK = """schema: '2.0'
stages:
  fetch:
    cmd: python fetch.py
    deps:
    - path: fetch.py
      hash: md5
      md5: ffffffffffffffffffffffffffffffff
    outs:
    - path: first.csv
      hash: md5
      md5: eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee
      size: 3
    - path: 'made/rows.csv'
      hash: md5
      md5: {md5}
      size: 6
  later:
    cmd: train
"""


def test_an_output_of_a_dvc_stage_is_compared_by_its_contents(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    rows = tmp_path / "made" / "rows.csv"
    rows.parent.mkdir()
    rows.write_text("a\n1\n2\n")
    md5 = hashlib.md5(rows.read_bytes()).hexdigest()
    (tmp_path / "dvc.lock").write_text(LOCK.format(md5=md5))
    assert found(rows) == {"kind": "dvc", "hash_name": "md5", "hash": md5, "path": "made/rows.csv", "dirty": False}
    rows.write_text("a\n1\n3\n")
    assert found(rows)["dirty"] is True
    (tmp_path / "fetch.py").write_text("")
    assert revision_of(str(tmp_path / "fetch.py")) is None, "what a stage only reads is none of its outputs"
    (tmp_path / "dvc.lock").write_text("outs:\n- md5: ../../x\n  path: made\n- nonsense\n-\n")
    assert revision_of(str(rows)) is None


def test_addresses_of_lakefs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert revision_of("lakefs://lake/main/taxi/rows") == {
        "kind": "lakefs",
        "repository": "lake",
        "ref": "main",
        "path": "taxi/rows",
    }
    commit = "ab" * 32
    assert revision_text(found_lakefs(f"lakefs://lake/{commit}/taxi/")) == f"lakefs:lake@{commit}#taxi"
    assert found_lakefs(f"lakefs://lake/{commit}/taxi/")["commit"] == commit
    assert revision_of("lakefs://lake") is None
    assert revision_of("s3://lake/main/taxi") is None, "an S3 bucket like others"
    monkeypatch.setenv("LAKECTL_SERVER_ENDPOINT_URL", "https://lake.example.com/api/v1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://lake.example.com")
    assert found_lakefs("s3://lake/main/taxi")["ref"] == "main"
    assert revision_of("gs://bucket/x") is None


def found_lakefs(uri: str) -> dict[str, Any]:
    revision = revision_of(uri)
    assert revision is not None
    return revision


def test_examples_tell_the_revision_and_no_cache_key_holds_it(repository: Path, tmp_path: Path) -> None:
    def run() -> Any:
        gen = CsvExampleGen(input_base=str(repository / "data" / "taxi"), splits={"all": 1})
        return LocalRunner().run(Pipeline("line", [gen], root=tmp_path / "home")).nodes["CsvExampleGen"]

    first = run()
    commit = git(repository, "rev-parse", "HEAD")
    assert first.outputs["examples"][0].properties["data_revision"] == f"git:{commit}#data/taxi"
    store = MetadataStore(f"sqlite:///{tmp_path}/home/metadata.db")
    (artifact,) = store.artifacts(type="Examples")
    assert artifact.custom_properties["data_revision"] == f"git:{commit}#data/taxi"
    store.close()
    (repository / "pipeline.py").write_text("X = 3\n")
    git(repository, "commit", "-qam", "code alone")
    again = run()
    assert again.state == "CACHED"
    assert again.outputs["examples"][0].fingerprint == first.outputs["examples"][0].fingerprint

"""What a killed execution left belongs to one execution at a time, and does not stay for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from trueline.pipeline.resume import KEPT_SECONDS, drop_old, resume_folder

HOLD = """
import sys, time
from pathlib import Path
from trueline.pipeline.resume import resume_folder
with resume_folder(Path(sys.argv[1]), "key", Path("other")) as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


def test_the_second_at_once_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    private = tmp_path / "private"
    with resume_folder(tmp_path, "key", private) as first:
        assert first == tmp_path / "key"
        with resume_folder(tmp_path, "key", private) as second, resume_folder(tmp_path, "else", private) as third:
            assert (second, third) == (private, tmp_path / "else")
        with resume_folder(tmp_path, "key", private) as fourth:
            assert fourth == private, "the second's end does not let a third into the first's folder"
    with resume_folder(tmp_path, "key", private) as again:
        assert again == tmp_path / "key"
    assert not list(tmp_path.iterdir()), "no lock stays"


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == str(tmp_path / "key")
    with resume_folder(tmp_path, "key", tmp_path / "private") as beside:
        assert beside == tmp_path / "private"
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    with resume_folder(tmp_path, "key", tmp_path / "private") as after:
        assert after == tmp_path / "key"


def test_many_that_come_and_go_never_share(tmp_path: Path) -> None:
    inside, most, guard = [0], [0], threading.Lock()

    def come_and_go() -> None:
        for _ in range(200):
            with resume_folder(tmp_path, "key", tmp_path / "private") as folder:
                if folder.name == "key":
                    with guard:
                        inside[0] += 1
                        most[0] = max(most[0], inside[0])
                    with guard:
                        inside[0] -= 1

    threads = [threading.Thread(target=come_and_go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


@pytest.mark.parametrize("held", [False, True])
def test_folders_of_other_work_go_when_they_are_old_and_nobodys(tmp_path: Path, held: bool) -> None:
    for name in ("old", "young"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept").write_text("x")
    (tmp_path / "gone.lock").touch()
    now = (tmp_path / "young" / "kept").stat().st_mtime
    for path in (tmp_path / "old" / "kept", tmp_path / "old"):
        os.utime(path, (now - KEPT_SECONDS - 60, now - KEPT_SECONDS - 60))
    if held:
        with resume_folder(tmp_path, "old", tmp_path / "private"):
            assert "old" not in drop_old(tmp_path)
        assert (tmp_path / "old" / "kept").exists()
    else:
        assert drop_old(tmp_path) == ["gone", "old"]
        assert sorted(p.name for p in tmp_path.iterdir()) == ["young"]

"""Nodes that print, from their own thread and from threads that they start."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from trueline.pipeline import component
from trueline.pipeline.context import ExecutionContext

MEETING = threading.Barrier(2, timeout=20)
TOGETHER = threading.Event()


@component
def speak(word: str, key: str = "") -> int:
    print(f"{word} prints {key}")
    print(f"{word} warns {key}", file=sys.stderr)
    logging.getLogger("somebody").warning("%s logs %s", word, key)
    sys.stdout.buffer.write(f"{word} writes bytes {key}\n".encode())
    with ThreadPoolExecutor(1) as pool:
        pool.submit(print, f"{word} in a pool {key}").result()
    thread = threading.Thread(target=lambda: threading.Timer(0, print, [f"{word} in a thread's thread {key}"]).run())
    thread.start()
    thread.join()
    subprocess.run([sys.executable, "-c", f"print('{word} starts a program')"], stdout=sys.stdout, check=True)
    print("no end of line", end="")
    return 1


@component
def meet(word: str) -> int:
    """Two of these are inside at once."""
    MEETING.wait()
    print(f"{word} one")
    MEETING.wait()
    print(f"{word} two")
    MEETING.wait()
    return 1


@component
def hold() -> int:
    """Lets somebody else's thread speak while it runs."""
    TOGETHER.set()
    MEETING.wait()
    print("held")
    return 1


@component
def third_time(ctx: ExecutionContext) -> int:
    print(f"attempt {ctx.attempt}")
    if ctx.attempt < 3:
        raise RuntimeError("not yet")
    return ctx.attempt

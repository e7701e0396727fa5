"""Saves checkpoints of two equal files without end, in a process that a test kills: ``python FILE FOLDER``."""

import sys

from trueline.training import Checkpoints

if __name__ == "__main__":
    kept = Checkpoints(sys.argv[1])
    last = kept.latest()
    step = last.step + 1 if last else 0
    while True:
        content = str(step).encode() * 200_000
        kept.save(step, {"one.bin": content, "two.bin": content}, state={"step": step})
        print(step, flush=True)
        step += 1

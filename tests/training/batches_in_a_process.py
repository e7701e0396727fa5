"""Runs through batches and notes, after each, its rows and the state; the test kills it midway."""

from __future__ import annotations

import json
import sys
import time

from trueline.training import batches


def main(uri: str, log: str, epochs: str) -> None:
    run = batches(uri, 37, split="train", seed=5, rank=1, world_size=2, window=2)
    with open(log, "a", encoding="utf-8") as handle:
        for _ in range(int(epochs)):
            for batch in run:
                handle.write(json.dumps({"rows": batch["n"].tolist(), "state": run.state()}) + "\n")
                handle.flush()
                time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])

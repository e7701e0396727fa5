"""What each of several processes does to one database at the same time."""

from __future__ import annotations

import sys

from trueline.metadata import (
    Artifact,
    ArtifactState,
    Context,
    EventType,
    Execution,
    ExecutionState,
    MetadataStore,
    TypeKind,
    TypeSpec,
)


def main(path: str, worker: int, count: int) -> None:
    store = MetadataStore(path)
    store.put_type(TypeSpec("Data", TypeKind.ARTIFACT))
    store.put_type(TypeSpec("m.Step", TypeKind.EXECUTION))
    store.put_type(TypeSpec("pipeline", TypeKind.CONTEXT))
    for number in range(count):
        store.put_execution(
            Execution("m.Step", ExecutionState.COMPLETE, name=f"{worker}-{number}"),
            [(Artifact("Data", f"{worker}/{number}", ArtifactState.LIVE), EventType.OUTPUT, ("data", 0))],
            [Context("pipeline", "shared"), Context("pipeline", f"own-{worker}")],
        )
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""Compiles trueline/serving/protos/*.proto to the one file of descriptors that the server's gRPC reads.

python scripts/make_descriptors.py            # writes trueline/serving/descriptors.binpb
python scripts/make_descriptors.py --check    # exit code 1 when that file is not up to date

It needs grpcio-tools, which nothing else here does. Make an environment for it and throw it away afterwards:

python -m venv /tmp/grpc-tools && /tmp/grpc-tools/bin/pip install grpcio-tools
/tmp/grpc-tools/bin/python scripts/make_descriptors.py
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SERVING = Path(__file__).resolve().parents[1] / "trueline" / "serving"
PROTOS = SERVING / "protos"
TARGET = SERVING / "descriptors.binpb"


def compiled() -> bytes:
    """The descriptors of all files and of what they import, as one serialised FileDescriptorSet."""
    try:
        from grpc_tools import protoc
    except ModuleNotFoundError:
        sys.exit(f"grpcio-tools is missing in {sys.executable}: see the head of scripts/make_descriptors.py")
    well_known = Path(protoc.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "descriptors.binpb"
        status = protoc.main(
            [
                "protoc",
                f"-I{PROTOS}",
                f"-I{well_known}",
                "--include_imports",
                f"--descriptor_set_out={out}",
                *sorted(path.name for path in PROTOS.glob("*.proto")),
            ]
        )
        if status != 0:
            sys.exit(status)
        return out.read_bytes()


def main(argv: Sequence[str]) -> int:
    """Writes the file or, with ``--check``, compares it."""
    fresh = compiled()
    if "--check" in argv:
        same = TARGET.is_file() and TARGET.read_bytes() == fresh
        if not same:
            print(f"{TARGET.name} is not up to date: run scripts/make_descriptors.py", file=sys.stderr)
        return 0 if same else 1
    TARGET.write_bytes(fresh)
    print(f"wrote {TARGET.name}: {len(fresh)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Folders of images: labels from folders, headers read without a decoder, other files refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError, DataError
from trueline.data import Examples, ImageFolderSource, ingest_images
from trueline.data.images_header import image_header


def png(width: int, height: int) -> bytes:
    """A whole grey PNG."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    pixels = zlib.compress(b"".join(b"\0" + bytes(width) for _ in range(height)))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b"\x3b"


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIIIII", 40, width, height, 1, 24, *[0] * 6)


def old_bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHI", 26, 0, 0, 26) + struct.pack("<IHHHH", 12, width, height, 1, 24)


def jpeg(width: int, height: int, frame: int = 0xC0) -> bytes:
    """Segments before the frame: JFIF, fill bytes, a comment, Huffman tables, whose mark looks like a frame's."""
    jfif = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + bytes(9)
    comment = b"\xff\xff\xff\xfe" + struct.pack(">H", 6) + b"\xff\xc0ab"
    tables = b"\xff\xc4" + struct.pack(">H", 5) + b"abc"
    head = bytes([0xFF, frame]) + struct.pack(">HBHHB", 8, 8, height, width, 1)
    return b"\xff\xd8" + jfif + comment + tables + head + b"\xff\xd9"


MAKERS = {"png": png, "gif": gif, "bmp": bmp, "jpeg": jpeg}


@pytest.fixture
def images(tmp_path):
    """``images({"cat/a.png": b"..."})`` makes the folder."""

    def make(files: dict[str, bytes]) -> str:
        for name, data in files.items():
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return str(tmp_path / "in")

    return make


def rows(source: ImageFolderSource):
    found = [b for part in range(len(source.parts())) for b in source.read(part, source.schema())]
    return [row for b in found for row in b.batch.to_pylist()], [r for b in found for r in b.rejects]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(MAKERS)), st.integers(1, 300), st.integers(1, 300))
def test_format_and_size_of_each_header(kind, width, height):
    assert image_header(MAKERS[kind](width, height)) == (kind, width, height)


def test_rarer_headers():
    assert image_header(old_bmp(7, 9)) == ("bmp", 7, 9)
    assert image_header(bmp(7, -9)) == ("bmp", 7, 9)  # rows from top to bottom
    assert image_header(b"GIF87a" + gif(5, 6)[6:]) == ("gif", 5, 6)
    for frame in (0xC1, 0xC2, 0xC3, 0xC9, 0xCF):
        assert image_header(jpeg(70_000 % 65_536, 9, frame)) == ("jpeg", 4_464, 9)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(MAKERS)), st.integers(0, 90), st.binary(max_size=40))
def test_cut_and_damaged_headers_are_never_an_accident(kind, cut, tail):
    whole = MAKERS[kind](3, 2)
    found = image_header(whole[:cut] + tail)
    assert found is None or (found[0] in MAKERS and found[1] > 0 and found[2] > 0)
    assert image_header(whole[: min(cut, 9)]) is None


@given(st.binary(max_size=100))
def test_other_bytes_are_no_image(data):
    found = image_header(data)
    assert found is None or data[:2] == b"BM" or data[:3] in (b"GIF", b"\xff\xd8\xff")


def test_labels_paths_and_order(images):
    base = images(
        {
            "dog/b.png": png(2, 1),
            "cat/z.gif": gif(3, 4),
            "cat/deep/er/a.jpg": jpeg(5, 6),
            "cat/a.weird": bmp(7, 8),  # the name says nothing
            "top.png": png(1, 1),
            ".hidden/x.png": png(1, 1),
            "cat/_draft.png": png(1, 1),
        }
    )
    source = ImageFolderSource(base)
    assert source.parts() == (".", "cat", "cat/deep/er", "dog")
    found, rejects = rows(source)
    assert rejects == []
    assert [(r["path"], r["label"], r["format"], r["width"], r["height"]) for r in found] == [
        ("top.png", None, "png", 1, 1),
        ("cat/a.weird", "cat", "bmp", 7, 8),
        ("cat/z.gif", "cat", "gif", 3, 4),
        ("cat/deep/er/a.jpg", "cat", "jpeg", 5, 6),
        ("dog/b.png", "dog", "png", 2, 1),
    ]
    assert found[0]["image"] == png(1, 1)
    assert [f"{f.name}: {f.type}" for f in source.schema()] == [
        "image: binary",
        "label: string",
        "path: string",
        "format: string",
        "width: int64",
        "height: int64",
    ]


def test_files_that_are_no_images_are_rejects(images, tmp_path):
    base = images(
        {"a/1.png": png(2, 2), "a/2.txt": b"hello", "a/3.png": b"", "a/4.png": png(2, 2)[:20], "b/5.gif": gif(1, 1)}
    )
    found, rejects = rows(ImageFolderSource(base))
    assert [r["path"] for r in found] == ["a/1.png", "b/5.gif"]
    assert [(r.record, r.column) for r in rejects] == [(1, "image"), (2, "image"), (3, "image")]
    assert ["no image of a known format" in rejects[0].reason, "empty" in rejects[1].reason] == [True, True]
    assert "png file's header is cut off" in rejects[2].reason
    with pytest.raises(DataError, match=r"(?s)cannot be taken in.*a record 2.*2\.txt"):
        ingest_images(base, str(tmp_path / "out"))
    report = ingest_images(base, str(tmp_path / "out"), max_rejects=3, splits=[("all", 1)])
    assert (report.rows, report.rejects) == (2, 3)
    kept = Examples.open(str(tmp_path / "out")).table("all")
    assert kept["image"].to_pylist() == [png(2, 2), gif(1, 1)]


def test_a_pattern_and_no_label(images):
    base = images({"a/1.png": png(2, 2), "a/2.txt": b"x", "b/3.png": png(1, 1)})
    found, rejects = rows(ImageFolderSource(base, "*.png", label_from="none"))
    assert (rejects, [r["path"] for r in found]) == ([], ["a/1.png", "b/3.png"])
    assert "label" not in found[0]
    assert [r["path"] for r in rows(ImageFolderSource(base, "b/*"))[0]] == ["b/3.png"]


def test_splits_by_label_and_workers_agree(images, tmp_path):
    base = images({f"{label}/{n:02d}.png": png(n + 1, 2) for label in ("cat", "dog") for n in range(30)})
    report = ingest_images(base, str(tmp_path / "out"), stratify_by="label")
    examples = Examples.open(str(tmp_path / "out"))
    assert report.rows == 60
    counts = [examples.table("train")["label"].to_pylist().count(label) for label in ("cat", "dog")]
    assert counts == [20, 20]


def test_many_large_files_come_in_several_batches(images, monkeypatch):
    monkeypatch.setattr("trueline.data.images_source._BATCH_BYTES", 5_000)
    base = images({f"a/{n:02d}.png": png(2, 2) + bytes(2_000) for n in range(10)})
    source = ImageFolderSource(base)
    batches = list(source.read(0, source.schema()))
    assert [b.batch.num_rows for b in batches] == [3, 3, 3, 1]
    assert [n for b in batches for n in b.records.tolist()] == list(range(10))


def test_missing_and_empty_folders_and_options(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        ImageFolderSource(str(tmp_path / "none")).schema()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no file matches '\*'"):
        ImageFolderSource(str(tmp_path / "empty")).schema()
    with pytest.raises(ConfigError, match="folder, none"):
        ImageFolderSource(str(tmp_path), label_from="name")


def test_a_fingerprint_knows_paths_and_contents(images, tmp_path):
    base = images({"a/1.png": png(2, 2)})
    one = ImageFolderSource(base).fingerprint()
    assert ImageFolderSource(base).fingerprint() == one
    assert ImageFolderSource(base, label_from="none").fingerprint() != one
    (Path(base) / "a" / "1.png").rename(Path(base) / "a" / "2.png")
    assert ImageFolderSource(base).fingerprint() != one


def test_any_store():
    import fsspec

    memory = fsspec.filesystem("memory")
    for name, data in {"cat/1.png": png(2, 3), "dog/2.gif": gif(4, 5)}.items():
        memory.makedirs(f"/images/{name.split('/')[0]}", exist_ok=True)
        memory.pipe_file(f"/images/{name}", data)
    found, rejects = rows(ImageFolderSource("memory://images"))
    assert rejects == []
    assert [(r["path"], r["label"], r["width"]) for r in found] == [("cat/1.png", "cat", 2), ("dog/2.gif", "dog", 4)]

"""Cutting text into blocks of whole records: by Arrow's own rules, for any text, dialect and size of what is read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from trueline._core.errors import DataError
from trueline.data.csv_blocks import TextBlock, csv_blocks, record_starts
from trueline.data.csv_format import CsvFormat, Grammar
from trueline.data.csv_text import parse_block

DIALECTS = [
    CsvFormat(),
    CsvFormat(quote="'", delimiter=";"),
    CsvFormat(quote=None),
    CsvFormat(escape="\\"),
    CsvFormat(delimiter="\t", escape="\\", quote=None),
]
TEXT = st.text("ab12,;\t\"'\\\n\r é", max_size=50)


def parsed_whole(data: bytes, form: CsvFormat, columns: int) -> tuple[list[dict], list[tuple[int, int]]]:
    """What Arrow makes of the whole text at once: rows, and place and number of cells of all other records."""
    ragged = []

    def set_apart(row):
        ragged.append((row.number, row.actual_columns))
        return "skip"

    names = [str(i) for i in range(columns)]
    table = pcsv.read_csv(
        pa.BufferReader(data),
        pcsv.ReadOptions(use_threads=False, block_size=1 << 20, column_names=names),
        pcsv.ParseOptions(
            delimiter=form.delimiter,
            quote_char=form.quote or False,
            escape_char=form.escape or False,
            newlines_in_values=True,
            invalid_row_handler=set_apart,
        ),
        pcsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )
    return table.to_pylist(), ragged


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT, st.sampled_from(DIALECTS), st.integers(1, 30), st.integers(1, 3))
@example('a,"b\n', CsvFormat(), 3, 2)
@example('5" p,"x"y"\n1,2\n', CsvFormat(), 2, 2)
@example('"""\n""",1\r\r\n"",2', CsvFormat(), 1, 2)
def test_blocks_together_are_what_arrow_makes_of_the_whole_text(tmp_path_factory, text, dialect, read_bytes, columns):
    """Rows, ragged records with their places, nothing twice and nothing lost; an open quote is told apart."""
    data = text.encode()
    path = tmp_path_factory.mktemp("blocks") / "in.csv"
    path.write_bytes(data)
    form = CsvFormat(dialect.delimiter, quote=dialect.quote, escape=dialect.escape, read_bytes=read_bytes)
    blocks = list(csv_blocks(str(path), form))
    assert b"".join(b.text for b in blocks) == data
    whole = b"".join(b.text for b in blocks if not b.open_quote)
    if not whole:
        return
    rows, ragged, place = [], [], 1
    for block in blocks:
        if block.open_quote:
            assert Grammar.of(form).record.match(block.text) is None
            continue
        found = parse_block(block, [str(i) for i in range(columns)], form)
        table = pa.table(dict(zip(map(str, range(columns)), found.columns, strict=True)))
        rows += table.to_pylist()
        ragged += [(place + r.record, int(r.reason.split()[0])) for r in found.rejects]
        assert sorted([*found.positions.tolist(), *(r.record for r in found.rejects)]) == list(range(found.records))
        place += found.records
    assert (rows, ragged) == parsed_whole(whole, form, columns)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT, st.sampled_from(DIALECTS), st.integers(1, 30))
def test_a_block_knows_its_line_and_its_records_know_theirs(tmp_path_factory, text, form, read_bytes):
    """Lines count ``\\n``, ``\\r\\n`` and ``\\r`` once each; what the grammar calls records is what Arrow counts."""
    path = tmp_path_factory.mktemp("lines") / "in.csv"
    path.write_bytes(text.encode())
    small = CsvFormat(form.delimiter, quote=form.quote, escape=form.escape, read_bytes=read_bytes)
    before = ""
    for block in csv_blocks(str(path), small):
        assert block.line == 1 + len(before.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1
        before += block.text.decode()
        if not block.open_quote:
            found = parse_block(block, ["only"], small)
            assert found.records == len(list(record_starts(block.text, small)))
            places = range(found.records)
            starts = [begin for begin, _ in record_starts(block.text, small)]
            text_of = [block.text[:s].decode().replace("\r\n", "\n").replace("\r", "\n") for s in starts]
            assert found.lines(places) == {n: block.line + t.count("\n") for n, t in enumerate(text_of)}


def test_a_block_that_begins_with_a_byte_order_mark_keeps_it(tmp_path):
    """U+FEFF is a mark at the file's start alone; later it is text, although Arrow drops it from each buffer."""
    path = tmp_path / "in.csv"
    path.write_bytes("\ufeff\ufeffa\n\ufeffb\n".encode())
    blocks = list(csv_blocks(str(path), CsvFormat(read_bytes=1)))
    texts = [parse_block(b, ["x"], CsvFormat()).columns[0].to_pylist() for b in blocks]
    assert [t for found in texts for t in found] == ["\ufeffa", "\ufeffb"]


@pytest.mark.parametrize("read_bytes", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("encoding", ["utf8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32"])
def test_encodings_give_one_text_whatever_is_read_at_a_time(tmp_path, encoding, read_bytes):
    """Characters that are cut by the end of what is read are put together."""
    text = 'näme,ü\r\ncafé,1\n"é\né",2\n'
    path = tmp_path / "in.csv"
    path.write_bytes(text.encode(encoding))
    blocks = csv_blocks(str(path), CsvFormat(encoding=encoding, read_bytes=read_bytes))
    assert b"".join(b.text for b in blocks).decode() == text


@pytest.mark.parametrize(("encoding", "data", "line"), [
    ("utf8", b"a\nb\n\xff\n", 3), ("utf8", b"a\nb\xc3", 2), ("cp1252", b"a\r\n\r\n\x81", 3),
    ("utf-16-le", "a\nb".encode("utf-16-le") + b"\x00", 2), ("ascii", b"a\n\xe9", 2),
])  # fmt: skip
@pytest.mark.parametrize("read_bytes", [1, 3, 1 << 20])
def test_bytes_of_another_encoding_are_named_with_their_line(tmp_path, encoding, data, line, read_bytes):
    path = tmp_path / "in.csv"
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"in.csv line {line}: the bytes are not {encoding}"):
        list(csv_blocks(str(path), CsvFormat(encoding=encoding, read_bytes=read_bytes)))


def test_a_record_is_read_whole_however_little_is_read_at_a_time(tmp_path):
    """A cell of 8 MB is one record, although 64 KiB are read at a time."""
    path = tmp_path / "in.csv"
    path.write_bytes(b'a,"' + b"x\n" * (4 << 20) + b'"\nb,c\n')
    blocks = list(csv_blocks(str(path), CsvFormat(read_bytes=1 << 16)))
    rows = [parse_block(b, ["x", "y"], CsvFormat()) for b in blocks]
    lengths = [len(v) for r in rows for v in r.columns[1].to_pylist()]
    assert lengths == [8 << 20, 1]


def test_blocks_are_views_whose_rest_belongs_to_the_next(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(b"1,2\n3,4\n5")
    first, *_ = csv_blocks(str(path), CsvFormat(read_bytes=6))
    assert (first.text, bytes(first.data[first.end :])) == (b"1,2\n", b"3,")
    assert np.array_equal(parse_block(first, ["a", "b"], CsvFormat()).positions, [0])
    assert isinstance(first, TextBlock)

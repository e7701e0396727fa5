"""Answers that go out in one step: the same bytes as the usual way gives, and the usual way where it is needed."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from serving_helpers import Process

from trueline._core.feed_columns import column_from_list
from trueline._core.values import RawFeature
from trueline.serving.codec import dump_outputs, dump_rows, rows_of


def exchange(port: int, requests: bytes, answers: int) -> list[bytes]:
    """Sends bytes and takes as many answers, or what comes until the connection ends."""
    data = b""
    found: list[bytes] = []
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(requests)
        while len(found) < answers:
            head, whole, rest = data.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            if whole and length is not None and len(rest) >= int(length[1]):
                size = int(length[1])
                found.append(head + whole + rest[:size])
                data = rest[size:]
            elif piece := connection.recv(65536):
                data += piece
            else:
                break
        if b"connection: close" in found[-1]:
            assert connection.recv(1) == b""
    assert data == b""
    return found


def request(extra: bytes = b"", version: bytes = b"1.1") -> bytes:
    body = b'{"instances":[{"fare":1.0,"company":"Flash"}]}'
    head = b"POST /v1/models/taxi:predict HTTP/%b\r\nhost: x\r\nx-request-id: a\r\n%bcontent-length: %d\r\n\r\n%b"
    return head % (version, extra, len(body), body)


def plain(answer: bytes) -> bytes:
    """Without the time of day and what says that the connection ends."""
    return re.sub(rb"(date: [^\r]*|connection: close)\r\n", b"", answer)


def test_kept_closed_and_pipelined_connections_see_the_same_answer(
    base: Path, start_server: Callable[..., Process]
) -> None:
    port = int(start_server(base).url.rpartition(":")[2])
    (at_once,) = exchange(port, request(), 1)
    (closed,) = exchange(port, request(b"connection: close\r\n"), 1)  # goes the usual way
    (old,) = exchange(port, request(version=b"1.0"), 1)
    assert at_once.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in closed
    assert b"connection: close" in old
    assert plain(at_once) == plain(closed) == plain(old)
    pipelined = exchange(port, request() * 5, 5)
    assert {plain(answer) for answer in pipelined} == {plain(at_once)}


@pytest.mark.parametrize("rows", [1, 7, 8, 256])
def test_rows_put_together_as_text_are_what_objects_give(rows: int) -> None:
    rng = np.random.default_rng(rows)
    outputs = {
        'a%b"é': rng.normal(size=(rows, 3)).astype(np.float32),
        "b": rng.integers(0, 9, rows),
        "c": rng.normal(size=(rows, 1)) > 0,
        "d": rng.normal(size=rows),
        "e": rng.normal(size=rows).astype(np.float16),
    }
    for names in (list(outputs)[:4], list(outputs), ["b"]):
        some = {name: outputs[name] for name in names}
        assert dump_rows(some) == dump_outputs("predictions", rows_of(some))
    for odd in (np.full(rows, np.nan), np.full(rows, "],[", object), np.zeros((rows, 2, 2)), np.zeros((rows, 0))):
        some = {"odd": odd, "b": outputs["b"]}
        assert dump_rows(some) == dump_outputs("predictions", rows_of(some))


@pytest.mark.parametrize(
    ("dtype", "value", "problem"),
    [
        ("float64", True, "got bool"),
        ("float32", "1", "got str"),
        ("int64", 1.0, "got float"),
        ("int64", 2**63, "beyond 64 bits"),
        ("int64", None, "no missing values"),
    ],
)
def test_vectors_are_as_strict_in_one_go(dtype: str, value: object, problem: str) -> None:
    feature = RawFeature("x", dtype, "fixed", 2)  # type: ignore[arg-type]
    column, problems = column_from_list(feature, [[1, 2], [3, 4]])
    assert (column.values.tolist(), column.present.tolist(), problems) == ([[1, 2], [3, 4]], [True, True], [])
    assert column.lengths is None
    _, problems = column_from_list(feature, [[1, 2], [3, value]])
    assert problems
    assert "row 1, field 'x'" in problems[0]
    assert problem in problems[0]
    big, problems = column_from_list(RawFeature("x", "float64", "fixed", 2), [[10**400, -(10**400)]])
    assert (big.values.tolist(), problems) == ([[np.inf, -np.inf]], [])

"""What the clients do when servers fail: again where that is safe, never past the call's time, errors with codes."""

from __future__ import annotations

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_client_helpers import GOOD, ROW, Acting, answer, asked, reset, send

from trueline._core.errors import ConfigError
from trueline.serving import ClientTls, RequestError, Retries
from trueline.serving.client_http import Answer, BadAnswerError, request_bytes
from trueline.serving.client_options import Attempts
from trueline.serving.errors import Code

BOTH = pytest.mark.parametrize("kind", ["sync", "async"])
QUICK = Retries(attempts=3, first_seconds=0.01)
BUSY = answer(b'{"error": "the queue is full"}', "503 Service Unavailable", extra="retry-after: 0\r\n")


@BOTH
def test_a_connection_cut_before_the_answer_is_tried_again(kind):
    with Acting(reset, reset, send(answer())) as server:
        found = asked(kind, server.url, [ROW], retries=QUICK)
    assert found.outputs == {"label": [True]}
    assert (found.version, found.request_id) == (3, "r1")
    assert len(server.requests) == 3
    bodies = {request.partition(b"\r\n\r\n")[2] for request in server.requests}
    assert len(bodies) == 1


@BOTH
def test_no_more_attempts_than_allowed(kind):
    with Acting() as server, pytest.raises(RequestError, match="does not answer") as caught:
        asked(kind, server.url, [ROW], retries=QUICK)
    assert caught.value.code is Code.UNAVAILABLE
    assert len(server.requests) == 3


@BOTH
def test_an_answer_that_began_is_not_asked_for_again(kind):
    """The server did answer: what broke is the network, and nobody knows how far its work went."""
    with Acting(send(answer()[:-5]), send(answer())) as server, pytest.raises(RequestError) as caught:
        asked(kind, server.url, [ROW], retries=QUICK)
    assert caught.value.code is Code.UNAVAILABLE
    assert "in the middle of the answer" in str(caught.value)
    assert len(server.requests) == 1


@BOTH
def test_a_full_queue_is_tried_again_when_the_server_says_when(kind):
    with Acting(send(BUSY, keep=True), send(answer(), keep=True)) as server:
        assert asked(kind, server.url, [ROW], retries=QUICK).version == 3
    assert server.connections == 1
    without = BUSY.replace(b"retry-after: 0\r\n", b"")
    with Acting(send(without), send(answer())) as server, pytest.raises(RequestError, match="queue is full") as caught:
        asked(kind, server.url, [ROW], retries=QUICK)
    assert (caught.value.status, len(server.requests)) == (503, 1)


@BOTH
def test_waiting_longer_than_the_call_may_take_is_not_begun(kind):
    later = BUSY.replace(b"retry-after: 0", b"retry-after: 60")
    started = time.monotonic()
    with Acting(send(later)) as server, pytest.raises(RequestError, match="queue is full"):
        asked(kind, server.url, [ROW], timeout=2.0)
    assert time.monotonic() - started < 1.5


@BOTH
@pytest.mark.parametrize("pause", [0.05, 5.0])
def test_a_slow_answer_ends_with_the_calls_time_even_when_it_trickles(kind, pause):
    parts = [bytes([b]) for b in answer()]
    started = time.monotonic()
    with Acting(send(*parts, pause=pause)) as server, pytest.raises(RequestError, match=r"within 0\.4 s") as caught:
        asked(kind, server.url, [ROW], timeout=0.4)
    assert caught.value.code is Code.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 2
    assert len(server.requests) == 1
    assert b"x-request-timeout-ms: 3" in server.requests[0] or b"x-request-timeout-ms: 400" in server.requests[0]


@BOTH
def test_a_server_that_is_not_there(kind):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(RequestError, match="does not answer") as caught:
        asked(kind, f"http://127.0.0.1:{port}", [ROW], retries=QUICK)
    assert caught.value.code is Code.UNAVAILABLE


@BOTH
def test_connections_are_kept_and_one_that_the_server_closed_costs_nothing(kind):
    closing = send(answer(), keep=False)
    with Acting(send(answer(), keep=True), closing, send(answer(), keep=True)) as server:
        assert asked(kind, server.url, [ROW, ROW, ROW], retries=Retries(attempts=1)).version == 3
    assert (server.connections, len(server.requests)) == (2, 3)


@BOTH
def test_errors_have_the_servers_status_code_and_message(kind):
    missing = answer(b'{"error": "no such model"}', "404 Not Found")
    with Acting(send(missing)) as server, pytest.raises(RequestError, match="no such model") as caught:
        asked(kind, server.url, [ROW])
    assert (caught.value.code, caught.value.status, caught.value.version) == (Code.NOT_FOUND, 404, 3)
    for body in (b"<html>", b"[]", b'{"outputs": 3}', b'{"predictions": 1}'):
        with Acting(send(answer(body))) as server, pytest.raises(RequestError) as caught:
            asked(kind, server.url, [ROW])
        assert caught.value.code is Code.INTERNAL
    with Acting(send(b"SSH-2.0-OpenSSH\r\n\r\n")) as server, pytest.raises(RequestError, match="does not speak HTTP"):
        asked(kind, server.url, [ROW])


@BOTH
def test_credentials_and_ids_go_out_and_never_into_errors(kind):
    with Acting(send(answer()), send(answer())) as server:
        asked(kind, server.url, [("predict", ([{"fare": 1.0}],), {"request_id": "mine"})], api_key="s3cret")
        asked(kind, server.url, [("predict", ([{"fare": 1.0}],), {"label": "a b"})], bearer=lambda: "tok")
    assert b"x-api-key: s3cret\r\n" in server.requests[0]
    assert b"x-request-id: mine\r\n" in server.requests[0]
    assert b"authorization: Bearer tok\r\n" in server.requests[1]
    assert server.requests[1].startswith(b"POST /v1/models/taxi/labels/a%20b:predict HTTP/1.1\r\n")
    for secret in ("bad\r\nhost: evil", "☃"):
        with pytest.raises(ConfigError) as caught:
            asked(kind, server.url, [ROW], api_key=secret)
        assert secret not in str(caught.value)


@BOTH
@pytest.mark.parametrize(
    ("settings", "call", "said"),
    [
        ({"api_key": "a", "bearer": "b"}, ROW, "not both"),
        ({"timeout": 0}, ROW, "timeout"),
        ({"retries": QUICK, "tls": ClientTls()}, ROW, "https"),
        ({}, ("predict", (), {}), "either rows or columns"),
        ({}, ("predict", ([{}],), {"version": 1, "label": "x"}), "not both"),
        ({}, ("predict", (None, {"a": [1]}), {"on_error": "row"}), "needs rows"),
        ({}, ("predict", ([{"a": object()}],), {}), "cannot be sent"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_sent(kind, settings, call, said):
    with pytest.raises(ConfigError, match=said):
        asked(kind, "http://127.0.0.1:1", [call], **settings)


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8501", "http://", "http://h:99999", "http://user:pw@h"])
def test_addresses_that_are_none(url):
    with pytest.raises(ConfigError) as caught:
        asked("sync", url, [ROW])
    assert "pw" not in str(caught.value)


def test_wrong_retries_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        Retries(attempts=0, first_seconds=-1.0, longest_seconds=float("nan"))
    assert len(caught.value.problems) == 3


@given(st.integers(1, 8), st.floats(0, 5), st.floats(0, 5), st.integers(0, 9))
def test_pauses_stay_within_their_bounds_and_the_time(attempts, first, longest, asked_for):
    made = Attempts(Retries(attempts, first, longest), 20.0)
    pauses = []
    while (pause := made.pause_after(503, {"retry-after": str(asked_for)})) is not None:
        pauses.append(pause)
    assert len(pauses) <= attempts - 1
    for i, pause in enumerate(pauses):
        assert asked_for <= pause <= asked_for + min(first * 2**i, longest) + 1e-9
        assert pause < 20


CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b"4;x=1\r\n" + GOOD[:4] + b"\r\n%x\r\n" % (len(GOOD) - 4) + GOOD[4:] + b"\r\n0\r\ntrailer: 1\r\n\r\n"
)
UNTIL_END = b"HTTP/1.0 200 OK\r\n\r\n" + GOOD
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\n" + answer()


@given(st.sampled_from([answer(), CHUNKED, UNTIL_END, CONTINUED]), st.lists(st.integers(0, 400), max_size=6))
def test_an_answer_is_the_same_however_it_is_cut_into_pieces(data, cuts):
    made, last = Answer(), 0
    for cut in [*sorted(cuts), len(data)]:
        piece, last = data[last:cut], max(last, min(cut, len(data)))
        if piece:
            made.feed(piece)
    if not made.done:
        made.feed(b"")
    assert (made.reply().status, made.reply().body) == (200, GOOD)
    assert made.keep == (data is not UNTIL_END)


@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", CHUNKED[:50], answer()[:40]]))
def test_bytes_that_are_no_answer_are_refused_as_such(data, before):
    made = Answer()
    try:
        made.feed(before + data or b"x")
        if not made.done:
            made.feed(b"")
    except BadAnswerError:
        return
    assert made.done


@pytest.mark.parametrize(("name", "value"), [("a", "b\r\nc: d"), ("a b", "c"), ("a:", "c"), ("a\n", "c")])
def test_headers_cannot_be_smuggled_in(name, value):
    with pytest.raises(ValueError, match="character"):
        request_bytes("GET", "/", {name: value}, b"")

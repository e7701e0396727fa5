"""Where a waiting node takes decisions itself: a tiny server for POSTs of JSON that show the token."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from trueline._core.errors import ConfigError, MetadataError

__all__ = ["Decide", "hash_of", "listening", "new_token"]

Decide = Callable[[bool, str | None, str | None], str]
"""(approved, by, comment) -> a sentence; raises `MetadataError` where it is too late."""

_LARGEST = 16 * 1024
_SECONDS = 10.0
_WORDS = {"approve": True, "reject": False}


def new_token() -> str:
    """256 bits of chance, as text for URLs."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """SHA-256 in hexadecimal digits; the token's chance makes a salt needless."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@contextmanager
def listening(place: tuple[str, int], token_hash: str, decide: Decide) -> Iterator[str]:
    """Takes decisions while the block runs.

    Args:
        place: host and port; port 0 takes a free one.
        token_hash: of the token that a decision must show.
        decide: called with a decision whose token is right.

    Yields:
        The address as a URL.

    Raises:
        ConfigError: nobody can listen there.
    """
    handler = type("_Bound", (_Handler,), {"token_hash": token_hash, "decide": staticmethod(decide)})
    six = ":" in place[0]
    family = {"address_family": socket.AF_INET6 if six else socket.AF_INET}
    try:
        server = type("_Here", (_Server,), family)(place, handler)
    except OSError as error:
        where = f"{place[0]}:{place[1]}"
        raise ConfigError(f"cannot listen at {where}: {error}", hint="give another listen='host:port'.") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="trueline-approval", daemon=True)
    thread.start()
    try:
        yield f"http://{f'[{place[0]}]' if six else place[0]}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a caller that sends nothing must not hold the run's end

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A broken connection is the caller's business."""


class _Handler(BaseHTTPRequestHandler):
    token_hash: str
    decide: Decide
    timeout = _SECONDS
    server_version, sys_version = "trueline", ""

    def do_POST(self) -> None:
        """A decision; the path means nothing."""
        status, answer = self._answer()
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing of a request is logged."""

    def _answer(self) -> tuple[int, dict[str, str]]:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            return 411, {"error": "Content-Length is needed"}
        if len(length) > 9 or int(length) > _LARGEST:
            return 413, {"error": f"at most {_LARGEST} bytes are read"}
        try:
            told = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return 400, {"error": "this is no JSON"}
        except OSError:
            return 408, {"error": "the message did not come"}
        token = told.get("token") if isinstance(told, dict) else None
        if not isinstance(token, str) or not hmac.compare_digest(hash_of(token), self.token_hash):
            return 403, {"error": "the token is wrong"}
        return self._decided(told)

    def _decided(self, told: dict[str, Any]) -> tuple[int, dict[str, str]]:
        decision, by, comment = told.get("decision"), told.get("by"), told.get("comment")
        if decision not in ("approve", "reject"):
            return 400, {"error": "decision is approve or reject"}
        if not isinstance(by, str) or not by.strip():
            return 400, {"error": "by is needed: who decides"}
        if comment is not None and not isinstance(comment, str):
            return 400, {"error": "comment is text"}
        try:
            return 200, {"decision": self.decide(_WORDS[decision], by, comment)}
        except MetadataError as error:
            return (400 if error.code == "INVALID_ARGUMENT" else 409), {"error": str(error)}
        except Exception:
            return 500, {"error": "the decision could not be written down"}

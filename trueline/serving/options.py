"""Every setting of a server in one frozen record, checked at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

from trueline._core.errors import ConfigError

__all__ = ["ServerOptions"]


@dataclass(frozen=True)
class ServerOptions:
    """Settings of a server; the defaults suit small tabular models.

    Attributes:
        poll_seconds: pause between two looks at the base directories.
        num_versions: how many of the newest versions are kept loaded; requests without a version get the newest.
        retry_seconds: after this time a version that failed to load is tried again though nothing changed.
        drain_seconds: the longest wait for requests in flight, of an old version and at shutdown.
        max_batch_rows: rows that one run of a model takes at most when requests are put together; 1 switches it off.
        max_queue_rows: rows that may wait for one version; beyond it requests are refused with 503.
        inline_micros: a model whose one-row run is faster than this runs on the event loop, others in a thread.
        inline_rows: batches of more rows run in a thread in any case.
        max_body_bytes: the largest request body, after decompression; beyond it 413.
        max_rows: rows of one request; beyond it 400.
        max_cells: values of one padded ragged feature of one request; beyond it 400.
        read_seconds: time that a client has to send one request, head and body; beyond it 408.
        keep_alive_seconds: how long an idle connection is kept.
        allow_host: modules whose host steps may run.
    """

    poll_seconds: float = 1.0
    num_versions: int = 1
    retry_seconds: float = 60.0
    drain_seconds: float = 30.0
    max_batch_rows: int = 512
    max_queue_rows: int = 32_768
    inline_micros: float = 200.0
    inline_rows: int = 512
    max_body_bytes: int = 16 * 1024 * 1024
    max_rows: int = 16_384
    max_cells: int = 4_000_000
    read_seconds: float = 15.0
    keep_alive_seconds: float = 75.0
    allow_host: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "allow_host":
                if isinstance(value, str):
                    problems.append("allow_host: expected a tuple of module names, got one text")
            elif field.name in ("inline_micros", "inline_rows", "retry_seconds", "drain_seconds"):
                if not value >= 0:
                    problems.append(f"{field.name}: expected 0 or more, got {value!r}")
            elif not value > 0:
                problems.append(f"{field.name}: expected more than 0, got {value!r}")
        if problems:
            raise ConfigError("the server's options are wrong", problems=problems)

"""Every setting of a server in one frozen record, checked at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

from trueline._core.errors import ConfigError
from trueline.serving.config import BatchSettings

__all__ = ["ServerOptions"]

_TEXTS = frozenset({"allow_host", "allowed_batch_sizes", "cors_origins"})
_UNCHECKED = frozenset({*_TEXTS, "poll_seconds", "cache_dir", "prediction_log", "prediction_log_sample"})
_ZERO_TOO = frozenset(
    {"inline_micros", "inline_rows", "retry_seconds", "drain_seconds", "max_load_retries", "batch_timeout_micros"}
)


@dataclass(frozen=True)
class ServerOptions:
    """Settings of a server; the defaults suit small tabular models.

    Attributes:
        poll_seconds: pause between two looks at the models' sources; 0: one look at the start, less: none.
        num_versions: how many of the newest versions are kept loaded; requests without a version get the newest.
        retry_seconds: after this time a version that failed to load is tried again though nothing changed.
        max_load_retries: how often it is; then only a change of its files counts.
        load_threads: versions that are loaded at the same time.
        servable_versions_always_present: whether the last version goes on answering when its source is empty; False:
            an empty source takes every version down, as TensorFlow Serving does.
        allow_version_labels_for_unavailable_models: whether a new label may be given to a version that is not
            available; it holds as soon as the version is.
        enable_model_warmup: whether a version answers warm-up rows before it is available.
        num_request_iterations_for_warmup: how often each of them is answered.
        cache_dir: where versions from other stores than the local one are copied to; None: the temporary folder.
        drain_seconds: the longest wait for requests in flight, of an old version and at shutdown.
        max_batch_rows: rows that one run of a model takes at most when requests are put together; 1 switches it off.
        max_queue_rows: rows that may wait for one version; beyond it requests are refused with 503.
        batch_timeout_micros: how long an idle model waits for more rows; 0: not at all.
        allowed_batch_sizes: see `BatchSettings`.
        enable_large_batch_splitting: whether a request of more rows than `max_batch_rows` is cut into pieces.
        enable_per_model_batching_parameters: whether ``batching_params.pbtxt`` in a version's folder counts.
        inline_micros: a model whose one-row run is faster than this runs on the event loop, others in a thread.
        inline_rows: batches of more rows run in a thread in any case.
        max_body_bytes: the largest request body, after decompression; beyond it 413.
        max_rows: rows of one request; beyond it 400.
        max_cells: values of one padded ragged feature of one request; beyond it 400.
        read_seconds: time that a client has to send one request, head and body; beyond it 408.
        write_seconds: time that a client has to take one answer that does not fit the socket; then it is cut off.
        keep_alive_seconds: how long an idle connection is kept.
        rest_api_timeout_in_ms: a REST request that is not answered after this time is answered 504; a client asks for
            less with the header ``x-request-timeout-ms``.
        max_inflight_bytes: request bodies that lie in memory together; beyond it 503.
        max_parsing_requests: large requests, and such to models with host steps, that may wait to be parsed.
        max_connections: open connections; further ones are answered 503 and closed.
        max_header_bytes: a request's line and headers; beyond it 431.
        allow_host: modules whose host steps may run.
        cors_origins: origins whose pages may read answers in a browser, ``*`` for any; none switches it off.
        try_page: whether there is a page to try the models at ``/`` and ``/try``.
        prediction_log: the folder of the prediction log; None: only models with a place of their own are logged.
        prediction_log_sample: the share of requests that is logged, of models that do not say it themselves.
        prediction_log_rows: so many rows of the log make a file.
        prediction_log_seconds: and so does this time.
        prediction_log_queue_rows: rows of the log that may be in memory; further ones are dropped and counted.
        shadow_queue_requests: copies for challengers that may wait; further ones are dropped and counted.
        explain: whether ``:explain`` is answered.
        explain_max_rows: rows that one explanation may ask the model.
    """

    poll_seconds: float = 1.0
    num_versions: int = 1
    retry_seconds: float = 60.0
    max_load_retries: int = 5
    load_threads: int = 1
    servable_versions_always_present: bool = True
    allow_version_labels_for_unavailable_models: bool = False
    enable_model_warmup: bool = True
    num_request_iterations_for_warmup: int = 1
    cache_dir: str | None = None
    drain_seconds: float = 30.0
    max_batch_rows: int = 512
    max_queue_rows: int = 32_768
    batch_timeout_micros: int = 0
    allowed_batch_sizes: tuple[int, ...] = ()
    enable_large_batch_splitting: bool = False
    enable_per_model_batching_parameters: bool = False
    inline_micros: float = 200.0
    inline_rows: int = 512
    max_body_bytes: int = 16 * 1024 * 1024
    max_rows: int = 16_384
    max_cells: int = 4_000_000
    read_seconds: float = 15.0
    write_seconds: float = 60.0
    keep_alive_seconds: float = 75.0
    rest_api_timeout_in_ms: int = 30_000
    max_inflight_bytes: int = 256 * 1024 * 1024
    max_parsing_requests: int = 256
    max_connections: int = 4096
    max_header_bytes: int = 64 * 1024
    allow_host: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    try_page: bool = True
    prediction_log: str | None = None
    prediction_log_sample: float = 1.0
    prediction_log_rows: int = 50_000
    prediction_log_seconds: float = 60.0
    prediction_log_queue_rows: int = 100_000
    shadow_queue_requests: int = 256
    explain: bool = False
    explain_max_rows: int = 4096

    @property
    def batching(self) -> BatchSettings:
        """How requests are put together where a model says nothing of its own."""
        return BatchSettings(
            self.max_batch_rows,
            self.max_queue_rows,
            self.batch_timeout_micros,
            self.allowed_batch_sizes,
            self.enable_large_batch_splitting,
        )

    def __post_init__(self) -> None:
        problems = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _TEXTS and isinstance(value, str):
                problems.append(f"{field.name}: expected a tuple, got one text")
            elif field.name in _UNCHECKED or isinstance(field.default, bool):
                continue
            elif field.name in _ZERO_TOO:
                if not value >= 0:
                    problems.append(f"{field.name}: expected 0 or more, got {value!r}")
            elif not value > 0:
                problems.append(f"{field.name}: expected more than 0, got {value!r}")
        if not 0 <= self.prediction_log_sample <= 1:
            problems.append(f"prediction_log_sample: expected 0 to 1, got {self.prediction_log_sample!r}")
        problems += [p for p in self.batching.problems() if p.startswith("allowed")]
        if problems:
            raise ConfigError("the server's options are wrong", problems=problems)

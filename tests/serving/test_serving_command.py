"""The command line: our flags, TensorFlow Serving's, the variables of its container image, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from trueline._core.errors import ConfigError
from trueline.serving.command import asked, main
from trueline.serving.config import BatchSettings, Latest, ModelConfig
from trueline.serving.options import ServerOptions


def test_a_command_line_of_tensorflow_serving_works_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "batch.txt").write_text("max_batch_size { value: 64 } num_batch_threads { value: 4 }")
    wish = asked(
        [
            "--port=8500", "--rest_api_port=8501", "--model_name=taxi", "--model_base_path=/models/taxi",
            "--file_system_poll_wait_seconds=5", "--max_num_load_retries", "2", "--load_retry_interval_micros=2000000",
            "--num_load_threads=0", "--num_request_iterations_for_warmup=0", "--enable_model_warmup=false",
            "--enable_batching=true", f"--batching_parameters_file={tmp_path / 'batch.txt'}",
            "--rest_api_num_threads", "8", "--saved_model_tags=serve", "--rest_api_enable_cors_support",
            "--allow_version_labels_for_unavailable_models", "--servable_versions_always_present=false",
            "--grpc_socket_path=/tmp/s", "--rest_api_timeout_in_ms=500",
        ],
        {},
    )  # fmt: skip
    assert wish.models.models == (ModelConfig("taxi", "/models/taxi"),)
    assert (wish.place.port, wish.place.grpc_port, wish.place.grpc_socket) == (8501, 8500, "/tmp/s")
    options = wish.options
    assert (options.poll_seconds, options.max_load_retries, options.retry_seconds) == (5.0, 2, 2.0)
    assert (options.load_threads, options.num_request_iterations_for_warmup) == (1, 1)
    assert not options.enable_model_warmup
    assert not options.servable_versions_always_present
    assert options.allow_version_labels_for_unavailable_models
    assert options.cors_origins == ("*",)
    assert options.rest_api_timeout_in_ms == 500
    assert options.batching == BatchSettings(64, 640)
    assert wish.notes == (
        "--rest-api-num-threads means nothing here and is ignored",
        "--saved-model-tags means nothing here and is ignored",
        "num_batch_threads 4 is ignored: each version runs one batch at a time",
    )


def test_our_flags_and_their_defaults() -> None:
    wish = asked(
        ["--model", "a=/a", "--model", "b=s3://b/b", "--port", "0", "--num-versions", "2"], {"MODEL_NAME": "x"}
    )
    assert wish.models.models == (ModelConfig("a", "/a", Latest(2)), ModelConfig("b", "s3://b/b", Latest(2)))
    assert (wish.place.port, wish.place.grpc_port, wish.place.fail_fast) == (0, None, False)
    assert wish.options == ServerOptions(num_versions=2)
    more = asked(
        ["--model", "a=/a", "--fail-fast", "--allow-host", "m", "--allow_host", "n", "--enable-batching=0"], {}
    )
    assert (more.place.port, more.place.fail_fast) == (8501, True)
    assert (more.options.allow_host, more.options.max_batch_rows) == (("m", "n"), 1)


@pytest.mark.parametrize(
    ("environment", "model"),
    [
        ({"MODEL_NAME": "taxi"}, ModelConfig("taxi", "/models/taxi")),
        ({"MODEL_BASE_PATH": "s3://b/"}, ModelConfig("model", "s3://b/model")),
        ({"MODEL_NAME": "x", "MODEL_BASE_PATH": "/m"}, ModelConfig("x", "/m/x")),
    ],
)
def test_the_variables_of_the_container_image_count_where_no_model_is_named(
    environment: dict[str, str], model: ModelConfig
) -> None:
    assert asked([], environment).models.models == (model,)
    named = asked(["--model_base_path=/y"], environment)
    assert named.models.models == (ModelConfig("default", "/y"),)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "there is no model to serve"),
        (["--model", "a=/a", "--model", "a=/b"], "two models are named 'a'"),
        (["--model", "a=/a", "--model-config-file", "f"], "exclude each other"),
        (["--model-config-file", "no such"], "cannot be read"),
        (["--model", "a=/a", "--batching-parameters-file", "f"], "goes with --enable-batching alone"),
        (["--model", "a=/a", "--max-rows", "0", "--inline-rows", "-1"], "got -1\n  - max_rows: expected more than 0"),
        (["--model", "a=/a", "--allowed-batch-sizes", "8"], "expected the last to equal the largest batch, 512"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        asked(words, {})
    assert why in str(caught.value)
    assert main(words) == 2
    assert capsys.readouterr().err.strip() == str(caught.value)


@pytest.mark.parametrize("words", [["--no-such"], ["--model", "a"], ["--model", "a=/a", "--enable-model-warmup=maybe"]])
def test_a_flag_that_does_not_exist_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        asked(words, {})
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err

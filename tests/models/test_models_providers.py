"""Execution providers: names are checked, what is asked for and is not there is an error, the CPU's bits stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trueline._core import providers as module
from trueline._core.errors import ConfigError, ModelError, ParityError
from trueline._core.providers import check_loaded, onnx_providers, wanted_providers
from trueline._core.runtime import ModelRuntime
from trueline.models import Model
from trueline.models.providers import check_providers


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRUELINE_PROVIDERS", raising=False)


def test_without_a_word_it_is_the_cpu_alone(logistic: Model) -> None:
    assert wanted_providers(None) == ("cpu",)
    assert wanted_providers("") == ("cpu",)
    assert onnx_providers(("cpu",)) == ["CPUExecutionProvider"]
    assert logistic.runtime.providers == ("cpu",)
    assert logistic.runtime.graph._session.get_providers() == ["CPUExecutionProvider"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("cuda", ("cuda", "cpu")),
        ("tensorrt, CUDA ,cpu", ("tensorrt", "cuda", "cpu")),
        (["coreml"], ("coreml", "cpu")),
        (("cpu",), ("cpu",)),
    ],
)
def test_names_in_order_and_the_cpu_last(given: Any, wanted: tuple[str, ...]) -> None:
    assert wanted_providers(given) == wanted


def test_all_that_is_wrong_with_names_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUELINE_PROVIDERS", "cpu,cuba,cuda,cuda")
    with pytest.raises(
        ConfigError, match=r"^TRUELINE_PROVIDERS: the execution providers 'cpu,cuba,cuda,cuda'"
    ) as caught:
        wanted_providers(None)
    unknown, twice, first = caught.value.problems
    assert unknown.startswith("no provider 'cuba'. Did you mean 'cuda'? There is: coreml, cpu, cuda, directml,")
    assert twice == "'cuda' is named twice"
    assert first == "'cpu' has a kernel for everything, so what is named after it would never run: name it last"


@pytest.mark.parametrize("name", ["cuda", "tensorrt", "openvino", "migraphx", "directml"])
def test_a_provider_that_is_not_installed_is_an_error_and_no_fall_back(name: str, logistic: Model) -> None:
    import onnxruntime

    full, package = module.PROVIDERS[name]
    if full in onnxruntime.get_available_providers():
        pytest.skip(f"{name} is installed here")
    with pytest.raises(ConfigError, match="does not have every provider that is asked for") as caught:
        ModelRuntime.load(logistic.uri, providers=f"{name},cpu")
    assert caught.value.problems == (f"{name} ({full}) comes with the package {package}",)
    assert f"pip install {package}." in str(caught.value.hint)
    assert "installed: cpu" in str(caught.value.hint)


def test_the_variable_asks_for_every_model(logistic: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUELINE_PROVIDERS", "openvino")
    with pytest.raises(ConfigError, match="onnxruntime-openvino"):
        Model.load(logistic.uri)
    assert ModelRuntime.load(logistic.uri, providers="cpu").providers == ("cpu",)


def test_a_provider_that_onnx_runtime_leaves_out_is_an_error(logistic: Model) -> None:
    """ONNX Runtime prints a warning and goes on with the CPU when a driver is missing; here that is no success."""
    session = logistic.runtime.graph._session
    check_loaded(session, ("cpu",))
    with pytest.raises(ModelError, match=r"could not start cuda and would have run on CPUExecutionProvider instead"):
        check_loaded(session, ("cuda", "cpu"))


def test_the_comparison_states_its_tolerance_and_measures_both(logistic: Model, line: Any) -> None:
    report = check_providers(logistic, line.table.slice(0, 50), "cpu")
    assert (report.providers, report.rows, report.max_difference, report.class_changes) == (("cpu",), 50, 0.0, 0)
    assert report.tolerance == 1e-4
    assert min(*report.one_row_us, *report.batch_rows_per_s) > 0
    with pytest.raises(ParityError, match="on cpu the scores differ from the CPU's by up to 0, -1 is allowed"):
        check_providers(logistic, line.table.slice(0, 50), "cpu", tolerance=-1.0)


def test_the_cpu_named_or_not_gives_the_same_bits(logistic: Model, line: Any) -> None:
    named = ModelRuntime.load(logistic.uri, providers=["cpu"])
    found = named.predict_arrow(line.table)["probabilities"]
    assert found.tobytes() == np.ascontiguousarray(logistic.predict_proba(line.table)).tobytes()

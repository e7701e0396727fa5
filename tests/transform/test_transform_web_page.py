"""The page of a model in Chromium: a form with examples, bars, errors beneath their fields, offline, light and dark."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers_web import NODE, RUNTIME, chromium_page, served

import trueline.transform as tlt
from trueline.models import Fitted, Model, build_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="NOT TESTED HERE: no node; install Debian's package nodejs"),
    pytest.mark.skipif(not RUNTIME.exists(), reason="NOT TESTED HERE: no onnxruntime-web; run scripts/web_env.sh"),
]
ISLANDS = ["Biscoe", "Dream", "Torgersen", None]


def penguins(count: int = 300) -> pa.Table:
    rng = np.random.default_rng(5)
    island = rng.integers(0, 4, count)
    length = rng.normal(44, 5, count)
    kind = np.digitize(length + 2 * (island == 1), [42, 47])
    return pa.table(
        {
            "island": pa.array([ISLANDS[i] for i in island], pa.string()),
            "culmen length": pa.array(length.round(1), mask=rng.random(count) < 0.1),
            "ringed": pa.array(rng.random(count) < 0.5),
            "mass": rng.integers(2700, 6300, count),
            "species": np.array(["Adelie", "Chinstrap", "Gentoo"], object)[kind],
            "weight": length * 2 + rng.normal(size=count),
        }
    )


def model_of(kind: str, folder: Path, label: str = "species") -> Model:
    table = penguins()

    def preprocessing(x: Any) -> dict[str, Any]:
        island = tlt.compute_and_apply_vocabulary(tlt.fill_missing(x["island"], "none"), num_oov_buckets=1)
        return {
            "island": tlt.one_hot(island, 5),
            "length": tlt.fill_missing(tlt.scale_to_z_score(x["culmen length"]), 0.0),
            "ringed": tlt.fill_missing(x["ringed"], False),
            "mass": tlt.fill_missing(tlt.scale_to_0_1(x["mass"]), 0.0),
            label: x[label],
        }

    made, output = tlt.analyze_and_transform(table, preprocessing)
    x = np.hstack([np.array(made[n].to_pylist(), np.float32).reshape(300, -1) for n in output_names(output, label)])
    fitted = fit(kind, x, made[label].to_pylist())
    return build_model(fitted, uri=str(folder / "model"), transform=output, label=label, sample=table, name=kind)


def output_names(output: tlt.TransformOutput, label: str) -> list[str]:
    return [f.name for f in output.outputs if f.name != label]


def fit(kind: str, x: Any, y: list[Any]) -> Any:
    if kind == "torch":
        torch = pytest.importorskip("torch")
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        return Fitted(net.eval(), output="logits", classes=["Adelie", "Chinstrap", "Gentoo"])
    if kind == "xgboost":
        xgboost = pytest.importorskip("xgboost")
        codes = ["Adelie", "Chinstrap", "Gentoo"]
        booster = xgboost.XGBClassifier(n_estimators=5, max_depth=3, nthread=1).fit(x, [codes.index(v) for v in y])
        return Fitted(booster, classes=codes)
    from sklearn import ensemble, linear_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "ridge":
            return linear_model.Ridge().fit(x, y)
        return ensemble.RandomForestClassifier(8, max_depth=4, random_state=0).fit(x, y)


@contextlib.contextmanager
def opened(model: Model, folder: Path, scheme: str = "light") -> Iterator[Any]:
    """The page, which reaches nothing but its own folder."""
    model.save_web(str(folder / "web"), runtime=str(RUNTIME))
    with served(folder / "web") as address, chromium_page(address) as page:
        page.emulate_media(color_scheme=scheme)
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: told.append(str(error)))
        page.goto(f"{address}/index.html")
        page.wait_for_selector("body[data-state]")
        assert page.inner_text("[role=alert]") == ""
        yield page
        assert told == []


def bars(page: Any) -> dict[str, float]:
    page.wait_for_selector("#answer:not([hidden])")
    names = page.locator("#bars dt").all_inner_texts()
    shares = page.locator("#bars dd").all_inner_texts()
    widths = page.eval_on_selector_all("#bars .fill", "found => found.map((f) => parseFloat(f.style.width))")
    found = {n: float(s.removesuffix(" %")) for n, s in zip(names, shares, strict=True)}
    np.testing.assert_allclose(list(found.values()), widths, atol=0.051)
    return found


@pytest.mark.parametrize("kind", ["forest", "xgboost", pytest.param("torch", marks=pytest.mark.frameworks)])
def test_the_form_predicts_what_the_model_predicts(kind: str, tmp_path: Path) -> None:
    model = model_of(kind, tmp_path)
    with opened(model, tmp_path) as page:
        assert page.title() == kind
        assert page.inner_text("h1") == kind
        rows = [
            {"island": "Dream", "culmen length": 41.5, "ringed": True, "mass": 3700},
            {"island": "nowhere <b>", "mass": 6000},
            {},
        ]
        for row in rows:
            page.get_by_role("button", name="Empty all").click()
            for name, value in row.items():
                text = value if isinstance(value, str) else {True: "true"}.get(value, str(value))
                page.fill(f'input[name="{name}"]', text)
            page.get_by_role("button", name="Predict").click()
            expected = model.predict([row])
            found = bars(page)
            assert page.inner_text("#answer h2") == expected["label"][0].as_py()
            assert page.inner_text("#bars .most dt") == expected["label"][0].as_py()
            shares = dict(zip(model.classes or [], expected["probabilities"][0].as_py(), strict=True))
            assert found == pytest.approx({k: 100 * v for k, v in shares.items()}, abs=0.051)


def test_the_form_comes_with_an_example_that_works(tmp_path: Path) -> None:
    model = model_of("forest", tmp_path)
    examples = {i["name"]: i["example"] for i in model.info["signature"]["inputs"]}
    with opened(model, tmp_path) as page:
        page.get_by_role("button", name="Empty all").click()
        assert page.input_value('input[name="mass"]') == ""
        page.get_by_role("button", name="Fill in the example").click()
        assert page.input_value('input[name="island"]') == examples["island"]
        assert float(page.input_value('input[name="mass"]')) == examples["mass"]
        page.get_by_role("button", name="Predict").click()
        assert sum(bars(page).values()) == pytest.approx(100, abs=0.2)
        assert page.inner_text("#answer h2") == model.predict([examples])["label"][0].as_py()


def test_a_number_is_shown_as_one(tmp_path: Path) -> None:
    model = model_of("ridge", tmp_path, "weight")
    with opened(model, tmp_path) as page:
        page.fill('input[name="culmen length"]', "50")
        page.get_by_role("button", name="Predict").click()
        page.wait_for_selector("#answer:not([hidden])")
        row = {i["name"]: i["example"] for i in model.info["signature"]["inputs"]} | {"culmen length": 50.0}
        said = page.inner_text("#answer h2")
        assert said.startswith("prediction: ")
        assert float(said.removeprefix("prediction: ")) == pytest.approx(model.predict([row])[0][0].as_py(), rel=1e-5)
        assert page.locator("#bars dt").count() == 0


def test_every_wrong_field_is_told_beneath_it_and_goes_again(tmp_path: Path) -> None:
    with opened(model_of("forest", tmp_path), tmp_path) as page:
        page.fill('input[name="mass"]', "heavy")
        page.fill('input[name="ringed"]', "maybe")
        page.get_by_role("button", name="Predict").click()
        page.wait_for_function("document.querySelector('[role=alert]').textContent !== ''")
        wrong = page.locator("input[aria-invalid=true]")
        assert wrong.evaluate_all("found => found.map((f) => f.name)") == ["ringed", "mass"]
        told = [t for t in page.locator(".wrong").all_inner_texts() if t]
        assert told == ['expected bool, got string "maybe"', 'expected int64, got string "heavy"']
        assert page.evaluate("document.activeElement.name") == "ringed"
        described = page.get_attribute('input[name="mass"]', "aria-describedby")
        assert page.evaluate("(id) => document.getElementById(id).textContent", described) == told[1]
        assert page.is_hidden("#answer")
        page.fill('input[name="mass"]', "4000")
        page.fill('input[name="ringed"]', "true")
        page.get_by_role("button", name="Predict").click()
        bars(page)
        assert page.inner_text("[role=alert]") == ""
        assert page.locator("input[aria-invalid=true]").count() == 0


_CONTRAST = """(selector) => {
  const rgb = (text) => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
  const light = (c) => c.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const probe = document.createElement("div");
  probe.style.color = "Canvas";
  document.body.append(probe);
  const [a, b] = [getComputedStyle(document.querySelector(selector)).color, getComputedStyle(probe).color]
    .map((text) => light(rgb(text)));
  probe.remove();
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_schemes_can_be_read_and_nothing_is_wider_than_a_phone(scheme: str, tmp_path: Path) -> None:
    with opened(model_of("forest", tmp_path), tmp_path, scheme) as page:
        page.set_viewport_size({"width": 360, "height": 740})
        page.fill('input[name="mass"]', "heavy")
        page.get_by_role("button", name="Predict").click()
        page.wait_for_selector("input[aria-invalid=true]")
        for selector in ("h1", "#about", "label small", "[role=alert]", "label .wrong:not(:empty)"):
            assert page.evaluate(_CONTRAST, selector) >= 4.5, selector
        page.fill('input[name="mass"]', "4000")
        page.get_by_role("button", name="Predict").click()
        bars(page)
        assert page.evaluate(_CONTRAST, "#note") >= 4.5
        assert page.evaluate("document.documentElement.scrollWidth") <= 360

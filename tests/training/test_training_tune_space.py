"""Search spaces: what is drawn lies in its range, conditions hold, and everything that is wrong is told at once."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError
from trueline.training import Categorical, Float, Int, ListOf, Space, Suggest
from trueline.training.tuning.grid import grid_points, grid_problems, values_of
from trueline.training.tuning.settings import SearchSettings
from trueline.training.tuning.space import checked_space, draw_from, is_conditional
from trueline.training.tuning.study import drawn_trials, require_optuna

pytest.importorskip("optuna", reason="the tune extra is not installed")


def objective(**more: Any) -> SearchSettings:
    return SearchSettings("score", **more)


SPACE = Space(
    rate=Float(1e-4, 0.1, log=True),
    depth=Int(2, 8),
    booster=Categorical(("gbtree", "dart", None, True, [1, 2])),
    drop=Float(0.0, 0.5, step=0.1, when={"booster": ("dart", True)}),
    layers=ListOf(Int(8, 64, log=True), 0, 3),
)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_draws_lie_in_their_ranges_and_conditions_hold(sampler: str) -> None:
    drawn = drawn_trials([], range(60), objective(sampler=sampler), SPACE.draw)
    lengths, boosters = set(), set()
    for trial, h in drawn:
        assert 1e-4 <= h["rate"] <= 0.1
        assert h["depth"] in range(2, 9)
        assert isinstance(h["depth"], int)
        assert ("drop" in h) == (h["booster"] in ("dart", True))
        assert "drop" not in h or min(abs(h["drop"] - i / 10) for i in range(6)) < 1e-9
        assert all(8 <= width <= 64 for width in h["layers"])
        assert trial.params["layers.length"] == len(h["layers"])
        lengths.add(len(h["layers"]))
        boosters.add(json.dumps(h["booster"]))
    assert lengths == {0, 1, 2, 3}
    assert boosters == {'"gbtree"', '"dart"', "null", "true", "[1, 2]"}


def test_a_space_is_the_same_after_json() -> None:
    again = Space.from_json(json.loads(json.dumps(SPACE.to_json())))
    assert again == SPACE
    assert [h for _, h in drawn_trials([], range(9), objective(), again.draw)] == [
        h for _, h in drawn_trials([], range(9), objective(), SPACE.draw)
    ]


def test_a_plain_dict_is_a_space() -> None:
    plain = {
        "rate": {"low": 1e-4, "high": 0.1, "log": True},
        "depth": {"low": 2, "high": 8},
        "booster": ["gbtree", "dart"],
        "layers": {"item": {"low": 8, "high": 64}, "least": 1, "most": 2},
        "whole": Int(1, 2),
    }
    assert checked_space(plain) == Space(
        rate=Float(1e-4, 0.1, log=True),
        depth=Int(2, 8),
        booster=Categorical(("gbtree", "dart")),
        layers=ListOf(Int(8, 64), 1, 2),
        whole=Int(1, 2),
    )


def test_everything_wrong_is_told_at_once() -> None:
    pairs = [
        ("a", Float(2, 1)),
        ("a", Int(1, 2)),
        ("b", Float(0, 1, log=True)),
        ("c", Float(0, float("inf"))),
        ("d", Int(1, 2.5)),  # type: ignore[arg-type]
        ("e", Categorical(())),
        ("f", Categorical(("x", "x"))),
        ("g", Float(1, 2, log=True, step=0.1)),
        ("h", Int(1, 9, step=0)),
        ("i.j", Int(1, 2)),
        ("k", Int(1, 2, when={"z": 1})),
        ("l", Int(1, 2, when={"f": "y"})),
        ("m", ListOf(Float(3, 1), 2, 1)),
        ("n", 5),
        ("o", Categorical((object(),))),
        ("p", Categorical("abc")),
    ]
    with pytest.raises(ConfigError) as caught:
        Space.of(pairs).check()
    told = "\n".join(caught.value.problems)
    for expected in (
        "'a' has low 2 above high 1", "'a' is there twice", "'b' is drawn on the logarithm, and begins at 0",
        "'c' has high inf", "'d' has high 2.5: give a whole number", "'e' has no choice",
        "'f' has the choice \"x\" twice",
        "'g' has a step and is drawn on the logarithm", "'h' has step 0", "'i.j': a name is not empty",
        "'k' depends on 'z', which stands not before it", "'l' needs f = 'y'", "'m' has items of which each has low 3",
        "'m' has 2 to 1 values", "'n' is 5", "'o' has the choice", "'p' has choices 'abc'",
    ):  # fmt: skip
        assert expected in told, expected


def test_empty_spaces_collisions_and_unknown_keys_are_refused() -> None:
    with pytest.raises(ConfigError, match="the search space is empty"):
        checked_space({})
    with pytest.raises(ConfigError, match="'rate' is both searched and fixed"):
        checked_space(SPACE, {"rate": 0.1})
    with pytest.raises(ConfigError, match="Did you mean 'high'"):
        Space.of({"a": {"low": 1, "hgh": 2}})
    with pytest.raises(ConfigError, match="needs high"):
        Space.of({"a": {"low": 1}})
    with pytest.raises(ConfigError, match="the search space is a int"):
        checked_space(lambda: 5)


def test_a_function_of_the_trial_decides_as_it_draws() -> None:
    def search_space(trial: Suggest) -> dict[str, Any]:
        kind = trial.suggest_categorical("kind", ["line", "net"])
        if kind == "line":
            return {"kind": kind, "rate": trial.suggest_float("rate", 0.1, 1.0, log=True)}
        return {"kind": kind, "widths": [trial.suggest_int(f"w{i}", 4, 8) for i in range(2)]}

    assert is_conditional(search_space)
    assert not is_conditional(lambda: SPACE)
    drawn = [h for _, h in drawn_trials([], range(20), objective(), lambda t: draw_from(search_space, t, {}))]
    assert {tuple(h) for h in drawn} == {("kind", "rate"), ("kind", "widths")}


def test_a_function_that_draws_wrongly_is_told_what() -> None:
    def twice(trial: Suggest) -> dict[str, Any]:
        return {"a": trial.suggest_int("a", 1, 2), "b": trial.suggest_int("a", 1, 3)}

    cases = [
        (twice, "'a' is drawn twice from different ranges"),
        (lambda trial: [1], "returned \\[1\\]"),
        (lambda trial: {"a": 1}, "it drew nothing"),
        (lambda trial: {"a": trial.suggest_float("a", 1, 0)}, "low 1 above high 0"),
        (lambda trial: {"fixed": trial.suggest_int("a", 1, 2)}, "'fixed' is both searched and fixed"),
    ]
    for function, message in cases:
        with pytest.raises(ConfigError, match=message):
            drawn_trials([], [0], objective(), lambda t, f=function: draw_from(f, t, {"fixed": 1}))  # type: ignore[misc]


def test_a_grid_holds_every_combination_once_and_keeps_conditions() -> None:
    space = Space(
        a=Categorical(("p", "q")),
        b=Int(1, 5, step=2),
        c=Float(0.1, 10, log=True, points=3, when={"a": "q"}),
        d=ListOf(Categorical((0, 1)), 0, 2),
    )
    points = grid_points(space, objective(sampler="grid"))
    lists = [[], *([i] for i in (0, 1)), *([i, j] for i, j in itertools.product((0, 1), (0, 1)))]
    assert len(points) == (1 + 3) * 3 * len(lists)
    assert len({json.dumps(p, sort_keys=True) for p in points}) == len(points)
    assert all(("c" in p) == (p["a"] == "q") for p in points)
    assert values_of(Float(0.1, 10, log=True, points=3)) == pytest.approx([0.1, 1.0, 10.0])
    some = grid_points(space, objective(sampler="grid", trials=5, seed=3))
    assert some == grid_points(space, objective(sampler="grid", trials=5, seed=3))
    assert some != grid_points(space, objective(sampler="grid", trials=5, seed=4))
    assert all(p in points for p in some)


def test_what_is_no_grid_says_why() -> None:
    assert "'a' is continuous: give it points=5" in grid_problems(Space(a=Float(0, 1)))[0]
    assert "cannot be enumerated" in grid_problems(lambda trial: {})[0]
    assert "more than 10,000 points" in grid_problems(Space(a=Int(1, 1000), b=Int(1, 1000)))[0]


@settings(max_examples=60, deadline=None)
@given(st.integers(-50, 50), st.integers(0, 40), st.integers(1, 7), st.one_of(st.none(), st.integers(1, 9)))
def test_a_grids_values_lie_on_the_steps_of_their_range(low: int, span: int, step: int, points: int | None) -> None:
    """Law: for any whole range the values are distinct, in order, within the ends and on its steps."""
    values = values_of(Int(low, low + span, step=step, points=points))
    assert values == sorted(set(values))
    assert all(low <= v <= low + span and (v - low) % step == 0 for v in values)
    assert values
    if points is None:
        assert values == list(range(low, low + span + 1, step))


@settings(max_examples=30, deadline=None)
@given(st.integers(-9, 9), st.integers(0, 40), st.integers(1, 7))
def test_draws_lie_on_the_steps_of_their_range(low: int, span: int, step: int) -> None:
    """Law: also where the last step does not meet the range's end."""
    space = Space(a=Int(low, low + span, step=step), b=Float(low / 10, (low + span) / 10, step=step / 10))
    for _, h in drawn_trials([], range(4), objective(sampler="random"), space.draw):
        assert h["a"] in range(low, low + span + 1, step)
        steps = (h["b"] - low / 10) / (step / 10)
        assert abs(steps - round(steps)) < 1e-6
        assert h["b"] <= (low + span) / 10 + 1e-9


def test_settings_tell_all_that_is_wrong() -> None:
    wrong = SearchSettings("", "up", 0, 0, "tpee", "hyper", {"a": 1}, {}, -1, 0.0, float("nan"), "first")
    told = "\n".join(wrong.problems())
    for name in ("objective", "direction", "trials", "parallel", "seed", "timeout", "trial_timeout", "take"):
        assert f"{name}=" in told
    assert "sampler='tpee'. Did you mean 'tpe'?" in told
    assert "pruner='hyper'" in told
    more = SearchSettings("a", pruner="hyperband", pruner_options={"reduction_factor": 1, "max": 2})
    assert len(more.problems()) == 2
    with pytest.raises(ConfigError, match="the search is set up wrongly"):
        wrong.check()


def test_the_room_is_cheap_and_a_missing_optuna_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; from trueline.training import Space, Int, tune; Space(a=Int(0, 1)).check(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"optuna", "pyarrow", "pandas", "sqlalchemy", "onnx"} & set(loaded)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"a search needs Optuna.*\n.*pip install 'trueline\[tune\]'"):
        require_optuna()

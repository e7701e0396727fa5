"""Names of projects: what is taken is safe wherever a project writes it, and what a folder gives is taken."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trueline._core.errors import ConfigError
from trueline.templates import name_of, project_name

SAFE = re.compile(r"[a-z0-9_-]{1,63}")


def outcome(function, argument: str) -> tuple[str | None, str | None]:
    """What a function gives, and what its error says where it refuses."""
    try:
        return function(argument), None
    except ConfigError as error:
        return None, str(error)


@given(st.text())
def test_a_name_is_taken_as_it_is_or_refused(text):
    name, refused = outcome(project_name, text)
    if refused is None:
        assert name == text
        assert SAFE.fullmatch(text)
    else:
        offered = refused.rpartition("--name ")[2]
        assert project_name(offered) == offered


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_what_a_folder_gives_is_a_name(folder):
    name, refused = outcome(name_of, f"/somewhere/{folder}")
    assert project_name(name) == name if refused is None else "--name my-line" in refused


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("churn", "churn"),
        ("My Project", "my-project"),
        ("Prévisions", "previsions"),
        ("fraud_2024", "fraud_2024"),
        ("--odd -- name--", "odd-name"),
        ("v1.2", "v1-2"),
    ],
)
def test_a_folders_name_in_small_letters(folder, name):
    assert name_of(f"/somewhere/{folder}") == name

"""What is noted of loaded modules: whatever libraries put among them."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from trueline.pipeline.loaded import edited_since_loading, remember_loaded


class Library:
    """As cffi's: it says that it is a module, and cannot be referred to weakly."""

    __slots__ = ()

    @property
    def __class__(self) -> type:
        return ModuleType


def test_a_library_that_calls_itself_a_module_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Library()
    assert isinstance(found, ModuleType)
    monkeypatch.setitem(sys.modules, "a_library_of_cffi", found)
    remember_loaded()
    remember_loaded()
    assert edited_since_loading() == []

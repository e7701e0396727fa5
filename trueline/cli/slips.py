"""What a pipeline file probably meant by a name that does not exist: an argument, an attribute, a part to import."""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any

from trueline._core.errors import did_you_mean

__all__ = ["meant_hint"]

_ARGUMENT = re.compile(r"([\w.]+)\(\) got an unexpected keyword argument '(\w+)'")
_IMPORT = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")


def meant_hint(error: BaseException) -> str | None:
    """The names that exist where one of trueline's was written wrongly; None for any other error.

    Args:
        error: as it was raised, with its traceback.
    """
    if isinstance(error, ImportError) and (found := _IMPORT.search(str(error))):
        return _among(found[1], sys.modules.get(found[2]))
    if isinstance(error, AttributeError) and error.name:
        return _among(error.name, error.obj)
    if isinstance(error, TypeError) and (found := _ARGUMENT.match(str(error))):
        return _argument(error, found[1], found[2])
    return None


def _among(name: str, owner: Any) -> str | None:
    """`name` among the public names of a module, a class or an object of one."""
    home = owner if inspect.ismodule(owner) or inspect.isclass(owner) else type(owner)
    if not _is_ours(home):
        return None
    names = getattr(owner, "__all__", None) or [n for n in dir(owner) if not n.startswith("_") and not n.isupper()]
    return did_you_mean(name, names)


def _argument(error: TypeError, called: str, name: str) -> str | None:
    """`name` among the parameters of what was called, looked up by its name in the frame that called it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return None
    first, *rest = called.removesuffix(".__init__").split(".")
    owner = {**trace.tb_frame.f_globals, **trace.tb_frame.f_locals}.get(first)
    for part in rest:
        owner = inspect.getattr_static(owner, part, None)
        owner = getattr(owner, "__func__", owner)
    if not callable(owner) or not _is_ours(owner):
        return None
    taken = [p.name for p in inspect.signature(owner).parameters.values() if p.kind is not p.VAR_KEYWORD]
    return did_you_mean(name, [n for n in taken if n not in ("self", "cls")])


def _is_ours(thing: Any) -> bool:
    home = thing.__name__ if inspect.ismodule(thing) else getattr(thing, "__module__", None)
    return str(home).split(".")[0] == "trueline"

"""Pipeline files: a Python module with ``create_pipeline(**params) -> Pipeline`` or a ready ``pipeline``."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import json
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from trueline._core.errors import ConfigError, TruelineError, did_you_mean
from trueline._core.extras import missing_extra_hint
from trueline.cli.slips import meant_hint

if TYPE_CHECKING:
    from trueline.pipeline import Pipeline

__all__ = ["load_module", "load_pipeline", "load_with_runtime", "parse_params"]

_loaded_folders: set[str] = set()


def load_pipeline(file: str, params: Sequence[str] | Mapping[str, Any] = ()) -> Pipeline:
    """The pipeline that a file describes.

    Args:
        file: path of the Python file; its folder is put on the import path, so that it can import its neighbours.
        params: ``key=value`` texts as from the command line, or values by name, for ``create_pipeline``.

    Raises:
        ConfigError: no such file, no pipeline in it, or parameters that it does not take (all are listed).
    """
    module = load_module(file)
    maker = getattr(module, "create_pipeline", None)
    if maker is None:
        if params:
            raise _takes_none(file)
        return _checked(getattr(module, "pipeline", None), file)
    return _made(maker, params if isinstance(params, Mapping) else parse_params(maker, params, file), file)


def load_with_runtime(file: str, params: Sequence[str]) -> tuple[Pipeline, dict[str, Any]]:
    """The pipeline that a file describes, and the values of its runtime parameters.

    A parameter goes to ``create_pipeline`` where that takes one of this name, else to the runtime parameters.

    Raises:
        ConfigError: as `load_pipeline`; parameters that neither takes, or values of another type (all are listed).
    """
    from trueline.pipeline.compile import compile_pipeline
    from trueline.pipeline.runtime import runtime_values

    module = load_module(file)
    maker = getattr(module, "create_pipeline", None)
    accepted = inspect.signature(maker).parameters if maker is not None else {}
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values())
    later = [t for t in params if "=" in t and not takes_any and t.partition("=")[0] not in accepted]
    if maker is None:
        wrong = [f"--param {text}: write key=value" for text in params if "=" not in text]
        if wrong:
            raise ConfigError("the pipeline's parameters are not right", where=file, problems=wrong)
        pipeline = _checked(getattr(module, "pipeline", None), file)
    else:
        pipeline = _made_telling_all(maker, params, later, file)
    plan = compile_pipeline(pipeline)
    if maker is None and params and not plan.parameters:
        raise _takes_none(file)
    given = dict(text.partition("=")[::2] for text in later)
    unknown = [
        f"--param {name}: no parameter {name!r}. {did_you_mean(name, [*accepted, *plan.parameters])}"
        for name in given
        if name not in plan.parameters
    ]
    try:
        values = runtime_values(plan, {name: value for name, value in given.items() if name in plan.parameters})
    except ConfigError as error:
        unknown += error.problems
    if unknown:
        raise ConfigError("the pipeline's parameters are not right", where=file, problems=unknown)
    return pipeline, {name: values[name] for name in given}


def _made_telling_all(maker: Callable[..., Any], params: Sequence[str], later: Sequence[str], file: str) -> Pipeline:
    """The pipeline. Which runtime parameters it has is known only once it is made: where its own are wrong, the others
    are told beside them, for one may be a slip of the pen."""
    try:
        values = parse_params(maker, [text for text in params if text not in later], file)
    except ConfigError as error:
        accepted = inspect.signature(maker).parameters
        others = [text.partition("=")[0] for text in later]
        more = [f"--param {name}: create_pipeline takes no {name!r}. {did_you_mean(name, accepted)}" for name in others]
        raise ConfigError(error.message, where=error.where, problems=[*error.problems, *more]) from error
    return _made(maker, values, file)


def _made(maker: Callable[..., Any], values: Mapping[str, Any], file: str) -> Pipeline:
    with _users_errors(file):
        found = maker(**values)
    return _checked(found, file)


def _checked(found: object, file: str) -> Pipeline:
    from trueline.pipeline import Pipeline

    if not isinstance(found, Pipeline):
        raise ConfigError(
            f"the file makes no pipeline: found {type(found).__name__}",
            where=file,
            hint="define create_pipeline(...) that returns a trueline.Pipeline, or a module-level `pipeline`.",
        )
    return found


def _takes_none(file: str) -> ConfigError:
    return ConfigError(
        "the file takes no parameters: it has no create_pipeline function",
        where=file,
        hint="leave out --param.",
    )


def load_module(file: str) -> ModuleType:
    """The file as a module under its own name, its folder first on the import path.

    Modules of a project loaded earlier in this process are forgotten: two projects may each have a ``model.py``.
    """
    path = Path(file).resolve()
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob("*.py")) if path.parent.is_dir() else []
        raise ConfigError("no such pipeline file", where=str(file), hint=did_you_mean(path.name, near))
    folder = str(path.parent)
    _forget_modules()
    _loaded_folders.add(folder)
    sys.path[:] = [folder, *(entry for entry in sys.path if entry not in _loaded_folders)]
    importlib.invalidate_caches()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ConfigError("the file is no Python module", where=str(file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    with _users_errors(file):
        spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _users_errors(file: str) -> Iterator[None]:
    """What the user's code raises becomes a `ConfigError` at the user's line: the pipeline is written wrongly."""
    from trueline.pipeline.source_hash import users_line

    try:
        yield
    except TruelineError:
        raise
    except SyntaxError as error:
        raise ConfigError(f"the file does not parse: {error.msg}", where=f"{error.filename}:{error.lineno}") from error
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the file imports a module that is not there: {error}",
            where=users_line(error) or file,
            hint=missing_extra_hint(error) or "is its package installed, or does its file lie beside the pipeline?",
        ) from error
    except Exception as error:
        raise ConfigError(
            f"{type(error).__name__}: {error}",
            where=users_line(error) or file,
            hint=missing_extra_hint(error)
            or meant_hint(error)
            or "run it again as `trueline --debug ...` for the traceback.",
        ) from error


def _forget_modules() -> None:
    for name, module in sys.modules.copy().items():
        home = getattr(module, "__file__", None)
        if home and str(Path(home).parent) in _loaded_folders:
            del sys.modules[name]


def parse_params(maker: Callable[..., Any], texts: Sequence[str], file: str) -> dict[str, Any]:
    """Values for a function's parameters from ``key=value`` texts, converted by its annotations.

    Raises:
        ConfigError: listing every text that has no ``=``, no such parameter or a wrong value, and every parameter
            that has no value.
    """
    accepted = inspect.signature(maker).parameters
    hints = typing.get_type_hints(maker)
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values())
    values: dict[str, Any] = {}
    problems: list[str] = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            problems.append(f"--param {text}: write key=value")
        elif name not in accepted and not takes_any:
            problems.append(f"--param {text}: no parameter {name!r}. {did_you_mean(name, accepted)}")
        else:
            try:
                values[name] = _convert(value, hints.get(name, str))
            except ValueError as error:
                problems.append(f"--param {text}: {error}")
    for name, parameter in accepted.items():
        needed = parameter.default is inspect.Parameter.empty and parameter.kind in (
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            inspect.Parameter.KEYWORD_ONLY,
        )
        if needed and name not in values:
            problems.append(f"create_pipeline needs {name}: give --param {name}=...")
    if problems:
        raise ConfigError("the pipeline's parameters are not right", where=file, problems=problems)
    return values


def _boolean(text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in known:
        raise ValueError(f"{text!r} is not true or false")
    return known[text.lower()]


def _number(kind: type[int] | type[float], words: str) -> Callable[[str], Any]:
    def converted(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"{text!r} is not {words}") from None

    return converted


def _collection(kind: type[list[Any]] | type[dict[str, Any]], words: str) -> Callable[[str], Any]:
    def converted(text: str) -> Any:
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, kind):
            raise ValueError(f"{text!r} is not {words}")
        return found

    return converted


_CONVERTERS: Mapping[Any, Callable[[str], Any]] = {
    str: str,
    int: _number(int, "a whole number"),
    float: _number(float, "a number"),
    bool: _boolean,
    Path: Path,
    list: _collection(list, "a JSON list, such as [1, 2]"),
    dict: _collection(dict, 'a JSON object, such as {"a": 1}'),
}


def _convert(text: str, hint: Any) -> Any:
    """A text as the annotation has it; what no converter fits stays text. Of a union the first that fits is taken."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    options = [typing.get_origin(option) or option for option in (typing.get_args(hint) if union else (hint,))]
    converter = next((_CONVERTERS[option] for option in options if option in _CONVERTERS), str)
    return converter(text)

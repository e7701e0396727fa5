"""Imports lead to the versions of distributions, to files of the user, or to a name that is told as missing."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import time
from pathlib import Path

import pytest

from trueline.pipeline import packages
from trueline.pipeline.loaded import edited_since_loading
from trueline.pipeline.packages import ENGINE_PACKAGES, packages_of, python_version, replaced_since_loading
from trueline.pipeline.source_hash import function_code


def install(site: Path, name: str, version: str, *files: str, record: bool = True) -> None:
    """A distribution as an installer leaves it."""
    for old in site.glob(f"{name.replace('-', '_')}-*.dist-info"):
        for inner in old.iterdir():
            inner.unlink()
        old.rmdir()
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text("")
    if record:
        listed = [*files, f"{info.name}/METADATA", f"{info.name}/RECORD"]
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in listed))
    else:
        (info / "top_level.txt").write_text("".join(f"{file.split('/')[0]}\n" for file in files))
    stamp = time.time_ns()
    os.utime(site, ns=(stamp, stamp))
    importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def versions(*modules: str) -> dict[str, str]:
    return dict(packages_of(modules, engine=False).versions)


def test_a_module_belongs_to_its_distribution_whatever_that_is_called(site: Path) -> None:
    install(site, "fakelib", "1.0", "fakelib/__init__.py")
    install(site, "Fake-Images", "2.5", "fakepil/__init__.py", "fakesix.py", "_fakenative.cpython-311-x.so")
    install(site, "fake-old", "0.1", "fakeold/__init__.py", record=False)
    assert versions("fakelib.inner") == {"fakelib": "1.0"}
    assert versions("fakepil.Image", "fakesix", "_fakenative") == {"fake-images": "2.5"}
    assert versions("fakeold") == {"fake-old": "0.1"}
    assert versions("sklearn.linear_model") == {"scikit-learn": importlib.metadata.version("scikit-learn")}


def test_a_namespace_of_several_distributions_leads_to_the_one_that_holds_the_module(site: Path) -> None:
    install(site, "fakespace-auth", "1", "fakespace/auth/__init__.py")
    install(site, "fakespace-store", "2", "fakespace/store.py")
    assert versions("fakespace.auth.tokens") == {"fakespace-auth": "1"}
    assert versions("fakespace.store", "fakespace.store.Thing") == {"fakespace-store": "2"}
    assert versions("fakespace") == {"fakespace-auth": "1", "fakespace-store": "2"}, "nobody can say which"


def test_an_upgrade_and_a_removal_are_seen_by_the_same_process(site: Path) -> None:
    install(site, "fakelib", "1.0", "fakelib/__init__.py")
    assert versions("fakelib") == {"fakelib": "1.0"}
    install(site, "fakelib", "1.1", "fakelib/__init__.py")
    assert versions("fakelib") == {"fakelib": "1.1"}
    assert packages_of(["fakegone"], engine=False).missing == ("fakegone",)
    install(site, "fakegone", "3", "fakegone/__init__.py")
    assert packages_of(["fakegone"], engine=False).missing == ()


def test_a_package_that_is_loaded_and_was_replaced_is_noticed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_seen", {})
    install(site, "fakelib", "1.0", "fakelib/__init__.py")
    assert versions("fakelib") == {"fakelib": "1.0"}
    install(site, "fakelib", "1.1", "fakelib/__init__.py")
    assert replaced_since_loading() == [], "it is not loaded: whoever loads it gets the new one"
    module = importlib.import_module("fakelib")
    try:
        versions("fakelib")
        assert edited_since_loading() == []
        install(site, "fakelib", "1.2", "fakelib/__init__.py")
        assert edited_since_loading() == [Path(str(module.__file__))]
    finally:
        del sys.modules["fakelib"]


def test_what_is_pythons_or_our_own_is_no_package_and_the_engines_packages_always_are() -> None:
    found = packages_of(["os.path", "json", "trueline.pipeline", "sys"])
    assert tuple(found.versions) == ENGINE_PACKAGES
    assert found.versions["numpy"] == importlib.metadata.version("numpy")
    assert found.missing == ()
    assert python_version() == f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_a_module_without_a_distribution_goes_by_its_file(site: Path) -> None:
    (site / "fakeloose.py").write_text("X = 1\n")
    importlib.invalidate_caches()
    first = versions("fakeloose")
    assert first["fakeloose"].startswith("file ")
    (site / "fakeloose.py").write_text("X = 2\n")
    assert versions("fakeloose") != first


def test_every_top_level_name_of_this_environment_is_found_as_pythons_own_search_finds_it() -> None:
    wanted = importlib.metadata.packages_distributions()
    state = packages._state()
    names = [name for name in wanted if name.isidentifier() and not name.startswith("_")]
    assert len(names) > 100
    # Python's search goes by top_level.txt, which some parts of a namespace write as a path: ours may know more.
    missed = {name: set(wanted[name]) - set(packages._providers(state, name)) for name in names}
    assert {name: lacking for name, lacking in missed.items() if lacking} == {}
    more = [name for name in names if set(packages._providers(state, name)) - set(wanted[name])]
    assert len(more) < 5, more


def test_files_of_a_project_on_the_path_do_not_have_all_packages_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.syspath_prepend(str(project))
    before = packages._state()
    (project / "output.txt").write_text("x")
    assert packages._state() == before
    install(project, "fakelocal", "1.0", "fakelocal/__init__.py")
    assert packages._state() != before
    assert versions("fakelocal") == {"fakelocal": "1.0"}


def test_looking_up_is_quick() -> None:
    packages._versions.cache_clear()
    packages._index.cache_clear()
    packages._record.cache_clear()
    begun = time.process_time()
    versions("sklearn", "yaml", "PIL", "google.protobuf", "numpy", "pandas", "fakenever")
    assert time.process_time() - begun < 0.3, "about 0.05 s on an idle core"
    begun = time.process_time()
    versions("sklearn", "yaml", "PIL", "google.protobuf", "numpy", "pandas", "fakenever")
    assert time.process_time() - begun < 0.02


MODEL = '''
"""Mentions import antigravity."""
from __future__ import annotations
import fakeused
import fakeother
import fakeplugin  # for its effects
from fakepackage import part as p
from helper_of_packages import help

def train(x):
    from fakeinner import deep
    try:
        import fakefast
    except ImportError:
        fakefast = None
    importlib.import_module("fakenamed.inner")
    return fakeused.run(x), p, help(x)

def other():
    return fakeother
'''


def test_the_modules_of_a_function_are_those_that_it_can_reach(tmp_path: Path) -> None:
    (tmp_path / "model_of_packages.py").write_text(MODEL)
    (tmp_path / "helper_of_packages.py").write_text("def help(x):\n    import fakedeep\n    return fakedeep\n")
    found = function_code(tmp_path / "model_of_packages.py", "train").modules
    tops = {module.split(".")[0] for module in found} - set(sys.stdlib_module_names)
    assert tops == {"fakeused", "fakeplugin", "fakepackage", "fakeinner", "fakefast", "fakenamed", "fakedeep"}
    assert "fakepackage.part" in found
    assert "fakenamed.inner" in found
    other = function_code(tmp_path / "model_of_packages.py", "other").modules
    assert "fakeother" in other
    assert "fakeused" not in other, "its version is of no matter to this function"


def test_an_import_that_nothing_uses_is_there_for_its_effects(tmp_path: Path) -> None:
    model, patch = tmp_path / "model.py", tmp_path / "patch_of_packages.py"
    model.write_text("import patch_of_packages\n\ndef train():\n    return 1\n")
    patch.write_text("import json\njson.X = 1\n")
    before = function_code(model, "train")
    patch.write_text("import json\njson.X = 2\n")
    after = function_code(model, "train")
    assert before.digest != after.digest
    changed = {name for name in after.parts if before.parts[name] != after.parts[name]}
    assert changed == {"patch_of_packages.py:json"}


def test_a_namespace_folder_of_the_users_own_is_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, model = tmp_path / "lib", tmp_path / "work" / "model.py"
    (root / "ownspace_of_packages").mkdir(parents=True)
    model.parent.mkdir()
    inner = root / "ownspace_of_packages" / "inner.py"
    inner.write_text("X = 1\n")
    model.write_text("from ownspace_of_packages import inner\n\ndef train():\n    return inner.X\n")
    monkeypatch.syspath_prepend(str(root))
    before = function_code(model, "train")
    assert before.modules == frozenset()
    inner.write_text("X = 2\n")
    assert function_code(model, "train").digest != before.digest


def test_a_file_with_many_statements_is_told_of_as_a_whole(tmp_path: Path) -> None:
    model = tmp_path / "model.py"
    model.write_text("import many\n\ndef train():\n    return many\n")
    (tmp_path / "many.py").write_text("".join(f"X{i} = {i}\n" for i in range(65)))
    assert set(function_code(model, "train").parts) == {"model.py:imports", "model.py:train", "many.py"}

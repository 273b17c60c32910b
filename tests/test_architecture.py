"""Which package may import which, and what importing costs."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"memorybank_core", "memorybank_langchain", "memorybank_llamaindex", "llms"}
ALLOWED = {
    "memorybank_core": set(),
    "memorybank_langchain": {"memorybank_core"},
    "memorybank_llamaindex": {"memorybank_core"},
    "llms": {"memorybank_core"},
    "memorybank_langchain/siliconfriend": PACKAGES,
}
NEEDS = {"memorybank_langchain": "langgraph", "memorybank_llamaindex": "llama_index.core"}
HEAVY = ("torch", "transformers", "faiss", "langchain_core", "llama_index", "openai", "matplotlib")


def imported_packages(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {str(name).partition(".")[0] for name in whole | parts}


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_imports_go_one_way(package):
    for file in (ROOT / package).rglob("*.py"):
        place = file.relative_to(ROOT).as_posix()
        part = "memorybank_langchain/siliconfriend"
        allowed = ALLOWED[part if place.startswith(part) else package] | {package}
        wrong = imported_packages(file) & PACKAGES - allowed
        assert not wrong, f"{place} imports {sorted(wrong)}"


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_importing_brings_nothing_heavy(package):
    code = f"import sys, {package}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_public_names_are_sorted_and_there(name):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name], reason=f"{NEEDS[name]} is not installed")
    package = import_module(name)
    names = package.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    for name in names:
        assert getattr(package, name).__doc__

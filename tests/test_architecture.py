"""Which package may import which, and what importing costs."""

import ast
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import fields, is_dataclass
from graphlib import CycleError, TopologicalSorter
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
APPLICATIONS = (
    "memorybank_core.cli",
    "memorybank_core.demo",
    "memorybank_core.evaluation",
    "memorybank_core.plots",
    "memorybank_core.terminal",
    "memorybank_core.ui",
    "memorybank_core.web",
)
"""Modules that the library proper does not import."""
USERS_OF_APPLICATIONS = (
    *APPLICATIONS,
    "llms.finetuning.__main__",
    "llms.finetuning.cli",
    "memorybank_langchain.siliconfriend",
)
LAZY_PLOTS = "memorybank_core.bank"
"""Its plot methods import `memorybank_core.plots` when they are called."""
COMMANDS = (
    "memorybank_core.cli",
    "memorybank_core.demo",
    "memorybank_langchain.siliconfriend",
    "llms.finetuning",
)
AGENTS = {"langchain", "langchain_classic", "langgraph"}
"""Packages that the extra `companion` does not install: it has `langchain-core` alone."""
AGENTS_IF_THERE = ("memorybank_langchain.bridges", "memorybank_langchain.run_config")
"""Modules that import these for old versions of LangChain, or within one of their graphs."""
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


def module_name(file: Path) -> str:
    """Return the dotted name of a file; a package is named without "__init__"."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(file: Path, modules: set[str]) -> set[str]:
    """Return which of `modules` a file imports at run time, at the top or inside functions."""
    name, names = module_name(file), set()
    package = name if file.stem == "__init__" else name.rpartition(".")[0]
    for node in runtime_nodes(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            start = ".".join(base) if node.level else ""
            source = ".".join(filter(None, [start, node.module]))
            below = {f"{source}.{alias.name}" for alias in node.names} & modules
            names |= below or {source}
    return (names & modules) - {name}


def runtime_nodes(node):
    """Yield the nodes of a tree but for what stands under `if TYPE_CHECKING:`."""
    yield node
    is_for_types = isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    for child in ast.iter_child_nodes(node):
        if not (is_for_types and child in node.body):
            yield from runtime_nodes(child)


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_imports_go_in_a_circle(package):
    files = {module_name(file): file for file in (ROOT / package).rglob("*.py")}
    graph = {name: imported_modules(file, set(files)) for name, file in files.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports go in a circle: {' -> '.join(reversed(error.args[1]))}")


def is_below(name: str, tops: tuple[str, ...]) -> bool:
    """Return whether a module is one of `tops` or lies in one of these packages."""
    return any(name == top or name.startswith(f"{top}.") for top in tops)


def test_the_library_does_not_import_its_applications():
    files = {module_name(file): file for top in PACKAGES for file in (ROOT / top).rglob("*.py")}
    for name, file in files.items():
        if not is_below(name, USERS_OF_APPLICATIONS):
            imported = {
                it for it in imported_modules(file, set(files)) if is_below(it, APPLICATIONS)
            }
            if is_below(name, (LAZY_PLOTS,)):
                imported = {it for it in imported if not is_below(it, ("memorybank_core.plots",))}
            assert not imported, f"{name} imports {sorted(imported)}"


@pytest.mark.parametrize("missing", ["typer", "rich"])
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_without_the_extra_say_how_to_install_it(command, missing):
    code = (
        f"import runpy, sys; sys.modules[{missing!r}] = None\n"
        f"runpy.run_module({command!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 1
    assert done.stdout == ""
    message = r'error: (typer|rich) is not installed\. Run: pip install "memorybank-llm\[cli\]"\n'
    assert re.fullmatch(message, done.stderr)


def test_the_walks_in_contributing_name_functions_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    walks = text.partition("## How a call travels")[2].partition("## What to touch")[0]
    hops = re.findall(r"`(?:\w+\.)?(\w+)` \(`([\w/]+\.py)`\)", walks)
    hops += re.findall(r"`(\w+)` in `([\w/]+\.py)`", walks)
    assert len(hops) > 12
    for function, file in hops:
        source = (ROOT / "memorybank_core" / file).read_text(encoding="utf-8")
        assert f"def {function}(" in source, f"{file} has no {function}"


def test_the_tests_and_pages_named_in_security_exist():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    files = re.findall(r"`(tests/[\w/]+\.py)`", text) + re.findall(r"\]\((docs/[^)#]+)", text)
    assert len(files) > 12
    assert [file for file in files if not (ROOT / file).is_file()] == []


LONG_MODULES = {
    "llms/families.py",  # a table
    "memorybank_core/bank.py",  # every verb with its documentation
    "memorybank_core/testing/contract.py",  # every test of a store
}


def test_modules_and_functions_are_short():
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            place = file.relative_to(ROOT).as_posix()
            source = file.read_text(encoding="utf-8")
            assert len(source.splitlines()) <= 300 or place in LONG_MODULES, place
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    length = (node.end_lineno or 0) - node.lineno + 1
                    assert length <= 70, f"{place}: {node.name} has {length} lines"


def test_two_classes_have_one_name_only_if_their_files_have():
    places: dict[str, set[str]] = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.parse(file.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, set()).add(file.name)
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_the_companion_needs_no_agents():
    files = {module_name(file): file for top in PACKAGES for file in (ROOT / top).rglob("*.py")}
    reached = {name for name in files if is_below(name, ("memorybank_langchain.siliconfriend",))}
    queue = list(reached)
    while queue:
        new = imported_modules(files[queue.pop()], set(files)) - reached
        reached |= new
        queue += new
    assert "memorybank_langchain.runnable" in reached
    for name in reached - set(AGENTS_IF_THERE):
        wrong = imported_packages(files[name]) & AGENTS
        assert not wrong, f"{name} imports {sorted(wrong)}"


def test_no_dataclass_has_a_default_that_python_3_10_refuses():
    """Python 3.11 accepts a dict that can be hashed; 3.10 fails when the module is imported."""
    for name in sorted(NEEDS):
        with suppress(ImportError):
            import_module(f"{name}.{'recall' if 'langchain' in name else 'memory'}")
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] in PACKAGES]
    defaults = [
        (kind, field.name)
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and is_dataclass(kind)
        for field in fields(kind)
        if isinstance(field.default, dict | list | set)
    ]
    assert len(modules) > 50
    assert defaults == []

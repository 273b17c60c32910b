"""Public names and signatures, one per line; `python tests/public_api.py` rewrites the snapshot."""

import enum
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

SNAPSHOT = Path(__file__).parent / "data" / "public_api.txt"
MODULES = {
    "llms": "transformers",
    "memorybank_core": "numpy",
    "memorybank_core.evaluation": "numpy",
    "memorybank_core.json_format": "numpy",
    "memorybank_core.moving": "numpy",
    "memorybank_core.plots": "matplotlib",
    "memorybank_core.stores": "numpy",
    "memorybank_core.stores.postgres": "psycopg",
    "memorybank_core.testing": "pytest",
    "memorybank_langchain": "langgraph",
    "memorybank_langchain.siliconfriend": "langgraph",
    "memorybank_llamaindex": "llama_index.core",
}
"""The documented modules, each with the package it needs."""

_OURS = ("memorybank_", "llms")


def public_api(module_name: str) -> list[str]:
    """Return the lines of one module: each public name, its signature and its public members."""
    module = import_module(module_name)
    lines = []
    for name in sorted(_public_names(module)):
        lines += _lines(f"{module_name}.{name}", getattr(module, name))
    return lines


def _public_names(module: ModuleType) -> list[str]:
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def _lines(path: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield f"class {path}{_signature(value)}"
        for name, member in _members(value):
            yield from _member(f"{path}.{name}", member)
    elif callable(value):
        yield f"def {path}{_signature(value)}"
    else:
        yield f"{path}: {type(value).__name__}"


def _members(cls: type) -> list[tuple[str, Any]]:
    """Return the public members our packages define, inherited ones included, without tests."""
    members: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith(_OURS):
            members |= vars(base)
    if issubclass(cls, enum.Enum):
        return []
    return sorted(
        (name, value) for name, value in members.items() if not name.startswith(("_", "test_"))
    )


def _member(path: str, member: Any) -> Iterator[str]:
    if isinstance(member, (classmethod, staticmethod)):
        yield f"def {path}{_signature(member.__func__)}"
    elif isinstance(member, property) or not callable(member):
        yield path
    else:
        yield f"def {path}{_signature(member)}"


def _signature(value: Any) -> str:
    """Return names, kinds and defaults of the parameters; the type checker covers their types."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return "(...)"
    plain = [
        parameter.replace(annotation=parameter.empty, default=_default(parameter))
        for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))


def _default(parameter: inspect.Parameter) -> Any:
    default = parameter.default
    if default is parameter.empty or isinstance(default, (str, int, float, tuple, type(None))):
        return default
    return _Named(getattr(default, "__name__", type(default).__name__))


class _Named:
    """A default value shown by its type, where its own `repr` may differ from run to run."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"<{self._name}>"


def read_snapshot() -> dict[str, list[str]]:
    """Return the lines of each module; a heading "[module]" stands before them."""
    sections: dict[str, list[str]] = {}
    for line in SNAPSHOT.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            sections[line.strip("[]")] = lines = []
        else:
            lines.append(line)
    return sections


def main() -> None:
    """Rewrite the snapshot."""
    lines = [line for name in sorted(MODULES) for line in (f"[{name}]", *public_api(name))]
    SNAPSHOT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Virtual environments of the compared packages: one for each file of requirements."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import memorybank_core

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".venv-peers"
_TOOLS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")


def python_of(environment: str | None, folder: Path = FOLDER) -> str:
    """Return the interpreter of an environment; None is the one of this process."""
    return str(folder / environment / "bin" / "python") if environment else sys.executable


def interpreter() -> str:
    """Return a Python of this version whose sqlite3 loads extensions, for sqlite-vec.

    Some builds of Python lack it; the system's own is tried next.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    code = "import sqlite3; sqlite3.Connection.enable_load_extension"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        with contextlib.suppress(OSError):
            if (
                subprocess.run([python, "-c", code], capture_output=True, check=False).returncode
                == 0
            ):
                return python
    return sys.executable


def make_environment(environment: str, folder: Path = FOLDER) -> str | None:
    """Install the pinned packages unless they are there; return an error message or None."""
    requirements = HERE / "requirements" / f"{environment}.txt"
    stamp = folder / environment / "requirements.sha256"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return None
    subprocess.run([interpreter(), "-m", "venv", str(folder / environment)], check=True)
    command = [python_of(environment, folder), "-m", "pip", "install", "--quiet"]
    options = ["--disable-pip-version-check", "--no-deps", "--requirement", str(requirements)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr or done.stdout).strip().splitlines()[-1]
    stamp.write_text(wanted)
    return None


def installed_mb(environment: str | None, folder: Path = FOLDER) -> float:
    """Return the size in MiB of an environment's packages without pip, or of MemoryBank's."""
    if environment is None:
        return _ours_mb()
    site = next((folder / environment / "lib").glob("python*/site-packages"))
    return _size_mb(part for part in site.iterdir() if not part.name.startswith(_TOOLS))


def _ours_mb() -> float:
    """Return the size of MemoryBank's packages and of all that they need, without extras."""
    import tomllib  # of Python 3.11
    from packaging.requirements import Requirement

    project = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    files, waiting, seen = [], list(project["dependencies"]), set()
    while waiting:
        need = Requirement(waiting.pop())
        if need.name in seen or (need.marker and not need.marker.evaluate({"extra": ""})):
            continue
        seen.add(need.name)
        found = distribution(need.name)
        waiting += found.requires or ()
        files += [Path(str(found.locate_file(file))) for file in found.files or ()]
    packages = ("memorybank_core", "memorybank_langchain", "memorybank_llamaindex", "llms")
    return _size_mb([*files, *(HERE.parents[1] / package for package in packages)])


def _size_mb(parts: Iterable[Path]) -> float:
    files = (f for part in parts for f in ([part] if part.is_file() else part.rglob("*")))
    return sum(f.stat().st_size for f in files if f.is_file() and f.suffix != ".pyc") / 2**20


def version_of(package: str, environment: str | None, folder: Path = FOLDER) -> str:
    """Return the installed version of a package, or of this repository."""
    if environment is None:
        return memorybank_core.__version__
    code = f"from importlib.metadata import version; print(version({package!r}))"
    command = [python_of(environment, folder), "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

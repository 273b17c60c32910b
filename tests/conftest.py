"""What pytest must know before it reads its configuration, and the servers that tests share."""

from importlib.util import find_spec

import pytest
from postgres_servers import installs, running


def pytest_addoption(parser):
    """Knows the options of plugins that are not installed, too."""
    if find_spec("pytest_asyncio") is None:
        parser.addini("asyncio_default_fixture_loop_scope", "of pytest-asyncio")


@pytest.fixture(scope="session", params=installs(), ids=lambda place: place.split("/")[-1])
def postgres(request):
    """A running PostgreSQL with pgvector: the wheel's, and Debian's where it is installed."""
    with running(request.param) as server:
        yield server

"""What pytest must know before it reads its configuration."""

from importlib.util import find_spec


def pytest_addoption(parser):
    """Knows the options of plugins that are not installed, too."""
    if find_spec("pytest_asyncio") is None:
        parser.addini("asyncio_default_fixture_loop_scope", "of pytest-asyncio")

"""Error message for packages of an extra that are not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import MissingDependencyError


@contextmanager
def explain_missing_package(extra: str) -> Iterator[None]:
    """Turn a failed import into an error that names the extra to install.

    Args:
        extra: The extra that installs the packages imported in the `with` block.

    Raises:
        MissingDependencyError: If one of these packages is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0].replace("_", "-")
        raise MissingDependencyError.of(package, extra) from error

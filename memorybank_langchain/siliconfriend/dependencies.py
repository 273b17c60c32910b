"""Error message for optional packages that are not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from memorybank_core import MissingDependencyError


@contextmanager
def explain_missing_package() -> Iterator[None]:
    """Turn a failed import into an error that names the extra to install.

    Raises:
        MissingDependencyError: If a package imported in the `with` block is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0].replace("_", "-")
        raise MissingDependencyError.of(package, "siliconfriend") from error

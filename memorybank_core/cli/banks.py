"""Functions of the commands that open existing banks and convert time options to datetimes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, time, timezone
from pathlib import Path
from typing import Any

from memorybank_core.bank import MemoryBank
from memorybank_core.configuration import UNTIL_CLOSED, describe_law
from memorybank_core.embedders.placeholder import EmbedderPlaceholder
from memorybank_core.errors import ConfigurationError, SettingsWarning
from memorybank_core.locations import is_url, without_password
from memorybank_core.logs import get_logger
from memorybank_core.registry import bank_exists, stored_embedder

_logger = get_logger(__name__)
NOON = time(12)
BUSY_TIMEOUT = 30.0
"""Time to wait for the lock of a file, in seconds."""


@contextmanager
def open_existing(
    path: str, *, user: str | None = None, embeds: bool = False, **options: Any
) -> Iterator[MemoryBank]:
    """Open a bank that must exist, and close it afterwards.

    Args:
        path: File or URL of the bank.
        user: A user that must exist in the bank; None to skip the check.
        embeds: Whether the command embeds text; without it, no embedder is loaded.
        options: Passed to `MemoryBank.open`. A law or a language is that of this command only.

    Raises:
        ConfigurationError: If the bank or the user does not exist.
        StoreError: If the bank cannot be opened.
    """
    if embeds:
        require_bank(path)
    else:
        options["embedder"] = load_placeholder(path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", f".*{UNTIL_CLOSED}", SettingsWarning)
        bank = MemoryBank.open(path, **options)
    log_opened(bank)
    with bank:
        if user is not None and not _is_known(bank, user):
            location = without_password(path)
            raise ConfigurationError(
                f"{location} has no user {user!r}. Run: memorybank users {location}"
            )
        yield bank


@contextmanager
def open_or_create(path: str, **options: Any) -> Iterator[MemoryBank]:
    """Open a bank, and close it afterwards. If the block raises, a new and empty bank is removed.

    Args:
        path: File or URL of the bank.
        options: Passed to `MemoryBank.open`.

    Raises:
        StoreError: If the bank cannot be opened.
    """
    is_new = not is_url(path) and not os.path.lexists(path)
    try:
        with MemoryBank.open(path, **options) as bank:
            log_opened(bank)
            yield bank
    except BaseException:
        if is_new:
            from memorybank_core.stores.sqlite.file_lock import remove_if_empty

            remove_if_empty(Path(path).absolute())
        raise


def log_opened(bank: MemoryBank) -> None:
    """Log the location, the embedder and the settings of a bank."""
    law, location = describe_law(bank.law), getattr(bank.store, "path", "a bank")
    settings = (bank.embedder.name, bank.timezone.key, bank.language, law)
    _logger.debug("opened %s: embedder %s, time zone %s, language %s, law %s", location, *settings)


def _is_known(bank: MemoryBank, user: str) -> bool:
    return bool(bank.stats(user_id=user).memories) or user in bank.users()


def require_bank(path: str) -> None:
    """Raise ConfigurationError if there is no bank at `path`, so that a typo creates no bank."""
    if not bank_exists(path):
        raise ConfigurationError(
            f"there is no bank at {without_password(path)}. Create one with: memorybank import, or "
            "memorybank add"
        )


def resolve_moment(value: date | None, bank: MemoryBank) -> datetime:
    """Return the value of a time option as a datetime.

    Args:
        value: A datetime; or a day, for its noon in the bank's time zone; or None for the present.
        bank: The bank, for its time zone.
    """
    if value is None:
        return datetime.now(timezone.utc)
    if isinstance(value, datetime):
        return value
    return datetime.combine(value, NOON, bank.timezone)


def load_placeholder(path: str) -> EmbedderPlaceholder:
    """Return a placeholder for the embedder of a bank, for commands that embed nothing.

    Raises:
        ConfigurationError: If there is no bank, or nothing was ever added to it.
        StoreError: If the bank cannot be opened.
    """
    stored = stored_embedder(path)
    if stored is None:
        require_bank(path)
        stored = _read_stored_embedder(path)
    name, dimension = stored
    if not name:
        raise ConfigurationError(f"{without_password(path)} is empty: nothing was ever added to it")
    return EmbedderPlaceholder(name, dimension)


def _read_stored_embedder(path: str) -> tuple[str, int]:
    """Return the stored embedder of a file; raise StoreError if the file is not a bank."""
    from memorybank_core.stores.sqlite import reading
    from memorybank_core.stores.sqlite.startup import open_file

    with closing(open_file(Path(path).absolute(), BUSY_TIMEOUT)) as file, file.read() as db:
        return reading.stored_embedder(db)

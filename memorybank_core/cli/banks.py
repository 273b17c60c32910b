"""Opening a bank for a command, and the times that its options name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, time, timezone
from pathlib import Path
from typing import Any

from memorybank_core.bank import MemoryBank
from memorybank_core.embedders.placeholder import EmbedderPlaceholder
from memorybank_core.errors import ConfigurationError
from memorybank_core.locations import without_password
from memorybank_core.registry import bank_exists, stored_embedder

NOON = time(12)
BUSY_TIMEOUT = 30.0


@contextmanager
def opened(
    path: str, *, user: str | None = None, embeds: bool = False, **options: Any
) -> Iterator[MemoryBank]:
    """The bank at `path`, which must exist; so must `user`, where one is given.

    Its embedder is loaded only where the command `embeds`.

    Raises:
        ConfigurationError: There is no such bank or user.
        StoreError: The bank cannot be opened.
    """
    if embeds:
        require_bank(path)
    else:
        options["embedder"] = unloaded(path)
    with MemoryBank.open(path, **options) as bank:
        if user is not None and not _is_known(bank, user):
            place = without_password(path)
            raise ConfigurationError(f"{place} has no user {user!r}. Run: memorybank users {place}")
        yield bank


def _is_known(bank: MemoryBank, user: str) -> bool:
    return bool(bank.stats(user_id=user).memories) or user in bank.users()


def require_bank(path: str) -> None:
    """Raises ConfigurationError where there is no bank: a typing error must not make one."""
    if not bank_exists(path):
        raise ConfigurationError(
            f"there is no bank at {without_password(path)}. Make one with: memorybank import, or "
            "memorybank add"
        )


def moment_of(given: date | None, bank: MemoryBank) -> datetime:
    """The moment that an option names: of a day, its noon in the bank's time zone; else now."""
    if given is None:
        return datetime.now(timezone.utc)
    if isinstance(given, datetime):
        return given
    return datetime.combine(given, NOON, bank.timezone)


def unloaded(path: str) -> EmbedderPlaceholder:
    """Stands for the embedder that wrote a bank, for commands that embed nothing.

    Raises:
        ConfigurationError: There is no bank, or nothing was ever written.
        StoreError: The bank cannot be opened.
    """
    writer = stored_embedder(path)
    if writer is None:
        require_bank(path)
        writer = _written_by_file(path)
    name, dimension = writer
    if not name:
        raise ConfigurationError(f"{without_password(path)} is empty: nothing was ever added to it")
    return EmbedderPlaceholder(name, dimension)


def _written_by_file(path: str) -> tuple[str, int]:
    """As `stored_embedder`, and says what is wrong with a file."""
    from memorybank_core.stores.sqlite import queries
    from memorybank_core.stores.sqlite.connections import open_file

    with closing(open_file(Path(path).absolute(), BUSY_TIMEOUT)) as file, file.reading() as db:
        return queries.written_by(db)

"""Open the file of a bank: check, create or upgrade it, or open it for reading only."""

from __future__ import annotations

import os
from pathlib import Path

from memorybank_core.errors import ConfigurationError
from memorybank_core.forked_processes import ForkLock
from memorybank_core.logs import get_logger

from .connections import Connections
from .derivation import derive_outdated, is_outdated
from .lineage import is_without_lineage
from .read_only import is_writable, require_readable
from .schema import check_file, create_private, migrate, require_newest

_logger = get_logger(__name__)

_OPEN_LOCK = ForkLock("the opening of a bank")


def open_file(path: Path, busy_timeout: float, *, readonly: bool = False) -> Connections:
    """Open the bank at `path`; create or migrate the file if necessary.

    A file that cannot be written is opened for reading only, even without `readonly`.
    """
    if not readonly and not is_writable(path):
        _logger.warning("%s cannot be written here: it was opened for reading only", path)
        readonly = True
    return _open_to_read(path, busy_timeout) if readonly else _open_to_write(path, busy_timeout)


def _open_to_read(path: Path, busy_timeout: float) -> Connections:
    if not os.access(path, os.R_OK):
        raise ConfigurationError(f"there is no bank at {path} that could be read")
    require_readable(path)
    connections = Connections(path, busy_timeout, readonly=True)
    try:
        with connections.read() as db:
            db.rollback()  # the check begins its own transaction
            check_file(db, path)
            require_newest(db, path)
    except BaseException:
        connections.close()
        raise
    return connections


def _open_to_write(path: Path, busy_timeout: float) -> Connections:
    connections = Connections(path, busy_timeout)
    try:
        with _OPEN_LOCK:
            create_private(path)
        with connections.exclusive(check=True) as db:
            migrate(db, path)
            outdated, is_older = is_outdated(db), is_without_lineage(db)
        if outdated:
            derive_outdated(connections.write)
        if is_older:
            with connections.write():
                pass  # records the lineage
            with connections.exclusive() as db:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")  # copies it into the main file
            with connections.exclusive():
                pass  # notices that it is there
    except BaseException:
        connections.close()
        raise
    return connections

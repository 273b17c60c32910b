"""Logs: one tree of loggers below "memorybank", and a formatter that writes JSON lines.

Records have no text of a memory and no user id. What a call did is in the fields of its record.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from typing import Any

from .errors import (
    ConflictError,
    EmbedderUnavailableError,
    InvalidInputError,
    StoreBusyError,
    StoreUnavailableError,
    StoreWriteError,
)

ROOT = "memorybank"
"""Name of the logger above all of ours."""

_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_QUOTING_ERRORS = (ConflictError, InvalidInputError)
"""Errors whose messages quote arguments, such as a user id."""
_OUTAGES = (EmbedderUnavailableError, StoreBusyError, StoreUnavailableError, StoreWriteError)
"""Errors whose messages describe a machine, although another package raised their cause."""


def get_logger(module: str) -> logging.Logger:
    """Return the logger of a module: "memorybank.core.bank" for `memorybank_core.bank`.

    Args:
        module: The module's `__name__`.
    """
    parts = module.removeprefix(f"{ROOT}_")
    return logging.getLogger(f"{ROOT}.{parts}")


def describe_error(error: Exception) -> str:
    """Return an error for a log: only its type, if its message may quote a text or a user id.

    The message of an error that another package caused may quote anything.
    """
    name, cause = type(error).__name__, error.__cause__
    if isinstance(error, _OUTAGES) or not (cause or isinstance(error, _QUOTING_ERRORS)):
        return f"{name}: {error}"
    return f"{name}, caused by {type(cause).__name__}" if cause else name


class JsonFormatter(logging.Formatter):
    """Formats each record as one line of JSON.

    The line has the time (ISO 8601, UTC), the level, the logger, the message, the fields of the
    record, such as operation, duration (in seconds) and counts, and the traceback of an exception.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, without a line break."""
        time = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)

"""The password of a page."""

from __future__ import annotations

import hmac
import time

from memorybank_core.errors import ConfigurationError

_WRONG_PASSWORD_DELAY = 1.0  # seconds


def require_password(password: str | None) -> str | None:
    """Return a password that is not empty, or None; an unset variable makes an empty one.

    Raises:
        ConfigurationError: If the password is empty.
    """
    if password is not None and not password.strip():
        raise ConfigurationError("the password is empty: write one, or leave it out")
    return password


def is_password(entered: str | None, expected: str | None) -> bool:
    """Return whether a visitor may enter; a wrong password takes a second.

    Args:
        entered: Text that the visitor entered.
        expected: The password; None admits everybody.
    """
    if expected is None or hmac.compare_digest((entered or "").encode(), expected.encode()):
        return True
    time.sleep(_WRONG_PASSWORD_DELAY)
    return False

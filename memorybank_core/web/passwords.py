"""The password of a page."""

from __future__ import annotations

import hmac
import time

_WRONG_PASSWORD_DELAY = 1.0  # seconds


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

"""Bearer tokens: which user sends a request over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path

from mcp.server.auth.provider import AccessToken

from memorybank_core.errors import ConfigurationError
from memorybank_core.validation import require_user

MIN_LENGTH = 16
"""Minimum length of a token in characters."""


class StaticTokens:
    """Verifies bearer tokens that are known in advance; a `TokenVerifier` of the MCP SDK.

    Args:
        tokens: The token of each user, by user id.

    Raises:
        ConfigurationError: If a token is short or belongs to two users, or no user has one.
        InvalidInputError: If a user id is not valid.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        if not tokens:
            raise ConfigurationError("there is no token: give at least one user a token")
        self._users: dict[bytes, str] = {}
        for user_id, token in tokens.items():
            require_user(user_id)
            if not isinstance(token, str) or len(token) < MIN_LENGTH:
                raise ConfigurationError(
                    f"the token of user {user_id!r} is shorter than {MIN_LENGTH} characters. Make "
                    'one with: python -c "import secrets; print(secrets.token_urlsafe())"'
                )
            other = self._users.setdefault(_digest(token), user_id)
            if other != user_id:
                raise ConfigurationError(f"users {other!r} and {user_id!r} have the same token")

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return the access of a token, whose `client_id` is the user; None if it is unknown."""
        digest = _digest(token)
        for known, user_id in self._users.items():
            if hmac.compare_digest(known, digest):
                return AccessToken(token=token, client_id=user_id, scopes=[])
        return None


def read_tokens(path: Path) -> dict[str, str]:
    """Read the tokens of users from a file: a JSON object of user ids and tokens.

    Args:
        path: The file.

    Raises:
        ConfigurationError: If the file cannot be read or has another form.
    """
    try:
        tokens = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the tokens cannot be read from {path}: {error}") from error
    if not isinstance(tokens, dict) or not all(isinstance(t, str) for t in tokens.values()):
        raise ConfigurationError(f'{path} must have one JSON object: {{"USER": "TOKEN", …}}')
    return tokens


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

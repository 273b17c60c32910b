"""Row-level security: a connection sees only the rows that the current call is about.

The session setting that the policies compare rows with is set until the transaction ends. Citus
sends SET LOCAL to its workers, but not the function `set_config`; so the value is a literal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memorybank_core.protocols import Namespace
from memorybank_core.stores.item_rows import path_of

from .characters import escape
from .statements import Statement
from .tables import Layout

_PROPAGATE = Statement("SET LOCAL citus.propagate_set_commands = 'local'")
"""Lets Citus send SET LOCAL to the workers."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows that a call may see: those of a user, of a namespace, or all.

    Attributes:
        setting: Name of the session setting that the policies compare rows with.
        value: Its value.
    """

    setting: str
    value: str

    @property
    def user_id(self) -> str | None:
        """The user, if the scope is one user's rows."""
        return self.value if self.setting == "user_id" else None

    def statements(self, layout: Layout) -> list[Statement]:
        """Return the statements that set the scope until the transaction ends, if it is needed."""
        if not layout.row_security:
            return []
        value = to_literal(escape(self.value))
        set_scope = Statement(
            f"SET LOCAL memorybank_session.{self.setting} = {value}", is_unique=True
        )
        return [_PROPAGATE, set_scope] if layout.citus else [set_scope]


def to_literal(text: str) -> str:
    """Return a text as an SQL literal in which only ASCII letters and digits are not escaped.

    Raises:
        UnicodeEncodeError: If it has half a surrogate pair.
    """
    text.encode()
    return f"E'{re.sub('[^A-Za-z0-9]', _escape_character, text)}'"


def _escape_character(match: re.Match[str]) -> str:
    return f"\\U{ord(match[0]):08x}"


ALL_ROWS = Scope("scope", "all")


def user_scope(user_id: str) -> Scope:
    """Return the scope of one user's rows."""
    return Scope("user_id", user_id)


def items_scope(namespaces: Sequence[Namespace]) -> Scope:
    """Return the scope of the items under the common prefix of these namespaces."""
    prefix = []
    for labels in zip(*namespaces, strict=False):
        if len(set(labels)) > 1:
            break
        prefix.append(labels[0])
    return Scope("path", path_of(tuple(prefix)))

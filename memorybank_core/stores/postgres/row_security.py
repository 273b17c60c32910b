"""Row-level security: a connection sees only the rows that the current call is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memorybank_core.protocols import Namespace
from memorybank_core.stores.item_rows import path_of

from .statements import Statement


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

    def statement(self) -> Statement:
        """Return the statement that sets the scope until the transaction ends."""
        return Statement(
            "SELECT set_config(%(setting)s, %(value)s, true)",
            {"setting": f"memorybank_session.{self.setting}", "value": self.value},
        )


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

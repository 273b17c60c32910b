"""Selection of the turns that an import stores, and the user of each."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field

from memorybank_core.errors import ConfigurationError, FormatError, InvalidInputError
from memorybank_core.validation import require_user

from .conversations import ImportedTurn
from .detection import ImportFormat
from .omissions import Omissions
from .sources import Source

WITHOUT_USER = "turns without a user"
_MAX_NAMED = 10
"""Maximum number of users or parts that an error names."""


def names_users(reader: ImportFormat, source: Source) -> bool:
    """Return whether a source names the user of any turn; read it up to the first such turn."""
    with suppress(FormatError):  # the import itself raises it, after the turns before it
        return any(imported.user_id is not None for imported in reader.read(source, Omissions()))
    return False


@dataclass(slots=True)
class Selection:
    """Decides whose memory a turn becomes.

    Attributes:
        format: Name of the format, for errors.
        user_id: The user whose memories are imported; None for those that the source names.
        select: Parts of the source that are imported; empty for those of the user, or all.
        names_users: Whether the source names users. Then a turn without one is of somebody
            unknown, and is left out unless it is selected by its session or thread.
        omissions: Counts what is left out.
    """

    format: str
    user_id: str | None
    select: Collection[str]
    names_users: bool
    omissions: Omissions
    _is_empty: bool = True
    _unselected: dict[str, None] = field(default_factory=dict)  # users and parts that are left out

    def user_of(self, imported: ImportedTurn) -> str | None:
        """Return the user of a turn; None, and a count, if it is left out.

        Raises:
            ConfigurationError: If neither the source nor the caller names a user.
        """
        if not self._is_selected(imported):
            return None
        user = self.user_id or imported.user_id
        is_unknown = imported.user_id is None and not imported.has_owner
        if user is None or (is_unknown and not self.select):
            if self.names_users:
                self.omissions.add(WITHOUT_USER)
                return None
            if user is None:
                raise ConfigurationError(
                    f"{self.format} does not say whose memories these are: name the user with "
                    "--user, or user_id=."
                )
        try:
            require_user(user)
        except InvalidInputError as error:
            place = str(imported.turn.id or "a turn")
            self.omissions.add_fault("turns of users that cannot be stored", place, str(error))
            return None
        self._is_empty = False
        return user

    def require_any(self) -> None:
        """Raise ConfigurationError if turns were read, but none of them was selected."""
        if not self._unselected or not self._is_empty:
            return
        named = [repr(name) for name in self._unselected if name][:_MAX_NAMED]
        if not named:
            raise ConfigurationError(
                "the source has no users, sessions or namespaces: leave out --select, or select=."
            )
        chosen = ", ".join(map(repr, self._chosen()))
        raise ConfigurationError(
            f"the source has nothing of {chosen}, but of {', '.join(named)}. Pass one of them to "
            "--select, or select=."
        )

    def _chosen(self) -> Collection[str]:
        return self.select or ([self.user_id] if self.user_id else [])

    def _is_selected(self, imported: ImportedTurn) -> bool:
        is_named = imported.user_id is not None or imported.has_owner
        chosen = self._chosen() if self.select or is_named else []
        if not chosen or not {imported.user_id, *imported.parts}.isdisjoint(chosen):
            return True
        self.omissions.add("turns that are not selected")
        if len(self._unselected) <= _MAX_NAMED:
            self._unselected[imported.user_id or next(iter(imported.parts), "")] = None
        return False

"""One user's memories on the page: their HTML, and the actions on them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

from memorybank_core import DeletionReceipt, Memory, MemoryBank
from memorybank_core.json_format import export_json
from memorybank_core.web.html_text import Strings
from memorybank_langchain.siliconfriend.companion import Companion

from . import markup
from .deletions import PendingDeletion, PendingDeletions

PAGE_SIZE = 30
"""Number of memories shown at first, and added by each click on "more"."""


class UserMemory:
    """The memories of one user. Each action returns a message about its result.

    Args:
        companion: The user's companion.
        strings: Texts of the page.
        deletions: Pending deletions of the page.

    Attributes:
        max_shown: Maximum number of memories shown.
        archived: Whether archived memories are shown.
        open_id: Id of the memory that is shown expanded, with its forgetting curve.
        confirming: Place on the page and id of the memory whose deletion must be confirmed.
        deletion: The last deletion.
    """

    def __init__(
        self, companion: Companion, strings: Strings, deletions: PendingDeletions | None = None
    ) -> None:
        self.companion, self.strings = companion, strings
        self.deletions = deletions or PendingDeletions()
        self.confirming: tuple[str, str] | None = None
        self.deletion: PendingDeletion | None = None
        self.bank: MemoryBank = companion.bank
        self.user_id: str = companion.user_id
        self.max_shown, self.archived = PAGE_SIZE, False
        self.open_id: str | None = None

    def find(self, memory_id: object) -> Memory:
        """Return the user's memory with an id sent by the browser.

        Raises:
            LookupError: If the user has no such memory.
        """
        ids = [memory_id] if isinstance(memory_id, str) else []
        memories = list(self.bank.get(ids, user_id=self.user_id).values())
        if not memories:
            raise LookupError(self.strings["gone"])
        return memories[0]

    def strengthen(self, memory: Memory) -> str:
        """Strengthen a memory, as a recall does."""
        self.bank.reinforce([memory], user_id=self.user_id)
        return self.strings["strengthened"]

    def forget(self, memory: Memory) -> str:
        """Archive a memory."""
        self.bank.archive([memory], user_id=self.user_id)
        return self.strings["forgotten"]

    def restore(self, memory: Memory) -> str:
        """Make an archived memory active again."""
        self.bank.restore([memory], user_id=self.user_id)
        return self.strings["restored"]

    def pin(self, memory: Memory) -> str:
        """Pin a memory; it does not fade."""
        self.bank.pin([memory], user_id=self.user_id)
        return self.strings["pinned"]

    def unpin(self, memory: Memory) -> str:
        """Unpin a memory; it fades again, starting now."""
        self.bank.unpin([memory], user_id=self.user_id)
        return self.strings["unpinned"]

    def confirming_in(self, place: str) -> str | None:
        """Return the id of the memory whose deletion must be confirmed in a place on the page."""
        return self.confirming[1] if self.confirming and self.confirming[0] == place else None

    def hides(self, memory_id: str) -> bool:
        """Return whether a memory is not shown because its deletion is pending."""
        return self.deletion is not None and self.deletion.hides(memory_id)

    def delete_later(self, memory_id: str) -> None:
        """Permanently delete a memory, unless this is undone within `UNDO_SECONDS`."""
        self.confirming = None
        self.deletion = self.deletions.add(
            self.user_id, lambda: self.delete(memory_id), frozenset((memory_id,))
        )

    def delete_all_later(self) -> None:
        """Permanently delete everything, unless this is undone within `UNDO_SECONDS`."""
        self.confirming = None
        self.companion.stop()
        self.deletion = self.deletions.add(self.user_id, self.delete_all, None)

    def undo_deletion(self) -> str:
        """Undo the last deletion, if it is still pending."""
        if self.deletion is not None and self.deletion.undo():
            return self.strings["undone"]
        return self.strings["too_late"]

    def delete(self, *memory_ids: str) -> str:
        """Permanently delete memories now."""
        return self._deletion_message(self.companion.erase(memory_ids))

    def delete_all(self) -> str:
        """Permanently delete everything about the user now, including a turn being answered."""
        self.companion.stop()
        self.companion.new_conversation()
        memories = self.bank.timeline(user_id=self.user_id, archived=True)
        erased = self.companion.erase([memory.id for memory in memories])
        rest = self.bank.delete(user_id=self.user_id)
        return self._deletion_message(replace(rest, memories=erased.memories + rest.memories))

    def _deletion_message(self, receipt: DeletionReceipt) -> str:
        template = self.strings["deleted_one" if receipt.memories == 1 else "deleted"]
        message = template.format(count=receipt.memories)
        return message if receipt.erased else message + self.strings["not_erased"]

    def forget_faded(self) -> str:
        """Archive all faded memories."""
        report = self.bank.forget(user_id=self.user_id)
        return self.strings["faded"].format(gone=len(report.forgotten), kept=report.kept)

    def digest(self) -> str:
        """Digest new turns."""
        self.deletions.finish(self.user_id)
        report = self.bank.summarize(user_id=self.user_id)
        message = self.strings["digested"].format(digested=report.digested, skipped=report.skipped)
        if report.failed:
            error = report.failed[0].error
            message += self.strings["digest_failed"].format(count=len(report.failed), error=error)
        return message

    def export(self) -> str:
        """Return everything stored about the user as JSON; see `memorybank_core.json_format`."""
        self.deletions.finish(self.user_id)
        exists = self.user_id in self.bank.users()
        data = export_json(self.bank, users=[self.user_id]) if exists else {}
        return json.dumps(data, ensure_ascii=False, indent=2)

    def render_recalled(self, language: str) -> str:
        """Return the memories recalled for the last answer, with their scores, as HTML."""
        recalled = self.companion.recalled
        if recalled is not None and any(self.hides(id) for id in recalled.ids):
            recalled = None
        return markup.render_recalled(recalled, self.strings, language)

    def render_timeline(self) -> str:
        """Return the memories by day as HTML, latest first."""
        memories = self.bank.timeline(
            user_id=self.user_id, archived=self.archived, last=self.max_shown + 1
        )
        return markup.render_timeline(
            [memory for memory in memories[-self.max_shown :] if not self.hides(memory.id)],
            self.bank,
            datetime.now(timezone.utc),
            self.strings,
            more=len(memories) > self.max_shown,
            open_id=self.open_id,
            confirming=self.confirming_in("timeline"),
        )

    def render_digests(self) -> str:
        """Return the portrait and the summaries as HTML."""
        is_empty = self.deletion is not None and self.deletion.hides_everything
        digests = [] if is_empty else self.bank.digests(user_id=self.user_id)
        return markup.render_digests(digests, self.strings)

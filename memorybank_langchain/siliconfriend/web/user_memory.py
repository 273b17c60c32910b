"""What a person has in memory, and what they can do with it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

from memorybank_core import DeletionReceipt, Memory, MemoryBank
from memorybank_core.json_format import export_json
from memorybank_langchain.siliconfriend.companion import Companion

from . import markup

SHOWN = 30
"""How many memories are shown at first, and how many more each time."""


class UserMemory:
    """The memories of one person, and of nobody else.

    Args:
        companion: Theirs.
        words: The wording of the page.

    Attributes:
        shown: How many memories are shown at most.
        archived: Whether what was forgotten is shown, too.
        opened: The id of the memory that is shown with its curve.
    """

    def __init__(self, companion: Companion, words: markup.Words) -> None:
        self.companion, self.words = companion, words
        self.bank: MemoryBank = companion.bank
        self.user_id: str = companion.user_id
        self.shown, self.archived = SHOWN, False
        self.opened: str | None = None

    def find(self, memory_id: object) -> Memory:
        """This person's memory of an id that a browser sent.

        Raises:
            LookupError: They have none such.
        """
        memories = self.bank.timeline(user_id=self.user_id, archived=True)
        found = next((memory for memory in memories if memory.id == memory_id), None)
        if found is None:
            raise LookupError(self.words["gone"])
        return found

    def strengthen(self, memory: Memory) -> str:
        """Recalls a memory, and says so."""
        self.bank.reinforce([memory], user_id=self.user_id)
        return self.words["strengthened"]

    def forget(self, memory: Memory) -> str:
        """Archives a memory, and says so."""
        self.bank.store.archive(self.user_id, [memory.id], datetime.now(timezone.utc))
        return self.words["forgotten"]

    def restore(self, memory: Memory) -> str:
        """Brings a memory back, and says so."""
        self.bank.restore([memory], user_id=self.user_id)
        return self.words["restored"]

    def pin(self, memory: Memory) -> str:
        """Keeps a memory from fading, and says so."""
        self.bank.pin([memory], user_id=self.user_id)
        return self.words["pinned"]

    def unpin(self, memory: Memory) -> str:
        """Lets a memory fade again, and says so."""
        self.bank.unpin([memory], user_id=self.user_id)
        return self.words["unpinned"]

    def delete(self, memory_id: str) -> str:
        """Erases a memory, and says so."""
        return self._deleted(self.companion.erase([memory_id]))

    def delete_all(self) -> str:
        """Erases everything of theirs, also what an answer under way would keep."""
        self.companion.stop()
        self.companion.begin_anew()
        memories = self.bank.timeline(user_id=self.user_id, archived=True)
        erased = self.companion.erase([memory.id for memory in memories])
        rest = self.bank.delete(user_id=self.user_id)
        return self._deleted(replace(rest, memories=erased.memories + rest.memories))

    def _deleted(self, receipt: DeletionReceipt) -> str:
        told = self.words["deleted"].format(count=receipt.memories)
        return told if receipt.erased else told + self.words["not_erased"]

    def fade(self) -> str:
        """Archives what has faded, and says how much that was."""
        report = self.bank.forget(user_id=self.user_id)
        return self.words["faded"].format(gone=len(report.forgotten), kept=report.kept)

    def digest(self) -> str:
        """Digests what is new, and says what was done."""
        report = self.bank.summarize(user_id=self.user_id)
        told = self.words["digested"].format(digested=report.digested, skipped=report.skipped)
        if report.failed:
            error = report.failed[0].error
            told += self.words["digest_failed"].format(count=len(report.failed), error=error)
        return told

    def export(self) -> str:
        """Everything that is remembered of them, as JSON; see `memorybank_core.json_format`."""
        known = self.user_id in self.bank.users()
        data = export_json(self.bank, users=[self.user_id]) if known else {}
        return json.dumps(data, ensure_ascii=False, indent=2)

    def head(self) -> str:
        """The greeting, as HTML, as the following."""
        return markup.head(self.user_id, self.bank, self.words)

    def recalled(self, language: str) -> str:
        """What was recalled for the last answer, and why."""
        return markup.recalled(self.companion.recalled, self.words, language)

    def timeline(self) -> str:
        """Their memories by day, the latest first."""
        memories = self.bank.timeline(
            user_id=self.user_id, archived=self.archived, last=self.shown + 1
        )
        more, latest = len(memories) > self.shown, memories[-self.shown :]
        now = datetime.now(timezone.utc)
        return markup.timeline(latest, self.bank, now, self.words, more=more, opened=self.opened)

    def digests(self) -> str:
        """Their portrait and summaries."""
        return markup.digests(self.bank.digests(user_id=self.user_id), self.words)

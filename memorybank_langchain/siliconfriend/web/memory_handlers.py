"""What the page does with memories."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from memorybank_core import Memory

from . import markup
from .handlers import Changes, PageHandlers, shown
from .session import UserSession
from .user_memory import SHOWN

_EVERYTHING = "*"


class MemoryHandlers(PageHandlers):
    """Strengthening, pinning, forgetting, deleting, digesting, taking along."""

    @shown
    def show_archived(self, visit: UserSession, archived: bool) -> Changes:
        """Shows what was forgotten, or hides it."""
        visit.archived = bool(archived)
        return {self.at.timeline: visit.timeline()}

    @shown
    def fade(self, visit: UserSession) -> Changes:
        """Forgets what has faded."""
        told = self.notice(visit.fade())
        return {**self.memory(visit), **told}

    def press(self, visit: UserSession | None, event: gr.EventData) -> Changes:
        """Does what a button beside a memory says."""
        verb, memory = (getattr(event, name, None) for name in ("verb", "memory"))
        changes: Changes = self._press(visit, verb, memory)
        return changes

    @shown
    def _press(self, visit: UserSession, verb: object, memory_id: object) -> Changes:
        if verb == "more":
            visit.shown += SHOWN
            return {self.at.timeline: visit.timeline()}
        memory = visit.find(memory_id)
        if verb == "delete":
            quote = markup.quoted(memory, self.words)
            return self._question(memory.id, self.words["sure"], quote)
        if verb not in markup.ACTIONS:
            return {}
        visit.opened = memory.id
        act: Callable[[Memory], str] = getattr(visit, verb)
        told = self.notice(act(memory))
        return {**self.memory(visit), **told}

    @shown
    def doom_all(self, visit: UserSession) -> Changes:
        """Asks whether everything shall go."""
        return self._question(_EVERYTHING, self.words["sure_all"], "")

    def _question(self, doomed: str, asked: str, quote: str) -> Changes:
        at = self.at
        shown = gr.update(visible=True)
        return {at.doomed: doomed, at.question: shown, at.quote: markup.notice(asked) + quote}

    @shown
    def delete(self, visit: UserSession, doomed: str | None) -> Changes:
        """Erases what was asked about."""
        if doomed is None:
            return self.keep()
        everything = doomed == _EVERYTHING
        done = visit.delete_all() if everything else visit.delete(visit.find(doomed).id)
        told = self.notice(done)
        shown = {**self.talk(visit), **self.memory(visit), self.at.digests: visit.digests()}
        return {**self.keep(), **shown, **told}

    def keep(self) -> Changes:
        """Erases nothing."""
        at = self.at
        return {at.doomed: None, at.question: gr.update(visible=False), at.quote: ""}

    @shown
    def digest(self, visit: UserSession) -> Changes:
        """Digests what is new."""
        told = self.notice(visit.digest())
        return {self.at.digests: visit.digests(), **self.memory(visit), **told}

    @shown
    def export(self, visit: UserSession) -> Changes:
        """Everything of theirs, on its way into a file of their browser's."""
        return {self.at.exported: visit.export()}

"""Event handlers of the memories."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from memorybank_core import Memory

from . import markup
from .handlers import Changes, PageHandlers, with_session
from .session import UserSession
from .user_memory import PAGE_SIZE

_EVERYTHING = "*"
"""Value of `to_delete` for all memories of the user."""


class MemoryHandlers(PageHandlers):
    """Handlers that strengthen, pin, forget, delete, digest and export memories."""

    @with_session
    def show_archived(self, session: UserSession, archived: bool) -> Changes:
        """Show or hide archived memories."""
        session.archived = bool(archived)
        return {self.layout.timeline: session.render_timeline()}

    @with_session
    def forget_faded(self, session: UserSession) -> Changes:
        """Archive all faded memories."""
        notice = self.show_notice(session.forget_faded())
        return {**self.show_memory(session), **notice}

    def handle_button(self, session: UserSession | None, event: gr.EventData) -> Changes:
        """Handle a click on a button of a memory."""
        action, memory_id = (getattr(event, name, None) for name in ("action", "memory"))
        changes: Changes = self._handle_button(session, action, memory_id)
        return changes

    @with_session
    def _handle_button(self, session: UserSession, action: object, memory_id: object) -> Changes:
        if action == "more":
            session.max_shown += PAGE_SIZE
            return {self.layout.timeline: session.render_timeline()}
        memory = session.find(memory_id)
        if action == "delete":
            quote = markup.render_quote(memory, self.strings)
            return self._ask_to_delete(memory.id, self.strings["sure"], quote)
        if action not in markup.ACTIONS:
            return {}
        session.open_id = memory.id
        run_action: Callable[[Memory], str] = getattr(session, action)
        notice = self.show_notice(run_action(memory))
        return {**self.show_memory(session), **notice}

    @with_session
    def ask_to_delete_all(self, session: UserSession) -> Changes:
        """Ask for confirmation to delete everything."""
        return self._ask_to_delete(_EVERYTHING, self.strings["sure_all"], "")

    def _ask_to_delete(self, target: str, question: str, quote: str) -> Changes:
        layout = self.layout
        return {
            layout.to_delete: target,
            layout.confirmation: gr.update(visible=True),
            layout.quote: markup.render_notice(question) + quote,
        }

    @with_session
    def delete(self, session: UserSession, target: str | None) -> Changes:
        """Permanently delete a memory, or everything, once confirmed."""
        if target is None:
            return self.cancel_deletion()
        if target == _EVERYTHING:
            message = session.delete_all()
        else:
            message = session.delete(session.find(target).id)
        return {
            **self.cancel_deletion(),
            **self.show_conversation(session),
            **self.show_memory(session),
            self.layout.digests: session.render_digests(),
            **self.show_notice(message),
        }

    def cancel_deletion(self) -> Changes:
        """Close the confirmation."""
        layout = self.layout
        return {
            layout.to_delete: None,
            layout.confirmation: gr.update(visible=False),
            layout.quote: "",
        }

    @with_session
    def digest(self, session: UserSession) -> Changes:
        """Digest new turns."""
        notice = self.show_notice(session.digest())
        return {
            self.layout.digests: session.render_digests(),
            **self.show_memory(session),
            **notice,
        }

    @with_session
    def export(self, session: UserSession) -> Changes:
        """Send everything stored about the user, for the browser to save as a file."""
        return {self.layout.exported: session.export()}

"""Event handlers of the memories."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from memorybank_core import Memory
from memorybank_core.web.events import Changes, clicked

from . import markup
from .handlers import PageHandlers, with_session
from .session import UserSession
from .user_memory import PAGE_SIZE


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
        return {**self.show_page(session), **notice}

    def handle_memory(self, session: UserSession | None, event: gr.EventData) -> Changes:
        """Handle a click on a button of a memory in the timeline."""
        return self._handle_click(session, "timeline", event)

    def handle_notice(self, session: UserSession | None, event: gr.EventData) -> Changes:
        """Handle a click on the button of a notice: undo a deletion, or cancel an edit."""
        return self._handle_click(session, "notice", event)

    def _handle_click(
        self, session: UserSession | None, place: str, event: gr.EventData
    ) -> Changes:
        action, target = clicked(event)
        changes: Changes = self._act(session, place, action, target)
        return changes

    @with_session
    def _act(self, session: UserSession, place: str, action: object, target: object) -> Changes:
        return self.act(session, place, action, target)

    def act(self, session: UserSession, place: str, action: object, target: object) -> Changes:
        """Run the action of a clicked button.

        Args:
            session: The user's session.
            place: "chat", "timeline" or "notice".
            action: Action that the browser sent.
            target: Id that the browser sent.
        """
        if action in ("undo", "cancel_edit", "cancel"):
            return self._take_back(session, str(action))
        if action == "more":
            session.max_shown += PAGE_SIZE
            return {self.layout.timeline: session.render_timeline()}
        memory = session.find(target)
        if action == "delete":
            session.confirming = (place, memory.id)
            return self.show_page(session)
        if action == "confirm" and session.confirming == (place, memory.id):
            session.delete_later(memory.id)
            return self._show_deletion(session)
        if action not in markup.ACTIONS:
            return {}
        session.open_id = memory.id
        run_action: Callable[[Memory], str] = getattr(session, str(action))
        notice = self.show_notice(run_action(memory))
        return {**self.show_page(session), **notice}

    def _take_back(self, session: UserSession, action: str) -> Changes:
        """Undo a deletion, or cancel an edit or the question before a deletion."""
        if action == "undo":
            notice = self.show_notice(session.undo_deletion())
            return {**self.show_page(session), **notice}
        session.confirming, session.editing = None, ""
        cleared = {self.layout.message_box: ""} if action == "cancel_edit" else {}
        return {**self.show_page(session), **self.show_pending(session), **cleared}

    def _show_deletion(self, session: UserSession) -> Changes:
        """Show the page without what is deleted, and the button that undoes it."""
        timer = {self.layout.undo_timer: gr.Timer(active=True)}
        return {**self.show_page(session), **self.show_pending(session), **timer}

    def report_deletion(self, session: UserSession | None) -> Changes:
        """Say that a deletion is done, once it is; the timer calls this while it is pending."""
        deletion = session.deletion if session else None
        timer = self.layout.undo_timer
        if session is None or deletion is None:
            return {timer: gr.Timer(active=False)}
        if deletion.is_pending:
            return {timer: gr.Timer(active=True)}
        notice = self.show_notice(deletion.message) if deletion.message else {}
        session.deletion = None
        return {timer: gr.Timer(active=False), **notice}

    def ask_to_delete_all(self) -> Changes:
        """Ask for confirmation to delete everything, in place of the button."""
        return self._show_question(is_visible=True)

    def cancel_deletion(self) -> Changes:
        """Show the button in place of the question."""
        return self._show_question(is_visible=False)

    def _show_question(self, *, is_visible: bool) -> Changes:
        return {
            self.layout.confirmation: gr.update(visible=is_visible),
            self.layout.delete_all: gr.update(visible=not is_visible),
        }

    @with_session
    def delete_all(self, session: UserSession) -> Changes:
        """Permanently delete everything about the user, once confirmed."""
        session.delete_all_later()
        return {**self._show_deletion(session), **self.cancel_deletion()}

    @with_session
    def digest(self, session: UserSession) -> Changes:
        """Digest new turns."""
        notice = self.show_notice(session.digest())
        return {**self.show_page(session), **notice}

    @with_session
    def export(self, session: UserSession) -> Changes:
        """Send everything stored about the user, for the browser to save as a file."""
        return {self.layout.exported: session.export()}
